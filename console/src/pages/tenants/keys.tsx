import { useMemo, useState } from 'react';
import { api } from '../../lib/api.ts';
import { useOpened } from '../../lib/opened.tsx';
import { usePaged } from '../../lib/paged.ts';
import { usePageSearch } from '../../lib/search.ts';
import { useSession } from '../../lib/session.tsx';
import { type ApiKey, limitText, type Member } from '../../lib/tenancy.ts';
import { Button } from '../../ui/button.tsx';
import { SecretOnce } from '../../ui/copy.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Badge, Empty, ErrorPanel, Skeleton, type Tone } from '../../ui/feedback.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime } from '../../ui/time.tsx';
import { UseKey } from '../use-key.tsx';
import { KeyDrawer } from './key-drawer.tsx';
import { type LimitDraft, LimitEditor, limitsOfDrafts } from './limit-editor.tsx';

export const STATE_TONES: Readonly<Record<ApiKey['state'], Tone>> = {
  active: 'neutral',
  paused: 'warn',
  expired: 'warn',
  revoked: 'neutral',
};

/** Members that a list of owners has; others are found by their name. */
const MAX_MEMBERS = 200;

/** The API keys of a tenant. */
export function Keys({ tenant }: { readonly tenant: string }) {
  const { can, me } = useSession();
  const [search, change] = usePageSearch();
  const [isCreating, setCreating] = useState(false);
  const path = `/admin/v1/tenants/${tenant}/keys`;
  const [text, setText] = useState('');
  const keys = usePaged<ApiKey>(path, { search: text });
  const members = usePaged<Member>(
    can('members:read', tenant) ? `/admin/v1/tenants/${tenant}/members` : undefined,
    { limit: MAX_MEMBERS },
  );
  const nameOf = useMemo(() => new Map(members.rows.map(({ id, name }) => [id, name])), [members.rows]);
  const columns: readonly Column<ApiKey>[] = [
    { id: 'name', header: 'Name', cell: ({ name }) => name, width: 'minmax(10rem, 2fr)' },
    {
      ...{ id: 'state', header: 'State', width: '7rem' },
      cell: ({ state }) => <Badge tone={STATE_TONES[state]}>{state}</Badge>,
    },
    {
      ...{ id: 'hint', header: 'Key', width: '9rem' },
      cell: ({ hint }) => <code className="font-mono">{hint}</code>,
    },
    {
      ...{ id: 'member', header: 'Owner' },
      cell: ({ member }) => (member === null ? 'the tenant' : (nameOf.get(member) ?? member)),
    },
    {
      ...{ id: 'limits', header: 'Limits', width: 'minmax(10rem, 2fr)' },
      cell: ({ limits }) => limits.map(limitText).join(', ') || '–',
    },
    { id: 'used', header: 'Last used', cell: ({ last_used_at }) => <RelativeTime at={last_used_at} /> },
    {
      ...{ id: 'models', header: 'Models', isHidden: true },
      cell: ({ scopes }) => scopes.models?.join(', ') ?? 'all',
    },
    {
      ...{ id: 'expires', header: 'Expires', isHidden: true },
      cell: ({ expires_at }) => <RelativeTime at={expires_at} />,
    },
  ];
  const mayCreate = can('keys:write', tenant) || can('keys:own', tenant);
  const create = mayCreate && (
    <Button variant="primary" onClick={() => setCreating(true)}>
      Create a key
    </Button>
  );
  const opened = useOpened(keys, path, search.key);
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap gap-3 items-end">
        <TextField
          label="Find"
          placeholder="a part of the name, key or id"
          className="max-w-80"
          value={text}
          onChange={({ target }) => setText(target.value)}
        />
        <span className="grow" />
        {create}
      </div>
      {keys.error ? (
        <ErrorPanel what="The keys could not be read" error={keys.error} retry={keys.refetch} />
      ) : keys.isLoading ? (
        <Skeleton className="h-64" />
      ) : keys.rows.length === 0 && text !== '' ? (
        <p className="text-muted">No key has this in its name, its beginning or its id.</p>
      ) : keys.rows.length === 0 ? (
        <Empty
          title="This tenant has no key yet: an application needs one to send requests."
          action={create}
        />
      ) : (
        <DataTable
          label="API keys"
          columns={columns}
          rows={keys.rows}
          rowKey={({ id }) => id}
          onOpen={({ id }) => change({ key: id }, true)}
          onEnd={keys.more}
          isLoadingMore={keys.isLoadingMore}
        />
      )}
      {isCreating && (
        <CreateKey
          tenant={tenant}
          members={members.rows}
          areMembersMore={members.hasMore}
          owner={can('keys:write', tenant) ? undefined : me.id.replace(/^user:/, '')}
          onClose={() => setCreating(false)}
        />
      )}
      {opened.problem}
      {opened.row && (
        <KeyDrawer tenant={tenant} apiKey={opened.row} onClose={() => change({ key: undefined }, true)} />
      )}
    </div>
  );
}

/** @returns the first model that the key is for; undefined where a pattern or nothing is given */
const allowedModel = (models: string) =>
  models.split(/[\s,]+/).find((name) => name !== '' && !name.includes('*'));

function CreateKey({
  tenant,
  members,
  areMembersMore,
  owner,
  onClose,
}: {
  readonly tenant: string;
  readonly members: readonly Member[];
  /** There are more members than are listed: they are found by their name. */
  readonly areMembersMore: boolean;
  /** The only member that may own it; undefined where the caller chooses. */
  readonly owner: string | undefined;
  readonly onClose: () => void;
}) {
  const [name, setName] = useState('');
  const [member, setMember] = useState(owner ?? '');
  const [models, setModels] = useState('');
  const [expires, setExpires] = useState('');
  const [limits, setLimits] = useState<readonly LimitDraft[]>([]);
  const [secret, setSecret] = useState<string>();
  const [find, setFind] = useState('');
  const found = usePaged<Member>(find === '' ? undefined : `/admin/v1/tenants/${tenant}/members`, {
    search: find,
  });
  const form = useForm(async () => {
    const allowed = models.split(/[\s,]+/).filter(Boolean);
    const created = await api.post<{ key: string }>(`/admin/v1/tenants/${tenant}/keys`, {
      name,
      ...(member === '' ? {} : { member }),
      ...(allowed.length === 0 ? {} : { scopes: { models: allowed } }),
      ...(expires === '' ? {} : { expires_at: new Date(expires).toISOString() }),
      ...(limits.length === 0 ? {} : { limits: limitsOfDrafts(limits) }),
    });
    setSecret(created.key);
  }, ['name', 'member', 'scopes', 'expires_at', 'limits']);
  if (secret !== undefined) {
    return (
      <Dialog isOpen onClose={onClose} title={`The key ${name} is ready`}>
        <div className="flex flex-col gap-3">
          <SecretOnce secret={secret} what="the key" />
          <UseKey apiKey={secret} tenant={tenant} model={allowedModel(models)} />
          <Button variant="primary" className="self-end" onClick={onClose}>
            Done
          </Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog isOpen onClose={onClose} title="Create a key" description={`For applications of ${tenant}.`}>
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <TextField
          label="Name"
          required
          maxLength={100}
          placeholder="checkout service"
          value={name}
          onChange={({ target }) => setName(target.value)}
          error={form.errorOf('name')}
        />
        {owner === undefined && areMembersMore && (
          <TextField
            label="Find its owner"
            placeholder="a part of the name, e-mail address or id"
            value={find}
            onChange={({ target }) => setFind(target.value)}
          />
        )}
        {owner === undefined && members.length > 0 && (
          <SelectField
            label="Owner"
            hint="The limits of its owner apply, too, and the key ends with the membership."
            value={member}
            onChange={({ target }) => setMember(target.value)}
            options={[
              { value: '', label: 'the tenant' },
              ...(find === '' ? members : found.rows).map(({ id, name: label }) => ({ value: id, label })),
            ]}
            error={form.errorOf('member')}
          />
        )}
        <TextField
          label="Models"
          hint="Names that it may use, separated by commas; gpt-4o* allows every name with that beginning. Empty: all."
          value={models}
          onChange={({ target }) => setModels(target.value)}
          error={form.errorOf('scopes')}
        />
        <TextField
          label="Expires"
          type="datetime-local"
          value={expires}
          onChange={({ target }) => setExpires(target.value)}
          error={form.errorOf('expires_at')}
        />
        <LimitEditor drafts={limits} onChange={setLimits} error={form.errorOf('limits')} />
        <FormEnd state={form} action="Create" onCancel={onClose} what="The key was not created" />
      </form>
    </Dialog>
  );
}
