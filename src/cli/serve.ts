import { CONFIG_CATALOG } from '../app/config-catalog.ts';
import { reloadOnChange } from '../app/config-reload.ts';
import { DataFolderInUseError, lockDataFolders } from '../app/data-folder.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../app/gateway.ts';
import { LogKeeper, openLogFiles } from '../app/log-files.ts';
import { ServerStartError, startServers } from '../app/servers.ts';
import { shutDown } from '../app/shutdown.ts';
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
  const load = (current?: LoadedConfig) => read(source, current);
  const loaded = load();
  const { level, format, files: settings } = loaded.config.log;
  const terminal = process.stdout.isTTY === true;
  const wallTime = () => systemClock.wallTime();
  const files =
    settings === null ? undefined : openLogFiles(loaded.config, settings, wallTime, () => log.logger);
  const log = createLog({
    level,
    format: format === 'auto' ? (terminal ? 'text' : 'json') : format,
    colour: output.colour,
    wallTime,
    files,
  });
  const logKeeper = files && settings ? new LogKeeper(files, loaded.config, settings, wallTime) : undefined;
  try {
    await run(options, loaded, load, { log, logKeeper });
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
  { log, logKeeper }: Pick<GatewayOptions, 'log' | 'logKeeper'>,
): Promise<void> {
  const { logger } = log;
  const { file } = loaded;
  for (const warning of loaded.warnings) logger.warn(warning);
  surviveDefects(logger);
  const usesProxy = env.HTTPS_PROXY || env.https_proxy || env.HTTP_PROXY || env.http_proxy;
  if (usesProxy && env.BUN_CONFIG_MAX_HTTP_REQUESTS === undefined) {
    logger.warn(
      'BUN_CONFIG_MAX_HTTP_REQUESTS is not set: at most 256 requests through the HTTP proxy run at once. Start Weir with the `weir` command, which sets it.',
    );
  }
  const { config } = loaded;
  const startedAt = new Date(systemClock.wallTime()).toISOString();
  // The order matters: a start that cannot have the folder or the port changes nothing, and stops no engine.
  const folders = await explained(lockDataFolders(config, startedAt));
  const constructed = Promise.withResolvers<Gateway>();
  const servers = await explained(startServers(config, constructed.promise, logger));
  folders.announce(urlOf(servers.api));
  const gateway = await createGateway({ env, loaded, clock: systemClock, log, logKeeper, version });
  constructed.resolve(gateway);
  await Promise.race([gateway.discoverModels(), systemClock.sleep(FIRST_DISCOVERY_MS)]);
  gateway.lifecycle.ready();
  gateway.startBackground();
  output.out(banner({ gateway, servers, env, file, version, output }));
  onReady?.(urlOf(servers.api));

  const watch = file === null ? undefined : reloadOnChange(gateway, file, loaded, load);
  process.on('SIGHUP', () => {
    if (!watch && !servers.certificate) logger.warn('SIGHUP ignored: there is no file to reload');
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

/**
 * Logs what nothing caught, and goes on: one request's defect, such as an interceptor's listener that throws, must not end
 * the requests of all tenants.
 */
function surviveDefects(logger: Log['logger']): void {
  process.on('unhandledRejection', (error) => logger.error({ err: error }, 'defect: unhandled rejection'));
  process.on('uncaughtException', (error) => logger.error({ err: error }, 'defect: uncaught exception'));
}

/** @throws CommandError for failures whose message is complete without a stack */
async function explained<T>(step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (error) {
    if (error instanceof ServerStartError || error instanceof DataFolderInUseError) {
      throw new CommandError(error.message);
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
