/** Weir as it is measured: with everything on. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { canStopPostgres, startPostgres } from '../../test/support/services/postgres.ts';
import { canStopRedis, startRedis } from '../../test/support/services/redis.ts';
import type { Child } from './children.ts';
import { BENCH_LIMITS, weirConfig } from './configs.ts';
import { freePort, local, untilReady } from './local.ts';
import type { StartOptions, Subject, SubjectContext, SubjectSpec } from './subject.ts';

/** Whether Redis and PostgreSQL are installed here. */
export const hasSharedStores = canStopPostgres && canStopRedis;

/** On SQLite and memory. */
export function weir(context: SubjectContext): SubjectSpec {
  return {
    name: 'weir',
    start: async (options) => ({
      ...(await startWeir(context, 'weir', {}, options)),
      translatedModel: 'bench-translated',
      manyModel: 'bench-many',
    }),
  };
}

/** On SQLite and memory, asked with the operator's key, which no limit holds for, and keeping no usage. */
export function weirUnmetered(context: SubjectContext): SubjectSpec {
  return {
    name: 'weir-unmetered',
    only: ['non-streaming'],
    start: () => startWeir(context, 'weir-unmetered', {}, { metered: false }),
  };
}

/** As `weir`, with the cache on: every request but the first is a hit, or every one is stored again. */
export function weirCached(context: SubjectContext, result: 'hit' | 'miss'): SubjectSpec {
  const name = `weir-cache-${result}`;
  return {
    name,
    only: ['non-streaming'],
    start: async () => {
      const subject = await startWeir(context, name, {}, { isCached: true });
      const { headers } = subject.endpoint;
      const refresh = { 'x-weir-cache': 'refresh' };
      const endpoint = { ...subject.endpoint, headers: { ...headers, ...(result === 'hit' ? {} : refresh) } };
      return { ...subject, endpoint };
    },
  };
}

/** On Redis and PostgreSQL, which are started for it. */
export function weirOnSharedStores(context: SubjectContext): SubjectSpec {
  if (!hasSharedStores)
    throw new Error('Redis or PostgreSQL is not installed: leave weir-redis out of --subjects');
  return {
    name: 'weir-redis',
    only: ['non-streaming'],
    start: async () => {
      const redis = await startRedis([]);
      const postgres = await startPostgres();
      const stopStores = async () => {
        await redis.dispose();
        await postgres.dispose();
      };
      try {
        const env = { REDIS_URL: redis.url, DATABASE_URL: await postgres.freshUrl() };
        const subject = await startWeir(context, 'weir-redis', env);
        return {
          ...subject,
          stop: async () => {
            await subject.stop();
            await stopStores();
          },
        };
      } catch (error) {
        await stopStores();
        throw error;
      }
    },
  };
}

async function startWeir(
  context: SubjectContext,
  name: string,
  env: Readonly<Record<string, string>>,
  {
    metered = true,
    eventLoop = false,
    isCached = false,
  }: StartOptions & { readonly metered?: boolean; readonly isCached?: boolean } = {},
): Promise<Subject> {
  const config = weirConfig(context.upstreamPort, { keepUsage: metered, isCached });
  const process = await startWeirProcess(context, name, {
    folder: weirFolder(context, config),
    env: { ...env, ...(eventLoop ? { WEIR_EVENT_LOOP_INTERVAL_MS: '1' } : {}) },
  });
  const { child, port, metricsPort } = process;
  const key = metered ? await tenantKey(port, context.adminKey) : context.adminKey;
  return {
    name,
    endpoint: local(port, { authorization: `Bearer ${key}` }),
    model: 'bench-model',
    pid: child.pid,
    ...(eventLoop ? { metricsUrl: `http://127.0.0.1:${metricsPort}/metrics` } : {}),
    stop: () => child.stop(),
  };
}

export interface WeirProcess {
  readonly child: Child;
  readonly port: number;
  readonly metricsPort: number;
  /** Milliseconds from the start of the process to its first 200 of `/health/ready`. */
  readonly startMs: number;
}

/** @returns a new folder with a configuration and room for data, for `startWeirProcess` */
export function weirFolder(context: SubjectContext, config: string): string {
  const folder = mkdtempSync(join(context.temporary, 'weir-'));
  mkdirSync(join(folder, 'data'));
  writeFileSync(join(folder, 'weir.yaml'), config);
  return folder;
}

/** Starts Weir on a folder that `weirFolder` made; again on the same data after it has stopped. */
export async function startWeirProcess(
  context: SubjectContext,
  name: string,
  {
    folder,
    env = {},
    args = [],
    dataDir = join(folder, 'data'),
    pollMs,
  }: {
    folder: string;
    env?: Readonly<Record<string, string>>;
    /** After `serve`. */
    args?: readonly string[];
    dataDir?: string;
    pollMs?: number;
  },
): Promise<WeirProcess> {
  const [port, metricsPort] = [freePort(), freePort()];
  const startedAt = performance.now();
  const child = await context.children.start({
    name,
    // The runtime directly, as the launcher would become it, so that the process measured is the gateway.
    command: [
      context.runtime,
      process.env.BENCH_PROGRAM ?? join(context.root, 'src/main.ts'),
      'serve',
      ...args,
    ],
    cwd: folder,
    env: {
      DATABASE_URL: undefined,
      REDIS_URL: undefined,
      ...env,
      WEIR_CONFIG: join(folder, 'weir.yaml'),
      WEIR_DATA_DIR: dataDir,
      WEIR_ADMIN_KEY: context.adminKey,
      SERVER_HOST: '127.0.0.1',
      SERVER_PORT: String(port),
      METRICS_PORT: String(metricsPort),
    },
  });
  await untilReady(child, `http://127.0.0.1:${port}/health/ready`, pollMs);
  return { child, port, metricsPort, startMs: performance.now() - startedAt };
}

/** A key of a tenant that has limits of every kind, none of which is reached. */
async function tenantKey(port: number, adminKey: string): Promise<string> {
  await createTenant(port, adminKey, 'bench');
  return createKey(port, adminKey, 'bench', 'bench');
}

/** Creates a tenant that has limits of every kind, none of which is reached. */
export async function createTenant(port: number, adminKey: string, id: string): Promise<void> {
  await create(port, adminKey, 'tenants', { id, name: id, tier: null, limits: BENCH_LIMITS });
}

/** @returns the new key's secret */
export async function createKey(
  port: number,
  adminKey: string,
  tenant: string,
  name: string,
): Promise<string> {
  const created = await create(port, adminKey, `tenants/${tenant}/keys`, { name });
  return z.object({ key: z.string() }).parse(created).key;
}

async function create(port: number, adminKey: string, path: string, body: unknown): Promise<unknown> {
  const answer = await fetch(`http://127.0.0.1:${port}/admin/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}
