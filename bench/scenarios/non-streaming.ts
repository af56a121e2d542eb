import type { Subject } from '../harness/subject.ts';
import { results } from '../load/protocol.ts';
import { type Bench, chatBody, noteFailures, probe, rotated, withCpu, withSubjects } from './bench.ts';

const SCENARIO = 'non-streaming';
const MAX_CONNECTIONS = 256;
const UNTIMED_MS = 500;
const WARM_UP_PARTS = 3;
/** Until the runtime has compiled what is used often: a gateway runs for weeks. */
const WARM_UP_SECONDS = 6;
/** Slowest subject that the warm-up has time for, in requests per second. */
const SLOWEST = 100;
const MARGIN_MS = 60_000;

/** Requests per second that the load client, which costs more CPU than wrk, gets through a subject. */
async function throughput(bench: Bench, subject: Subject): Promise<number> {
  const { connections, quick } = bench.options;
  const requests = quick ? 5000 : 10_000;
  const from = performance.now();
  const result = await bench.load.run(
    { type: 'closed', endpoint: subject.endpoint, body: chatBody(subject.model), requests, connections },
    results.closed,
    (requests / SLOWEST) * 1000 + MARGIN_MS,
  );
  noteFailures(bench, `${subject.name}, unpaced`, result);
  return (result.completed * 1000) / (performance.now() - from);
}

/** Half of what the floor (or else the first subject) can do right now: neighbours on the machine come and go. */
async function halfLoad(bench: Bench, subjects: readonly Subject[]): Promise<number> {
  const reference = subjects.find(({ name }) => name === 'floor') ?? subjects[0] ?? bench.direct;
  return bench.options.rate ?? Math.max(1, Math.round((await throughput(bench, reference)) / 2));
}

/** Bursts of each subject in a round, turn and turn about: what a busy machine does in between concerns all alike. */
const BURSTS = 2;
/** Before a burst, unmeasured: what a subject needs has gone cold while the others had their turn. */
const LEAD_SECONDS = 1;
/** Deferred work, such as storing usage, finishes within this time after a burst, and counts. */
const AFTERWARDS_MS = 1_200;

/** CPU per request of all subjects under as much load as they can take. @returns failed requests of each */
async function saturated(bench: Bench, subjects: readonly Subject[], rate: number): Promise<number[]> {
  const { connections, seconds } = bench.options;
  const failed = subjects.map(() => 0);
  for (let burst = 0; burst < BURSTS; burst += 1) {
    for (const subject of rotated(subjects, burst)) {
      const load = (length: number) =>
        bench.saturate.run(subject.endpoint, chatBody(subject.model), connections, length);
      await load(LEAD_SECONDS);
      const { result, cpuMicros } = await withCpu(bench, subject, async () => {
        const done = await load(Math.max(1, Math.round(seconds / BURSTS)));
        await Bun.sleep(AFTERWARDS_MS);
        return done;
      });
      const add = (metric: string, value: number | undefined) =>
        bench.measurements.add(SCENARIO, subject.name, metric, value);
      add('cpu_us', cpuMicros && cpuMicros / result.completed);
      add('requests_per_second', result.requestsPerSecond);
      failed[subjects.indexOf(subject)] = (failed[subjects.indexOf(subject)] ?? 0) + result.failed;
      if (result.failed > 0) bench.note(`${subject.name}, saturated: ${result.failed} requests failed`);
      if (result.requestsPerSecond < rate) {
        bench.note(
          `${subject.name} can do less than the fixed rate: its latency there is the length of a growing queue`,
        );
      }
    }
  }
  return failed;
}

/** Pairs of measurements in each round: their difference is small beside what a busy machine adds to either. */
const PAIRS = 6;

/** How much more CPU a request takes whose model has many targets than one whose model has one, turn and turn about. */
async function routed(bench: Bench, subject: Subject): Promise<number> {
  const { connections, seconds } = bench.options;
  const { manyModel, model } = subject;
  if (manyModel === undefined) return 0;
  let failed = 0;
  const measure = async (name: string) => {
    const { result, cpuMicros } = await withCpu(bench, subject, () =>
      bench.saturate.run(subject.endpoint, chatBody(name), connections, Math.max(1, seconds / 2)),
    );
    failed += result.failed;
    return cpuMicros && cpuMicros / result.completed;
  };
  for (let pair = 0; pair < PAIRS; pair += 1) {
    // Who comes first has an advantage or not, but not always the same one.
    const [first, second] = pair % 2 === 0 ? [model, manyModel] : [manyModel, model];
    const [a, b] = [await measure(first), await measure(second)];
    const more = a && b && (pair % 2 === 0 ? b - a : a - b);
    bench.measurements.add(SCENARIO, subject.name, 'routing_cpu_us', more);
  }
  return failed;
}

async function fixedRate(
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
    for (const subject of [bench.direct, ...subjects]) {
      bench.progress(`${SCENARIO}: warming up ${subject.name}`);
      await probe(bench, subject);
      for (let part = 0; part < WARM_UP_PARTS; part++) await throughput(bench, subject);
      const { connections, quick } = bench.options;
      if (!quick)
        await bench.saturate.run(subject.endpoint, chatBody(subject.model), connections, WARM_UP_SECONDS);
    }
    for (let round = 0; round < bench.options.rounds; round++) {
      const rate = await halfLoad(bench, subjects);
      bench.measurements.add(SCENARIO, 'direct', 'rate', rate);
      const base = await fixedRate(bench, bench.direct, rate);
      bench.progress(`${SCENARIO}: round ${round + 1} of ${bench.options.rounds}, all in turn`);
      const refused = await saturated(bench, subjects, rate);
      for (const subject of rotated(subjects, round)) {
        bench.progress(`${SCENARIO}: round ${round + 1} of ${bench.options.rounds}, ${subject.name}`);
        const failed = (refused[subjects.indexOf(subject)] ?? 0) + (await routed(bench, subject));
        const latency = await fixedRate(bench, subject, rate);
        const add = (metric: string, value: number) =>
          bench.measurements.add(SCENARIO, subject.name, metric, value);
        add('added_p50_us', latency.p50 - base.p50);
        add('added_p99_us', latency.p99 - base.p99);
        add('failed', failed + latency.failed);
      }
    }
  });
}
