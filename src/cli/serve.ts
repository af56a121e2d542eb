import { App } from '../app.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { restartNeeded } from '../config/restart.ts';
import { watchConfig } from '../config/watch.ts';
import { systemClock } from '../core/clock.ts';
import { httpResponse } from '../http/response.ts';
import { createLog, type Log } from '../observability/log.ts';
import { PROVIDER_CATALOG } from '../providers/registry.ts';
import type { HttpServer } from '../server/http-server.ts';
import { startHttpServer } from '../server/http1-server.ts';
import { banner } from './banner.ts';
import { CommandError, EXIT, type Output } from './output.ts';

const RELOAD_DEBOUNCE_MS = 150;
/** How long the first start waits for providers to list their models. */
const FIRST_DISCOVERY_MS = 1_500;
/** Signals that come closer together are one: a terminal and a launcher may both pass it on. */
const SAME_SIGNAL_MS = 500;

export interface ServeOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly output: Output;
  readonly version: string;
}

/** Runs the gateway until a signal stops it. @returns the exit code. @throws CommandError when it can not start */
export async function serve(options: ServeOptions): Promise<number> {
  const { env, cwd, output } = options;
  const load = () => loadConfig({ env, cwd, catalog: PROVIDER_CATALOG });
  const loaded = load();
  const { log: logConfig } = loaded.config;
  const terminal = process.stdout.isTTY === true;
  const log = createLog({
    level: logConfig.level,
    format: logConfig.format === 'auto' ? (terminal ? 'text' : 'json') : logConfig.format,
    colour: output.colour,
    wallTime: () => systemClock.wallTime(),
  });
  try {
    await run(options, loaded, load, log);
  } finally {
    await log.flush();
  }
  return EXIT.ok;
}

async function run(
  { env, output, version }: ServeOptions,
  loaded: LoadedConfig,
  load: () => LoadedConfig,
  log: Log,
): Promise<void> {
  const { logger } = log;
  for (const warning of loaded.warnings) logger.warn(warning);
  if (env.BUN_CONFIG_MAX_HTTP_REQUESTS === undefined) {
    logger.warn(
      'BUN_CONFIG_MAX_HTTP_REQUESTS is not set: at most 256 requests to https providers run at once. The `weir` command sets it.',
    );
  }
  const app = await App.create({ env, loaded, clock: systemClock, log, version });
  const servers = listen(app, log);
  await Promise.race([app.discover(), systemClock.sleep(FIRST_DISCOVERY_MS)]);
  app.lifecycle.ready();
  app.startBackground();
  output.out(banner({ app, servers, env, file: loaded.file, version, output }));

  const watch = loaded.file === null ? undefined : watchFile(loaded.file, loaded, load, app, log);
  process.on('SIGHUP', () => {
    if (!watch) logger.warn('SIGHUP: there is no configuration file to read again');
    void watch?.reload().then((outcome) => logger.info({ outcome }, 'SIGHUP: configuration read again'));
  });
  await stopSignal(log);
  watch?.close();
  await shutDown(app, servers, log);
}

interface Servers {
  readonly api: HttpServer;
  readonly metrics: HttpServer | undefined;
}

function listen(app: App, log: Log): Servers {
  const { host, port, metrics_port } = app.config.server;
  const onError = (error: unknown) => log.logger.error({ err: error }, 'a request could not be handled');
  const refuse = (status: number, message: string) => app.router.refuse(status, message);
  let api: HttpServer;
  try {
    api = startHttpServer({
      host,
      port,
      onError,
      refuse,
      handle: (request) => app.router.handle(request),
    });
  } catch (error) {
    throw new CommandError(portProblem(host, port, error, 'SERVER_PORT'));
  }
  if (metrics_port === null) return { api, metrics: undefined };
  try {
    const metrics = startHttpServer({
      host,
      port: metrics_port,
      onError,
      refuse,
      handle: (request) =>
        request.target.split('?')[0] === '/metrics'
          ? app.metricsPage()
          : httpResponse(404, 'Only /metrics is served at this port.\n', { 'content-type': 'text/plain' }),
    });
    return { api, metrics };
  } catch (error) {
    // The port is a convenience; a Prometheus of the same machine often has it already.
    log.logger.warn(
      `${portProblem(host, metrics_port, error, 'METRICS_PORT')} Metrics are at /metrics of the API's port, with the admin key.`,
    );
    return { api, metrics: undefined };
  }
}

function portProblem(host: string, port: number, error: unknown, variable: string): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reason =
    code === 'EADDRINUSE'
      ? 'another program is listening there'
      : code === 'EACCES'
        ? 'this user may not listen there (ports below 1024 need rights)'
        : error instanceof Error
          ? error.message
          : String(error);
  return `Can't listen on ${host}:${port}: ${reason}. Set ${variable} to another port.`;
}

function watchFile(file: string, current: LoadedConfig, load: () => LoadedConfig, app: App, log: Log) {
  const { logger } = log;
  return watchConfig({
    file,
    current,
    load,
    debounceMs: RELOAD_DEBOUNCE_MS,
    onChange: async (next) => {
      const restart = restartNeeded(app.config, next.config);
      await app.apply(next);
      app.metrics.configReloads.labels('applied').inc();
      for (const warning of next.warnings) logger.warn(warning);
      if (restart.length > 0) logger.warn({ keys: restart }, 'these keys take effect after a restart');
      logger.info({ file }, 'configuration reloaded');
    },
    onRejected: (error) => {
      app.metrics.configReloads.labels('rejected').inc();
      logger.error(`The configuration was not reloaded; the old one stays in force. ${error.message}`);
    },
  });
}

/** Resolves at the first SIGTERM or SIGINT; a later one ends the process at once. */
function stopSignal(log: Log): Promise<void> {
  return new Promise((resolve) => {
    let firstAt: number | undefined;
    const onSignal = (signal: NodeJS.Signals) => {
      const now = systemClock.now();
      if (firstAt === undefined) {
        firstAt = now;
        log.logger.info({ signal }, 'stopping: no new requests; send the signal again to stop at once');
        resolve();
      } else if (now - firstAt > SAME_SIGNAL_MS) {
        void log.flush().then(() => process.exit(EXIT.failure));
      }
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

async function shutDown(app: App, { api, metrics }: Servers, log: Log): Promise<void> {
  const { drain_timeout } = app.config.server;
  const drained = app.lifecycle.drain();
  const timer = new AbortController();
  const late = systemClock.sleep(drain_timeout, timer.signal).then(
    () => true,
    () => false,
  );
  const timedOut = await Promise.race([drained.then(() => false), late]);
  timer.abort();
  if (timedOut) {
    log.logger.warn({ requests: app.lifecycle.active }, 'drain time is over: ending the requests in flight');
    app.lifecycle.abortAll();
  }
  app.lifecycle.stopped();
  await Promise.race([api.drain(), systemClock.sleep(FLUSH_MS)]);
  api.close();
  metrics?.close();
  await app.close();
  log.logger.info('stopped');
}

/** For the last bytes of answers that slow clients are still reading. */
const FLUSH_MS = 2_000;
