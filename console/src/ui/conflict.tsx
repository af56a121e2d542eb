import { useState } from 'react';
import {
  type Document,
  type FieldDifference,
  keyOf,
  merge,
  type Side,
  sideOf,
  textOf,
} from '../lib/merge.ts';
import { Button } from './button.tsx';
import { Dialog } from './dialog.tsx';

const SIDES: readonly { readonly id: Side; readonly label: string }[] = [
  { id: 'mine', label: 'Mine' },
  { id: 'theirs', label: 'Theirs' },
];

/** Asks which members of two changes to the same object to keep. */
export function ConflictDialog({
  theirs,
  differences,
  decide,
  takeTheirs,
}: {
  readonly theirs: Document;
  readonly differences: readonly FieldDifference[];
  /** @param decision what to store; undefined when the question is left */
  readonly decide: (decision: Document | undefined) => void;
  /** Keeps what is stored. */
  readonly takeTheirs: () => void;
}) {
  const [choices, setChoices] = useState<ReadonlyMap<string, Side>>(
    () => new Map(differences.map((difference) => [keyOf(difference.path), sideOf(difference)])),
  );
  const choose = (key: string, side: Side) => setChoices(new Map([...choices, [key, side]]));
  const keepMine = () =>
    decide(merge(theirs, differences, new Map(differences.map(({ path }) => [keyOf(path), 'mine']))));
  return (
    <Dialog
      isOpen
      isWide
      onClose={() => decide(undefined)}
      title="Another administrator has changed it"
      description="It was stored after you had opened it. Choose what to keep; nothing of yours is stored yet."
    >
      <div className="flex flex-col gap-3">
        {differences.map(({ path, base, mine: own, theirs: other, changedBy }) => {
          const key = keyOf(path);
          const name = path.join('.');
          const values: Readonly<Record<Side, unknown>> = { mine: own, theirs: other };
          return (
            <fieldset key={key} className="rounded border border-line p-3 min-w-0">
              <legend className="px-1 font-medium">
                <code className="font-mono">{name}</code>{' '}
                <span className="text-muted font-normal">{CHANGED[changedBy]}</span>
              </legend>
              <p className="text-muted">
                before: <Value value={base} />
              </p>
              {SIDES.map(({ id, label }) => (
                <label key={id} className="flex gap-2 items-start py-1">
                  <input
                    type="radio"
                    name={key}
                    className="mt-0.5 size-4 accent-(--accent)"
                    aria-label={`${label}: ${name}`}
                    checked={choices.get(key) === id}
                    onChange={() => choose(key, id)}
                  />
                  <span className="min-w-0">
                    {label}: <Value value={values[id]} />
                  </span>
                </label>
              ))}
            </fieldset>
          );
        })}
        <div className="flex flex-wrap justify-end gap-2">
          <Button className="mr-auto" onClick={takeTheirs}>
            Take theirs
          </Button>
          <Button onClick={keepMine}>Keep mine</Button>
          <Button variant="primary" onClick={() => decide(merge(theirs, differences, choices))}>
            Save the chosen
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

const CHANGED: Readonly<Record<FieldDifference['changedBy'], string>> = {
  mine: 'changed by you',
  theirs: 'changed by another administrator',
  both: 'changed by both',
};

function Value({ value }: { readonly value: unknown }) {
  if (value === undefined) return <span className="text-muted">not set</span>;
  return <code className="font-mono break-all">{typeof value === 'string' ? value : textOf(value)}</code>;
}
