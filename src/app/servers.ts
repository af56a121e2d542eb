import type { Config } from '../config/schema.ts';
import type { HttpRequest, HttpResponse } from '../core/http.ts';
import { refusalBody } from '../http/error-body.ts';
import { httpResponse } from '../http/response.ts';
import type { Logger } from '../observability/log.ts';
import { openFilesLimit } from '../observability/process-stats.ts';
import { listenSockets } from '../platform/socket-listener.ts';
import type { HttpServer } from '../server/http-server.ts';
import { startHttpServer } from '../server/http1-server.ts';
import type { LoadedCredentials, TlsReloader as Reloader } from '../server/tls-files.ts';
import type { Gateway } from './gateway.ts';
import { type GrpcPort, listenForGrpc } from './grpc.ts';
import { serverLimits } from './settings.ts';

export interface Servers {
  readonly api: HttpServer;
  /** Undefined when `server.metrics_port` is null, or its port is taken. */
  readonly metrics: HttpServer | undefined;
  /** Undefined when `server.grpc_port` is null. */
  readonly grpc: GrpcPort | undefined;
  /** Reloads the certificate of the API and of gRPC; undefined without `server.tls`. */
  readonly certificate: Reloader | undefined;
}

/** The API cannot listen: its port or its certificate is not usable. */
export class ServerStartError extends Error {
  override readonly name = 'ServerStartError';
}

/** How workers and their parent share the port. */
export interface SharedPort {
  /** Of the API, instead of `server.port`. */
  readonly port: number;
  /** Of gRPC; null for none. */
  readonly grpcPort: number | null;
  /** Serves what workers do not. */
  readonly forward: (request: HttpRequest) => Promise<HttpResponse>;
  readonly isServedHere: (target: string) => boolean;
}

/**
 * Starts to listen: the API on its port, and the metrics on theirs. Requests that arrive before the gateway is constructed
 * wait for it.
 * @param gateway resolves when the gateway is constructed
 * @param version as the server metadata of gRPC shows it
 * @param shared set in a worker, which has no port for metrics
 * @throws ServerStartError when the API's port is taken or not permitted, or the files of `server.tls` are not usable
 */
export async function startServers(
  config: Config,
  gateway: Promise<Gateway>,
  logger: Logger,
  version: string,
  shared?: SharedPort,
): Promise<Servers> {
  const { host, tls: paths } = config.server;
  const port = shared?.port ?? config.server.port;
  const initialLimits = serverLimits(config, openFilesLimit());
  const listening: HttpServer[] = [];
  let current: Gateway | undefined;
  gateway.then(
    (constructed) => {
      current = constructed;
      for (const server of listening) constructed.servers.observe(server);
    },
    // The caller awaits the gateway, and reports why there is none.
    () => undefined,
  );
  const onError = (error: unknown) => {
    if (current) current.events.emit('http.server_failed', { error });
    else logger.error({ err: error }, 'HTTP server failed');
  };
  const onCertificateRejected = certificateLog(logger);
  const rejectMalformed = (status: number, message: string) =>
    current?.router.rejectMalformed(status, message) ??
    httpResponse(status, refusalBody(status, message), { 'content-type': 'application/json' });
  const listen = (
    at: number,
    handle: Parameters<typeof startHttpServer>[0]['handle'],
    tls?: LoadedCredentials,
  ) => {
    const server = startHttpServer({
      ...{ host, port: at, shared: shared !== undefined, tls, onError, rejectMalformed, handle },
      onCertificateRejected,
      limits: () => current?.snapshot.serverLimits ?? initialLimits,
      isProxy: (address) => current?.snapshot.isProxy?.(address) ?? false,
      onLimit: (limit) => current?.servers.limitReached(limit),
    });
    listening.push(server);
    return server;
  };
  const certificate = await loadCertificate(paths, logger);
  const handle = (request: HttpRequest) => {
    if (shared && !shared.isServedHere(request.target)) return shared.forward(request);
    return (
      current?.router.handle(request) ??
      healthAtStart(request) ??
      gateway.then(({ router }) => router.handle(request))
    );
  };
  let api: HttpServer;
  try {
    api = listen(port, handle, certificate?.credentials);
  } catch (error) {
    throw new ServerStartError(portProblem(host, port, error, 'SERVER_PORT'));
  }
  const grpcPort = shared ? shared.grpcPort : config.server.grpc_port;
  const grpc =
    grpcPort === null
      ? undefined
      : await listenForGrpc({
          ...{ host, port: grpcPort, shared: shared !== undefined, tls: certificate?.credentials, version },
          ...{ gateway, current: () => current, handle, initialLimits, onError, onCertificateRejected },
        }).catch((error: unknown) => {
          api.close();
          throw new ServerStartError(portProblem(host, grpcPort, error, 'GRPC_PORT'));
        });
  if (grpc) {
    listening.push(grpc);
    current?.servers.observe(grpc);
  }
  const servers = { api, grpc, certificate: certificate?.reloadInto(grpc ? [api, grpc] : [api]) };
  if (shared) return { ...servers, metrics: undefined };
  const health = (request: HttpRequest) =>
    current?.router.handle(request) ?? healthAtStart(request) ?? starting();
  const metrics = listenForMetrics(config, gateway, logger, health, (at, handle) => listen(at, handle));
  return { ...servers, metrics };
}

/** Served beside the metrics, in plain HTTP: probes have no client certificate. */
const PROBES: ReadonlySet<string> = new Set(['/health/live', '/health/ready']);

/** @returns undefined without a port for metrics, and where it is taken */
function listenForMetrics(
  config: Config,
  gateway: Promise<Gateway>,
  logger: Logger,
  health: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>,
  listen: (port: number, handle: Parameters<typeof startHttpServer>[0]['handle']) => HttpServer,
): HttpServer | undefined {
  const { host, metrics_port } = config.server;
  if (metrics_port === null) return undefined;
  try {
    return listen(metrics_port, (request) => {
      const [path = ''] = request.target.split('?');
      if (PROBES.has(path)) return health(request);
      return path === '/metrics'
        ? gateway.then((constructed) => constructed.metricsPage(request.headers.get('accept')))
        : httpResponse(404, 'This port serves /metrics, /health/live and /health/ready.\n', {
            'content-type': 'text/plain',
          });
    });
  } catch (error) {
    // Not fatal: a Prometheus on the same machine often has this port.
    const probes = config.server.tls?.client_ca
      ? ' Health checks without a client certificate ("server.tls.client_ca") fail.'
      : '';
    logger.warn(
      `${portProblem(host, metrics_port, error, 'METRICS_PORT')} Metrics are at /metrics of the API's port, with the admin key.${probes}`,
    );
    return undefined;
  }
}

/** Where the parent of workers listens. */
export interface ParentServers {
  /** For the workers. */
  readonly internal: HttpServer;
  readonly metrics: HttpServer | undefined;
}

/**
 * Starts to listen for workers, at a Unix socket, and for scrapers.
 * @param handle serves what workers forward
 * @param hasWorkers whether a worker listens at the port of the API
 */
export function startParentServers(
  config: Config,
  gateway: Promise<Gateway>,
  logger: Logger,
  socket: string,
  handle: (request: HttpRequest) => Promise<HttpResponse>,
  hasWorkers: () => boolean,
): ParentServers {
  const onError = (error: unknown) => logger.error({ err: error }, 'HTTP server failed');
  const common = {
    ...{ host: config.server.host, onError, isProxy: () => true },
    rejectMalformed: (status: number, message: string) =>
      httpResponse(status, refusalBody(status, message), { 'content-type': 'application/json' }),
  };
  const internal = startHttpServer({
    ...{ ...common, port: 0, unix: socket },
    handle,
  });
  const health = (request: HttpRequest) =>
    hasWorkers() ? gateway.then(({ router }) => router.handle(request)) : starting();
  const metrics = listenForMetrics(config, gateway, logger, health, (port, listener) =>
    startHttpServer({ ...common, port, handle: listener }),
  );
  return { internal, metrics };
}

/**
 * Whether the API's port is free: each process that shares a port can listen on it, also one of another Weir.
 * @returns the port that is free, for 0
 * @throws ServerStartError when it is taken or not permitted
 */
export function checkPort({ server: { host, port } }: Config): number {
  return checkOne(host, port, 'SERVER_PORT');
}

/** The same for the port of gRPC. @returns null where there is none */
export function checkGrpcPort({ server: { host, grpc_port: port } }: Config): number | null {
  return port === null ? null : checkOne(host, port, 'GRPC_PORT');
}

function checkOne(host: string, port: number, variable: string): number {
  try {
    const listener = listenSockets({ host, port, accept: () => new Uint8Array(0) });
    listener.stop();
    return listener.port;
  } catch (error) {
    throw new ServerStartError(portProblem(host, port, error, variable));
  }
}

/** A start that waits for its databases is alive, and not ready. @returns undefined for other requests */
function healthAtStart({ target }: HttpRequest): HttpResponse | undefined {
  const [path] = target.split('?');
  if (path === '/health/live') return httpResponse(200, '{"status":"alive"}', JSON_TYPE);
  if (path === '/health/ready') return starting();
  return undefined;
}

const JSON_TYPE = { 'content-type': 'application/json' };

function starting(): HttpResponse {
  return httpResponse(503, '{"status":"starting"}', JSON_TYPE);
}

/** Milliseconds from one line to the next: a client whose certificate has expired tries often. */
const CERTIFICATE_LOG_MS = 10_000;

/** @returns logs clients whose certificates are rejected, which learn no reason themselves */
function certificateLog(logger: Logger): (address: string, reason: string) => void {
  let loggedAt = Number.NEGATIVE_INFINITY;
  let unlogged = 0;
  return (address, reason) => {
    const now = performance.now();
    if (now - loggedAt < CERTIFICATE_LOG_MS) {
      unlogged += 1;
      return;
    }
    logger.warn({ address, reason, others: unlogged }, 'client certificate rejected');
    [loggedAt, unlogged] = [now, 0];
  };
}

interface Certificate {
  readonly credentials: LoadedCredentials;
  /** Begins to reload the files, for the servers that use them. */
  reloadInto(servers: readonly HttpServer[]): Reloader;
}

async function loadCertificate(
  paths: Config['server']['tls'],
  logger: Logger,
): Promise<Certificate | undefined> {
  if (paths === null) return undefined;
  // Loaded here, so that a start without TLS does not pay for it.
  const { loadTlsFiles, TlsReloader, validityProblem } = await import('../server/tls-files.ts');
  const credentials = await loadTlsFiles(paths).catch((cause: Error) => {
    throw new ServerStartError(cause.message, { cause });
  });
  const problem = validityProblem(credentials, Date.now());
  if (problem !== undefined) logger.warn(`${problem} Clients will reject it. Renew "${paths.cert}".`);
  return {
    credentials,
    reloadInto: (servers) =>
      new TlsReloader({
        paths,
        current: credentials,
        apply: (next) => {
          for (const server of servers) server.useCredentials(next);
        },
        onReloaded: ({ subject, validTo }) =>
          logger.info({ subject, expires: validTo.toISOString() }, 'TLS certificate reloaded'),
        onRejected: ({ message }) =>
          logger.error(`TLS certificate not reloaded; the current one stays active. ${message}`),
      }),
  };
}

function portProblem(host: string, port: number, error: unknown, variable: string): string {
  return `Cannot listen on ${host}:${port}: ${reasonOf(error)}. Set ${variable} to another port.`;
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'EADDRINUSE') return 'the port is in use';
  if (code === 'EACCES') return 'this user has no permission (ports below 1024 need it)';
  return error instanceof Error ? error.message : String(error);
}
