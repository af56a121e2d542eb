import { useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api } from '../../lib/api.ts';
import { count } from '../../lib/format.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { ConfirmDialog } from '../../ui/dialog.tsx';
import { ErrorPanel } from '../../ui/feedback.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { Panel } from '../../ui/page.tsx';

const FIELDS = { tenant: '', model: '', namespace: '', tag: '', older_than: '' };
type Fields = typeof FIELDS;

/** Counts the entries of a selection first, and removes them after that. */
export function ClearCache({ path, tenant }: { readonly path: string; readonly tenant: string | undefined }) {
  const client = useQueryClient();
  const { tenants } = useSession();
  const [fields, setFields] = useState<Fields>(FIELDS);
  const [found, setFound] = useState<number>();
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const selection = Object.fromEntries(
    Object.entries(fields)
      .map(([name, value]) => [name, value.trim()])
      .filter(([, value]) => value !== ''),
  );
  const countEntries = (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    api
      .post<{ cleared_keys: number }>(path, { ...selection, dry_run: true })
      .then(({ cleared_keys: keys }) => setFound(keys))
      .catch(setError)
      .finally(() => setBusy(false));
  };
  const field = (name: keyof Fields) => ({
    value: fields[name],
    onChange: ({ target }: { readonly target: { readonly value: string } }) =>
      setFields({ ...fields, [name]: target.value }),
  });
  const named = Object.entries(selection).map(([name, value]) => `${name.replaceAll('_', ' ')} ${value}`);
  const isAll = named.length === 0;
  return (
    <Panel title="Clear">
      <form onSubmit={countEntries} className="flex flex-wrap gap-3 items-end">
        {tenant === undefined && (
          <div className="w-44">
            <SelectField
              label="Tenant"
              options={[{ value: '', label: 'all' }, ...tenants.map(({ id }) => ({ value: id, label: id }))]}
              {...field('tenant')}
            />
          </div>
        )}
        <TextField label="Model" placeholder="all" {...field('model')} />
        <TextField label="Namespace" placeholder="all" {...field('namespace')} />
        <TextField label="Tag" placeholder="all" {...field('tag')} />
        <TextField label="Older than" placeholder="1h, 2d" {...field('older_than')} />
        <Button type="submit" isBusy={isBusy}>
          Count the entries
        </Button>
      </form>
      {error !== undefined && <ErrorPanel what="The entries could not be counted" error={error} />}
      {found !== undefined && (
        <ConfirmDialog
          isOpen
          onClose={() => setFound(undefined)}
          title="Clear the cache"
          lost={`${count(found, 'entry', 'entries')}${isAll ? '' : ` of ${named.join(', ')}`} will be removed. Requests for them go to a provider again, and cost money.`}
          action="Clear"
          onConfirm={async () => {
            await api.post(path, selection);
            await client.invalidateQueries({ queryKey: ['cache'] });
          }}
          {...(isAll ? { name: tenant ?? 'everything' } : {})}
        />
      )}
    </Panel>
  );
}
