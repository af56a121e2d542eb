/** `npm run chaos`: what faults of processes, network, disk and clock do to an installation under load. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { DiskFiller } from './disk-filler.ts';
import { Installation } from './installation.ts';
import { loadTestOptions } from './options.ts';
import { type SlowNetwork, startSlowNetwork } from './slow-network.ts';

const MAX_CONNECTIONS = 500;
/** Before the fault, and after it. Milliseconds. */
const CALM_MS = 1_500;
const DISK_BYTES = 64 * 1024 * 1024;
/** How far the clock jumps, there and back: libfaketime reads it from a file. */
const JUMP = '+2h';
const JUMP_MS = 7_200_000;

interface Parts {
  readonly installation: Installation;
  readonly network: SlowNetwork;
  /** Fills a small disk of its own; undefined where this user may not mount one. */
  readonly disk: DiskFiller | undefined;
  /** File of the clock's offset; undefined without libfaketime. */
  readonly clockFile: string | undefined;
}

interface Fault {
  readonly name: string;
  /** Why it cannot be tried here. */
  readonly missing?: (parts: Parts) => string | undefined;
  readonly begin: (parts: Parts) => Promise<void> | void;
  /** Whether it has had an effect, so that a fault that does nothing does not pass. Looked at before it ends. */
  readonly shows?: (parts: Parts, before: State) => Promise<boolean>;
  readonly end?: (parts: Parts) => Promise<void> | void;
  /** The shortest time in which it has an effect. Milliseconds. */
  readonly leastMs?: number;
  /** Share of requests that may fail. */
  readonly mayFail: number;
}

export interface Outcome {
  readonly name: string;
  readonly skipped?: string;
  readonly completed: number;
  readonly failed: number;
  readonly reasons: readonly string[];
  /** Milliseconds. */
  readonly p99: number;
  /** Whether requests succeed after it. */
  readonly recovered: boolean;
  /** Whether the fault has had an effect. */
  readonly shown: boolean;
  readonly passed: boolean;
}

/** What shows that a fault has had an effect. */
interface State {
  readonly health: z.infer<typeof health>;
  readonly redis: readonly number[];
  readonly workers: readonly number[];
}

const health = z.object({
  status: z.string().optional(),
  workers: z.object({ ready: z.number(), configured: z.number(), restarts: z.number() }).optional(),
});

/** @returns the process ids of the private Redis */
function redisOf(weir: number): number[] {
  return childrenOf(weir, 'redis').flatMap((guard) => childrenOf(guard, 'redis'));
}

async function stateOf({ installation }: Parts): Promise<State> {
  const { pid } = installation.weir;
  return {
    health: health.parse(await installation.get('/health').catch(() => ({}))),
    redis: redisOf(pid),
    workers: childrenOf(pid, 'serve'),
  };
}

/** @returns the ids of the children of a process whose command line contains a text */
function childrenOf(pid: number, text: string): number[] {
  const done = spawnSync('ps', ['-o', 'pid=,args=', '--ppid', String(pid)], { encoding: 'utf8' });
  return done.stdout
    .split('\n')
    .filter((line) => line.includes(text))
    .map((line) => Number.parseInt(line, 10));
}

const FAULTS: readonly Fault[] = [
  { name: 'none', begin: () => undefined, mayFail: 0 },
  {
    name: 'a worker is killed',
    begin: ({ installation: { weir } }) => {
      const [worker] = childrenOf(weir.pid, 'serve');
      if (worker === undefined) throw new Error('no worker runs');
      process.kill(worker, 'SIGKILL');
    },
    shows: async (parts, before) => !(await stateOf(parts)).workers.includes(before.workers[0] ?? 0),
    // Those in flight, and those that wait in the queue of its socket.
    mayFail: 0.1,
  },
  {
    name: 'the private Redis is killed',
    begin: ({ installation: { weir } }) => {
      for (const redis of redisOf(weir.pid)) process.kill(redis, 'SIGKILL');
    },
    shows: async (parts, before) => {
      const [now] = (await stateOf(parts)).redis;
      return now !== undefined && now !== before.redis[0];
    },
    mayFail: 0,
  },
  {
    name: 'workers are replaced',
    begin: ({ installation: { weir } }) => weir.kill('SIGHUP'),
    shows: async (parts, before) =>
      (await stateOf(parts)).workers.some((worker) => !before.workers.includes(worker)),
    mayFail: 0,
  },
  {
    name: 'the upstream is paused for 2 s',
    begin: ({ installation: { upstream } }) => upstream.kill('SIGSTOP'),
    end: ({ installation: { upstream } }) => upstream.kill('SIGCONT'),
    mayFail: 0,
  },
  {
    name: 'the network needs 100 ms more',
    begin: ({ network }) => {
      network.delayMs = 50;
    },
    end: ({ network }) => {
      network.delayMs = 0;
    },
    mayFail: 0,
  },
  {
    name: 'connections to the upstream are reset',
    begin: ({ network }) => network.cut(),
    // The upstream may have executed those in flight; others are sent to the second target.
    mayFail: 0.1,
  },
  {
    name: 'the disk is full',
    // The journal needs room only for its next file, and usage is stored every ten seconds at least.
    leastMs: 12_000,
    missing: ({ disk }) => (disk === undefined ? 'a small disk needs root' : undefined),
    begin: ({ disk }) => disk?.start(),
    shows: async (parts) => (await stateOf(parts)).health.status === 'degraded',
    end: ({ disk }) => disk?.stop(),
    mayFail: 0,
  },
  {
    name: `the clock jumps (${JUMP} and back)`,
    missing: ({ clockFile }) => (clockFile === undefined ? 'libfaketime is not installed' : undefined),
    begin: ({ clockFile = '' }) => writeFileSync(clockFile, `${JUMP}\n`),
    shows: async ({ installation }) => {
      const { headers } = await fetch(`http://127.0.0.1:${installation.endpoint.port}/health/live`);
      return Math.abs(Date.parse(headers.get('date') ?? '') - Date.now()) > JUMP_MS / 2;
    },
    end: ({ clockFile = '' }) => writeFileSync(clockFile, '+0\n'),
    mayFail: 0,
  },
];

async function provoke(parts: Parts, fault: Fault, rate: number, durationMs: number): Promise<Outcome> {
  const faultMs = Math.max(durationMs, fault.leastMs ?? 0);
  const nothing = {
    completed: 0,
    failed: 0,
    reasons: [],
    p99: 0,
    recovered: true,
    shown: true,
    passed: true,
  };
  const skipped = fault.missing?.(parts);
  if (skipped !== undefined) return { name: fault.name, skipped, ...nothing };
  const { installation } = parts;
  const load = installation.atRate({
    ...{ perSecond: rate, durationMs: 2 * CALM_MS + faultMs, untimedMs: 0, maxConnections: MAX_CONNECTIONS },
  });
  await Bun.sleep(CALM_MS);
  const before = await stateOf(parts);
  await fault.begin(parts);
  await Bun.sleep(faultMs);
  const shown = (await fault.shows?.(parts, before)) ?? true;
  await fault.end?.(parts);
  const { completed, failed, reasons, latency } = await load;
  const recovered = await recovers(installation, rate);
  const passed = shown && recovered && failed / (completed + failed) <= fault.mayFail;
  return { name: fault.name, completed, failed, reasons, p99: latency.p99 / 1_000, recovered, shown, passed };
}

/** @returns whether all workers are ready, and a second of load has no failure, within half a minute */
async function recovers(installation: Installation, rate: number): Promise<boolean> {
  const endAt = performance.now() + 30_000;
  while (performance.now() < endAt) {
    const { workers } = health.parse(await installation.get('/health').catch(() => ({})));
    if (workers !== undefined && workers.ready === workers.configured) {
      const { failed } = await installation.atRate({
        ...{ perSecond: rate, durationMs: 1_000, untimedMs: 0, maxConnections: MAX_CONNECTIONS },
      });
      if (failed === 0) return true;
    }
    await Bun.sleep(250);
  }
  return false;
}

/** @returns a folder on a disk of its own */
function smallDisk(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'weir-disk-'));
  const done = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', folder]);
  if (done.status === 0) return folder;
  rmSync(folder, { recursive: true, force: true });
  return undefined;
}

/** @returns the path of the library that changes a process's clock */
function faketime(): string | undefined {
  const done = spawnSync('sh', ['-c', 'ls /usr/lib/*/faketime/libfaketime.so.1 2>/dev/null'], {
    encoding: 'utf8',
  });
  return done.stdout.trim().split('\n')[0] || undefined;
}

async function run({
  upstream,
  workers,
  rate,
  durationMs,
}: ReturnType<typeof loadTestOptions>): Promise<Outcome[]> {
  const disk = smallDisk();
  const filler = disk === undefined ? undefined : new DiskFiller(disk);
  const library = faketime();
  const clockFile =
    library === undefined ? undefined : join(mkdtempSync(join(tmpdir(), 'weir-clock-')), 'offset');
  if (clockFile !== undefined) writeFileSync(clockFile, '+0\n');
  const networks: SlowNetwork[] = [];
  const between = async (port: number) => {
    const network = await startSlowNetwork(port);
    networks.push(network);
    return network.port;
  };
  const clock = clockFile !== undefined && {
    ...{ LD_PRELOAD: library ?? '', FAKETIME_TIMESTAMP_FILE: clockFile },
    ...{ FAKETIME_NO_CACHE: '1', DONT_FAKE_MONOTONIC: '1' },
  };
  const installation = await Installation.start({
    ...{ workers: workers[0] ?? 2, upstream, between },
    ...(disk !== undefined && { dataDir: join(disk, 'data') }),
    env: { ...clock },
  });
  try {
    const [network] = networks;
    if (!network) throw new Error('no network');
    const outcomes: Outcome[] = [];
    let completed = 0;
    for (const fault of FAULTS) {
      const outcome = await provoke(
        { installation, network, disk: filler, clockFile },
        fault,
        rate,
        durationMs,
      );
      console.error(
        `${fault.name}: ${outcome.skipped ?? `${outcome.failed} of ${outcome.completed + outcome.failed} failed`}`,
      );
      outcomes.push(outcome);
      completed += outcome.completed;
    }
    const recorded = await installation.recordedRequests(completed);
    const passed = recorded >= completed;
    console.error(`usage of ${recorded} requests is recorded; ${completed} were counted by the load`);
    const usage = { name: 'usage is whole after all', completed: recorded, failed: 0, p99: 0 };
    return [...outcomes, { ...usage, reasons: [], recovered: true, shown: passed, passed }];
  } finally {
    await installation.stop();
    for (const network of networks) network.close();
    if (disk !== undefined) {
      spawnSync('umount', [disk]);
      rmSync(disk, { recursive: true, force: true });
    }
  }
}

function print(outcomes: readonly Outcome[]): void {
  console.log('| fault | requests | failed | p99 | recovered | result |');
  console.log('| --- | --- | --- | --- | --- | --- |');
  for (const { name, skipped, completed, failed, p99, recovered, shown, passed, reasons } of outcomes) {
    if (skipped !== undefined) console.log(`| ${name} | | | | | not tried: ${skipped} |`);
    else {
      const why = shown ? reasons.join(', ') : 'the fault had no effect';
      const result = passed ? 'passed' : `FAILED: ${why}`;
      const cells = [
        name,
        completed + failed,
        failed,
        `${p99.toFixed(0)} ms`,
        recovered ? 'yes' : 'no',
        result,
      ];
      console.log(`| ${cells.join(' | ')} |`);
    }
  }
}

if (import.meta.main) {
  const options = loadTestOptions(process.argv.slice(2), { workers: [2], rate: 100, durationMs: 2_000 });
  const outcomes = await run(options);
  print(outcomes);
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ options, outcomes }, null, 2)}\n`);
  process.exit(outcomes.every(({ passed }) => passed) ? 0 : 1);
}
