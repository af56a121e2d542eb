/** What the runtime knows of a request's connection. */
export interface RequestConnection {
  /** The peer's IP address; `unknown` when the connection is already gone. */
  remoteAddress(): string;
  /** Lets this request be silent for as long as it takes; without it a quiet connection is closed. */
  allowSilence(): void;
}

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly handle: (request: Request, connection: RequestConnection) => Response | Promise<Response>;
  /** Told of what `handle` let slip; the client gets a bare 500. */
  readonly onError: (error: unknown) => void;
}

export interface HttpServer {
  readonly host: string;
  readonly port: number;
  /** Requests whose responses are not sent to their end yet. */
  pendingRequests(): number;
  /** Stops listening and closes idle connections; resolves when the requests in flight are answered. */
  stop(): Promise<void>;
  /** Closes every connection now. */
  terminate(): void;
}

class BunConnection implements RequestConnection {
  constructor(
    private readonly request: Request,
    private readonly server: Bun.Server<undefined>,
  ) {}

  remoteAddress(): string {
    return this.server.requestIP(this.request)?.address ?? 'unknown';
  }

  allowSilence(): void {
    this.server.timeout(this.request, 0);
  }
}

/** Quiet connections are closed after this long, unless the request was allowed to be silent. Seconds. */
const IDLE_TIMEOUT = 120;

/** @throws Error with `code` `EADDRINUSE` or `EACCES` when the port can't be had */
export function startHttpServer(options: HttpServerOptions): HttpServer {
  const server = Bun.serve({
    hostname: options.host,
    port: options.port,
    idleTimeout: IDLE_TIMEOUT,
    // Our own limit answers in the client's dialect; the runtime's would close the connection without a word.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    development: false,
    fetch: (request, self) => options.handle(request, new BunConnection(request, self)),
    error: (error) => {
      options.onError(error);
      return new Response(
        '{"error":{"message":"The gateway failed to handle this request.","type":"server_error","code":"internal_error","param":null}}',
        {
          status: 500,
          headers: { 'content-type': 'application/json' },
        },
      );
    },
  });
  return {
    host: options.host,
    port: server.port ?? options.port,
    pendingRequests: () => server.pendingRequests,
    stop: () => server.stop(false),
    terminate: () => {
      void server.stop(true);
    },
  };
}
