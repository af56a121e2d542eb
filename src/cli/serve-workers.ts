import { availableParallelism } from 'node:os';
import { reloadOnChange } from '../app/config-reload.ts';
import { ConfigSecrets } from '../app/config-secrets.ts';
import type { DataFolderLock } from '../app/data-folder.ts';
import { dataFolder } from '../app/database-servers.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../app/gateway.ts';
import { checkGrpcPort, checkPort, startParentServers } from '../app/servers.ts';
import { forwardedRequest } from '../app/workers/forward.ts';
import { parentHost } from '../app/workers/parent-host.ts';
import { ParentRoutes } from '../app/workers/parent-routes.ts';
import { PrivateRedis } from '../app/workers/private-redis.ts';
import { PrivateSocket } from '../app/workers/private-socket.ts';
import { WORKER_VARIABLE } from '../app/workers/protocol.ts';
import { assertForWorkers } from '../app/workers/requirements.ts';
import { WorkerPool } from '../app/workers/worker-pool.ts';
import type { LoadedConfig } from '../config/assemble.ts';
import { systemClock } from '../core/clock.ts';
import { cpuQuota } from '../platform/cpu-quota.ts';
import { currentProgram } from '../platform/program-path.ts';
import { startWorkerProcess } from '../platform/worker-process.ts';
import { banner, urlOf } from './banner.ts';
import type { Output } from './output.ts';

/** How often values of metrics are kept, for workers that are killed. Milliseconds. */
const COLLECT_MS = 5_000;
/** How often it is checked whether live streams are left. Milliseconds. */
const LIVE_MS = 2_000;

/** How long the start waits for providers to list their models. */
const FIRST_DISCOVERY_MS = 1_500;

/** @returns how many workers `auto` means: one for each core that this process may use */
export function workerCount(workers: number | 'auto'): number {
  if (workers !== 'auto') return workers;
  return Math.max(1, Math.min(availableParallelism(), cpuQuota() ?? Number.POSITIVE_INFINITY));
}

export interface WorkersOptions extends Omit<GatewayOptions, 'clock' | 'worker' | 'pool' | 'loaded'> {
  readonly count: number;
  /** In which the workers write their log. */
  readonly format: 'json' | 'text';
  readonly output: Output;
  readonly onReady?: ((url: string) => void) | undefined;
  readonly folders: DataFolderLock;
  /** Loads the configuration with other variables. */
  readonly load: (env: GatewayOptions['env'], current?: LoadedConfig) => LoadedConfig;
  readonly stopSignal: () => Promise<void>;
}

/** Runs the gateway on several cores: this process has the databases and the console, and its workers serve inference. */
export async function serveWorkers(options: WorkersOptions): Promise<void> {
  const { count, output, onReady, folders, load, log, logKeeper, version, stopSignal } = options;
  const { logger } = log;
  const given = await new ConfigSecrets({ env: options.env, clock: systemClock }).resolve(load(options.env));
  assertForWorkers(given);
  const redis =
    given.storage.redis_url === null
      ? new PrivateRedis({ folder: dataFolder(given), env: options.env, clock: systemClock, logger })
      : undefined;
  const port = await freePort(() => checkPort(given));
  const grpcPort = await freePort(() => checkGrpcPort(given));
  await redis?.start();
  const env = {
    ...options.env,
    LOG_FORMAT: options.format,
    ...(redis && { REDIS_URL: redis.url }),
  };
  const loaded = load(env);
  const secrets = new ConfigSecrets({ env, clock: systemClock });
  const config = await secrets.resolve(loaded, 'start');
  const socket = new PrivateSocket(dataFolder(config), 'workers.sock');
  socket.clear();
  const constructed: { gateway?: Gateway } = {};
  const current = () => {
    if (!constructed.gateway) throw new Error('a worker was started before the gateway');
    return constructed.gateway;
  };
  const host = parentHost({
    gateway: current,
    clock: systemClock,
    port,
    grpcPort,
    parentSocket: socket.path,
    log,
  });
  const pool = new WorkerPool({
    ...{ count, host, logger, clock: systemClock, start: startWorkerProcess },
    command: () => {
      const [program = '', ...args] = process.argv.slice(1);
      return [process.execPath, ...process.execArgv, currentProgram(program), ...args];
    },
    env: (number) => ({ ...env, [WORKER_VARIABLE]: String(number) }),
    drainMs: () => config.server.drain_timeout,
    onKilled: (boot) => {
      const { usage, events } = current();
      usage.recover();
      // While Redis is away, its leases expire.
      if (boot !== undefined)
        usage.releaseSlotsOf(boot).catch((error) => events.emit('limit_store.connection_failed', { error }));
    },
  });
  const gateway: Gateway = await createGateway({
    env,
    loaded,
    secrets,
    clock: systemClock,
    log,
    logKeeper,
    version,
    pool,
  });
  const routes = new ParentRoutes(gateway, pool);
  const servers = startParentServers(
    ...([config, Promise.resolve(gateway), logger, socket.path] as const),
    (request) => routes.handle(forwardedRequest(request)),
    () => pool.status.ready > 0,
  );
  constructed.gateway = gateway;
  try {
    await pool.start();
  } catch (error) {
    await pool.stop();
    throw error;
  }
  await Promise.race([gateway.discoverModels(), systemClock.sleep(FIRST_DISCOVERY_MS)]);
  gateway.lifecycle.ready();
  gateway.startBackground();
  const collecting = setInterval(() => void pool.collect(), COLLECT_MS);
  const watching = setInterval(() => routes.updateLive(), LIVE_MS);
  const api = { host: config.server.host, port, secure: config.server.tls !== null };
  const grpc = grpcPort === null ? undefined : { ...api, port: grpcPort };
  folders.announce(urlOf(api));
  const { file } = loaded;
  output.out(
    banner({ gateway, servers: { api, metrics: servers.metrics, grpc }, env, file, version, output }),
  );
  logger.info({ workers: count, processes: pool.pids, redis: redis?.pid }, 'workers are ready');
  onReady?.(urlOf(api));
  const watch =
    file === null ? undefined : reloadOnChange(gateway, file, loaded, (current) => load(env, current));
  process.on('SIGHUP', () => {
    void (async () => {
      await watch?.reload();
      const replaced = await pool.reload();
      if (replaced) logger.info({ processes: pool.pids }, 'SIGHUP: all workers are replaced');
    })();
  });
  await stopSignal();
  watch?.close();
  clearInterval(collecting);
  clearInterval(watching);
  await pool.stop();
  gateway.lifecycle.stopped();
  servers.internal.close();
  servers.metrics?.close();
  await gateway.close();
  await redis?.stop();
  socket.remove();
  logger.info('stopped');
}

/** Workers of a parent that was killed close their sockets when they notice. */
const PORT_RETRIES = 20;
const PORT_PAUSE_MS = 100;

/** @param check returns the port, or throws while it is taken */
async function freePort<Port>(check: () => Port): Promise<Port> {
  for (let left = PORT_RETRIES; ; left -= 1) {
    try {
      return check();
    } catch (error) {
      if (left === 0) throw error;
      await systemClock.sleep(PORT_PAUSE_MS);
    }
  }
}
