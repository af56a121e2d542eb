import type { Outcome } from './scenarios.ts';

/** @returns the outcomes as a table of Markdown */
export function markdownTable(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map(
    ({ lost, rto, outage, rpo, confirmed, missing, targetRto, targetRpo, passed }) =>
      `| ${lost} | ${rto.toFixed(1)} s | ${minutes(targetRto)} | ${outage.toFixed(1)} s | ${rpo.toFixed(1)} s | ${minutes(targetRpo)} | ${missing} of ${confirmed} | ${passed ? 'yes' : 'NO'} |`,
  );
  return [
    '| lost | recovered after | target | clients waited at most | restored state is older by | target | usage missing | passed |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

function minutes(seconds: number): string {
  return seconds < 60 ? `${seconds} s` : `${seconds / 60} min`;
}
