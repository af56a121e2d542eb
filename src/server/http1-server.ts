import { SlotList } from '../core/slot-list.ts';
import { listenSockets, type SocketListener, type TlsCredentials } from '../platform/socket-listener.ts';
import { WriteBatch } from '../platform/write-batch.ts';
import type { HttpServer, HttpServerOptions } from './http-server.ts';
import { type ConnectionServer, ServerConnection } from './server-connection.ts';

/**
 * An HTTP/1.1 server on plain sockets. Why it exists: docs/decisions/0016.
 * @throws Error with `code` `EADDRINUSE` or `EACCES` when the port is unavailable
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
  readonly secure: boolean;
  readonly handle: HttpServerOptions['handle'];
  readonly rejectMalformed: HttpServerOptions['rejectMalformed'];
  readonly onError: HttpServerOptions['onError'];
  date = new Date().toUTCString();
  stopping = false;
  readonly batch = new WriteBatch();
  readonly #listener: SocketListener;
  readonly #connections = new SlotList<ServerConnection>();
  readonly #stopTicking: () => void;
  readonly #stopped = Promise.withResolvers<void>();
  #pending = 0;

  constructor(options: HttpServerOptions) {
    this.handle = options.handle;
    this.rejectMalformed = options.rejectMalformed;
    this.onError = options.onError;
    this.secure = options.tls !== undefined;
    this.#listener = listenSockets({
      host: options.host,
      port: options.port,
      tls: options.tls,
      accept: () => new ServerConnection(this),
    });
    this.host = options.host;
    this.port = this.#listener.port;
    this.#stopTicking = (options.everySecond ?? everySecond)(() => this.#tick());
  }

  pendingRequests(): number {
    return this.#pending;
  }

  useCredentials(credentials: TlsCredentials): void {
    this.#listener.useCredentials(credentials);
  }

  drain(): Promise<void> {
    if (!this.stopping) {
      this.stopping = true;
      this.#listener.stop();
      for (const connection of this.#connections.snapshot()) connection.retire();
      this.#settleStop();
    }
    return this.#stopped.promise;
  }

  close(): void {
    this.stopping = true;
    this.#listener.stop();
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
