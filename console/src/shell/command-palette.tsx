import { useNavigate } from '@tanstack/react-router';
import { type KeyboardEvent, useMemo, useState } from 'react';
import { useSession } from '../lib/session.tsx';
import { classes } from '../ui/classes.ts';
import { Dialog } from '../ui/dialog.tsx';
import { NAVIGATION } from './navigation.ts';

interface Command {
  readonly id: string;
  readonly label: string;
  readonly hint: string;
  readonly run: () => void;
}

/** Finds pages and tenants by name or id, and opens them. */
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
  const { tenants, selectTenant } = useSession();
  const [text, setText] = useState('');
  const [active, setActive] = useState(0);
  const found = useMemo(() => {
    const wanted = text.trim().toLowerCase();
    const commands: Command[] = [
      ...NAVIGATION.map(({ to, label }) => ({
        ...{ id: to, label, hint: 'page' },
        run: () => void navigate({ to }),
      })),
      ...tenants.map(({ id, name }) => ({
        ...{ id: `tenant ${id}`, label: name === id ? id : `${name} (${id})`, hint: 'tenant' },
        run: () => {
          selectTenant(id);
          void navigate({ to: '/tenants' });
        },
      })),
    ].filter(({ label }) => label.toLowerCase().includes(wanted));
    return commands.slice(0, 12);
  }, [text, tenants, selectTenant, navigate]);
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
        placeholder="Page or tenant"
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
