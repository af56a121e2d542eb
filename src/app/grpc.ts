import type { HttpRequest, HttpResponse } from '../core/http.ts';
import type { GrpcLimits } from '../grpc/grpc-limits.ts';
import type { TlsCredentials } from '../platform/socket-listener.ts';
import type { HttpServer } from '../server/http-server.ts';
import type { Gateway } from './gateway.ts';

/** The port of gRPC. */
export interface GrpcPort extends HttpServer {
  /** Asks clients to open other connections, while new ones are still accepted. */
  retireConnections(): void;
}

export interface GrpcPortOptions {
  readonly host: string;
  readonly port: number;
  /** Whether workers share the port. */
  readonly shared: boolean;
  readonly tls: TlsCredentials | undefined;
  readonly version: string;
  /** Resolves when the gateway is constructed: calls wait for it. */
  readonly gateway: Promise<Gateway>;
  readonly current: () => Gateway | undefined;
  /** The handler of the HTTP port. */
  readonly handle: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;
  readonly initialLimits: GrpcLimits;
  readonly onError: (error: unknown) => void;
  readonly onCertificateRejected?: ((remoteAddress: string, reason: string) => void) | undefined;
  /** Calls `tick` once a second until the returned function is called. A timer by default. */
  readonly everySecond?: (tick: () => void) => () => void;
}

/**
 * Listens for gRPC. Loaded here, so that a start without it does not pay for it.
 * @throws Error with `code` `EADDRINUSE` or `EACCES` when the port is unavailable
 */
export async function listenForGrpc(options: GrpcPortOptions): Promise<GrpcPort> {
  const { gateway, current, handle, version, initialLimits, ...server } = options;
  const { startGrpcServer } = await import('../grpc/grpc-server.ts');
  return startGrpcServer({
    ...server,
    gateway: {
      ...{ handle, version },
      countAddress: async (request) => (await gateway).router.countAddress(request),
      identify: async (request) => (await gateway).identify(request),
    },
    limits: () => current()?.snapshot.serverLimits ?? initialLimits,
    isProxy: (address) => current()?.snapshot.isProxy?.(address) ?? false,
    onLimit: (limit) => current()?.servers.limitReached(limit),
  });
}
