/** `npm run load`: how many requests per second gateways serve within a latency, and the check of the target. */
import { writeFileSync } from 'node:fs';
import { openFilesLimit } from '../harness/children.ts';
import { describeMachine } from '../harness/machine.ts';
import { Installation } from './installation.ts';
import { loadTestOptions } from './options.ts';

/** Bounds of p99, in milliseconds. */
const BOUNDS = [1, 5, 10, 50] as const;
const STEP_MS = 6_000;
const UNTIMED_MS = 2_000;
const FIRST_RATE = 250;
const GROWTH = 1.3;
/** Connections that the load may use: the number of clients at once. */
const MAX_CONNECTIONS = 1_000;

/** The target of an installation. */
export const TARGET = { p95Ms: 500, p99Ms: 2_000, errorRate: 0.001 } as const;

interface Step {
  readonly rate: number;
  readonly completedPerSecond: number;
  readonly failed: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** CPU time of Weir for one request, in microseconds: all its processes. */
  readonly cpuMicros: number;
}

export interface Frontier {
  readonly workers: number;
  readonly steps: readonly Step[];
  /** The highest rate without failures for each bound of p99. */
  readonly best: readonly { readonly p99BelowMs: number; readonly rate: number | undefined }[];
  readonly target: Step & { readonly met: boolean };
}

async function step(installation: Installation, rate: number, durationMs: number): Promise<Step> {
  const before = installation.usage().cpuSeconds;
  const startedAt = performance.now();
  const result = await installation.atRate({
    ...{ perSecond: rate, durationMs, untimedMs: Math.min(UNTIMED_MS, durationMs / 3) },
    maxConnections: MAX_CONNECTIONS,
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  const cpuSeconds = installation.usage().cpuSeconds - before;
  const { completed, failed, latency } = result;
  return {
    ...{ rate, failed, completedPerSecond: completed / seconds },
    p50: latency.p50 / 1_000,
    p95: latency.p95 / 1_000,
    p99: latency.p99 / 1_000,
    cpuMicros: completed === 0 ? 0 : (cpuSeconds / completed) * 1e6,
  };
}

/** @returns the highest rate of the steps without failures for each bound */
export function bestOf(steps: readonly Pick<Step, 'rate' | 'failed' | 'p99'>[]): Frontier['best'] {
  return BOUNDS.map((bound) => {
    const within = steps.filter(({ failed, p99 }) => failed === 0 && p99 < bound);
    return {
      p99BelowMs: bound,
      rate: within.length === 0 ? undefined : Math.max(...within.map(({ rate }) => rate)),
    };
  });
}

/** @returns whether a step fulfils the target */
export function meetsTarget({ p95, p99, failed, completedPerSecond, rate }: Step, total: number): boolean {
  const { p95Ms, p99Ms, errorRate } = TARGET;
  return p95 < p95Ms && p99 < p99Ms && failed / total < errorRate && completedPerSecond > 0.95 * rate;
}

async function measure(
  workers: number,
  { upstream, rate: targetRate, durationMs }: ReturnType<typeof loadTestOptions>,
  progress: (line: string) => void,
): Promise<Frontier> {
  const installation = await Installation.start({ workers, upstream });
  try {
    // Compilers of the runtime have to see the code before it is measured.
    await step(installation, FIRST_RATE, STEP_MS);
    const steps: Step[] = [];
    for (let rate = FIRST_RATE; ; rate = Math.round(rate * GROWTH)) {
      const measured = await step(installation, rate, STEP_MS);
      steps.push(measured);
      progress(`${workers} workers, ${rate}/s: p99 ${measured.p99.toFixed(1)} ms, ${measured.failed} failed`);
      const [last = 0] = BOUNDS.slice(-1);
      if (measured.failed > 0 || measured.p99 > last || measured.completedPerSecond < 0.9 * rate) break;
    }
    const target = await step(installation, targetRate, durationMs);
    const met = meetsTarget(target, (targetRate * durationMs) / 1_000);
    return { workers, steps, best: bestOf(steps), target: { ...target, met } };
  } finally {
    await installation.stop();
  }
}

function print(frontiers: readonly Frontier[], rate: number): void {
  const line = (cells: readonly string[]) => console.log(`| ${cells.join(' | ')} |`);
  line([
    'processes',
    ...BOUNDS.map((bound) => `p99 < ${bound} ms`),
    `at ${rate}/s`,
    'p95',
    'p99',
    'failed',
    'CPU each',
  ]);
  line(Array.from({ length: BOUNDS.length + 6 }, () => '---'));
  for (const { workers, best, target } of frontiers) {
    line([
      workers === 0 ? 'one, no workers' : `${workers} workers`,
      ...best.map((one) => (one.rate === undefined ? 'none' : `${one.rate}/s`)),
      `${Math.round(target.completedPerSecond)}/s${target.met ? '' : ', target missed'}`,
      `${target.p95.toFixed(1)} ms`,
      `${target.p99.toFixed(1)} ms`,
      String(target.failed),
      `${Math.round(target.cpuMicros)} µs`,
    ]);
  }
}

if (import.meta.main) {
  const options = loadTestOptions(process.argv.slice(2), {
    workers: [0, 2, 4],
    rate: 5_000,
    durationMs: 20_000,
  });
  const frontiers: Frontier[] = [];
  for (const workers of options.workers) {
    frontiers.push(await measure(workers, options, (line) => console.error(line)));
  }
  print(frontiers, options.rate);
  const report = { machine: describeMachine(openFilesLimit()), options, frontiers };
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  process.exit(0);
}
