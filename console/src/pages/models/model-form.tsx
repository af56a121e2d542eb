import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, type Reply } from '../../lib/api.ts';
import { Cancelled } from '../../lib/save.tsx';
import { useUnsaved } from '../../lib/unsaved.tsx';
import { Button } from '../../ui/button.tsx';
import { SelectField, TextArea, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { bodyOf, type ConfigItem, withoutEmpty } from './config-item.ts';
import { useStoreItem } from './store-item.tsx';

const STRATEGIES = [
  '',
  'power-of-two',
  'least-inflight',
  'round-robin',
  'weighted',
  'lowest-cost',
  'consistent-hash',
  'prefix-affinity',
  'engine-load',
];

interface TargetDraft {
  readonly key: number;
  readonly provider: string;
  readonly model: string;
  /** What the form does not show, kept as it was. */
  readonly rest: Readonly<Record<string, unknown>>;
}

let lastKey = 0;
function draft(provider = '', model = '', rest: TargetDraft['rest'] = {}): TargetDraft {
  lastKey += 1;
  return { key: lastKey, provider, model, rest };
}

function draftsOf(targets: unknown): TargetDraft[] {
  if (!Array.isArray(targets) || targets.length === 0) return [draft()];
  return targets.map((target) => {
    const { provider, model, ...rest } = Object(target);
    return draft(String(provider), String(model), withoutEmpty(rest));
  });
}

/** Adds or changes a model: the name that clients send, and the targets that serve it. */
export function ModelForm({
  base,
  mayChange,
  onDone,
}: {
  /** The model as it was read; undefined for a new one. */
  readonly base: Reply<ConfigItem> | undefined;
  readonly mayChange: boolean;
  readonly onDone: () => void;
}) {
  // Later versions are for the next time: they must not replace what is being typed.
  const [first] = useState(base);
  const item = first?.data;
  const {
    targets: givenTargets,
    strategy: givenStrategy,
    ...others
  } = bodyOf({
    document: item?.document ?? null,
  });
  const [id, setId] = useState(item?.id ?? '');
  const [targets, setTargets] = useState(() => draftsOf(givenTargets));
  const [strategy, setStrategy] = useState(typeof givenStrategy === 'string' ? givenStrategy : '');
  const [more, setMore] = useState(() =>
    Object.keys(others).length === 0 ? '' : JSON.stringify(others, undefined, 2),
  );
  const [moreError, setMoreError] = useState<string>();
  const unsaved = useUnsaved();
  const { store, dialog } = useStoreItem('models', first);
  const { data: providers } = useQuery({
    queryKey: ['config', 'providers'],
    queryFn: () => api.get<{ data: readonly ConfigItem[] }>('/admin/v1/providers'),
  });
  const names = providers?.data.filter(({ removed }) => !removed).map((one) => one.id) ?? [];
  const form = useForm(async () => {
    setMoreError(undefined);
    let rest: unknown;
    try {
      rest = more.trim() === '' ? {} : JSON.parse(more);
    } catch (error) {
      setMoreError(error instanceof Error ? error.message : 'must be JSON');
      throw new Cancelled();
    }
    const document = withoutEmpty({
      ...Object(rest),
      targets: targets.map(({ provider, model, rest: kept }) => ({ ...kept, provider, model: model.trim() })),
      strategy,
    });
    await store(id.trim(), document);
    unsaved.saved();
    onDone();
  }, ['id', 'targets', 'strategy']);
  const set = (key: number, change: Partial<TargetDraft>) => {
    setTargets(targets.map((target) => (target.key === key ? { ...target, ...change } : target)));
    unsaved.touch();
  };
  return (
    <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
      <TextField
        label="Name"
        required
        disabled={item !== undefined}
        placeholder="chat"
        hint="What clients send as model."
        value={id}
        onChange={({ target }) => {
          setId(target.value);
          unsaved.touch();
        }}
        error={form.errorOf('id')}
      />
      <fieldset className="flex flex-col gap-2">
        <legend className="font-medium mb-1">Targets</legend>
        {targets.map((target) => (
          <div key={target.key} className="grid grid-cols-[1fr_1.5fr_auto] gap-2 items-end">
            <SelectField
              label="Provider"
              required
              options={['', ...new Set([...names, target.provider])]
                .filter((value, index) => value !== '' || index === 0)
                .map((value) => ({ value, label: value === '' ? 'choose' : value }))}
              value={target.provider}
              onChange={(event) => set(target.key, { provider: event.target.value })}
            />
            <TextField
              label="Its model"
              required
              placeholder="gpt-4o-mini"
              value={target.model}
              onChange={(event) => set(target.key, { model: event.target.value })}
            />
            <Button
              variant="quiet"
              aria-label={`Remove the target ${target.provider}/${target.model}`}
              disabled={targets.length === 1}
              onClick={() => {
                setTargets(targets.filter(({ key }) => key !== target.key));
                unsaved.touch();
              }}
            >
              ✕
            </Button>
          </div>
        ))}
        {form.errorOf('targets') && (
          <p role="alert" className="text-bad">
            {form.errorOf('targets')}
          </p>
        )}
        <Button
          className="self-start"
          onClick={() => {
            setTargets([...targets, draft(names[0])]);
            unsaved.touch();
          }}
        >
          Add a target
        </Button>
      </fieldset>
      <SelectField
        label="Strategy"
        hint="How one of several targets is chosen."
        options={[...new Set([...STRATEGIES, strategy])].map((value) => ({
          value,
          label: value === '' ? 'the default one' : value,
        }))}
        value={strategy}
        onChange={({ target }) => {
          setStrategy(target.value);
          unsaved.touch();
        }}
        error={form.errorOf('strategy')}
      />
      <TextArea
        label="More settings (JSON)"
        className="font-mono"
        spellCheck={false}
        hint="As in the configuration file: aliases, fallbacks, price, limits, cache and others."
        value={more}
        onChange={({ target }) => {
          setMore(target.value);
          unsaved.touch();
        }}
        error={moreError}
      />
      {mayChange && <FormEnd state={form} action="Save" what="The model was not saved" />}
      {dialog}
    </form>
  );
}
