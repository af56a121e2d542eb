import type { Subject } from '../harness/subject.ts';
import { results } from '../load/protocol.ts';
import { median } from '../report/statistics.ts';
import {
  type Bench,
  chatBody,
  noteFailures,
  probe,
  streamBody,
  upstreamSettled,
  usageOf,
  withCpu,
  withSubjects,
} from './bench.ts';

/** RSS is read after each of so many equal parts of the requests. */
const PARTS = 12;
const THIRD = PARTS / 3;
const SETTLE_MS = 1000;
const SETTLE_LIMIT_MS = 30_000;
const MARGIN_MS = 60_000;
/** Slowest subject that a run has time for, in requests (or aborts) per second. */
const SLOWEST = 200;

async function eachAlone(bench: Bench, use: (subject: Subject) => Promise<void>): Promise<void> {
  for (const spec of bench.specs) {
    await withSubjects([spec], async (subjects) => {
      for (const subject of subjects) {
        await probe(bench, subject);
        await use(subject);
      }
    });
  }
}

/** Memory over many requests: flat, or not. A part more than counted goes first, to warm up. */
export async function manyRequests(bench: Bench): Promise<void> {
  const requests = Math.ceil(bench.options.memoryRequests / PARTS);
  await eachAlone(bench, async (subject) => {
    const add = (metric: string, value: number | undefined) =>
      bench.measurements.add('requests', subject.name, metric, value);
    const body = chatBody(subject.model);
    const { connections } = bench.options;
    const rss: number[] = [];
    let cpu = 0;
    let failed = 0;
    for (let part = 0; part <= PARTS; part++) {
      bench.progress(`requests: ${subject.name}, ${part * requests} of ${PARTS * requests}`);
      const { result, cpuMicros } = await withCpu(bench, subject, () =>
        bench.load.run(
          { type: 'closed', endpoint: subject.endpoint, body, requests, connections },
          results.closed,
          (requests / SLOWEST) * 1000 + MARGIN_MS,
        ),
      );
      failed += result.failed;
      noteFailures(bench, `${subject.name}, requests`, result);
      const usage = usageOf(bench, subject);
      if (part === 0 || !usage) continue;
      rss.push(usage.rssKib);
      cpu += cpuMicros ?? 0;
    }
    const early = median(rss.slice(0, THIRD));
    const late = median(rss.slice(-THIRD));
    add('early_rss_kib', early);
    add('late_rss_kib', late);
    add('growth', early && late && late / early);
    add('cpu_us', rss.length > 0 ? cpu / (requests * PARTS) : undefined);
    add('failed', failed);
  });
}

/** What clients that leave in the middle of a stream leave behind. */
export async function manyAborts(bench: Bench): Promise<void> {
  const { aborts } = bench.options;
  const abortsPerSecond = 500;
  const abort = (subject: Subject, count: number) =>
    bench.load.run(
      {
        type: 'streams',
        endpoint: subject.endpoint,
        body: streamBody(subject.model, { bench_chunks: 1000, bench_interval_ms: 20 }),
        count,
        startsPerSecond: abortsPerSecond,
        abortAfter: 3,
        maxOpen: Math.min(2000, bench.maxStreams),
      },
      results.streams,
      (count / SLOWEST) * 1000 + MARGIN_MS,
    );
  await eachAlone(bench, async (subject) => {
    bench.progress(`aborts: ${subject.name}`);
    const add = (metric: string, value: number | undefined) =>
      bench.measurements.add('aborts', subject.name, metric, value);
    await abort(subject, Math.ceil(aborts / 10));
    await Bun.sleep(SETTLE_MS);
    add('before_rss_kib', usageOf(bench, subject)?.rssKib);
    const result = await abort(subject, aborts);
    noteFailures(bench, `${subject.name}, aborts`, result);
    const stats = await upstreamSettled(bench, SETTLE_LIMIT_MS);
    await Bun.sleep(SETTLE_MS);
    add('after_rss_kib', usageOf(bench, subject)?.rssKib);
    add('left_streams', stats.openStreams);
    add('left_connections', (await bench.upstreamStats()).openConnections);
    add('failed', result.failed);
  });
}
