/** What is measured: each subject is started (or found) in front of the same mock upstream. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Endpoint } from '../load/protocol.ts';
import type { PeerOption } from '../options.ts';
import { type Child, type Children, withDeadline } from './children.ts';
import { nginxConfig, weirConfig } from './configs.ts';

/** A subject that is up and serving. */
export interface Subject {
  readonly name: string;
  readonly endpoint: Endpoint;
  /** The model name that its clients send. */
  readonly model: string;
  /** A model whose provider speaks another format, where the subject can translate. */
  readonly translatedModel?: string;
  /** A model with many targets, where the subject chooses among them. */
  readonly manyModel?: string;
  /** Process whose CPU and memory count as the subject's, descendants included; undefined for one that is out of reach. */
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

export interface SubjectSpec {
  readonly name: string;
  start(): Promise<Subject>;
}

export interface SubjectContext {
  readonly children: Children;
  /** Executable of the runtime that Weir and the floor run on. */
  readonly runtime: string;
  /** Root folder of the checkout. */
  readonly root: string;
  /** Folder for configurations and data, removed in the end. */
  readonly temporary: string;
  readonly upstreamPort: number;
  /** Value of the admin key of the Weir under test. */
  readonly adminKey: string;
}

const CHAT_PATH = '/v1/chat/completions';
const READY_LIMIT_MS = 30_000;
const POLL_MS = 50;

function local(port: number, headers: Record<string, string> = {}): Endpoint {
  return { hostname: '127.0.0.1', port, path: CHAT_PATH, headers };
}

/** A port that was free a moment ago. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: () => undefined } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

/** Asks until the answer is 200. @throws when the process ends before, or the time is over */
async function untilReady(child: Child, url: string): Promise<void> {
  let ended: string | undefined;
  child.ended.then((how) => {
    ended = how;
  });
  let waiting = true;
  const poll = async () => {
    while (waiting) {
      if (ended !== undefined) throw new Error(`${child.name} ended (${ended}): ${child.logTail()}`);
      const answer = await fetch(url).catch(() => undefined);
      await answer?.arrayBuffer();
      if (answer?.status === 200) return;
      await Bun.sleep(POLL_MS);
    }
  };
  try {
    await withDeadline(poll(), READY_LIMIT_MS, `${child.name} to be ready at ${url}: ${child.logTail()}`);
  } finally {
    waiting = false;
  }
}

/** No gateway: the mock upstream itself, which tells what of a latency is not the gateway's. */
export function direct(context: SubjectContext): Subject {
  return {
    name: 'direct',
    endpoint: local(context.upstreamPort),
    model: 'mock-model',
    pid: undefined,
    stop: async () => undefined,
  };
}

function floor(context: SubjectContext): SubjectSpec {
  return {
    name: 'floor',
    async start() {
      const { child, port } = await context.children.startWithPort({
        name: 'floor',
        command: [context.runtime, join(context.root, 'bench/floor.ts')],
        env: { BENCH_UPSTREAM_URL: `http://127.0.0.1:${context.upstreamPort}` },
      });
      const headers = { authorization: 'Bearer sk-mock' };
      return {
        name: 'floor',
        endpoint: local(port, headers),
        model: 'mock-model',
        pid: child.pid,
        stop: () => child.stop(),
      };
    },
  };
}

function nginx(context: SubjectContext, executable: string): SubjectSpec {
  return {
    name: 'nginx',
    async start() {
      const folder = mkdtempSync(join(context.temporary, 'nginx-'));
      const port = freePort();
      const config = join(folder, 'nginx.conf');
      writeFileSync(config, nginxConfig({ folder, port, upstreamPort: context.upstreamPort }));
      const child = await context.children.start({
        name: 'nginx',
        command: [executable, '-p', `${folder}/`, '-c', config, '-e', 'stderr'],
      });
      await untilReady(child, `http://127.0.0.1:${port}/v1/models`);
      return {
        name: 'nginx',
        endpoint: local(port),
        model: 'mock-model',
        pid: child.pid,
        stop: () => child.stop(),
      };
    },
  };
}

function weir(context: SubjectContext): SubjectSpec {
  return {
    name: 'weir',
    async start() {
      const folder = mkdtempSync(join(context.temporary, 'weir-'));
      const dataFolder = join(folder, 'data');
      mkdirSync(dataFolder);
      const config = join(folder, 'weir.yaml');
      writeFileSync(config, weirConfig(context.upstreamPort));
      const port = freePort();
      const child = await context.children.start({
        name: 'weir',
        // The runtime directly, as the launcher would become it, so that the process measured is the gateway.
        command: [context.runtime, join(context.root, 'src/main.ts'), 'serve'],
        cwd: folder,
        env: {
          WEIR_CONFIG: config,
          WEIR_DATA_DIR: dataFolder,
          WEIR_ADMIN_KEY: context.adminKey,
          SERVER_HOST: '127.0.0.1',
          SERVER_PORT: String(port),
          METRICS_PORT: String(freePort()),
        },
      });
      await untilReady(child, `http://127.0.0.1:${port}/health/ready`);
      return {
        name: 'weir',
        endpoint: local(port, { authorization: `Bearer ${context.adminKey}` }),
        model: 'bench-model',
        translatedModel: 'bench-translated',
        manyModel: 'bench-many',
        pid: child.pid,
        stop: () => child.stop(),
      };
    },
  };
}

function peer(option: PeerOption): SubjectSpec {
  const { hostname, port, path, key, model } = option;
  return {
    name: option.name,
    start: async () => ({
      name: option.name,
      endpoint: {
        hostname,
        port,
        path,
        headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
      },
      model: model ?? 'mock-model',
      pid: option.pid,
      stop: async () => undefined,
    }),
  };
}

/** @throws when a name is no subject, or its program is not installed */
export function subjectSpecs(
  names: readonly string[],
  peers: readonly PeerOption[],
  context: SubjectContext,
): SubjectSpec[] {
  const own = names.map((name) => {
    switch (name) {
      case 'floor':
        return floor(context);
      case 'weir':
        return weir(context);
      case 'nginx': {
        const executable = Bun.which('nginx');
        if (!executable) throw new Error('nginx is not installed: leave it out of --subjects');
        return nginx(context, executable);
      }
      default:
        throw new Error(`no such subject: ${name} (floor, nginx, weir; others with --peer)`);
    }
  });
  return [...own, ...peers.map(peer)];
}
