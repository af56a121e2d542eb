import type { Subject } from '../harness/subject.ts';
import { type Bench, chatBody, noteFailures, probe, rotated, withCpu, withSubjects } from './bench.ts';
import { atFixedRate, throughput, warmUpRequests } from './load.ts';

const SCENARIO = 'non-streaming';

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
async function saturated(bench: Bench, subjects: readonly Subject[]): Promise<number[]> {
  const { connections, seconds, quick } = bench.options;
  const bursts = quick ? 1 : BURSTS;
  const failed = subjects.map(() => 0);
  for (let burst = 0; burst < bursts; burst += 1) {
    for (const subject of rotated(subjects, burst)) {
      const load = (length: number) =>
        bench.saturate.run(subject.endpoint, chatBody(subject.model), connections, length);
      await load(LEAD_SECONDS);
      const { result, cpuMicros } = await withCpu(bench, subject, async () => {
        const done = await load(Math.max(1, Math.round(seconds / bursts)));
        await Bun.sleep(AFTERWARDS_MS);
        return done;
      });
      const add = (metric: string, value: number | undefined) =>
        bench.measurements.add(SCENARIO, subject.name, metric, value);
      add('cpu_us', cpuMicros && cpuMicros / result.completed);
      add('requests_per_second', result.requestsPerSecond);
      failed[subjects.indexOf(subject)] = (failed[subjects.indexOf(subject)] ?? 0) + result.failed;
      if (result.failed > 0) bench.note(`${subject.name}, saturated: ${result.failed} requests failed`);
    }
  }
  return failed;
}

/** Pairs of measurements in each round: their difference is small beside what a busy machine adds to either. */
const PAIRS = 6;
const QUICK_PAIRS = 2;

/** How much more CPU a request takes whose model has many targets than one whose model has one, turn and turn about. */
async function routed(bench: Bench, subject: Subject): Promise<number> {
  const { connections, seconds, quick } = bench.options;
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
  for (let pair = 0; pair < (quick ? QUICK_PAIRS : PAIRS); pair += 1) {
    // Who comes first has an advantage or not, but not always the same one.
    const [first, second] = pair % 2 === 0 ? [model, manyModel] : [manyModel, model];
    const [a, b] = [await measure(first), await measure(second)];
    const more = a && b && (pair % 2 === 0 ? b - a : a - b);
    bench.measurements.add(SCENARIO, subject.name, 'routing_cpu_us', more);
  }
  return failed;
}

/** CPU per request at the same rate for all. @returns failed requests */
async function paced(bench: Bench, subject: Subject, perSecond: number): Promise<number> {
  const { result, cpuMicros } = await atFixedRate(bench, subject, perSecond);
  bench.measurements.add(SCENARIO, subject.name, 'cpu_us_paced', cpuMicros && cpuMicros / result.completed);
  noteFailures(bench, `${subject.name}, fixed rate`, result);
  return result.failed;
}

/** CPU per request and requests per second under saturation, and CPU at half of the floor's rate. */
export async function nonStreaming(bench: Bench): Promise<void> {
  await withSubjects(bench.specs, async (subjects) => {
    for (const subject of subjects) {
      bench.progress(`${SCENARIO}: warming up ${subject.name}`);
      await probe(bench, subject);
      await warmUpRequests(bench, subject);
    }
    for (let round = 0; round < bench.options.rounds; round++) {
      const rate = await halfLoad(bench, subjects);
      bench.measurements.add(SCENARIO, 'direct', 'rate', rate);
      bench.progress(`${SCENARIO}: round ${round + 1} of ${bench.options.rounds}, all in turn`);
      const refused = await saturated(bench, subjects);
      for (const subject of rotated(subjects, round)) {
        bench.progress(`${SCENARIO}: round ${round + 1} of ${bench.options.rounds}, ${subject.name}`);
        const failed = (refused[subjects.indexOf(subject)] ?? 0) + (await routed(bench, subject));
        const failedPaced = await paced(bench, subject, rate);
        bench.measurements.add(SCENARIO, subject.name, 'failed', failed + failedPaced);
      }
    }
  });
}
