/** The loads that scenarios put on a subject. */
import type { Subject } from '../harness/subject.ts';
import { type ResultOf, results } from '../load/protocol.ts';
import { type Bench, chatBody, noteFailures, streamBody, withCpu } from './bench.ts';

const MAX_CONNECTIONS = 256;
/** Requests of this first time are sent but not timed. */
export const UNTIMED_MS = 500;
/** Slowest subject that a load has time for, in requests per second. */
const SLOWEST = 100;
const MARGIN_MS = 60_000;
/** Streams start evenly over this time, so that their chunks don't all come at once. */
const START_OVER_MS = 500;

/** What is done once for a stream is compiled after so many: by then the runtime's compilers have nothing left to do. */
const SHORT_STREAMS = 16_000;
const SHORT_STREAM_CHUNKS = 5;
const SHORT_STREAMS_PER_SECOND = 2_000;
const QUICK_CHUNKS = 50;

const WARM_UP_PARTS = 3;
/** Until the runtime has compiled what is used often: a gateway runs for weeks. */
const WARM_UP_SECONDS = 6;

/** Result of a load, and the CPU time that the subject used meanwhile, in microseconds. */
export interface Loaded<R> {
  readonly result: R;
  readonly cpuMicros: number | undefined;
}

/** @returns requests per second that the load client, which costs more CPU than wrk, gets through a subject */
export async function throughput(
  bench: Bench,
  subject: Subject,
  {
    body = chatBody(subject.model),
    requests = bench.options.quick ? 5000 : 10_000,
    connections = bench.options.connections,
  } = {},
): Promise<number> {
  const from = performance.now();
  const result = await bench.load.run(
    { type: 'closed', endpoint: subject.endpoint, body, requests, connections },
    results.closed,
    (requests / SLOWEST) * 1000 + MARGIN_MS,
  );
  noteFailures(bench, `${subject.name}, unpaced`, result);
  return (result.completed * 1000) / (performance.now() - from);
}

/** Sends plain requests at a fixed rate, whether earlier ones have completed or not. */
export function atFixedRate(
  bench: Bench,
  subject: Subject,
  perSecond: number,
): Promise<Loaded<ResultOf<'rate'>>> {
  const durationMs = bench.options.seconds * 1000;
  return withCpu(bench, subject, () =>
    bench.load.run(
      {
        type: 'rate',
        endpoint: subject.endpoint,
        body: chatBody(subject.model),
        perSecond,
        durationMs: UNTIMED_MS + durationMs,
        untimedMs: UNTIMED_MS,
        maxConnections: MAX_CONNECTIONS,
      },
      results.rate,
      durationMs + MARGIN_MS,
    ),
  );
}

export interface StreamLoad {
  readonly count: number;
  readonly chunks: number;
  readonly startsPerSecond: number;
  readonly translated?: boolean;
  /** The first so many streams are not timed. */
  readonly untimed?: number;
}

/** The request that asks for a stream of so many chunks. */
function streamRequest(
  { model, translatedModel }: Subject,
  { chunks, translated }: StreamLoad,
  intervalMs: number,
): string {
  return translated && translatedModel !== undefined
    ? streamBody(translatedModel, { user: `bench-${chunks}-${intervalMs}` })
    : streamBody(model, { bench_chunks: chunks, bench_interval_ms: intervalMs });
}

/** Reads streams to their end, started at a fixed rate. */
export function streams(
  bench: Bench,
  subject: Subject,
  load: StreamLoad,
): Promise<Loaded<ResultOf<'streams'>>> {
  const { count, chunks, startsPerSecond, untimed } = load;
  const { intervalMs } = bench.options;
  const expectedMs = chunks * intervalMs + (count / startsPerSecond) * 1000;
  return withCpu(bench, subject, () =>
    bench.load.run(
      {
        type: 'streams',
        endpoint: subject.endpoint,
        body: streamRequest(subject, load, intervalMs),
        count,
        startsPerSecond,
        maxOpen: bench.maxStreams,
        ...(untimed === undefined ? {} : { untimed }),
      },
      results.streams,
      expectedMs + MARGIN_MS,
    ),
  );
}

/** As many streams at once as asked, evenly started. */
export function concurrentStreams({ options: { streams: count, chunks } }: Bench): StreamLoad {
  return { count, chunks, startsPerSecond: (count * 1000) / START_OVER_MS };
}

/** Plain requests until the runtime has compiled what they need. */
export async function warmUpRequests(bench: Bench, subject: Subject): Promise<void> {
  for (let part = 0; part < WARM_UP_PARTS; part++) await throughput(bench, subject);
  const { connections, quick } = bench.options;
  if (quick) return;
  await bench.saturate.run(subject.endpoint, chatBody(subject.model), connections, WARM_UP_SECONDS);
}

/** Streams until the runtime has compiled what each chunk and each stream needs. */
export async function warmUpStreams(bench: Bench, subject: Subject, translated = false): Promise<void> {
  const usual = concurrentStreams(bench);
  const loads = bench.options.quick
    ? [{ ...usual, chunks: QUICK_CHUNKS }]
    : [
        { count: SHORT_STREAMS, chunks: SHORT_STREAM_CHUNKS, startsPerSecond: SHORT_STREAMS_PER_SECOND },
        usual,
        usual,
      ];
  for (const load of loads) {
    await streams(bench, subject, load);
    if (translated && subject.translatedModel) await streams(bench, subject, { ...load, translated });
  }
}
