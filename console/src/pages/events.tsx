import { usePageSearch } from '../lib/search.ts';
import { useSession } from '../lib/session.tsx';
import { Empty } from '../ui/feedback.tsx';
import { Page } from '../ui/page.tsx';
import { Tabs } from '../ui/tabs.tsx';
import { AuditTrail } from './events/audit.tsx';
import { EventLog } from './events/event-log.tsx';
import { Webhooks } from './events/webhooks.tsx';

const TABS = [
  { id: 'audit', label: 'Audit trail', permission: 'audit:read' },
  { id: 'log', label: 'Event log', permission: 'events:read' },
  { id: 'webhooks', label: 'Webhooks', permission: 'events:read' },
] as const;

/** Who changed what, what happened, and where it is reported. */
export default function EventsPage() {
  const { tenant, can } = useSession();
  const [search] = usePageSearch();
  // Without a tenant, all of them are for platform administrators.
  const tabs = TABS.filter(({ permission }) => can(permission, tenant));
  const active = tabs.find(({ id }) => id === search.tab)?.id ?? tabs[0]?.id;
  return (
    <Page
      title="Events"
      purpose={`Who changed what in ${tenant ?? 'the installation'}, what happened, and where it is reported.`}
    >
      {tabs.length > 0 ? (
        <Tabs label="Parts of events" tabs={tabs} />
      ) : (
        <Empty title="Your role does not read events or the audit trail. Owners and administrators do." />
      )}
      {active === 'audit' && <AuditTrail tenant={tenant} />}
      {active === 'log' && <EventLog key={tenant} tenant={tenant} />}
      {active === 'webhooks' && <Webhooks key={tenant} tenant={tenant} />}
    </Page>
  );
}
