import { usePageSearch } from '../lib/search.ts';
import { Page } from '../ui/page.tsx';
import { Tabs } from '../ui/tabs.tsx';
import { Canaries } from './models/canaries.tsx';
import { Engines } from './models/engines.tsx';
import { Targets } from './models/targets.tsx';

const TABS = [
  { id: 'targets', label: 'Targets' },
  { id: 'engines', label: 'Engines' },
  { id: 'canaries', label: 'Canaries' },
];

/** Targets, engines and experiments. */
export default function ModelsPage() {
  const [search] = usePageSearch();
  const active = TABS.find(({ id }) => id === search.tab)?.id ?? 'targets';
  return (
    <Page
      title="Models"
      purpose="Where requests go: the state of every target, engines on demand, experiments."
    >
      <Tabs label="Parts of models" tabs={TABS} />
      {active === 'targets' && <Targets />}
      {active === 'engines' && <Engines />}
      {active === 'canaries' && <Canaries />}
    </Page>
  );
}
