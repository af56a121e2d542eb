import type { Subject } from '../harness/subject.ts';
import { results } from '../load/protocol.ts';
import {
  type Bench,
  noteFailures,
  probe,
  streamBody,
  upstreamSettled,
  usageOf,
  withSubjects,
} from './bench.ts';

const SCENARIO = 'memory';
const START_SETTLE_MS = 1000;
const MAX_PENDING = 100;
const OPEN_LIMIT_MS = 120_000;
const JOB_LIMIT_MS = 30_000;
const SETTLE_LIMIT_MS = 30_000;

async function holdAndMeasure(
  bench: Bench,
  subject: Subject,
  asked: number,
  idle: { rssKib: number; pssKib: number | undefined },
): Promise<void> {
  const add = (metric: string, value: number | undefined) =>
    bench.measurements.add(SCENARIO, subject.name, `${metric}_${asked}`, value);
  const count = Math.min(asked, bench.maxStreams);
  if (count < asked) bench.note(`the limit on open files allows ${count} open streams, not ${asked}`);
  const body = streamBody(subject.model, { bench_hold: true });
  const opened = await bench.load.run(
    { type: 'hold', endpoint: subject.endpoint, body, count, maxPending: MAX_PENDING },
    results.hold,
    OPEN_LIMIT_MS,
  );
  noteFailures(bench, `${subject.name}, opening ${count} streams`, opened);
  await Bun.sleep(bench.options.holdSeconds * 1000);
  const usage = usageOf(bench, subject, true);
  const held = await bench.load.run({ type: 'held' }, results.held, JOB_LIMIT_MS);
  add('open', held.open);
  add('dropped', count - held.open);
  const perStream = (now: number | undefined, before: number | undefined) =>
    now === undefined || before === undefined || held.open === 0 ? undefined : (now - before) / held.open;
  add('stream_kib', perStream(usage?.rssKib, idle.rssKib));
  add('stream_pss_kib', perStream(usage?.pssKib, idle.pssKib));
}

async function measure(bench: Bench, subject: Subject, round: number): Promise<void> {
  const add = (metric: string, value: number | undefined) =>
    bench.measurements.add(SCENARIO, subject.name, metric, value);
  await Bun.sleep(START_SETTLE_MS);
  add('idle_rss_kib', usageOf(bench, subject)?.rssKib);
  await probe(bench, subject);
  await Bun.sleep(START_SETTLE_MS);
  const idle = usageOf(bench, subject, true);
  if (!idle) return;
  add('first_rss_kib', idle.rssKib);
  for (const asked of bench.options.open) await holdAndMeasure(bench, subject, asked, idle);
  await bench.load.run({ type: 'release' }, results.release, JOB_LIMIT_MS);
  const stats = await upstreamSettled(bench, SETTLE_LIMIT_MS);
  await Bun.sleep(START_SETTLE_MS);
  add('left_streams', stats.openStreams);
  add('left_connections', (await bench.upstreamStats()).openConnections);
  add('closed_rss_kib', usageOf(bench, subject)?.rssKib);
  const { retainSeconds } = bench.options;
  if (round > 0 || retainSeconds === 0) return;
  await Bun.sleep(retainSeconds * 1000);
  const retained = usageOf(bench, subject)?.rssKib;
  add('retained_rss_kib', retained);
  add('retained', retained && retained / idle.rssKib);
}

/** Memory idle, and per stream with thousands open; each subject alone and freshly started. */
export async function memory(bench: Bench): Promise<void> {
  for (let round = 0; round < bench.options.memoryRounds; round++) {
    for (const spec of bench.specs) {
      bench.progress(`${SCENARIO}: round ${round + 1} of ${bench.options.memoryRounds}, ${spec.name}`);
      await withSubjects([spec], async (subjects) => {
        for (const subject of subjects) {
          if (subject.pid !== undefined) await measure(bench, subject, round);
          else if (round === 0) bench.note(`${subject.name}: no pid was given, so its memory is not known`);
        }
      });
    }
  }
}
