import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { type PriceList, ruleText } from '../../lib/billing.ts';
import { usePaged } from '../../lib/paged.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { Panel } from '../../ui/page.tsx';

/** The versions of a price list: the tenant's own, or the default one. */
export function Prices({ tenant }: { readonly tenant: string | undefined }) {
  const { can } = useSession();
  const [isAdding, setAdding] = useState(false);
  const path =
    tenant === undefined ? '/admin/v1/billing/prices' : `/admin/v1/tenants/${tenant}/billing/prices`;
  const lists = usePaged<PriceList>(path);
  const versions = lists.rows.toReversed();
  const add = can('invoices:write') && (
    <Button variant="primary" onClick={() => setAdding(true)}>
      Add a version
    </Button>
  );
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center gap-3">
        <p className="text-muted grow">
          {tenant === undefined
            ? 'The default list, for all tenants.'
            : 'Rules of this list come before those of the default list.'}
        </p>
        {add}
      </div>
      {lists.error ? (
        <ErrorPanel what="The prices could not be read" error={lists.error} retry={lists.refetch} />
      ) : lists.isLoading ? (
        <Skeleton className="h-40" />
      ) : versions.length === 0 ? (
        <Empty
          title={
            tenant === undefined
              ? 'There is no price list: tenants are charged what providers cost.'
              : 'This tenant has no list of its own: the default list applies.'
          }
        />
      ) : (
        versions.map((list) => <Version key={list.version} list={list} />)
      )}
      {isAdding && <AddVersion path={path} base={versions[0]} onClose={() => setAdding(false)} />}
    </div>
  );
}

function Version({ list }: { readonly list: PriceList }) {
  const { currency, margin, discount, free_allowance, minimum, rules = [] } = list;
  const facts = [
    margin !== undefined && `cost ${Number(margin) < 0 ? '' : '+'}${margin} %`,
    discount !== undefined && `discount ${discount} %`,
    free_allowance !== undefined && `${free_allowance} free each month`,
    minimum !== undefined && `at least ${minimum} each month`,
    currency !== undefined && `in ${currency}`,
  ].filter((text) => text !== false);
  return (
    <Panel title={`Version ${list.version}, from ${list.valid_from}`}>
      <p>{facts.join(' · ') || 'No settings of its own.'}</p>
      {rules.length > 0 && (
        <ul aria-label={`Rules of version ${list.version}`} className="mt-2 list-disc pl-5">
          {rules.map((rule) => (
            <li key={ruleText(rule)} className="break-words">
              {ruleText(rule)}
            </li>
          ))}
        </ul>
      )}
      <p className="text-muted mt-2">Added by {list.created_by}.</p>
    </Panel>
  );
}

interface RuleDraft {
  readonly model: string;
  readonly margin: string;
  readonly input: string;
  readonly cached_input: string;
  readonly output: string;
  readonly request: string;
}
const EMPTY_RULE: RuleDraft = { model: '', margin: '', input: '', cached_input: '', output: '', request: '' };
const PRICES = ['input', 'cached_input', 'output', 'request'] as const;
const LABELS: Readonly<Record<keyof RuleDraft, string>> = {
  model: 'Model',
  margin: 'Margin %',
  input: 'Input / million',
  cached_input: 'Cached input / million',
  output: 'Output / million',
  request: 'Request',
};
const MEMBERS = ['currency', 'margin', 'discount', 'free_allowance', 'minimum'] as const;
const MEMBER_LABELS: Readonly<Record<(typeof MEMBERS)[number], string>> = {
  currency: 'Currency',
  margin: 'Margin on cost, %',
  discount: 'Discount, %',
  free_allowance: 'Free each month',
  minimum: 'Minimum each month',
};

const isSimple = (price: unknown): price is string => typeof price === 'string';

/** A version that begins as a copy of the latest one. Rules with tiers are kept as they are. */
function AddVersion({
  path,
  base,
  onClose,
}: {
  readonly path: string;
  readonly base: PriceList | undefined;
  readonly onClose: () => void;
}) {
  const [from, setFrom] = useState(new Date().toISOString().slice(0, 10));
  const [members, setMembers] = useState<Readonly<Record<string, string>>>(() =>
    Object.fromEntries(MEMBERS.map((name) => [name, base?.[name] ?? ''])),
  );
  const all = base?.rules ?? [];
  const kept = all.filter(
    ({ provider, prices = {} }) =>
      provider !== undefined ||
      Object.entries(prices).some(([unit, price]) => !isSimple(price) || !PRICES.some((one) => one === unit)),
  );
  const [rules, setRules] = useState<readonly RuleDraft[]>(() =>
    all
      .filter((rule) => !kept.includes(rule))
      .map(({ model, margin = '', prices = {} }) => {
        const of = (unit: string) => (isSimple(prices[unit]) ? prices[unit] : '');
        return {
          ...{ model, margin, input: of('input'), cached_input: of('cached_input') },
          ...{ output: of('output'), request: of('request') },
        };
      }),
  );
  const form = useForm(async () => {
    const own = rules.map(({ model, margin, ...prices }) => {
      const given = Object.entries(prices).filter(([, price]) => price !== '');
      if (margin !== '' && given.length === 0) return { model, margin };
      return { model, ...(margin === '' ? {} : { margin }), prices: Object.fromEntries(given) };
    });
    await api.post(path, {
      valid_from: from,
      ...Object.fromEntries(Object.entries(members).filter(([, value]) => value !== '')),
      ...(own.length + kept.length === 0 ? {} : { rules: [...kept, ...own] }),
    });
    onClose();
  }, ['valid_from', ...MEMBERS, 'rules']);
  const change = (at: number, name: keyof RuleDraft, value: string) =>
    setRules(rules.map((rule, index) => (index === at ? { ...rule, [name]: value } : rule)));
  return (
    <Dialog
      isOpen
      isWide
      onClose={onClose}
      title="Add a version"
      description="Earlier versions stay as they are. Closed months keep their prices."
    >
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <div className="grid gap-3 grid-cols-2 sm:grid-cols-3">
          <TextField
            label="Valid from"
            type="date"
            required
            value={from}
            onChange={({ target }) => setFrom(target.value)}
            error={form.errorOf('valid_from')}
          />
          {MEMBERS.map((name) => (
            <TextField
              key={name}
              label={MEMBER_LABELS[name]}
              value={members[name] ?? ''}
              placeholder={name === 'currency' ? 'USD' : ''}
              onChange={({ target }) => setMembers({ ...members, [name]: target.value })}
              error={form.errorOf(name)}
            />
          ))}
        </div>
        {kept.map((rule) => (
          <p key={ruleText(rule)} className="text-muted break-words">
            Kept: {ruleText(rule)}
          </p>
        ))}
        {rules.map((rule, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: rules have no identity but their place
          <fieldset key={at} className="grid gap-2 grid-cols-2 sm:grid-cols-6 items-end">
            <legend className="sr-only">Rule {at + 1}</legend>
            {(['model', 'margin', ...PRICES] as const).map((name) => (
              <TextField
                key={name}
                label={LABELS[name]}
                required={name === 'model'}
                value={rule[name]}
                onChange={({ target }) => change(at, name, target.value)}
              />
            ))}
            <Button
              variant="quiet"
              className="justify-self-start"
              onClick={() => setRules(rules.filter((_, index) => index !== at))}
            >
              Remove
            </Button>
          </fieldset>
        ))}
        {form.errorOf('rules') && (
          <p role="alert" className="text-bad">
            {form.errorOf('rules')}
          </p>
        )}
        <FormEnd
          state={form}
          action="Add"
          onCancel={onClose}
          what="The version was not added"
          extra={<Button onClick={() => setRules([...rules, EMPTY_RULE])}>Add a rule</Button>}
        />
      </form>
    </Dialog>
  );
}
