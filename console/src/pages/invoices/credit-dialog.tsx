import { useState } from 'react';
import { api } from '../../lib/api.ts';
import type { Invoice, InvoiceDocument, InvoiceLine } from '../../lib/billing.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';

/** Lines that are shown at once: more are found by their text. */
const MAX_SHOWN = 50;

/** Issues a credit note for an invoice, or for parts of its lines. */
export function CreditDialog({
  invoice,
  document,
  path,
  onClose,
}: {
  readonly invoice: Invoice;
  readonly document: InvoiceDocument;
  readonly path: string;
  readonly onClose: () => void;
}) {
  const [reason, setReason] = useState('');
  const [isPartial, setPartial] = useState(false);
  const [find, setFind] = useState('');
  /** As typed, by the number of the line. */
  const [amounts, setAmounts] = useState<ReadonlyMap<number, string>>(new Map());
  const parts = [...amounts].filter(([, amount]) => amount.trim() !== '');
  const form = useForm(async () => {
    const lines = parts.map(([line, amount]) => ({ line, amount: amount.trim() }));
    await api.post(`${path}/credit`, { reason, ...(isPartial && { lines }) });
    onClose();
  }, ['reason', 'lines']);
  const wanted = find.trim().toLowerCase();
  const found = document.lines.filter((line) => textOf(line).toLowerCase().includes(wanted));
  return (
    <Dialog
      isOpen
      isWide
      onClose={onClose}
      title={`Credit: ${invoice.number ?? invoice.month}`}
      description="Issues a credit note with a number of its own. It never changes again."
    >
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <TextField
          label="Reason"
          hint="Shown on the credit note."
          required
          maxLength={500}
          value={reason}
          onChange={({ target }) => setReason(target.value)}
          error={form.errorOf('reason')}
        />
        <SelectField
          label="Credit"
          options={[
            { value: 'all', label: 'all that is left of the invoice' },
            { value: 'parts', label: 'parts of lines' },
          ]}
          value={isPartial ? 'parts' : 'all'}
          onChange={({ target }) => setPartial(target.value === 'parts')}
        />
        {isPartial && (
          <>
            {document.lines.length > MAX_SHOWN && (
              <TextField label="Find lines" value={find} onChange={({ target }) => setFind(target.value)} />
            )}
            <ul
              aria-label="Lines to credit"
              className="flex flex-col gap-1 max-h-80 overflow-auto"
              tabIndex={0}
            >
              {found.slice(0, MAX_SHOWN).map((line) => (
                <li
                  key={line.number}
                  className="grid grid-cols-[1fr_auto_8rem] gap-3 items-center border-b border-line pb-1"
                >
                  <span className="min-w-0 break-words">{textOf(line)}</span>
                  <span className="tabular-nums text-muted">of {line.amount}</span>
                  <input
                    aria-label={`Amount of line ${line.number} to credit`}
                    inputMode="decimal"
                    pattern="\d+(\.\d+)?"
                    placeholder="0.00"
                    className="w-full rounded border border-line bg-panel px-2 h-8 text-right placeholder:text-muted"
                    value={amounts.get(line.number) ?? ''}
                    onChange={({ target }) => setAmounts(new Map([...amounts, [line.number, target.value]]))}
                  />
                </li>
              ))}
            </ul>
            {found.length > MAX_SHOWN && (
              <p className="text-muted">{found.length - MAX_SHOWN} more lines: find them by their text.</p>
            )}
            <p className="text-muted">
              Amounts are before tax, in {document.currency}; taxes are credited with them.
            </p>
            {form.errorOf('lines') && (
              <p role="alert" className="text-bad">
                {form.errorOf('lines')}
              </p>
            )}
          </>
        )}
        <FormEnd state={form} action="Credit" onCancel={onClose} what="Nothing was credited" />
      </form>
    </Dialog>
  );
}

function textOf({ number, description, key }: InvoiceLine): string {
  const name = key === null || key.id === '' ? '' : `, ${key.name ?? key.id}`;
  return `${number}. ${description}${name}`;
}
