import { httpResponse } from '../http/response.ts';
import type { Logger } from '../observability/log.ts';
import type { HttpServer } from '../server/http-server.ts';
import { startHttpServer } from '../server/http1-server.ts';
import type { Gateway } from './gateway.ts';

export interface Servers {
  readonly api: HttpServer;
  /** Undefined when `server.metrics_port` is null, or its port is taken. */
  readonly metrics: HttpServer | undefined;
}

/** A port that the API cannot listen on. */
export class PortError extends Error {
  override readonly name = 'PortError';
}

/**
 * Starts to listen: the API on its port, and the metrics on theirs.
 * @throws PortError when the API's port is taken or not permitted
 */
export function startServers(gateway: Gateway, logger: Logger): Servers {
  const { host, port, metrics_port } = gateway.config.server;
  const onError = (error: unknown) => gateway.events.emit('http.server_failed', { error });
  const rejectMalformed = (status: number, message: string) =>
    gateway.router.rejectMalformed(status, message);
  const listen = (at: number, handle: Parameters<typeof startHttpServer>[0]['handle']) =>
    startHttpServer({ host, port: at, onError, rejectMalformed, handle });
  let api: HttpServer;
  try {
    api = listen(port, (request) => gateway.router.handle(request));
  } catch (error) {
    throw new PortError(portProblem(host, port, error, 'SERVER_PORT'));
  }
  if (metrics_port === null) return { api, metrics: undefined };
  try {
    const metrics = listen(metrics_port, (request) =>
      request.target.split('?')[0] === '/metrics'
        ? gateway.metricsPage()
        : httpResponse(404, 'This port serves only /metrics.\n', { 'content-type': 'text/plain' }),
    );
    return { api, metrics };
  } catch (error) {
    // Not fatal: a Prometheus on the same machine often has this port.
    logger.warn(
      `${portProblem(host, metrics_port, error, 'METRICS_PORT')} Metrics are at /metrics of the API's port, with the admin key.`,
    );
    return { api, metrics: undefined };
  }
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
