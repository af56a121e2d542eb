import { usePageSearch } from '../lib/search.ts';
import { useSession } from '../lib/session.tsx';
import { Page } from '../ui/page.tsx';
import { Tabs } from '../ui/tabs.tsx';
import { Account } from './settings/account.tsx';
import { Changes } from './settings/changes.tsx';
import { Configuration } from './settings/configuration.tsx';

/** The active configuration, the history of changes, and the viewer's own account. */
export default function SettingsPage() {
  const { can } = useSession();
  const [search] = usePageSearch();
  const isOperator = can('platform:read');
  const tabs = [
    ...(isOperator
      ? [
          { id: 'config', label: 'Configuration' },
          { id: 'changes', label: 'Changes' },
        ]
      : []),
    { id: 'account', label: 'Your account' },
  ];
  const active = tabs.find(({ id }) => id === search.tab)?.id ?? tabs[0]?.id;
  return (
    <Page
      title={isOperator ? 'Settings' : 'Your account'}
      purpose={
        isOperator
          ? 'The active configuration, its changes, and your account.'
          : 'Your keys, usage, limits and sessions.'
      }
    >
      {tabs.length > 1 && <Tabs label="Parts of settings" tabs={tabs} />}
      {active === 'config' && <Configuration />}
      {active === 'changes' && <Changes />}
      {active === 'account' && <Account />}
    </Page>
  );
}
