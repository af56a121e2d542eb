import { type Metric, metrics } from './metrics.ts';
import type { Measurements } from './series.ts';
import { figure, table } from './table.ts';
import type { Verdict } from './targets.ts';

function rowsOf(
  shown: readonly Metric[],
  subjects: readonly string[],
  cell: (metric: Metric, subject: string) => string,
): string[][] {
  return shown
    .map((metric) => {
      const unit = metric.unit === '' ? '' : ` (${metric.unit})`;
      return [
        `${metric.scenario}: ${metric.label}`,
        unit,
        ...subjects.map((subject) => cell(metric, subject)),
      ];
    })
    .filter(([, , ...cells]) => cells.some((text) => text !== '-'))
    .map(([label = '', unit = '', ...cells]) => [label + unit, ...cells]);
}

/** Ratios to the floor, without units; empty when there is no floor to compare with. */
export function ratioTable(measurements: Measurements, open: readonly number[]): string {
  const subjects = measurements.subjects().filter((name) => name !== 'direct');
  if (!subjects.includes('floor')) return '';
  const shown = metrics(open)
    .filter(({ ratio }) => ratio)
    .map((metric) => ({ ...metric, unit: '' }));
  const rows = rowsOf(shown, subjects, ({ scenario, id }, subject) =>
    figure(measurements.ratio(scenario, subject, id, 'floor'), 2),
  );
  return rows.length === 0 ? '' : table(['ratio to the floor', ...subjects], rows);
}

/** The numbers themselves: median over the rounds, and how far the rounds lie apart. */
export function absoluteTable(measurements: Measurements, open: readonly number[]): string {
  const subjects = measurements.subjects();
  const rows = rowsOf(metrics(open), subjects, ({ scenario, id, digits }, subject) => {
    const value = figure(measurements.value(scenario, subject, id), digits);
    const spread = measurements.spread(scenario, subject, id);
    return spread === undefined ? value : `${value} ${apart(spread)}`;
  });
  return table(['median over the rounds', ...subjects], rows);
}

/** Beyond a factor of two only that matters: the rounds don't agree. */
function apart(spread: number): string {
  return spread > 1 ? '±>100%' : `±${Math.round(spread * 100)}%`;
}

export function verdictTable(verdicts: readonly Verdict[], subject: string): string {
  const rows = verdicts.map(({ target, value, met }) => [
    `${target.says} (${target.id})`,
    `${target.max}`,
    value === undefined ? 'not measured' : figure(value, 2),
    met ? 'met' : 'MISSED',
  ]);
  return table([`target of ${subject}`, 'at most', 'is', 'verdict'], rows);
}

const BEGIN = '<!-- results:begin (written by `npm run bench -- --write-docs`) -->';
const END = '<!-- results:end -->';

/** Replaces the text between the markers. @throws when they are missing */
export function replaceResults(document: string, results: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) throw new Error('the page has no place for results');
  return `${document.slice(0, begin + BEGIN.length)}\n\n${results.trim()}\n\n${document.slice(end)}`;
}
