import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type KeyboardEvent, useMemo, useState } from 'react';
import { api } from '../lib/api.ts';
import { type TenantSummary, useSession } from '../lib/session.tsx';
import { classes } from '../ui/classes.ts';
import { Dialog } from '../ui/dialog.tsx';
import { NAVIGATION } from './navigation.ts';

interface Command {
  readonly id: string;
  readonly label: string;
  readonly hint: string;
  readonly run: () => void;
}

const MAX_SHOWN = 12;

/** What an id opens, by its beginning. */
const OPENED = [
  {
    prefix: 'req_',
    hint: 'request',
    to: '/requests',
    searchOf: (id: string) => ({ request: id }),
    isOfTenant: false,
  },
  {
    prefix: 'evt_',
    hint: 'event',
    to: '/events',
    searchOf: (id: string) => ({ tab: 'log', event: id }),
    isOfTenant: false,
  },
  {
    prefix: 'key_',
    hint: 'API key',
    to: '/tenants',
    searchOf: (id: string) => ({ tab: 'keys', key: id }),
    isOfTenant: true,
  },
  {
    prefix: 'inv_',
    hint: 'invoice',
    to: '/invoices',
    searchOf: (id: string) => ({ invoice: id }),
    isOfTenant: false,
  },
  {
    prefix: 'batch_',
    hint: 'batch',
    to: '/batches',
    searchOf: (id: string) => ({ batch: id }),
    isOfTenant: false,
  },
  {
    prefix: 'msgbatch_',
    hint: 'batch',
    to: '/batches',
    searchOf: (id: string) => ({ batch: id }),
    isOfTenant: false,
  },
  {
    prefix: 'file-',
    hint: 'file',
    to: '/batches',
    searchOf: (id: string) => ({ tab: 'files', file: id }),
    isOfTenant: false,
  },
  {
    prefix: 'async_',
    hint: 'async request',
    to: '/batches',
    searchOf: (id: string) => ({ tab: 'async', async: id }),
    isOfTenant: false,
  },
] as const;

/** Finds pages and tenants by name or id, and what else has an id, and opens them. */
export function CommandPalette({
  isOpen,
  onClose,
}: {
  readonly isOpen: boolean;
  readonly onClose: () => void;
}) {
  return (
    <Dialog isOpen={isOpen} onClose={onClose} title="Go to">
      <Search onDone={onClose} />
    </Dialog>
  );
}

function Search({ onDone }: { readonly onDone: () => void }) {
  const navigate = useNavigate();
  const { tenants, tenant, areTenantsMore, selectTenant } = useSession();
  const [text, setText] = useState('');
  const [active, setActive] = useState(0);
  const wanted = text.trim().toLowerCase();
  const { data: others } = useQuery({
    queryKey: ['tenants', 'found', wanted],
    queryFn: ({ signal }) =>
      api.get<{ data: readonly TenantSummary[] }>('/admin/v1/tenants', {
        query: { search: wanted, limit: MAX_SHOWN },
        signal,
      }),
    enabled: areTenantsMore && wanted !== '',
  });
  const found = useMemo(() => {
    const listed = new Set(tenants.map(({ id }) => id));
    const all = [...tenants, ...(others?.data ?? []).filter(({ id }) => !listed.has(id))];
    const opened = OPENED.find(
      ({ prefix, isOfTenant }) => wanted.startsWith(prefix) && (!isOfTenant || tenant !== undefined),
    );
    const commands: Command[] = [
      ...(opened === undefined
        ? []
        : [
            {
              ...{ id: wanted, label: text.trim(), hint: opened.hint },
              run: () => void navigate({ to: opened.to, search: opened.searchOf(text.trim()) }),
            },
          ]),
      ...NAVIGATION.map(({ to, label }) => ({
        ...{ id: to, label, hint: 'page' },
        run: () => void navigate({ to }),
      })),
      ...all.map(({ id, name }) => ({
        ...{ id: `tenant ${id}`, label: name === id ? id : `${name} (${id})`, hint: 'tenant' },
        run: () => {
          selectTenant(id);
          void navigate({ to: '/tenants' });
        },
      })),
    ].filter(({ label }) => label.toLowerCase().includes(wanted));
    return commands.slice(0, MAX_SHOWN);
  }, [text, wanted, tenants, tenant, others, selectTenant, navigate]);
  const run = (command: Command | undefined) => {
    if (!command) return;
    onDone();
    command.run();
  };
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      setActive((active + step + found.length) % Math.max(1, found.length));
    }
    if (event.key === 'Enter') run(found[active]);
  };
  return (
    <>
      <input
        // biome-ignore lint/a11y/noAutofocus: the dialog was opened to type here
        autoFocus
        role="combobox"
        aria-expanded="true"
        aria-controls="palette"
        aria-activedescendant={found[active] && `palette-${active}`}
        aria-label="Page or tenant"
        placeholder="Page, tenant, or an id such as req_..."
        className="w-full rounded border border-line bg-bg px-2 h-9"
        value={text}
        onChange={({ target }) => {
          setText(target.value);
          setActive(0);
        }}
        onKeyDown={onKey}
      />
      <div id="palette" role="listbox" aria-label="Results" className="mt-2 flex flex-col">
        {found.map((command, index) => (
          <button
            key={command.id}
            type="button"
            id={`palette-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === active}
            className={classes(
              'flex rounded px-2 h-8 items-center text-left',
              index === active && 'bg-raised',
            )}
            onMouseEnter={() => setActive(index)}
            onClick={() => run(command)}
          >
            <span className="grow truncate">{command.label}</span>
            <span className="text-muted">{command.hint}</span>
          </button>
        ))}
        {found.length === 0 && <p className="p-2 text-muted">Nothing has this name.</p>}
      </div>
    </>
  );
}
