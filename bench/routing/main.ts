import { STRATEGIES, type StrategyName } from '../../src/routing/strategies/index.ts';
import { ALIKE, REPLICAS, requestsAt, seeded } from './scenarios.ts';
import { type Outcome, simulate } from './simulation.ts';

/** `npm run bench:routing`: all strategies against the same requests. `--json` for machines. */

const names = Object.keys(STRATEGIES) as StrategyName[];

function table(outcomes: readonly Outcome[]): string {
  const header = [
    'strategy',
    'p50 ms',
    'p99 ms',
    'first p50',
    'first p99',
    '$ / 1000',
    'cache hits',
    'failed',
    'attempts',
  ];
  const rows = outcomes.map((outcome) => [
    outcome.strategy,
    String(outcome.p50),
    String(outcome.p99),
    String(outcome.firstP50),
    String(outcome.firstP99),
    outcome.costPerThousand.toFixed(3),
    `${(outcome.hitRatio * 100).toFixed(1)} %`,
    String(outcome.failed),
    String(outcome.attempts),
  ]);
  const widths = header.map((_, column) =>
    Math.max(...[header, ...rows].map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  return [
    line(header),
    `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`,
    ...rows.map(line),
  ].join('\n');
}

const scenarios = [
  {
    title: 'Different replicas, one of which fails for a minute',
    replicas: REPLICAS,
    requests: requestsAt(22),
  },
  { title: 'Replicas that are alike', replicas: ALIKE, requests: requestsAt(20) },
];
const results = scenarios.map(({ title, replicas, requests }) => ({
  title,
  outcomes: names.map((strategy) => simulate({ strategy, replicas, requests, random: seeded(2) })),
}));
if (process.argv.includes('--json')) console.log(JSON.stringify(results, null, 2));
else for (const { title, outcomes } of results) console.log(`${title}\n\n${table(outcomes)}\n`);
