import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, type Reply } from '../../lib/api.ts';
import type { BillingAccount } from '../../lib/billing.ts';
import type { Document } from '../../lib/merge.ts';
import { Cancelled, useSave } from '../../lib/save.tsx';
import { useSession } from '../../lib/session.tsx';
import { useUnsaved } from '../../lib/unsaved.tsx';
import { ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { CheckField, TextArea, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { Panel } from '../../ui/page.tsx';

/** Who a tenant's invoices are for, and on which terms. */
export function BillingDetails({ tenant }: { readonly tenant: string }) {
  const path = `/admin/v1/tenants/${tenant}/billing/account`;
  const { data, error, refetch } = useQuery({
    queryKey: ['versioned', path],
    queryFn: ({ signal }) => api.request<BillingAccount>('GET', path, { signal }),
  });
  if (error) {
    return (
      <ErrorPanel what="The billing details could not be read" error={error} retry={() => void refetch()} />
    );
  }
  return data ? <DetailsForm key={path} path={path} base={data} /> : <Skeleton className="h-96" />;
}

const TEXTS = ['name', 'email', 'vat_id', 'reference', 'external_id'] as const;
const LABELS: Readonly<Record<(typeof TEXTS)[number], { readonly label: string; readonly hint: string }>> = {
  name: { label: 'Legal name', hint: 'Empty: the name of the tenant.' },
  email: { label: 'E-mail address', hint: 'Where invoices are sent.' },
  vat_id: { label: 'VAT id', hint: 'Such as DE136695976; its check digits are verified.' },
  reference: { label: 'Reference', hint: 'Such as an order number, shown on invoices.' },
  external_id: { label: 'Id in another billing system', hint: 'For exports. Empty: the id of the tenant.' },
};
const LINES = [
  { id: 'model', label: 'model' },
  { id: 'key', label: 'API key' },
  { id: 'user', label: 'person' },
] as const;

type Draft = Readonly<Record<(typeof TEXTS)[number] | 'address' | 'due_days' | 'taxes', string>> & {
  readonly lines: readonly string[];
  readonly reverse_charge: boolean;
};

const bodyOf = ({ tenant: _, ...document }: BillingAccount): Document => document;

function draftOf(account: BillingAccount): Draft {
  const { address = [], lines, reverse_charge = false, due_days, taxes } = account;
  const texts = Object.fromEntries(TEXTS.map((name) => [name, account[name] ?? '']));
  return {
    ...{ name: '', email: '', vat_id: '', reference: '', external_id: '', ...texts },
    ...{ lines, reverse_charge, address: address.join('\n') },
    due_days: due_days === undefined ? '' : String(due_days),
    taxes: taxes === undefined ? '' : JSON.stringify(taxes, undefined, 2),
  };
}

/** @param taxes as they are sent; undefined for those of the installation */
function wantedOf(draft: Draft, taxes: unknown): Document {
  const address = draft.address.split('\n').flatMap((line) => line.trim() || []);
  const texts = TEXTS.flatMap((name) => (draft[name].trim() === '' ? [] : [[name, draft[name].trim()]]));
  return {
    ...Object.fromEntries(texts),
    ...(address.length > 0 && { address }),
    lines: LINES.map(({ id }) => id).filter((id) => draft.lines.includes(id)),
    ...(draft.reverse_charge && { reverse_charge: true }),
    ...(draft.due_days !== '' && { due_days: Number(draft.due_days) }),
    ...(taxes !== undefined && { taxes }),
  };
}

const FIELDS = [...TEXTS, 'address', 'lines', 'due_days', 'reverse_charge', 'taxes'];

function DetailsForm({ path, base }: { readonly path: string; readonly base: Reply<BillingAccount> }) {
  const { can } = useSession();
  // Later versions are for the next time: they must not replace what is being typed.
  const [first] = useState(base);
  const [draft, setDraft] = useState(() => draftOf(first.data));
  const [notJson, setNotJson] = useState<string>();
  const [isStored, setStored] = useState(false);
  const unsaved = useUnsaved();
  const { save, dialog } = useSave<BillingAccount>({ method: 'PUT', bodyOf });
  const mayChange = can('billing:write', first.data.tenant);
  const setsTerms = can('invoices:write');
  const form = useForm(async () => {
    setNotJson(undefined);
    let taxes: unknown;
    try {
      taxes = draft.taxes.trim() === '' ? undefined : JSON.parse(draft.taxes);
    } catch (error) {
      setNotJson(error instanceof Error ? error.message : 'must be JSON');
      throw new Cancelled();
    }
    setDraft(draftOf(await save(path, first, wantedOf(draft, taxes))));
    unsaved.saved();
    setStored(true);
  }, FIELDS);
  const set = (change: Partial<Draft>) => {
    setDraft({ ...draft, ...change });
    setStored(false);
    unsaved.touch();
  };
  const text = (name: (typeof TEXTS)[number]) => (
    <TextField
      {...LABELS[name]}
      type={name === 'email' ? 'email' : 'text'}
      value={draft[name]}
      onChange={({ target }) => set({ [name]: target.value })}
      error={form.errorOf(name)}
    />
  );
  return (
    <form onSubmit={form.onSubmit} className="flex flex-col gap-3 max-w-2xl">
      <fieldset disabled={!mayChange} className="contents">
        <Panel title="Who invoices are for">
          <div className="flex flex-col gap-3">
            {text('name')}
            <TextArea
              label="Address"
              rows={4}
              value={draft.address}
              onChange={({ target }) => set({ address: target.value })}
              error={form.errorOf('address')}
            />
            {text('email')}
            {text('vat_id')}
            {text('reference')}
            <fieldset className="flex flex-wrap gap-x-4 gap-y-1">
              <legend className="font-medium mb-1">Invoices have a line for each</legend>
              {LINES.map(({ id, label }) => (
                <CheckField
                  key={id}
                  label={label}
                  checked={draft.lines.includes(id)}
                  onChange={({ target }) =>
                    set({
                      lines: target.checked ? [...draft.lines, id] : draft.lines.filter((one) => one !== id),
                    })
                  }
                />
              ))}
            </fieldset>
          </div>
        </Panel>
        <Panel title="Terms">
          <fieldset disabled={!setsTerms} className="flex flex-col gap-3">
            {!setsTerms && <p className="text-muted">Platform administrators change these.</p>}
            <TextField
              label="Days until an invoice is due"
              type="number"
              min={0}
              max={365}
              hint="Empty: as the installation has it."
              value={draft.due_days}
              onChange={({ target }) => set({ due_days: target.value })}
              error={form.errorOf('due_days')}
            />
            <TextArea
              label="Taxes (JSON)"
              className="font-mono"
              spellCheck={false}
              placeholder='{ "standard": [{ "name": "VAT", "rate": "20" }] }'
              hint="Rates of each tax class. Empty: those of the installation."
              value={draft.taxes}
              onChange={({ target }) => set({ taxes: target.value })}
              error={notJson ?? form.errorOf('taxes')}
            />
            <CheckField
              label="Reverse charge"
              hint="The customer accounts for the tax. Requires a valid VAT id."
              checked={draft.reverse_charge}
              onChange={({ target }) => set({ reverse_charge: target.checked })}
            />
            {text('external_id')}
          </fieldset>
        </Panel>
      </fieldset>
      <p role="status">{isStored && 'The billing details are stored. Issued invoices stay as they are.'}</p>
      {mayChange && <FormEnd state={form} action="Save" what="The billing details were not changed" />}
      {dialog}
    </form>
  );
}
