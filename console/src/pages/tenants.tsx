import { useState } from 'react';
import { usePageSearch } from '../lib/search.ts';
import { useSession } from '../lib/session.tsx';
import { Button } from '../ui/button.tsx';
import { Page } from '../ui/page.tsx';
import { Tabs } from '../ui/tabs.tsx';
import { Keys } from './tenants/keys.tsx';
import { Limits } from './tenants/limits.tsx';
import { People } from './tenants/people.tsx';
import { TenantList } from './tenants/tenant-list.tsx';
import { TenantSettings } from './tenants/tenant-settings.tsx';

const TABS = [
  { id: 'keys', label: 'API keys', permission: 'keys:read' },
  { id: 'people', label: 'People', permission: 'members:read' },
  { id: 'limits', label: 'Limits and budgets', permission: 'tenant:read' },
  { id: 'settings', label: 'Settings', permission: 'tenant:write' },
];

/** Tenants; with one chosen, its keys, people and limits. */
export default function TenantsPage() {
  const { tenant, tenants, can, selectTenant, me } = useSession();
  const [search] = usePageSearch();
  const [isCreating, setCreating] = useState(false);
  if (tenant === undefined) {
    return (
      <Page
        title="Tenants"
        purpose="Organisations with people, keys, limits and a database of their own."
        actions={
          can('tenants:create') && (
            <Button variant="primary" onClick={() => setCreating(true)}>
              Create a tenant
            </Button>
          )
        }
      >
        <TenantList isCreating={isCreating} onCreated={() => setCreating(false)} />
      </Page>
    );
  }
  const tabs = TABS.filter(({ permission }) => can(permission, tenant));
  const active = tabs.find(({ id }) => id === search.tab) ?? tabs[0];
  const name = tenants.find(({ id }) => id === tenant)?.name ?? tenant;
  return (
    <Page
      title={name}
      purpose="Its keys, people, limits and budgets."
      actions={
        me.platform_admin && (
          <Button variant="quiet" onClick={() => selectTenant(undefined)}>
            All tenants
          </Button>
        )
      }
    >
      <Tabs label={`Parts of ${name}`} tabs={tabs} />
      {active?.id === 'keys' && <Keys key={tenant} tenant={tenant} />}
      {active?.id === 'people' && <People key={tenant} tenant={tenant} />}
      {active?.id === 'limits' && <Limits key={tenant} tenant={tenant} />}
      {active?.id === 'settings' && <TenantSettings key={tenant} tenant={tenant} />}
    </Page>
  );
}
