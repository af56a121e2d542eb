import { CONFIG_CATALOG } from '../app/config-catalog.ts';
import { reloadOnChange } from '../app/config-reload.ts';
import { ConfigSecrets } from '../app/config-secrets.ts';
import { DataFolderError, lockDataFolders } from '../app/data-folder.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../app/gateway.ts';
import { LogKeeper, openLogFiles } from '../app/log-files.ts';
import { ServerStartError, startServers } from '../app/servers.ts';
import { shutDown } from '../app/shutdown.ts';
import { WORKER_VARIABLE } from '../app/workers/protocol.ts';
import { NoRedisError, WorkersNotPossibleError } from '../app/workers/worker-errors.ts';
import type { LoadedConfig } from '../config/assemble.ts';
import { configWithoutFile, hasConfigFile } from '../config/without-file.ts';
import { systemClock } from '../core/clock.ts';
import { createLog, type Log } from '../observability/log.ts';
import { banner, urlOf } from './banner.ts';
import { CommandError, EXIT, type Output } from './output.ts';

/** How long the start waits for providers to list their models. */
const FIRST_DISCOVERY_MS = 1_500;
/** A signal within this time counts as the same one: a terminal and a launcher may both pass it on. */
const SAME_SIGNAL_MS = 500;

export interface ServeOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** The configuration file that the command line names. */
  readonly file?: string | undefined;
  readonly output: Output;
  readonly version: string;
  /** Called with the URL of the API when requests are served. */
  readonly onReady?: (url: string) => void;
}

/** Runs the gateway until a signal stops it. @returns the exit code. @throws CommandError when it cannot start */
export async function serve(options: ServeOptions): Promise<number> {
  const { env, cwd, file, output } = options;
  const source = { env, cwd, file, catalog: CONFIG_CATALOG };
  // The YAML parser is for those who have a file.
  const read = hasConfigFile(source) ? (await import('../config/load.ts')).loadConfig : configWithoutFile;
  const loadWith = (variables: ServeOptions['env'], current?: LoadedConfig) =>
    read({ ...source, env: variables }, current);
  const load = (current?: LoadedConfig) => loadWith(env, current);
  const loaded = load();
  const secrets = new ConfigSecrets({ env, clock: systemClock });
  // What comes before the gateway needs the secrets too.
  const config = await secrets.resolve(loaded, 'start');
  const { level, format, files: settings } = config.log;
  const terminal = process.stdout.isTTY === true;
  const usedFormat = format === 'auto' ? (terminal ? 'text' : 'json') : format;
  const wallTime = () => systemClock.wallTime();
  const files = settings === null ? undefined : openLogFiles(config, settings, wallTime, () => log.logger);
  const log = createLog({
    level,
    format: usedFormat,
    colour: output.colour,
    wallTime,
    files,
    worker: env[WORKER_VARIABLE] ? Number(env[WORKER_VARIABLE]) : undefined,
  });
  const logKeeper = files && settings ? new LogKeeper(files, config, settings, wallTime, env) : undefined;
  try {
    if (env[WORKER_VARIABLE]) {
      surviveDefects(log.logger);
      const { serveWorker } = await import('./worker-command.ts');
      await serveWorker({ env, loaded, secrets, log, logKeeper, version: options.version }, load);
    } else if (config.server.workers !== null) {
      await runWorkers(options, loaded, loadWith, { log, logKeeper }, usedFormat);
    } else await run(options, loaded, load, { secrets, log, logKeeper });
  } finally {
    await log.flush();
    await files?.close();
  }
  return EXIT.ok;
}

async function run(
  { env, output, version, onReady }: ServeOptions,
  loaded: LoadedConfig,
  load: (current: LoadedConfig) => LoadedConfig,
  {
    secrets,
    log,
    logKeeper,
  }: Pick<GatewayOptions, 'log' | 'logKeeper'> & { readonly secrets: ConfigSecrets },
): Promise<void> {
  const { logger } = log;
  const { file } = loaded;
  begin(env, loaded, logger);
  const config = await secrets.resolve(loaded);
  const startedAt = new Date(systemClock.wallTime()).toISOString();
  // The order matters: a start that cannot have the folder or the port changes nothing, and stops no engine.
  const folders = await explained(lockDataFolders(config, startedAt));
  const constructed = Promise.withResolvers<Gateway>();
  const servers = await explained(startServers(config, constructed.promise, logger, version));
  folders.announce(urlOf(servers.api));
  const gateway = await createGateway({ env, loaded, secrets, clock: systemClock, log, logKeeper, version });
  constructed.resolve(gateway);
  await Promise.race([gateway.discoverModels(), systemClock.sleep(FIRST_DISCOVERY_MS)]);
  gateway.lifecycle.ready();
  gateway.startBackground();
  output.out(banner({ gateway, servers, env, file, version, output }));
  onReady?.(urlOf(servers.api));

  const watch = file === null ? undefined : reloadOnChange(gateway, file, loaded, load);
  process.on('SIGHUP', () => {
    if (!watch && !servers.certificate) logger.warn('SIGHUP: there is no file to reload');
    gateway.refreshSecrets().catch((error: unknown) => logger.error({ err: error }, 'secrets were not read'));
    void watch?.reload().then((outcome) => logger.info({ outcome }, 'SIGHUP: configuration reload'));
    void servers.certificate
      ?.check()
      .then((outcome) => logger.info({ outcome }, 'SIGHUP: TLS certificate reload'));
  });
  await stopSignal(log);
  watch?.close();
  await shutDown(gateway, servers, systemClock, logger);
  folders.release();
}

/** Runs the gateway with workers. */
async function runWorkers(
  options: ServeOptions,
  loaded: LoadedConfig,
  load: (env: ServeOptions['env'], current?: LoadedConfig) => LoadedConfig,
  { log, logKeeper }: Pick<GatewayOptions, 'log' | 'logKeeper'>,
  format: 'json' | 'text',
): Promise<void> {
  const { env, version, output, onReady } = options;
  const { serveWorkers, workerCount } = await import('./serve-workers.ts');
  begin(env, loaded, log.logger);
  const startedAt = new Date(systemClock.wallTime()).toISOString();
  const folders = await explained(lockDataFolders(loaded.config, startedAt));
  const count = workerCount(loaded.config.server.workers ?? 'auto');
  const stop = () => stopSignal(log);
  await explained(
    serveWorkers({
      ...{ count, format, folders, load, log, logKeeper, env, version, output, onReady, stopSignal: stop },
    }),
  );
  folders.release();
}

function begin(env: ServeOptions['env'], loaded: LoadedConfig, logger: Log['logger']): void {
  for (const warning of loaded.warnings) logger.warn(warning);
  surviveDefects(logger);
  const usesProxy = env.HTTPS_PROXY || env.https_proxy || env.HTTP_PROXY || env.http_proxy;
  if (usesProxy && env.BUN_CONFIG_MAX_HTTP_REQUESTS === undefined) {
    logger.warn(
      'BUN_CONFIG_MAX_HTTP_REQUESTS is not set: at most 256 requests through the HTTP proxy run at once. Start Weir with the `weir` command, which sets it.',
    );
  }
}

/**
 * Logs what nothing caught, and goes on: one request's defect, such as an interceptor's listener that throws, must not end
 * the requests of all tenants.
 */
function surviveDefects(logger: Log['logger']): void {
  process.on('unhandledRejection', (error) => logger.error({ err: error }, 'defect: unhandled rejection'));
  process.on('uncaughtException', (error) => logger.error({ err: error }, 'defect: uncaught exception'));
}

/** Errors whose message says what to do. */
const EXPLAINED = [ServerStartError, DataFolderError, NoRedisError, WorkersNotPossibleError] as const;

/** @throws CommandError for failures whose message is complete without a stack */
async function explained<T>(step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (error) {
    if (EXPLAINED.some((kind) => error instanceof kind)) {
      throw new CommandError(error instanceof Error ? error.message : String(error));
    }
    throw error;
  }
}

/** Resolves at the first SIGTERM or SIGINT. A second signal exits at once. */
function stopSignal(log: Log): Promise<void> {
  return new Promise((resolve) => {
    let firstAt: number | undefined;
    const onSignal = (signal: NodeJS.Signals) => {
      const now = systemClock.now();
      if (firstAt === undefined) {
        firstAt = now;
        log.logger.info({ signal }, 'stopping: draining requests; send the signal again to exit at once');
        resolve();
      } else if (now - firstAt > SAME_SIGNAL_MS) {
        void log.flush().then(() => process.exit(EXIT.failure));
      }
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}
