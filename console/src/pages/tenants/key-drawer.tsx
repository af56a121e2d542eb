import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { useSession } from '../../lib/session.tsx';
import type { ApiKey } from '../../lib/tenancy.ts';
import { Button } from '../../ui/button.tsx';
import { SecretOnce, Snippet } from '../../ui/copy.tsx';
import { ConfirmDialog, Drawer } from '../../ui/dialog.tsx';
import { Badge } from '../../ui/feedback.tsx';
import { TextField } from '../../ui/field.tsx';
import { FormEnd, useForm, useUnsavedGuard } from '../../ui/form.tsx';
import { Panel } from '../../ui/page.tsx';
import { RelativeTime } from '../../ui/time.tsx';
import { UseKey } from '../use-key.tsx';
import { STATE_TONES } from './keys.tsx';
import { draftsOf, LimitEditor, limitsOfDrafts } from './limit-editor.tsx';

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
        {mayChange && <EditKey key={apiKey.id} path={path} apiKey={apiKey} />}
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

function EditKey({ path, apiKey }: { readonly path: string; readonly apiKey: ApiKey }) {
  const [name, setName] = useState(apiKey.name);
  const [models, setModels] = useState(apiKey.scopes.models?.join(', ') ?? '');
  const [limits, setLimits] = useState(() => draftsOf(apiKey.limits));
  const [isChanged, setChanged] = useState(false);
  useUnsavedGuard(isChanged);
  const form = useForm(async () => {
    const allowed = models.split(/[\s,]+/).filter(Boolean);
    const { models: _, ...otherScopes } = apiKey.scopes;
    await api.patch(path, {
      name,
      scopes: allowed.length === 0 ? otherScopes : { ...otherScopes, models: allowed },
      limits: limitsOfDrafts(limits),
    });
    setChanged(false);
  }, ['name', 'scopes', 'limits']);
  const changed =
    <T,>(set: (value: T) => void) =>
    (value: T) => {
      set(value);
      setChanged(true);
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
        <FormEnd state={form} action="Save" what="The key was not changed" />
      </form>
    </Panel>
  );
}
