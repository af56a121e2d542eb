import { usePageSearch } from '../lib/search.ts';
import { useSession } from '../lib/session.tsx';
import { Page } from '../ui/page.tsx';
import { Tabs } from '../ui/tabs.tsx';
import { CacheReport } from './policies/cache.tsx';
import { Guardrails } from './policies/guardrails.tsx';
import { Refusals } from './policies/refusals.tsx';

const TABS = [
  { id: 'refusals', label: 'Refusals' },
  { id: 'guardrails', label: 'Guardrails' },
  { id: 'cache', label: 'Cache' },
];

/** What the gateway rejects, what it keeps out, and what it answers from its cache. */
export default function PoliciesPage() {
  const { tenant } = useSession();
  const [search] = usePageSearch();
  const active = TABS.find(({ id }) => id === search.tab)?.id ?? 'refusals';
  return (
    <Page
      title="Policies"
      purpose={`Limits, guardrails and the cache at work${tenant === undefined ? '' : ` in ${tenant}`}.`}
    >
      <Tabs label="Parts of policies" tabs={TABS} />
      {active === 'refusals' && <Refusals />}
      {active === 'guardrails' && <Guardrails />}
      {active === 'cache' && <CacheReport />}
    </Page>
  );
}
