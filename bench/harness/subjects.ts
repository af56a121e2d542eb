/** What is measured: each subject is started (or found) in front of the same mock upstream. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PeerOption, SUBJECTS } from '../options.ts';
import { nginxConfig } from './configs.ts';
import { freePort, local, untilReady } from './local.ts';
import type { Subject, SubjectContext, SubjectSpec } from './subject.ts';
import { weir, weirCached, weirOnSharedStores, weirUnmetered } from './weir.ts';

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
    async start({ eventLoop = false } = {}) {
      const metricsPort = freePort();
      const { child, port } = await context.children.startWithPort({
        name: 'floor',
        command: [context.runtime, join(context.root, 'bench/floor.ts')],
        env: {
          BENCH_UPSTREAM_URL: `http://127.0.0.1:${context.upstreamPort}`,
          ...(eventLoop ? { BENCH_METRICS_PORT: String(metricsPort) } : {}),
        },
      });
      const headers = { authorization: 'Bearer sk-mock' };
      return {
        name: 'floor',
        endpoint: local(port, headers),
        model: 'mock-model',
        pid: child.pid,
        ...(eventLoop ? { metricsUrl: `http://127.0.0.1:${metricsPort}/metrics` } : {}),
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
      case 'weir-unmetered':
        return weirUnmetered(context);
      case 'weir-cache-hit':
        return weirCached(context, 'hit');
      case 'weir-cache-miss':
        return weirCached(context, 'miss');
      case 'weir-redis':
        return weirOnSharedStores(context);
      case 'nginx': {
        const executable = Bun.which('nginx');
        if (!executable) throw new Error('nginx is not installed: leave it out of --subjects');
        return nginx(context, executable);
      }
      default:
        throw new Error(`no such subject: ${name} (${SUBJECTS.join(', ')}; others with --peer)`);
    }
  });
  return [...own, ...peers.map(peer)];
}
