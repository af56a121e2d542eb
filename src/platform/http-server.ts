import type { HttpRequest, HttpResponse } from '../core/http.ts';
import { SlotList } from '../core/slot-list.ts';
import { type ConnectionServer, ServerConnection } from './http1-server-connection.ts';
import { WriteBatch } from './write-batch.ts';

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly handle: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;
  /** What is answered to what is no HTTP request, and where `handle` has failed. */
  readonly refuse: (status: number, message: string) => HttpResponse;
  /** Told of what `handle` let slip. */
  readonly onError: (error: unknown) => void;
  /** Calls back once a second, until what it returns is called; a timer by default. */
  readonly everySecond?: (tick: () => void) => () => void;
}

export interface HttpServer {
  readonly host: string;
  readonly port: number;
  /** Requests whose answers are not sent to their end yet. */
  pendingRequests(): number;
  /** Stops listening and closes idle connections; resolves when the requests in flight are answered. */
  stop(): Promise<void>;
  /** Closes every connection now. */
  terminate(): void;
}

/**
 * An HTTP/1.1 server on plain sockets. Why it exists: docs/decisions/0016.
 * @throws Error with `code` `EADDRINUSE` or `EACCES` when the port can't be had
 */
export function startHttpServer(options: HttpServerOptions): HttpServer {
  return new Http1Server(options);
}

function everySecond(tick: () => void): () => void {
  const timer = setInterval(tick, 1_000);
  timer.unref();
  return () => clearInterval(timer);
}

class Http1Server implements HttpServer, ConnectionServer {
  readonly host: string;
  readonly port: number;
  readonly handle: HttpServerOptions['handle'];
  readonly refuse: HttpServerOptions['refuse'];
  readonly onError: HttpServerOptions['onError'];
  date = new Date().toUTCString();
  stopping = false;
  readonly batch = new WriteBatch();
  readonly #listener: Bun.TCPSocketListener<ServerConnection>;
  readonly #connections = new SlotList<ServerConnection>();
  readonly #stopTicking: () => void;
  readonly #stopped = Promise.withResolvers<void>();
  #pending = 0;

  constructor(options: HttpServerOptions) {
    this.handle = options.handle;
    this.refuse = options.refuse;
    this.onError = options.onError;
    this.#listener = Bun.listen<ServerConnection>({
      hostname: options.host,
      port: options.port,
      socket: {
        open: (socket) => {
          const connection = new ServerConnection(this);
          socket.data = connection;
          connection.opened(socket);
        },
        data: (socket, bytes) => socket.data.received(bytes),
        drain: (socket) => socket.data.drained(),
        close: (socket) => socket.data?.closed(),
        // The close that follows says all there is to say: a client that breaks off is no defect.
        error: (socket) => socket.terminate(),
      },
    });
    this.host = options.host;
    this.port = this.#listener.port;
    this.#stopTicking = (options.everySecond ?? everySecond)(() => this.#tick());
  }

  pendingRequests(): number {
    return this.#pending;
  }

  stop(): Promise<void> {
    if (!this.stopping) {
      this.stopping = true;
      this.#listener.stop(false);
      for (const connection of this.#connections.snapshot()) connection.retire();
      this.#settleStop();
    }
    return this.#stopped.promise;
  }

  terminate(): void {
    this.stopping = true;
    this.#listener.stop(false);
    for (const connection of this.#connections.snapshot()) connection.terminate();
    this.#settleStop();
  }

  // Events of connections.

  opened(connection: ServerConnection): void {
    this.#connections.add(connection);
  }

  closed(connection: ServerConnection): void {
    this.#connections.remove(connection);
  }

  requestBegan(): void {
    this.#pending += 1;
  }

  requestEnded(): void {
    this.#pending -= 1;
    if (this.stopping) this.#settleStop();
  }

  #tick(): void {
    this.date = new Date().toUTCString();
    for (const connection of this.#connections.snapshot()) connection.tick();
  }

  #settleStop(): void {
    if (this.#pending > 0) return;
    this.#stopTicking();
    this.#stopped.resolve();
  }
}
