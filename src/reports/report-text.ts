import { csvTable } from '../core/csv.ts';
import type { ReportDocument } from './report-document.ts';

const HEAD = [
  ...['period', 'from', 'to', 'time_zone', 'by', 'id', 'name', 'requests', 'failures'],
  ...['input_tokens', 'output_tokens', 'cost_usd', 'previous_cost_usd'],
];

/** Renders the groups of a report as a table: a line for each key, model and so on, with its name beside its id. */
export function reportCsv({ label, from, to, time_zone: zone, groups }: ReportDocument): string {
  return csvTable([
    HEAD,
    ...groups.flatMap(({ by, rows }) =>
      rows.map((row) => [
        ...[label, from, to, zone, by, row.id, row.name, row.requests, row.failures],
        ...[row.input_tokens, row.output_tokens, row.cost, row.previous_cost],
      ]),
    ),
  ]);
}

/** Largest groups and hints of a mail; the attached table has all. */
const SHOWN = 5;

/** Renders a report as plain text, for mails. */
export function reportText(name: string, document: ReportDocument): string {
  const { label, totals, previous, changes, forecast, hints, time_zone: zone } = document;
  const lines = [
    `${name}: ${label} (${zone})`,
    '',
    `Cost: ${money(totals.cost)} USD, ${money(previous.cost)} USD in the period before`,
    `Requests: ${totals.requests}, ${previous.requests} in the period before; failed attempts: ${totals.failures}`,
    `Tokens: ${totals.input_tokens} input, ${totals.output_tokens} output`,
  ];
  if (changes.length > 0) lines.push('', 'Largest changes:');
  for (const { by, id, name: shown, change } of changes.slice(0, SHOWN)) {
    lines.push(
      `  ${by} ${shown ?? (id === '' ? '(none)' : id)}: ${change.startsWith('-') ? '' : '+'}${money(change)} USD`,
    );
  }
  if (forecast) {
    lines.push('', `Forecast of ${forecast.month}: about ${money(forecast.expected)} USD (estimated)`);
  }
  if (hints.length > 0) lines.push('', 'Hints (savings are estimated):');
  for (const { text, saves } of hints.slice(0, SHOWN)) {
    lines.push(`  ${text}${saves === null || saves === '0' ? '' : ` Saves about ${money(saves)} USD.`}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Cents; four digits below a dollar. */
function money(exact: string): string {
  const value = Number(exact);
  return value.toFixed(Math.abs(value) < 1 ? 4 : 2);
}
