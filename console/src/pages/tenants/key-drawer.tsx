import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, type Reply } from '../../lib/api.ts';
import { useSave } from '../../lib/save.tsx';
import { useSession } from '../../lib/session.tsx';
import type { ApiKey, LimitUse } from '../../lib/tenancy.ts';
import { useUnsaved } from '../../lib/unsaved.tsx';
import { Button } from '../../ui/button.tsx';
import { SecretOnce, Snippet } from '../../ui/copy.tsx';
import { ConfirmDialog, Drawer } from '../../ui/dialog.tsx';
import { Badge, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { Panel } from '../../ui/page.tsx';
import { RelativeTime } from '../../ui/time.tsx';
import { UseKey } from '../use-key.tsx';
import { STATE_TONES } from './keys.tsx';
import { draftsOf, LimitEditor, limitsOfDrafts } from './limit-editor.tsx';
import { LimitPreview } from './limit-preview.tsx';
import { LimitUseCard } from './limits.tsx';

type Action = 'rotate' | 'pause' | 'revoke';

/** One API key: what it may do, and what can be done with it. */
export function KeyDrawer({
  tenant,
  apiKey,
  onClose,
}: {
  readonly tenant: string;
  readonly apiKey: ApiKey;
  readonly onClose: () => void;
}) {
  const { can, me } = useSession();
  const client = useQueryClient();
  const [action, setAction] = useState<Action>();
  const [secret, setSecret] = useState<string>();
  const path = `/admin/v1/tenants/${tenant}/keys/${apiKey.id}`;
  const isOwn = apiKey.member !== null && me.id === `user:${apiKey.member}`;
  const mayChange = can('keys:write', tenant) || (isOwn && can('keys:own', tenant));
  const isPaused = apiKey.state === 'paused';
  const actions: Readonly<Record<Action, () => Promise<void>>> = {
    rotate: async () => setSecret((await api.post<{ key: string }>(`${path}/rotate`, {})).key),
    pause: async () => void (await api.patch(path, { paused: !isPaused })),
    revoke: async () => void (await api.delete(path)),
  };
  const texts: Readonly<
    Record<Action, { readonly title: string; readonly lost: string; readonly word: string }>
  > = {
    rotate: {
      title: 'Issue a new secret',
      lost: 'The old secret stays valid for a day. Limits, usage and models stay with the key.',
      word: 'Rotate',
    },
    pause: isPaused
      ? { title: 'Resume the key', lost: 'Requests with it are served again.', word: 'Resume' }
      : {
          title: 'Pause the key',
          lost: 'All requests with it are rejected until it is resumed.',
          word: 'Pause',
        },
    revoke: {
      title: 'Revoke the key',
      lost: 'Every application that uses it is rejected at once, and it cannot be taken back. Its usage is kept.',
      word: 'Revoke',
    },
  };
  const run = async (wanted: Action) => {
    await actions[wanted]();
    await client.invalidateQueries();
    if (wanted === 'revoke') onClose();
  };
  return (
    <Drawer
      isOpen
      onClose={onClose}
      title={apiKey.name}
      description={<code className="font-mono">{apiKey.id}</code>}
    >
      <div className="flex flex-col gap-3">
        <div className="flex flex-wrap gap-x-6 gap-y-1 items-center">
          <Badge tone={STATE_TONES[apiKey.state]}>{apiKey.state}</Badge>
          <span>
            created <RelativeTime at={apiKey.created_at} />
          </span>
          <span>last used {apiKey.last_used_at ? <RelativeTime at={apiKey.last_used_at} /> : 'never'}</span>
          <span>expires {apiKey.expires_at ? <RelativeTime at={apiKey.expires_at} /> : 'never'}</span>
        </div>
        {mayChange && apiKey.state !== 'revoked' && (
          <div className="flex flex-wrap gap-2">
            <Button onClick={() => setAction('rotate')}>Rotate</Button>
            <Button onClick={() => setAction('pause')}>{isPaused ? 'Resume' : 'Pause'}</Button>
            <Button variant="danger" onClick={() => setAction('revoke')}>
              Revoke
            </Button>
          </div>
        )}
        {secret !== undefined && <SecretOnce secret={secret} what="the new secret" />}
        {mayChange && apiKey.state !== 'revoked' && <EditKey key={path} tenant={tenant} path={path} />}
        {apiKey.limits.length > 0 && <Used tenant={tenant} id={apiKey.id} />}
        <Panel title="Use it">
          <UseKey
            apiKey="$WEIR_API_KEY"
            tenant={tenant}
            model={apiKey.scopes.models?.find((name) => !name.includes('*'))}
          />
        </Panel>
        <Snippet title="The same on the command line" code={`npm run weir -- keys list --tenant ${tenant}`} />
      </div>
      {action && (
        <ConfirmDialog
          isOpen
          onClose={() => setAction(undefined)}
          title={texts[action].title}
          lost={texts[action].lost}
          action={texts[action].word}
          onConfirm={() => run(action)}
          {...(action === 'revoke' ? { name: apiKey.name } : {})}
        />
      )}
    </Drawer>
  );
}

/** How much of its limits and budgets the key has used. */
function Used({ tenant, id }: { readonly tenant: string; readonly id: string }) {
  const { data, error, refetch } = useQuery({
    queryKey: ['limits', tenant, id],
    queryFn: ({ signal }) =>
      api.get<{ data: readonly LimitUse[] }>(`/admin/v1/tenants/${tenant}/limits`, {
        query: { key: id },
        signal,
      }),
    refetchInterval: USE_MS,
  });
  if (error)
    return <ErrorPanel what="Its use could not be read" error={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton />;
  return (
    <Panel title="Used">
      <ul className="grid gap-2 sm:grid-cols-2">
        {data.data
          .filter(({ scope }) => scope === 'key')
          .map((use) => (
            <li key={`${use.of} ${use.per} ${use.mode}`}>
              <LimitUseCard {...use} />
            </li>
          ))}
      </ul>
    </Panel>
  );
}

const USE_MS = 10_000;

/** Reads the key as it is now: what the list shows may be older, and has no version. */
function EditKey({ tenant, path }: { readonly tenant: string; readonly path: string }) {
  const { data, error, refetch } = useQuery({
    queryKey: ['versioned', path],
    queryFn: ({ signal }) => api.request<ApiKey>('GET', path, { signal }),
  });
  if (error)
    return <ErrorPanel what="The key could not be read" error={error} retry={() => void refetch()} />;
  return data ? <KeyForm tenant={tenant} path={path} base={data} /> : <Skeleton className="h-64" />;
}

const allowedOf = (models: string) => models.split(/[\s,]+/).filter(Boolean);

/** The members of a key that the form changes. */
function bodyOf({ name, scopes, limits }: Pick<ApiKey, 'name' | 'scopes' | 'limits'>) {
  return { name, scopes, limits: limitsOfDrafts(draftsOf(limits)) };
}

function KeyForm({
  tenant,
  path,
  base,
}: {
  readonly tenant: string;
  readonly path: string;
  readonly base: Reply<ApiKey>;
}) {
  // Later versions are for the next time: they must not replace what is being typed.
  const [first] = useState(base);
  const [name, setName] = useState(first.data.name);
  const [models, setModels] = useState(first.data.scopes.models?.join(', ') ?? '');
  const [limits, setLimits] = useState(() => draftsOf(first.data.limits));
  const [scopes, setScopes] = useState(first.data.scopes);
  const unsaved = useUnsaved();
  const { save, dialog } = useSave({ method: 'PATCH', bodyOf });
  const form = useForm(async () => {
    const allowed = allowedOf(models);
    const { models: _, ...otherScopes } = scopes;
    const stored = await save(path, first, {
      name,
      scopes: allowed.length === 0 ? otherScopes : { ...otherScopes, models: allowed },
      limits: limitsOfDrafts(limits),
    });
    setName(stored.name);
    setModels(stored.scopes.models?.join(', ') ?? '');
    setScopes(stored.scopes);
    setLimits(draftsOf(stored.limits));
    unsaved.saved();
  }, ['name', 'scopes', 'limits']);
  const changed =
    <T,>(set: (value: T) => void) =>
    (value: T) => {
      set(value);
      unsaved.touch();
    };
  return (
    <Panel title="What it may do">
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <TextField
          label="Name"
          required
          value={name}
          onChange={({ target }) => changed(setName)(target.value)}
          error={form.errorOf('name')}
        />
        <TextField
          label="Models"
          hint="Empty: all."
          value={models}
          onChange={({ target }) => changed(setModels)(target.value)}
          error={form.errorOf('scopes')}
        />
        <LimitEditor
          drafts={limits}
          onChange={(drafts) => changed(setLimits)([...drafts])}
          error={form.errorOf('limits')}
        />
        <LimitPreview subject={{ tenant, scope: 'key', id: first.data.id }} drafts={limits} />
        <FormEnd state={form} action="Save" what="The key was not changed" />
      </form>
      {dialog}
    </Panel>
  );
}
