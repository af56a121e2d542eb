/** What guardrails add to the CPU of each chunk of a stream: the same streams with and without them, in turn. */
import { GUARDED_MODELS, guardrailsConfig } from '../harness/configs.ts';
import { local } from '../harness/local.ts';
import type { Subject } from '../harness/subject.ts';
import { startWeirProcess, weirFolder } from '../harness/weir.ts';
import { type Bench, noteFailures, probe } from './bench.ts';
import { concurrentStreams, streams, warmUpStreams } from './load.ts';

const SCENARIO = 'guardrails';
const SUBJECT = 'weir';

/** @returns CPU of one chunk that the upstream sends, in microseconds: held text leaves in fewer events than it came */
async function perChunk(bench: Bench, subject: Subject): Promise<number> {
  const load = concurrentStreams(bench);
  const { result, cpuMicros } = await streams(bench, subject, load);
  noteFailures(bench, `${SCENARIO}, ${subject.model}`, result);
  bench.measurements.add(SCENARIO, SUBJECT, 'failed', result.failed);
  return (cpuMicros ?? Number.NaN) / (load.count * load.chunks);
}

/** CPU per chunk without guardrails, with one that only decodes the stream, and with each kind. */
export async function guardrails(bench: Bench): Promise<void> {
  if (!bench.specs.some(({ name }) => name === SUBJECT)) return;
  const { context, options } = bench;
  const folder = weirFolder(context, guardrailsConfig(context.upstreamPort));
  const { child, port } = await startWeirProcess(context, `${SUBJECT}-guardrails`, { folder });
  const subjects = GUARDED_MODELS.map((model) => ({
    ...{ name: SUBJECT, model, pid: child.pid },
    endpoint: local(port, { authorization: `Bearer ${context.adminKey}` }),
    stop: () => child.stop(),
  }));
  for (const subject of subjects) {
    bench.progress(`${SCENARIO}: warming up ${subject.model}`);
    // Streams whose text is held back have fewer events than the probe expects.
    if (subject.model === 'off') await probe(bench, subject);
    await warmUpStreams(bench, subject);
  }
  for (let round = 0; round < options.rounds; round += 1) {
    bench.progress(`${SCENARIO}: round ${round + 1} of ${options.rounds}`);
    const cpu = new Map<string, number>();
    // What is compiled or collected meanwhile must not always meet the same one.
    const order = round % 2 === 0 ? subjects : subjects.toReversed();
    for (const subject of order) cpu.set(subject.model, await perChunk(bench, subject));
    const off = cpu.get('off') ?? Number.NaN;
    for (const [model, micros] of cpu) {
      bench.measurements.add(SCENARIO, SUBJECT, `${model}_cpu_us`, micros);
      if (model !== 'off') bench.measurements.add(SCENARIO, SUBJECT, `${model}_share`, micros / off - 1);
    }
  }
  await child.stop();
}
