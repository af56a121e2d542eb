/** `npm run soak`: memory, files and failures of an installation over a long time at a fixed rate. */
import { writeFileSync } from 'node:fs';
import { median } from '../report/statistics.ts';
import { Installation } from './installation.ts';
import { loadTestOptions } from './options.ts';

/** The load is sent in parts, and memory is read after each. */
const PART_MS = 10_000;
/** A part of the time in which memory grows to its working size. */
const WARM_UP = 0.2;
/** Growth from the first third after the warm-up to the last one. */
const MAX_GROWTH = 1.15;
/** Shorter runs see caches grow, and judge failures only. */
const SHORTEST_JUDGED_MS = 10 * 60_000;
const MAX_CONNECTIONS = 200;

export interface SoakReport {
  readonly seconds: number;
  readonly requests: number;
  readonly failed: number;
  readonly reasons: readonly string[];
  /** Megabytes of memory of all processes after each part; shared pages count once. */
  readonly memory: readonly number[];
  /** The last third to the first third; undefined for a run with too few parts. */
  readonly growth: number | undefined;
  readonly isFlat: boolean | undefined;
  /** Usage events that the databases have, and requests that were sent. */
  readonly recorded: number;
}

/** @param parts memory after each part @returns the last third to the first third after the warm-up */
export function growthOf(parts: readonly number[]): number | undefined {
  const counted = parts.slice(Math.ceil(parts.length * WARM_UP));
  const third = Math.floor(counted.length / 3);
  const [early, late] = [median(counted.slice(0, third)), median(counted.slice(-third))];
  return third === 0 || !early || !late ? undefined : late / early;
}

async function run({
  upstream,
  workers,
  rate,
  durationMs,
}: ReturnType<typeof loadTestOptions>): Promise<SoakReport> {
  const installation = await Installation.start({ workers: workers[0] ?? 0, upstream });
  try {
    const memory: number[] = [];
    const reasons = new Set<string>();
    let requests = 0;
    let failed = 0;
    const endAt = performance.now() + durationMs;
    while (performance.now() < endAt) {
      const part = Math.min(PART_MS, Math.max(1_000, endAt - performance.now()));
      const result = await installation.atRate({
        ...{ perSecond: rate, durationMs: part, untimedMs: 0, maxConnections: MAX_CONNECTIONS },
      });
      requests += result.completed + result.failed;
      failed += result.failed;
      for (const reason of result.reasons) reasons.add(reason);
      const { pssKib, rssKib } = installation.usage();
      memory.push(Math.round((pssKib ?? rssKib) / 1024));
      const left = Math.max(0, Math.round((endAt - performance.now()) / 1000));
      console.error(`${requests} requests, ${failed} failed, ${memory.at(-1)} MB, ${left} s left`);
    }
    const growth = growthOf(memory);
    const isJudged = durationMs >= SHORTEST_JUDGED_MS && growth !== undefined;
    return {
      ...{ seconds: durationMs / 1000, requests, failed, reasons: [...reasons], memory, growth },
      isFlat: isJudged ? growth <= MAX_GROWTH : undefined,
      // The probe of the start is one more.
      recorded: (await installation.recordedRequests(requests + 1)) - 1,
    };
  } finally {
    await installation.stop();
  }
}

if (import.meta.main) {
  const options = loadTestOptions(process.argv.slice(2), { workers: [2], rate: 200, durationMs: 3_600_000 });
  const report = await run(options);
  const { requests, failed, recorded, growth, isFlat, memory } = report;
  console.log(`requests: ${requests}, failed: ${failed} ${report.reasons.join(', ')}`);
  console.log(`usage recorded: ${recorded}`);
  console.log(
    `memory: ${memory[0]} MB to ${memory.at(-1)} MB, last third to first third ${growth?.toFixed(2) ?? 'unknown'}`,
  );
  const isWhole = failed > 0 ? recorded >= requests - failed : recorded === requests;
  const isGood = failed === 0 && isWhole && isFlat !== false;
  console.log(isGood ? 'passed' : 'FAILED: a request failed, usage is missing, or memory grew');
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ options, report }, null, 2)}\n`);
  process.exit(isGood ? 0 : 1);
}
