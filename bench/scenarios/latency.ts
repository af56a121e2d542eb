import { readEventLoop } from '../harness/event-loop.ts';
import type { Subject } from '../harness/subject.ts';
import { type Bench, noteFailures, probe, rotated, streamBody, withSubjects } from './bench.ts';
import { atFixedRate, streams, throughput, UNTIMED_MS, warmUpRequests, warmUpStreams } from './load.ts';

const SCENARIO = 'latency';
/** Chunks of the streams whose first token is timed. */
const CHUNKS = 10;
/** Streams that are open at once to find the rate that saturates: more than a gateway needs to be busy all the time. */
const SATURATING_STREAMS = 1000;

interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

interface Latency {
  readonly response: Percentiles;
  readonly first: Percentiles;
}

interface Rates {
  /** Requests per second. */
  readonly requests: number;
  /** Started streams per second. */
  readonly streams: number;
}

/** Half of what saturates the subject now, through the load client that then sends at this rate. */
async function halfOfSaturated(bench: Bench, subject: Subject): Promise<Rates> {
  const { rate, intervalMs, quick } = bench.options;
  const load = { bench_chunks: CHUNKS, bench_interval_ms: intervalMs };
  const half = (perSecond: number) => Math.max(1, Math.round(perSecond / 2));
  return {
    requests: rate ?? half(await throughput(bench, subject)),
    streams: half(
      await throughput(bench, subject, {
        body: streamBody(subject.model, load),
        requests: quick ? 3000 : 6000,
        connections: Math.min(SATURATING_STREAMS, bench.maxStreams),
      }),
    ),
  };
}

async function measure(bench: Bench, subject: Subject, rates: Rates): Promise<Latency> {
  const { metricsUrl } = subject;
  const add = (metric: string, value: number) =>
    bench.measurements.add(SCENARIO, subject.name, metric, value);
  // Starts a new period.
  if (metricsUrl !== undefined) await readEventLoop(metricsUrl);
  const { result: responses } = await atFixedRate(bench, subject, rates.requests);
  noteFailures(bench, `${subject.name}, latency of responses`, responses);
  const untimed = Math.round((rates.streams * UNTIMED_MS) / 1000);
  const { result: streamed } = await streams(bench, subject, {
    count: untimed + rates.streams * bench.options.seconds,
    chunks: CHUNKS,
    startsPerSecond: rates.streams,
    untimed,
  });
  noteFailures(bench, `${subject.name}, latency of first tokens`, streamed);
  if (metricsUrl !== undefined) {
    const { delayMs, busyMs } = await readEventLoop(metricsUrl);
    add('delay_ms', delayMs);
    add('busy_ms', busyMs);
  }
  add('p50_us', responses.latency.p50);
  add('p99_us', responses.latency.p99);
  add('first_p50_us', streamed.firstEvent.p50);
  add('first_p99_us', streamed.firstEvent.p99);
  add('failed', responses.failed + streamed.failed);
  return { response: responses.latency, first: streamed.firstEvent };
}

/**
 * Latency that each subject adds, and the longest time that its main thread was busy, while all get half of the
 * requests, and half of the streams, that saturate Weir.
 */
export async function latency(bench: Bench): Promise<void> {
  const { latencyRounds } = bench.options;
  const use = async (subjects: Subject[]) => {
    for (const subject of [bench.direct, ...subjects]) {
      bench.progress(`${SCENARIO}: warming up ${subject.name}`);
      await probe(bench, subject);
      await warmUpRequests(bench, subject);
      await warmUpStreams(bench, subject);
    }
    const reference = subjects.find(({ name }) => name === 'weir') ?? subjects[0] ?? bench.direct;
    for (let round = 0; round < latencyRounds; round++) {
      bench.progress(`${SCENARIO}: round ${round + 1} of ${latencyRounds}`);
      const rates = await halfOfSaturated(bench, reference);
      bench.measurements.add(SCENARIO, 'direct', 'rate', rates.requests);
      bench.measurements.add(SCENARIO, 'direct', 'stream_rate', rates.streams);
      const base = await measure(bench, bench.direct, rates);
      for (const subject of rotated(subjects, round)) {
        const { response, first } = await measure(bench, subject, rates);
        const add = (metric: string, value: number) =>
          bench.measurements.add(SCENARIO, subject.name, metric, value);
        add('added_p50_us', response.p50 - base.response.p50);
        add('added_p99_us', response.p99 - base.response.p99);
        add('added_first_p50_us', first.p50 - base.first.p50);
        add('added_first_p99_us', first.p99 - base.first.p99);
      }
    }
  };
  await withSubjects(bench.specs, use, { eventLoop: true });
}
