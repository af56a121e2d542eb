import { type LimitInput, limitText } from '../../lib/tenancy.ts';
import { Button } from '../../ui/button.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';

const QUANTITIES = [
  { value: 'cost', label: 'Cost (US dollars)' },
  { value: 'requests', label: 'Requests' },
  { value: 'tokens', label: 'Tokens' },
  { value: 'concurrent_requests', label: 'Requests at once' },
];
const PERIODS = ['second', 'minute', 'day', 'month'];
const MODES = [
  { value: 'enforce', label: 'Reject above' },
  { value: 'warn', label: 'Admit and warn' },
  { value: 'shadow', label: 'Only count' },
];

/** A limit while it is edited: the amount as text. */
export interface LimitDraft {
  readonly key: number;
  readonly of: string;
  readonly per: string;
  readonly max: string;
  readonly mode: string;
  /** What the form does not show, kept as it was. */
  readonly rest: Readonly<Record<string, unknown>>;
}

let lastKey = 0;
const nextKey = () => {
  lastKey += 1;
  return lastKey;
};

export function draftsOf(limits: readonly LimitInput[]): LimitDraft[] {
  return limits.map(({ of, per, max, mode = 'enforce', ...rest }) => ({
    ...{ key: nextKey(), of, per: per ?? '', max: String(max), mode },
    rest: { ...rest },
  }));
}

/** @returns limits for the API: money as text, counts as numbers. The API rejects a text that is not a number. */
export function limitsOfDrafts(drafts: readonly LimitDraft[]): unknown[] {
  return drafts.map(({ of, per, max, mode, rest }) => ({
    ...rest,
    of,
    ...(of === 'concurrent_requests' ? {} : { per }),
    max: of === 'cost' || !/^\d+$/.test(max.trim()) ? max.trim() : Number(max),
    mode,
  }));
}

export function LimitEditor({
  drafts,
  onChange,
  error,
}: {
  readonly drafts: readonly LimitDraft[];
  readonly onChange: (drafts: readonly LimitDraft[]) => void;
  readonly error?: string | undefined;
}) {
  const set = (key: number, change: Partial<LimitDraft>) =>
    onChange(drafts.map((draft) => (draft.key === key ? { ...draft, ...change } : draft)));
  const periodsOf = (of: string) => (of === 'cost' ? PERIODS.slice(2) : PERIODS);
  const setQuantity = (draft: LimitDraft, of: string) => {
    const allowed = periodsOf(of);
    set(draft.key, { of, per: allowed.includes(draft.per) ? draft.per : (allowed.at(-1) ?? 'month') });
  };
  const add = () =>
    onChange([...drafts, { key: nextKey(), of: 'cost', per: 'month', max: '', mode: 'enforce', rest: {} }]);
  return (
    <fieldset className="flex flex-col gap-2 border-0 p-0 m-0">
      <legend className="font-medium mb-1">Limits and budgets</legend>
      {drafts.map((draft) => (
        <div
          key={draft.key}
          className="grid grid-cols-2 sm:grid-cols-[1.4fr_1fr_1fr_1.2fr_auto] gap-2 items-end"
        >
          <SelectField
            label="Quantity"
            options={QUANTITIES}
            value={draft.of}
            onChange={({ target }) => setQuantity(draft, target.value)}
          />
          <TextField
            label="At most"
            inputMode="decimal"
            required
            value={draft.max}
            onChange={({ target }) => set(draft.key, { max: target.value })}
          />
          <SelectField
            label="Per"
            disabled={draft.of === 'concurrent_requests'}
            options={periodsOf(draft.of).map((value) => ({ value, label: value }))}
            value={draft.per}
            onChange={({ target }) => set(draft.key, { per: target.value })}
          />
          <SelectField
            label="Then"
            options={MODES}
            value={draft.mode}
            onChange={({ target }) => set(draft.key, { mode: target.value })}
          />
          <Button
            variant="quiet"
            aria-label={`Remove the limit ${limitText(draft)}`}
            onClick={() => onChange(drafts.filter(({ key }) => key !== draft.key))}
          >
            ✕
          </Button>
        </div>
      ))}
      {error && (
        <p role="alert" className="text-bad">
          {error}
        </p>
      )}
      <Button className="self-start" onClick={add}>
        Add a limit
      </Button>
    </fieldset>
  );
}
