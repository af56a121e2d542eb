import type { Subject } from '../harness/subject.ts';
import { results } from '../load/protocol.ts';
import { type Bench, noteFailures, probe, rotated, streamBody, withCpu, withSubjects } from './bench.ts';

const SCENARIO = 'streaming';
const MARGIN_MS = 60_000;
/** Streams start evenly over this time, so that their chunks don't all come at once. */
const START_OVER_MS = 500;

/** What is done once for a stream is compiled after so many: by then the runtime's compilers have nothing left to do. */
const SHORT_STREAMS = 16_000;
const SHORT_STREAM_CHUNKS = 5;
const SHORT_STREAMS_PER_SECOND = 2_000;

/** Length of the streams whose first token is timed, in chunks: short, so that many can be started. */
const FIRST_TOKEN_CHUNKS = 50;

interface Load {
  readonly count: number;
  readonly chunks: number;
  readonly startsPerSecond: number;
  readonly translated?: boolean;
}

/** The request that asks for a stream of so many chunks. */
function request(
  { model, translatedModel }: Subject,
  { chunks, translated }: Load,
  intervalMs: number,
): string {
  return translated && translatedModel !== undefined
    ? streamBody(translatedModel, { user: `bench-${chunks}-${intervalMs}` })
    : streamBody(model, { bench_chunks: chunks, bench_interval_ms: intervalMs });
}

async function streams(bench: Bench, subject: Subject, load: Load) {
  const { count, chunks, startsPerSecond } = load;
  const { intervalMs } = bench.options;
  const expectedMs = chunks * intervalMs + (count / startsPerSecond) * 1000;
  return withCpu(bench, subject, () =>
    bench.load.run(
      {
        type: 'streams',
        endpoint: subject.endpoint,
        body: request(subject, load, intervalMs),
        count,
        startsPerSecond,
        maxOpen: bench.maxStreams,
      },
      results.streams,
      expectedMs + MARGIN_MS,
    ),
  );
}

async function perChunk(bench: Bench, subject: Subject): Promise<number> {
  const { streams: count, chunks } = bench.options;
  const load = { count, chunks, startsPerSecond: (count * 1000) / START_OVER_MS };
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

async function firstToken(
  bench: Bench,
  subject: Subject,
): Promise<{ p50: number; p99: number; failed: number }> {
  const { streams: most, intervalMs, quick } = bench.options;
  const streamSeconds = (FIRST_TOKEN_CHUNKS * intervalMs) / 1000;
  const startsPerSecond = Math.max(1, most / 2 / streamSeconds);
  const count = Math.ceil(startsPerSecond * (quick ? 2 : 5));
  const { result } = await streams(bench, subject, { count, chunks: FIRST_TOKEN_CHUNKS, startsPerSecond });
  const { p50, p99 } = result.firstEvent;
  bench.measurements.add(SCENARIO, subject.name, 'first_p50_us', p50);
  bench.measurements.add(SCENARIO, subject.name, 'first_p99_us', p99);
  noteFailures(bench, `${subject.name}, time to first token`, result);
  return { p50, p99, failed: result.failed };
}

/** Until the runtime has compiled what each chunk and each stream needs, as with plain answers: a gateway runs for weeks. */
function warmUp({ options: { streams: count, chunks, quick } }: Bench): Load[] {
  const startsPerSecond = (count * 1000) / START_OVER_MS;
  if (quick) return [{ count, chunks: FIRST_TOKEN_CHUNKS, startsPerSecond }];
  return [
    { count: SHORT_STREAMS, chunks: SHORT_STREAM_CHUNKS, startsPerSecond: SHORT_STREAMS_PER_SECOND },
    { count, chunks, startsPerSecond },
    { count, chunks, startsPerSecond },
  ];
}

/** CPU per chunk with many paced streams, and time to first token while half as many are open. */
export async function streaming(bench: Bench): Promise<void> {
  await withSubjects(bench.specs, async (subjects) => {
    for (const subject of [bench.direct, ...subjects]) {
      bench.progress(`${SCENARIO}: warming up ${subject.name}`);
      await probe(bench, subject);
      for (const load of warmUp(bench)) {
        await streams(bench, subject, load);
        if (subject.translatedModel) await streams(bench, subject, { ...load, translated: true });
      }
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
        add('added_first_p99_us', first.p99 - base.p99);
        add('failed', failed + first.failed);
      }
    }
  });
}
