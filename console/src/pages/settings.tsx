import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../lib/api.ts';
import { usePaged } from '../lib/paged.ts';
import { usePageSearch } from '../lib/search.ts';
import { useSession } from '../lib/session.tsx';
import { Button } from '../ui/button.tsx';
import { CopyButton } from '../ui/copy.tsx';
import { ConfirmDialog } from '../ui/dialog.tsx';
import { Empty, ErrorPanel, Skeleton } from '../ui/feedback.tsx';
import { TextField } from '../ui/field.tsx';
import { FormEnd, useForm } from '../ui/form.tsx';
import { Page, Panel } from '../ui/page.tsx';
import { Tabs } from '../ui/tabs.tsx';
import { RelativeTime } from '../ui/time.tsx';
import type { ConfigDocument } from './models/config-item.ts';

interface ActiveConfig {
  readonly file: string | null;
  readonly overlay_rejected: string | null;
  readonly config: Readonly<Record<string, unknown>>;
}

interface ConfigChange {
  readonly id: string;
  readonly revision: number;
  readonly at: string;
  readonly actor_name: string;
  readonly section: string;
  readonly item: string;
  readonly before: ConfigDocument | null;
  readonly after: ConfigDocument | null;
}

/** The active configuration, the history of changes, and the viewer's own account. */
export default function SettingsPage() {
  const { can } = useSession();
  const [search] = usePageSearch();
  const tabs = [
    ...(can('platform:read')
      ? [
          { id: 'config', label: 'Configuration' },
          { id: 'changes', label: 'Changes' },
        ]
      : []),
    { id: 'account', label: 'Your account' },
  ];
  const active = tabs.find(({ id }) => id === search.tab)?.id ?? tabs[0]?.id;
  return (
    <Page title="Settings" purpose="The active configuration, its changes, and your sessions.">
      <Tabs label="Parts of settings" tabs={tabs} />
      {active === 'config' && <Configuration />}
      {active === 'changes' && <Changes />}
      {active === 'account' && <AccountSettings />}
    </Page>
  );
}

function Configuration() {
  const [text, setText] = useState('');
  const { data, error, refetch } = useQuery({
    queryKey: ['config', 'active'],
    queryFn: () => api.get<ActiveConfig>('/admin/v1/config'),
  });
  if (error)
    return (
      <ErrorPanel what="The configuration could not be read" error={error} retry={() => void refetch()} />
    );
  if (!data) return <Skeleton className="h-96" />;
  const wanted = text.trim().toLowerCase();
  const sections = Object.entries(data.config)
    .map(([name, value]) => [name, JSON.stringify(value, undefined, 2)] as const)
    .filter(([name, json]) => name.includes(wanted) || json.toLowerCase().includes(wanted));
  return (
    <div className="flex flex-col gap-3">
      {data.overlay_rejected && (
        <ErrorPanel
          what="What was changed here does not fit the file, which is used alone"
          error={new Error(data.overlay_rejected)}
        />
      )}
      <p>
        {data.file === null ? (
          'No file: environment variables and defaults, with what was changed here.'
        ) : (
          <>
            From <code className="font-mono">{data.file}</code>, environment variables and defaults, with what
            was changed here. Times are milliseconds, sizes bytes; secrets are hidden.
          </>
        )}
      </p>
      <TextField
        label="Find"
        placeholder="a key or a value"
        className="max-w-80"
        value={text}
        onChange={({ target }) => setText(target.value)}
      />
      {sections.map(([name, json]) => (
        <details key={name} open={wanted !== ''} className="rounded border border-line bg-panel">
          <summary className="cursor-pointer px-3 h-9 flex items-center font-mono">{name}</summary>
          <div className="border-t border-line">
            <pre className="font-mono overflow-auto max-h-96 p-3">{json}</pre>
            <CopyButton text={json} />
          </div>
        </details>
      ))}
      {sections.length === 0 && <p className="text-muted">Nothing has this in its name or value.</p>}
    </div>
  );
}

function Changes() {
  const { can } = useSession();
  const client = useQueryClient();
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
      {changes.rows.map((change) => (
        <details key={change.id} className="rounded border border-line bg-panel">
          <summary className="cursor-pointer px-3 min-h-9 flex flex-wrap gap-x-3 items-center">
            <span className="text-muted">{change.revision}</span>
            <span>
              {verb(change)} {change.section.slice(0, -1)} <code className="font-mono">{change.item}</code>
            </span>
            <span className="text-muted">
              {change.actor_name}, <RelativeTime at={change.at} />
            </span>
          </summary>
          <div className="border-t border-line p-3 flex flex-col gap-3">
            <Difference before={change.before} after={change.after} />
            {can('platform:write') && (
              <Button className="self-start" onClick={() => setReverted(change)}>
                Take it back
              </Button>
            )}
          </div>
        </details>
      ))}
      <Button className="self-start" onClick={changes.more} isBusy={changes.isLoadingMore}>
        Older changes
      </Button>
      {reverted && (
        <ConfirmDialog
          isOpen
          onClose={() => setReverted(undefined)}
          title={`Take change ${reverted.revision} back`}
          lost={`${reverted.item} becomes what it was before this change, and is used so at once.`}
          action="Take back"
          onConfirm={async () => {
            await api.post(`/admin/v1/config/changes/${reverted.id}/revert`);
            await client.invalidateQueries();
          }}
        />
      )}
    </div>
  );
}

function verb({ before, after }: ConfigChange): string {
  if (before === null) return after === null ? 'left out' : 'added';
  return after === null ? 'removed' : 'changed';
}

/** Both states, member by member. */
function Difference({ before, after }: Pick<ConfigChange, 'before' | 'after'>) {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  const text = (value: unknown) => (value === undefined ? '' : JSON.stringify(value));
  const changed = names.filter((name) => text(before?.[name]) !== text(after?.[name]));
  if (changed.length === 0) return <p className="text-muted">Only a secret has changed, or nothing.</p>;
  return (
    <table className="w-full">
      <thead>
        <tr>
          {['Member', 'Before', 'After'].map((title) => (
            <th key={title} scope="col" className="text-left font-medium pr-3">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {changed.map((name) => (
          <tr key={name} className="border-t border-line align-top">
            <th scope="row" className="text-left font-mono font-normal pr-3">
              {name}
            </th>
            <td className="font-mono break-all pr-3 bg-bad-bg">{text(before?.[name])}</td>
            <td className="font-mono break-all bg-good-bg">{text(after?.[name])}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

interface OwnSession {
  readonly id: string;
  readonly current: boolean;
  readonly address: string;
  readonly agent: string;
  readonly last_seen_at: string;
}

function AccountSettings() {
  const { me } = useSession();
  const isUser = me.id.startsWith('user:');
  if (!isUser) {
    return (
      <Empty title="You are signed in with an admin key. People have an account with a password and sessions: add one under Tenants, People." />
    );
  }
  return (
    <div className="grid gap-3 lg:grid-cols-2">
      <PasswordForm />
      <OwnSessions />
    </div>
  );
}

function PasswordForm() {
  const [current, setCurrent] = useState('');
  const [password, setPassword] = useState('');
  const [isDone, setDone] = useState(false);
  const form = useForm(async () => {
    await api.post('/v1/auth/password', { ...(current === '' ? {} : { current }), password });
    setCurrent('');
    setPassword('');
    setDone(true);
  }, ['current', 'password']);
  return (
    <Panel title="Password">
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <TextField
          label="Current password"
          type="password"
          autoComplete="current-password"
          value={current}
          onChange={({ target }) => setCurrent(target.value)}
          error={form.errorOf('current')}
        />
        <TextField
          label="New password"
          type="password"
          required
          autoComplete="new-password"
          hint="All other sessions end."
          value={password}
          onChange={({ target }) => setPassword(target.value)}
          error={form.errorOf('password')}
        />
        {isDone && <p role="status">The password is changed.</p>}
        <FormEnd state={form} action="Change" what="The password was not changed" />
      </form>
    </Panel>
  );
}

function OwnSessions() {
  const client = useQueryClient();
  const [failed, setFailed] = useState<unknown>();
  const { data, error, refetch } = useQuery({
    queryKey: ['sessions'],
    queryFn: () => api.get<{ data: readonly OwnSession[] }>('/v1/auth/sessions'),
  });
  const end = (id: string) => {
    setFailed(undefined);
    api
      .delete(`/v1/auth/sessions/${id}`)
      .then(() => client.invalidateQueries({ queryKey: ['sessions'] }))
      .catch(setFailed);
  };
  return (
    <Panel title="Sessions">
      {error && (
        <ErrorPanel what="The sessions could not be read" error={error} retry={() => void refetch()} />
      )}
      {failed !== undefined && <ErrorPanel what="The session was not ended" error={failed} />}
      {!data && !error && <Skeleton />}
      <ul className="flex flex-col gap-2">
        {data?.data.map(({ id, current, address, agent, last_seen_at: seen }) => (
          <li key={id} className="flex gap-2 items-center">
            <span className="grow min-w-0">
              <span className="block truncate" title={agent}>
                {agent}
              </span>
              <span className="text-muted">
                {address}, seen <RelativeTime at={seen} />
              </span>
            </span>
            {current ? (
              <span className="text-muted">this one</span>
            ) : (
              <Button onClick={() => end(id)}>End</Button>
            )}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
