import type { Subject } from '../harness/subjects.ts';
import { results } from '../load/protocol.ts';
import { type Bench, chatBody, noteFailures, probe, rotated, withCpu, withSubjects } from './bench.ts';

const SCENARIO = 'non-streaming';
const MAX_CONNECTIONS = 256;
const UNTIMED_MS = 500;
const MARGIN_MS = 60_000;

async function warmUp(bench: Bench, subject: Subject): Promise<number> {
  const { connections, quick } = bench.options;
  const seconds = quick ? 1 : 4;
  const { requestsPerSecond } = await bench.saturate.run(
    subject.endpoint,
    chatBody(subject.model),
    connections,
    seconds,
  );
  return requestsPerSecond;
}

async function saturated(bench: Bench, subject: Subject): Promise<number> {
  const { connections, seconds } = bench.options;
  const body = chatBody(subject.model);
  const { result, cpuMicros } = await withCpu(bench, subject, () =>
    bench.saturate.run(subject.endpoint, body, connections, seconds),
  );
  const add = (metric: string, value: number | undefined) =>
    bench.measurements.add(SCENARIO, subject.name, metric, value);
  add('cpu_us', cpuMicros && cpuMicros / result.completed);
  add('requests_per_second', result.requestsPerSecond);
  if (result.failed > 0) bench.note(`${subject.name}, saturated: ${result.failed} requests failed`);
  return result.failed;
}

async function paced(
  bench: Bench,
  subject: Subject,
  perSecond: number,
): Promise<{ p50: number; p99: number; failed: number }> {
  const durationMs = bench.options.seconds * 1000;
  const { result, cpuMicros } = await withCpu(bench, subject, () =>
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
  const add = (metric: string, value: number | undefined) =>
    bench.measurements.add(SCENARIO, subject.name, metric, value);
  add('cpu_us_paced', cpuMicros && cpuMicros / result.completed);
  add('p50_us', result.latency.p50);
  add('p99_us', result.latency.p99);
  noteFailures(bench, `${subject.name}, fixed rate`, result);
  return { p50: result.latency.p50, p99: result.latency.p99, failed: result.failed };
}

/** CPU per request and requests per second under saturation; latency at half of what the floor can do. */
export async function nonStreaming(bench: Bench): Promise<void> {
  await withSubjects(bench.specs, async (subjects) => {
    const reached = new Map<string, number>();
    for (const subject of [bench.direct, ...subjects]) {
      bench.progress(`${SCENARIO}: warming up ${subject.name}`);
      await probe(bench, subject);
      reached.set(subject.name, await warmUp(bench, subject));
    }
    const reference = reached.get('floor') ?? Math.min(...reached.values());
    const rate = bench.options.rate ?? Math.max(1, Math.round(reference / 2));
    bench.note(`non-streaming latency was taken at ${rate} requests per second`);
    for (let round = 0; round < bench.options.rounds; round++) {
      const base = await paced(bench, bench.direct, rate);
      for (const subject of rotated(subjects, round)) {
        bench.progress(`${SCENARIO}: round ${round + 1} of ${bench.options.rounds}, ${subject.name}`);
        const failed = await saturated(bench, subject);
        const latency = await paced(bench, subject, rate);
        const add = (metric: string, value: number) =>
          bench.measurements.add(SCENARIO, subject.name, metric, value);
        add('added_p50_us', latency.p50 - base.p50);
        add('added_p99_us', latency.p99 - base.p99);
        add('failed', failed + latency.failed);
      }
    }
  });
}
