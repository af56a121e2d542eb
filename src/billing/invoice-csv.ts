import type { InvoiceDocument, InvoiceLine } from './invoice-document.ts';

const USAGE_COLUMNS = [
  'requests',
  'input_tokens',
  'cached_tokens',
  'cache_write_tokens',
  'output_tokens',
  'reasoning_tokens',
  'duration_ms',
  'cost_usd',
] as const;

const HEAD = [
  ...['invoice', 'credits', 'tenant', 'customer', 'month', 'line', 'type', 'description', 'late_for'],
  ...['from', 'to', 'model', 'key', 'key_name', 'user', 'user_name', 'price_list', 'tax_class'],
  ...USAGE_COLUMNS,
  ...['currency', 'amount_exact', 'amount'],
];

/**
 * Renders an invoice as a table: its lines, then a line for each tax and one for the total.
 *
 * @param field escapes one field
 */
export function invoiceCsv(document: InvoiceDocument, field: (value: unknown) => string): string {
  const { lines, taxes, number, credits, customer, period, currency } = document;
  const common = [number ?? 'draft', credits?.number ?? '', customer.tenant, customer.name, period.month];
  const ofLine = (line: InvoiceLine) => [
    ...common,
    ...[line.number, line.type, line.description, line.late_for, line.from, line.to],
    ...[line.model, line.key?.id, line.key?.name, line.user?.id, line.user?.name],
    ...[line.price_list, line.tax_class],
    ...USAGE_COLUMNS.map((name) => line.usage?.[name]),
    ...[currency, line.amount_exact, line.amount],
  ];
  const sum = (type: string, description: string, taxClass: string, amount: string) => {
    const row = new Map<string, string>([
      ...HEAD.slice(0, common.length).map((name, at): [string, string] => [name, common[at] ?? '']),
      ...([
        ['type', type],
        ['description', description],
        ['tax_class', taxClass],
      ] as const),
      ...([
        ['currency', currency],
        ['amount', amount],
      ] as const),
    ]);
    return HEAD.map((name) => row.get(name));
  };
  const rows = [
    HEAD,
    ...lines.map(ofLine),
    ...taxes.map(({ name, rate, tax_class, base, amount }) =>
      sum('tax', `${name} ${rate} % of ${base}`, tax_class, amount),
    ),
    sum('total', 'Total', '', document.total),
  ];
  return `${rows.map((row) => row.map(field).join(',')).join('\r\n')}\r\n`;
}
