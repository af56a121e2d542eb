import { usePageSearch } from '../lib/search.ts';
import { Page } from '../ui/page.tsx';
import { Tabs } from '../ui/tabs.tsx';
import { Canaries } from './models/canaries.tsx';
import { ConfigItems } from './models/config-items.tsx';
import { Engines } from './models/engines.tsx';
import { Targets } from './models/targets.tsx';

const TABS = [
  { id: 'providers', label: 'Providers' },
  { id: 'models', label: 'Models' },
  { id: 'targets', label: 'Targets' },
  { id: 'engines', label: 'Engines' },
  { id: 'canaries', label: 'Canaries' },
];

/** Targets, engines and experiments. */
export default function ModelsPage() {
  const [search] = usePageSearch();
  const active = TABS.find(({ id }) => id === search.tab)?.id ?? 'providers';
  return (
    <Page
      title="Models"
      purpose="Where requests go: providers, models, the state of every target, engines on demand, experiments."
    >
      <Tabs label="Parts of models" tabs={TABS} />
      {active === 'providers' && <ConfigItems key="providers" section="providers" />}
      {active === 'models' && <ConfigItems key="models" section="models" />}
      {active === 'targets' && <Targets />}
      {active === 'engines' && <Engines />}
      {active === 'canaries' && <Canaries />}
    </Page>
  );
}
