import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { usePaged } from '../../lib/paged.ts';
import { usePageSearch } from '../../lib/search.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { ConfirmDialog } from '../../ui/dialog.tsx';
import { Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { RelativeTime } from '../../ui/time.tsx';
import { ChangeTable } from '../models/change-table.tsx';
import { bodyOf, type ConfigDocument, type ConfigItem, type ConfigSection } from '../models/config-item.ts';
import { ImpactText } from '../models/impact.tsx';

interface ConfigChange {
  readonly id: string;
  readonly revision: number;
  readonly at: string;
  readonly actor_name: string;
  readonly section: ConfigSection;
  readonly item: string;
  readonly before: ConfigDocument | null;
  readonly after: ConfigDocument | null;
}

/** Every change of providers and models, the newest first. */
export function Changes() {
  const { can } = useSession();
  const [search, change] = usePageSearch();
  const changes = usePaged<ConfigChange>('/admin/v1/config/changes');
  const [reverted, setReverted] = useState<ConfigChange>();
  if (changes.error) {
    return <ErrorPanel what="The changes could not be read" error={changes.error} retry={changes.refetch} />;
  }
  if (changes.isLoading) return <Skeleton className="h-64" />;
  if (changes.rows.length === 0) {
    return <Empty title="No provider or model was changed here yet. Changes can be taken back one by one." />;
  }
  return (
    <div className="flex flex-col gap-2">
      {changes.rows.map((one) => (
        <details
          key={one.id}
          open={search.change === one.id}
          className="rounded border border-line bg-panel"
          onToggle={({ currentTarget }) => {
            if (currentTarget.open) change({ change: one.id });
            else if (search.change === one.id) change({ change: undefined });
          }}
        >
          <summary className="cursor-pointer px-3 min-h-9 flex flex-wrap gap-x-3 items-center">
            <span className="text-muted">{one.revision}</span>
            <span>
              {verb(one)} {one.section.slice(0, -1)} <code className="font-mono">{one.item}</code>
            </span>
            <span className="text-muted">
              {one.actor_name}, <RelativeTime at={one.at} />
            </span>
          </summary>
          <div className="border-t border-line p-3 flex flex-col gap-3">
            <ChangeTable before={one.before ?? {}} after={one.after ?? {}} />
            {can('platform:write') && (
              <Button className="self-start" onClick={() => setReverted(one)}>
                Take it back
              </Button>
            )}
          </div>
        </details>
      ))}
      {changes.hasMore && (
        <Button className="self-start" onClick={changes.more} isBusy={changes.isLoadingMore}>
          Older changes
        </Button>
      )}
      {reverted && <Revert change={reverted} onClose={() => setReverted(undefined)} />}
    </div>
  );
}

function verb({ before, after }: ConfigChange): string {
  if (before === null) return after === null ? 'left out' : 'added';
  return after === null ? 'removed' : 'changed';
}

/** Shows what taking a change back does now: later changes of the same item are lost with it. */
function Revert({ change, onClose }: { readonly change: ConfigChange; readonly onClose: () => void }) {
  const client = useQueryClient();
  const { section, item, before, revision, id } = change;
  const { data, error } = useQuery({
    queryKey: ['config', section, 'before revert', id],
    queryFn: ({ signal }) => api.get<{ data: readonly ConfigItem[] }>(`/admin/v1/${section}`, { signal }),
    staleTime: 0,
    gcTime: 0,
  });
  const current = data?.data.find((one) => one.id === item);
  const now = current && !current.removed ? bodyOf(current) : {};
  const revert = async () => {
    await api.post(`/admin/v1/config/changes/${id}/revert`, undefined, {
      ifMatch: `"${current?.version ?? 0}"`,
    });
    await client.invalidateQueries();
  };
  return (
    <ConfirmDialog
      isOpen
      isWide
      onClose={onClose}
      title={`Take change ${revision} back`}
      lost={
        <div className="flex flex-col gap-3">
          <p>
            {item} becomes what it was before this change, and is used so at once. Later changes of it are
            taken back, too.
          </p>
          {error ? (
            <ErrorPanel what="Its present state could not be read" error={error} />
          ) : data ? (
            <ChangeTable before={now} after={before ? bodyOf({ document: before }) : {}} />
          ) : (
            <Skeleton />
          )}
          {before === null && <p>Where the file has it, that of the file is used.</p>}
          <ImpactText section={section} id={item} />
        </div>
      }
      action="Take back"
      onConfirm={revert}
    />
  );
}
