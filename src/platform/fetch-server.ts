export interface FetchServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly handle: (request: Request) => Response | Promise<Response>;
  /** Receives errors that `handle` throws; the client gets a 500. */
  readonly onError: (error: unknown) => void;
}

export interface FetchServer {
  readonly host: string;
  readonly port: number;
  /** Closes every connection now. */
  terminate(): void;
}

/**
 * The runtime's own server, for handlers of web-standard requests and responses: the standalone simulator.
 * @throws Error with `code` `EADDRINUSE` or `EACCES` when the port is unavailable
 */
export function startFetchServer(options: FetchServerOptions): FetchServer {
  const server = Bun.serve({
    hostname: options.host,
    port: options.port,
    // A simulated response may be as slow as its request says.
    idleTimeout: 0,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    development: false,
    fetch: (request) => options.handle(request),
    error: (error) => {
      options.onError(error);
      return Response.json({ error: { message: 'The simulator failed.' } }, { status: 500 });
    },
  });
  return {
    host: options.host,
    port: server.port ?? options.port,
    terminate: () => {
      void server.stop(true);
    },
  };
}
