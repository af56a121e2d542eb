import { usePageSearch } from '../lib/search.ts';
import { useSession } from '../lib/session.tsx';
import { Empty } from '../ui/feedback.tsx';
import { Page } from '../ui/page.tsx';
import { Tabs } from '../ui/tabs.tsx';
import { AsyncList } from './async/async-list.tsx';
import { BatchList } from './batches/batch-list.tsx';
import { JobQueue } from './batches/job-queue.tsx';
import { FileList } from './files/file-list.tsx';

const TABS = [
  { id: 'batches', label: 'Batches' },
  { id: 'files', label: 'Files' },
  { id: 'async', label: 'Async requests' },
  { id: 'queue', label: 'Queue', isForOperators: true },
] as const;

/** Work that runs later: batches with their files, requests without an open connection, and the queue that runs both. */
export default function BatchesPage() {
  const { tenant, can } = useSession();
  const [search] = usePageSearch();
  const tabs = TABS.filter((tab) => !('isForOperators' in tab) || can('platform:read'));
  const active = tabs.find(({ id }) => id === search.tab)?.id ?? 'batches';
  return (
    <Page title="Batches" purpose={`Work of ${tenant ?? 'all tenants'} that runs later, and its results.`}>
      {can('usage:read', tenant) ? (
        <>
          <Tabs label="Parts of batches" tabs={tabs} />
          {active === 'batches' && <BatchList key={tenant} tenant={tenant} />}
          {active === 'files' && <FileList key={tenant} tenant={tenant} />}
          {active === 'async' && <AsyncList key={tenant} tenant={tenant} />}
          {active === 'queue' && <JobQueue />}
        </>
      ) : (
        <Empty title="Your role does not read batches." />
      )}
    </Page>
  );
}
