import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api } from '../../lib/api.ts';
import { count } from '../../lib/format.ts';
import { usePaged } from '../../lib/paged.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { CopyButton } from '../../ui/copy.tsx';
import { ConfirmDialog, Dialog, Drawer } from '../../ui/dialog.tsx';
import { Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { RelativeTime } from '../../ui/time.tsx';
import { type PromptSummary, type PromptVersion, promptsPath } from './saved-prompts.ts';

/** @returns the address of a saved prompt, for people of the tenant */
export function promptLink(tenant: string, id: string): string {
  return `${location.origin}/console/playground?prompt=${id}&of=${tenant}`;
}

/** The saved prompts of a tenant: find, load, rename, share and delete them. */
export function PromptsDrawer({
  tenant,
  onLoad,
  onDeleted,
  onClose,
}: {
  readonly tenant: string;
  readonly onLoad: (id: string, version?: number) => void;
  readonly onDeleted: (id: string) => void;
  readonly onClose: () => void;
}) {
  const [typed, setTyped] = useState('');
  const [name, setName] = useState('');
  const prompts = usePaged<PromptSummary>(promptsPath(tenant), name === '' ? {} : { name });
  const find = (event: FormEvent) => {
    event.preventDefault();
    setName(typed.trim());
  };
  return (
    <Drawer isOpen onClose={onClose} title="Saved prompts" description={`Of the tenant ${tenant}.`}>
      <div className="flex flex-col gap-3">
        <form onSubmit={find} className="flex gap-2 items-end">
          <TextField label="Name" value={typed} onChange={({ target }) => setTyped(target.value)} />
          <Button type="submit">Find</Button>
        </form>
        {prompts.error ? (
          <ErrorPanel what="The prompts could not be read" error={prompts.error} retry={prompts.refetch} />
        ) : prompts.isLoading ? (
          <Skeleton className="h-48" />
        ) : prompts.rows.length === 0 ? (
          <Empty
            title={
              name === ''
                ? 'No prompt is saved yet. Write one in the playground, then choose Save.'
                : 'No saved prompt has this name.'
            }
          />
        ) : (
          <ul className="rounded border border-line bg-panel">
            {prompts.rows.map((prompt) => (
              <PromptRow key={prompt.id} {...{ tenant, prompt, onLoad, onDeleted }} />
            ))}
          </ul>
        )}
        {prompts.rows.length > 0 && prompts.rows.length % 100 === 0 && (
          <Button onClick={prompts.more} isBusy={prompts.isLoadingMore}>
            Show more
          </Button>
        )}
      </div>
    </Drawer>
  );
}

function PromptRow({
  tenant,
  prompt,
  onLoad,
  onDeleted,
}: {
  readonly tenant: string;
  readonly prompt: PromptSummary;
  readonly onLoad: (id: string, version?: number) => void;
  readonly onDeleted: (id: string) => void;
}) {
  const { me, can } = useSession();
  const client = useQueryClient();
  const [open, setOpen] = useState<'rename' | 'delete' | 'versions'>();
  const { id, name, model, latest, saved_by_name: savedBy, updated_at: at } = prompt;
  const mayDelete = prompt.created_by === me.id || can('tenant:write', tenant);
  const remove = async () => {
    await api.delete(`${promptsPath(tenant)}/${id}`);
    onDeleted(id);
    await client.invalidateQueries({ queryKey: ['list'] });
  };
  return (
    <li className="border-b border-line last:border-b-0 px-3 py-2 flex flex-col gap-1">
      <p className="font-medium break-words">{name}</p>
      <p className="text-muted">
        {model && <code className="font-mono">{model}</code>} {count(latest, 'version')}, saved by {savedBy}{' '}
        <RelativeTime at={at} />
      </p>
      <div className="flex flex-wrap gap-1 items-center">
        <Button onClick={() => onLoad(id)} aria-label={`Load ${name}`}>
          Load
        </Button>
        <Button variant="quiet" onClick={() => setOpen('rename')} aria-label={`Rename ${name}`}>
          Rename
        </Button>
        {latest > 1 && (
          <Button
            variant="quiet"
            aria-expanded={open === 'versions'}
            onClick={() => setOpen(open === 'versions' ? undefined : 'versions')}
          >
            Versions
          </Button>
        )}
        <CopyButton text={promptLink(tenant, id)} label="Copy link" />
        {mayDelete && (
          <Button
            variant="danger"
            className="ml-auto"
            onClick={() => setOpen('delete')}
            aria-label={`Delete ${name}`}
          >
            Delete
          </Button>
        )}
      </div>
      {open === 'versions' && <Versions {...{ tenant, id, onLoad }} />}
      {open === 'rename' && <Rename {...{ tenant, prompt }} onClose={() => setOpen(undefined)} />}
      {open === 'delete' && (
        <ConfirmDialog
          isOpen
          onClose={() => setOpen(undefined)}
          title={`Delete ${name}`}
          lost={`${count(latest, 'version')} will be deleted for everyone in ${tenant}, and links to it end. It cannot be taken back.`}
          action="Delete"
          name={name}
          onConfirm={remove}
        />
      )}
    </li>
  );
}

function Versions({
  tenant,
  id,
  onLoad,
}: {
  readonly tenant: string;
  readonly id: string;
  readonly onLoad: (id: string, version?: number) => void;
}) {
  const { data, error, refetch } = useQuery({
    queryKey: ['prompt versions', tenant, id],
    queryFn: () => api.get<{ data: readonly PromptVersion[] }>(`${promptsPath(tenant)}/${id}/versions`),
  });
  if (error)
    return <ErrorPanel what="The versions could not be read" error={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton className="h-16" />;
  return (
    <ul className="pl-3 border-l-2 border-line">
      {data.data.map(({ number, model, saved_by_name: savedBy, saved_at: at }) => (
        <li key={number} className="flex gap-2 items-center">
          <span className="grow">
            version {number}
            {model && <code className="font-mono"> {model}</code>}{' '}
            <span className="text-muted">
              by {savedBy} <RelativeTime at={at} />
            </span>
          </span>
          <Button variant="quiet" onClick={() => onLoad(id, number)} aria-label={`Load version ${number}`}>
            Load
          </Button>
        </li>
      ))}
    </ul>
  );
}

function Rename({
  tenant,
  prompt,
  onClose,
}: {
  readonly tenant: string;
  readonly prompt: PromptSummary;
  readonly onClose: () => void;
}) {
  const [name, setName] = useState(prompt.name);
  const form = useForm(async () => {
    await api.patch(`${promptsPath(tenant)}/${prompt.id}`, { name });
    onClose();
  }, ['name']);
  return (
    <Dialog isOpen onClose={onClose} title={`Rename ${prompt.name}`}>
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <TextField
          label="New name"
          required
          maxLength={100}
          value={name}
          onChange={({ target }) => setName(target.value)}
          error={form.errorOf('name')}
        />
        <FormEnd state={form} action="Rename" onCancel={onClose} what="The prompt was not renamed" />
      </form>
    </Dialog>
  );
}
