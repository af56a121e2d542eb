import { seeded } from '../../src/core/random.ts';
import { STRATEGIES, type StrategyName } from '../../src/routing/strategies/index.ts';
import { type FairnessOutcome, simulateFairness } from './fairness.ts';
import { ALIKE, REPLICAS, requestsAt } from './scenarios.ts';
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
  return tableOf(header, rows);
}

function tableOf(header: readonly string[], rows: readonly (readonly string[])[]): string {
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
/** With the target full either way, and with it full only because of the heavy tenant; then in one queue in order of arrival. */
const fairness = await Promise.all(
  ([1.2, 1] as const).flatMap((others) =>
    (['fair', 'arrival'] as const).flatMap((order) =>
      [1, 50].map(async (load) => ({ others, ...(await simulateFairness({ load, order, others })) })),
    ),
  ),
);

function fairnessTable(outcomes: readonly (FairnessOutcome & { readonly others: number })[]): string {
  const header = [
    'others send',
    'heavy sends',
    'order',
    'wait p50 ms',
    'wait p99 ms',
    'response p99 ms',
    'refused',
  ];
  return tableOf(
    header,
    outcomes.map(({ others, load, order, p50, p99, responseP99, refused, asked }) => [
      `${others} x`,
      `${load} x`,
      order,
      String(p50),
      String(p99),
      String(responseP99),
      `${((refused / asked) * 100).toFixed(1)} %`,
    ]),
  );
}

if (process.argv.includes('--json')) console.log(JSON.stringify({ strategies: results, fairness }, null, 2));
else {
  for (const { title, outcomes } of results) console.log(`${title}\n\n${table(outcomes)}\n`);
  console.log(`Effect of a heavy tenant on a light one\n\n${fairnessTable(fairness)}\n`);
}
