/** What a request costs when thousands of keys and models are used in turn, compared with one key and one model. */
import { manyModels, manyTenantsConfig, weirConfig } from '../harness/configs.ts';
import { local } from '../harness/local.ts';
import type { SubjectContext } from '../harness/subject.ts';
import { createKey, createTenant, startWeirProcess, type WeirProcess, weirFolder } from '../harness/weir.ts';
import { type Rotation, results } from '../load/protocol.ts';
import { type Bench, chatBody, noteFailures } from './bench.ts';

const SCENARIO = 'many-tenants';
const SUBJECT = 'weir';
const TENANTS = 100;
const KEYS_PER_TENANT = 50;
/** Keys of one tenant are created one after another, because the tenant's changes run so. */
const CREATING_AT_ONCE = 8;
/** Each key is used twice before anything is measured. */
const WARM_UP_REQUESTS = 2 * TENANTS * KEYS_PER_TENANT;
/** Usage is stored within this time after a load, and counts. */
const STORED_LIMIT_MS = 30_000;
const POLL_MS = 3;
const LIMIT_MS = 120_000;

/** One of the two installations, which are measured in turn. */
interface Installation {
  readonly name: 'one' | 'many';
  readonly process: WeirProcess;
  readonly folder: string;
  readonly rotation: Rotation;
  /** Requests that were sent so far. */
  sent: number;
}

async function createKeys(
  context: SubjectContext,
  port: number,
  tenants: number,
  keysEach: number,
): Promise<string[]> {
  const { adminKey } = context;
  const keys = Array.from({ length: keysEach }, (): string[] => []);
  let next = 0;
  const creator = async () => {
    for (let number = next++; number < tenants; number = next++) {
      const tenant = `bench-${number}`;
      await createTenant(port, adminKey, tenant);
      for (const [index, ofTenants] of keys.entries()) {
        ofTenants.push(await createKey(port, adminKey, tenant, `key-${index}`));
      }
    }
  };
  await Promise.all(Array.from({ length: CREATING_AT_ONCE }, creator));
  // Consecutive requests come from different tenants.
  return keys.flat();
}

async function load(bench: Bench, { name, process, rotation, sent }: Installation, requests: number) {
  const result = await bench.load.run(
    {
      type: 'closed',
      endpoint: local(process.port),
      body: chatBody(''),
      requests,
      connections: bench.options.connections,
      rotation,
      rotated: sent,
    },
    results.closed,
    LIMIT_MS,
  );
  noteFailures(bench, `${SCENARIO}, ${name}`, result);
  return result;
}

/** @returns CPU per request in microseconds, usage that is stored after the load included */
async function measure(bench: Bench, installation: Installation, requests: number): Promise<number> {
  const cpuSeconds = () => bench.readUsage(installation.process.child.pid)?.cpuSeconds ?? Number.NaN;
  const before = cpuSeconds();
  const { completed, failed } = await load(bench, installation, requests);
  installation.sent += requests;
  await stored(installation.process);
  bench.measurements.add(SCENARIO, SUBJECT, 'failed', failed);
  return ((cpuSeconds() - before) * 1e6) / completed;
}

/** Waits until the usage of all requests is in the databases. */
async function stored({ metricsPort }: WeirProcess): Promise<void> {
  const until = performance.now() + STORED_LIMIT_MS;
  for (;;) {
    const page = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    if (/^llm_usage_events_pending 0$/m.test(page)) return;
    if (performance.now() > until) throw new Error('usage is not stored');
    await Bun.sleep(500);
  }
}

async function install(bench: Bench, name: Installation['name']): Promise<Installation> {
  const { context } = bench;
  const { upstreamPort } = context;
  const many = name === 'many';
  const folder = weirFolder(context, many ? manyTenantsConfig(upstreamPort) : weirConfig(upstreamPort));
  const process = await startWeirProcess(context, `weir-${name}`, { folder });
  const [tenants, keysEach] = many ? [TENANTS, KEYS_PER_TENANT] : [1, 1];
  const keys = await createKeys(context, process.port, tenants, keysEach);
  const rotation = { keys, models: many ? manyModels() : ['bench-model'] };
  const installation = { name, process, folder, rotation, sent: 0 };
  await load(bench, installation, WARM_UP_REQUESTS);
  installation.sent += WARM_UP_REQUESTS;
  return installation;
}

/** CPU per request in turn, and start-up on the data that this has left. */
export async function manyTenants(bench: Bench): Promise<void> {
  if (!bench.specs.some(({ name }) => name === SUBJECT)) return;
  const { rounds, quick } = bench.options;
  const add = (metric: string, value: number) => bench.measurements.add(SCENARIO, SUBJECT, metric, value);
  bench.progress(`${SCENARIO}: creating ${TENANTS * KEYS_PER_TENANT} keys`);
  const one = await install(bench, 'one');
  const many = await install(bench, 'many');
  const requests = quick ? WARM_UP_REQUESTS : 2 * WARM_UP_REQUESTS;
  for (let round = 0; round < rounds; round += 1) {
    bench.progress(`${SCENARIO}: round ${round + 1} of ${rounds}`);
    const order = round % 2 === 0 ? [one, many] : [many, one];
    const cpu = { one: 0, many: 0 };
    for (const each of order) cpu[each.name] = await measure(bench, each, requests);
    add('one_cpu_us', cpu.one);
    add('many_cpu_us', cpu.many);
    add('cpu_ratio', cpu.many / cpu.one);
  }
  for (const { process } of [one, many]) await process.child.stop();
  for (let round = 0; round < rounds; round += 1) {
    bench.progress(`${SCENARIO}: start ${round + 1} of ${rounds}`);
    const order = round % 2 === 0 ? [one, many] : [many, one];
    const start = { one: 0, many: 0 };
    for (const { name, folder } of order) {
      const { child, startMs } = await startWeirProcess(bench.context, `weir-${name}`, {
        folder,
        pollMs: POLL_MS,
      });
      start[name] = startMs;
      await child.stop();
    }
    add('one_start_ms', start.one);
    add('many_start_ms', start.many);
    add('start_ratio', start.many / start.one);
  }
}
