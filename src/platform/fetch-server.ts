export interface FetchServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly handle: (request: Request) => Response | Promise<Response>;
  /** Told of what `handle` let slip; the client gets a bare 500. */
  readonly onError: (error: unknown) => void;
}

export interface FetchServer {
  readonly host: string;
  readonly port: number;
  /** Closes every connection now. */
  terminate(): void;
}

/**
 * The runtime's own server, for what speaks in web-standard requests and responses: the simulator, when it stands alone.
 * @throws Error with `code` `EADDRINUSE` or `EACCES` when the port is unavailable
 */
export function startFetchServer(options: FetchServerOptions): FetchServer {
  const server = Bun.serve({
    hostname: options.host,
    port: options.port,
    // A simulated answer may be as slow as it was asked to be.
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
