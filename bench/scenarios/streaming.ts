import type { Subject } from '../harness/subject.ts';
import { type Bench, noteFailures, probe, rotated, withSubjects } from './bench.ts';
import { concurrentStreams, streams, warmUpStreams } from './load.ts';

const SCENARIO = 'streaming';

/** Length of the streams whose first token is timed, in chunks: short, so that many can be started. */
const FIRST_TOKEN_CHUNKS = 50;

async function perChunk(bench: Bench, subject: Subject): Promise<number> {
  const load = concurrentStreams(bench);
  const { result, cpuMicros } = await streams(bench, subject, load);
  const add = (metric: string, value: number | undefined) =>
    bench.measurements.add(SCENARIO, subject.name, metric, value);
  add('cpu_us', cpuMicros && cpuMicros / result.events);
  const translated = subject.translatedModel
    ? await streams(bench, subject, { ...load, translated: true })
    : { result, cpuMicros };
  // Others hand their streams on: what a translation costs is compared with that.
  add('translated_cpu_us', translated.cpuMicros && translated.cpuMicros / translated.result.events);
  add('gap_p50_us', result.gap.p50);
  add('gap_p99_us', result.gap.p99);
  noteFailures(bench, `${subject.name}, streams`, result);
  if (translated.result === result) return result.failed;
  noteFailures(bench, `${subject.name}, translated streams`, translated.result);
  return result.failed + translated.result.failed;
}

async function firstToken(bench: Bench, subject: Subject): Promise<{ p50: number; failed: number }> {
  const { streams: most, intervalMs, quick } = bench.options;
  const streamSeconds = (FIRST_TOKEN_CHUNKS * intervalMs) / 1000;
  const startsPerSecond = Math.max(1, most / 2 / streamSeconds);
  const count = Math.ceil(startsPerSecond * (quick ? 2 : 5));
  const { result } = await streams(bench, subject, { count, chunks: FIRST_TOKEN_CHUNKS, startsPerSecond });
  const { p50 } = result.firstEvent;
  bench.measurements.add(SCENARIO, subject.name, 'first_p50_us', p50);
  noteFailures(bench, `${subject.name}, time to first token`, result);
  return { p50, failed: result.failed };
}

/** CPU per chunk with many paced streams, and time to first token while half as many are open. */
export async function streaming(bench: Bench): Promise<void> {
  await withSubjects(bench.specs, async (subjects) => {
    for (const subject of [bench.direct, ...subjects]) {
      bench.progress(`${SCENARIO}: warming up ${subject.name}`);
      await probe(bench, subject);
      await warmUpStreams(bench, subject, true);
    }
    for (let round = 0; round < bench.options.rounds; round++) {
      const base = await firstToken(bench, bench.direct);
      for (const subject of rotated(subjects, round)) {
        bench.progress(`${SCENARIO}: round ${round + 1} of ${bench.options.rounds}, ${subject.name}`);
        const failed = await perChunk(bench, subject);
        const first = await firstToken(bench, subject);
        const add = (metric: string, value: number) =>
          bench.measurements.add(SCENARIO, subject.name, metric, value);
        add('added_first_p50_us', first.p50 - base.p50);
        add('failed', failed + first.failed);
      }
    }
  });
}
