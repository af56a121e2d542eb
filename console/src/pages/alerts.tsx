import { usePageSearch } from '../lib/search.ts';
import { useSession } from '../lib/session.tsx';
import { Empty } from '../ui/feedback.tsx';
import { Page } from '../ui/page.tsx';
import { Tabs } from '../ui/tabs.tsx';
import { AlertList } from './alerts/alert-list.tsx';
import { Receivers } from './alerts/receivers.tsx';
import { Rules } from './alerts/rules.tsx';
import { Silences } from './alerts/silences.tsx';

const TABS = [
  { id: 'now', label: 'Now' },
  { id: 'history', label: 'History' },
  { id: 'silences', label: 'Silences' },
  { id: 'rules', label: 'Rules' },
  { id: 'receivers', label: 'Receivers' },
] as const;

/** What is wrong or will be, who is notified, and by which rules. */
export default function AlertsPage() {
  const { tenant, can } = useSession();
  const [search] = usePageSearch();
  const active = TABS.find(({ id }) => id === search.tab)?.id ?? 'now';
  const isAllowed = tenant === undefined ? can('platform:read') : can('alerts:read', tenant);
  return (
    <Page title="Alerts" purpose={`What is wrong in ${tenant ?? 'the installation'}, and who is notified.`}>
      {isAllowed ? (
        <>
          <Tabs label="Parts of alerts" tabs={TABS} />
          {active === 'now' && <AlertList key={`now ${tenant}`} tenant={tenant} state="open" />}
          {active === 'history' && <AlertList key={`history ${tenant}`} tenant={tenant} state="resolved" />}
          {active === 'silences' && <Silences key={tenant} tenant={tenant} />}
          {active === 'rules' && <Rules key={tenant} tenant={tenant} />}
          {active === 'receivers' && <Receivers key={tenant} tenant={tenant} />}
        </>
      ) : (
        <Empty title="Your role does not read alerts." />
      )}
    </Page>
  );
}
