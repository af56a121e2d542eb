import type { MetricDescription } from './metric-families.ts';

const BEGIN = '<!-- metrics:begin -->';
const END = '<!-- metrics:end -->';

/**
 * @param page the text of docs/operations.md
 * @returns the page with its table of metrics replaced
 * @throws Error when the page lacks the lines that enclose the table
 */
export function withMetricsTable(page: string, metrics: readonly MetricDescription[]): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`the page needs the lines ${BEGIN} and ${END}`);
  const rows = metrics.map(({ name, type, labels, help }) => {
    const list = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${list} | ${help} |`;
  });
  const table = ['| Metric | Type | Labels | Meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
  return `${page.slice(0, begin + BEGIN.length)}\n${table}\n${page.slice(end)}`;
}
