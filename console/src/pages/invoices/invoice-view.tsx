import type { InvoiceDocument } from '../../lib/billing.ts';

/** The lines, taxes and total of an invoice. */
export function InvoiceView({ document }: { readonly document: InvoiceDocument }) {
  const { lines, taxes, currency, subtotal, total, rounding, notes } = document;
  const nameOf = (one: { readonly id: string; readonly name: string | null } | null) =>
    one === null || one.id === '' ? '' : (one.name ?? one.id);
  return (
    <div className="flex flex-col gap-3 min-w-0">
      <div className="overflow-x-auto">
        <table className="w-full tabular-nums">
          <thead className="text-muted text-left">
            <tr>
              <th className="font-normal py-1 pr-3">Line</th>
              <th className="font-normal py-1 pr-3">Key</th>
              <th className="font-normal py-1 text-right">Amount ({currency})</th>
            </tr>
          </thead>
          <tbody>
            {lines.map(({ number, description, late_for, key, user, amount, amount_exact }) => (
              <tr key={number} className="border-t border-line align-top">
                <td className="py-1 pr-3 break-words">
                  {description}
                  {late_for !== null && <span className="text-muted"> · late, of {late_for}</span>}
                </td>
                <td className="py-1 pr-3 break-words">
                  {[nameOf(key), nameOf(user)].filter(Boolean).join(', ') || '–'}
                </td>
                <td className="py-1 text-right" title={`Exactly ${amount_exact}`}>
                  {amount}
                </td>
              </tr>
            ))}
            <tr className="border-t border-line">
              <td colSpan={2} className="py-1 pr-3">
                Subtotal
              </td>
              <td className="py-1 text-right">{subtotal}</td>
            </tr>
            {taxes.map(({ name, rate, base, amount }) => (
              <tr key={`${name} ${rate} ${base}`}>
                <td colSpan={2} className="py-1 pr-3">
                  {name} {rate} % of {base}
                </td>
                <td className="py-1 text-right">{amount}</td>
              </tr>
            ))}
            <tr className="border-t border-line font-semibold">
              <td colSpan={2} className="py-1 pr-3">
                Total
              </td>
              <td className="py-1 text-right">{total}</td>
            </tr>
          </tbody>
        </table>
      </div>
      {notes.map((note) => (
        <p key={note}>{note}</p>
      ))}
      <p className="text-muted">
        Rounded once: the exact subtotal is {rounding.subtotal_exact}, the difference {rounding.difference}.
      </p>
    </div>
  );
}
