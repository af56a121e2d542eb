import { encodeUtf8 } from '../core/bytes.ts';
import { listenSockets, type SocketListener, type TlsCredentials } from '../platform/socket-listener.ts';
import type { Traffic } from '../platform/socket-writer.ts';
import { WriteBatch } from '../platform/write-batch.ts';
import { ByteLedger } from './byte-ledger.ts';
import { ConnectionTable } from './connection-table.ts';
import type { HttpServer, HttpServerOptions, HttpServerStats } from './http-server.ts';
import { responseHead } from './response-head.ts';
import { type ConnectionServer, ServerConnection } from './server-connection.ts';
import { DEFAULT_SERVER_LIMITS, type ServerLimitName, type ServerLimits } from './server-limits.ts';

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

const REJECTIONS: Readonly<Partial<Record<ServerLimitName, string>>> = {
  max_connections: 'The gateway has too many connections (limits.max_connections). Retry later.',
  max_connections_per_ip:
    'Too many connections from this address (limits.max_connections_per_ip). Reuse connections, or list a proxy in server.trusted_proxies.',
};

class Http1Server implements HttpServer, ConnectionServer {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly handle: HttpServerOptions['handle'];
  readonly rejectMalformed: HttpServerOptions['rejectMalformed'];
  readonly onError: HttpServerOptions['onError'];
  readonly limits: () => ServerLimits;
  readonly onLimit: (limit: ServerLimitName) => void;
  readonly ledger: ByteLedger;
  readonly bytes: Traffic = { receivedBytes: 0, sentBytes: 0 };
  date = new Date().toUTCString();
  leaving = false;
  stopping = false;
  readonly batch = new WriteBatch();
  readonly #listener: SocketListener;
  readonly #connections: ConnectionTable<ServerConnection>;
  readonly #stopTicking: () => void;
  readonly #stopped = Promise.withResolvers<void>();
  #pending = 0;
  #trimming = false;

  constructor(options: HttpServerOptions) {
    this.handle = options.handle;
    this.rejectMalformed = options.rejectMalformed;
    this.onError = options.onError;
    this.limits = options.limits ?? (() => DEFAULT_SERVER_LIMITS);
    this.onLimit = options.onLimit ?? (() => undefined);
    this.ledger = new ByteLedger(this.limits, () => this.#trimSoon());
    this.#connections = new ConnectionTable({
      limits: this.limits,
      isProxy: options.isProxy ?? (() => false),
    });
    this.secure = options.tls !== undefined;
    this.#listener = listenSockets({
      host: options.host,
      port: options.port,
      unix: options.unix,
      shared: options.shared,
      tls: options.tls,
      onCertificateRejected: options.onCertificateRejected,
      accept: (remoteAddress) => this.#accept(remoteAddress),
    });
    this.host = options.host;
    this.port = this.#listener.port;
    this.#stopTicking = (options.everySecond ?? everySecond)(() => this.#tick());
  }

  pendingRequests(): number {
    return this.#pending;
  }

  stats(): HttpServerStats {
    const { size: connections, clients } = this.#connections;
    const { accounts, keptBytes: requestBytes, unsentBytes } = this.ledger;
    return { connections, clients, accounts, requestBytes, unsentBytes };
  }

  traffic(): Readonly<Traffic> {
    return this.bytes;
  }

  useCredentials(credentials: TlsCredentials): void {
    this.#listener.useCredentials(credentials);
  }

  leave(): void {
    if (this.leaving) return;
    this.leaving = true;
    this.#listener.stop();
  }

  drain(): Promise<void> {
    if (!this.stopping) {
      this.leave();
      this.stopping = true;
      for (const connection of this.#connections.snapshot()) connection.retire();
      this.#settleStop();
    }
    return this.#stopped.promise;
  }

  close(): void {
    this.leave();
    this.stopping = true;
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

  #accept(remoteAddress: string): ServerConnection | Uint8Array {
    const client = this.#connections.enter(remoteAddress);
    if (typeof client !== 'string') return new ServerConnection(this, client);
    this.onLimit(client);
    return this.#rejection(REJECTIONS[client] ?? '');
  }

  /** The whole response to a connection that is closed at once. */
  #rejection(message: string): Uint8Array {
    const response = this.rejectMalformed(503, message);
    const body = typeof response.body === 'string' ? response.body : '';
    const framing = { length: Buffer.byteLength(body), http10: false, keepAlive: false };
    return encodeUtf8(responseHead(response, { ...framing, date: this.date, secure: this.secure }) + body);
  }

  /** Closes connections whose responses wait beyond a cap, once the present event is handled. */
  #trimSoon(): void {
    if (this.#trimming) return;
    this.#trimming = true;
    queueMicrotask(() => {
      this.#trimming = false;
      const connections = this.#connections.snapshot();
      const victims = new Set(this.ledger.victims(connections.map(({ memory }) => memory)));
      for (const connection of connections) {
        if (!victims.has(connection.memory)) continue;
        this.onLimit('response_memory');
        connection.terminate();
      }
    });
  }

  #tick(): void {
    this.date = new Date().toUTCString();
    this.#connections.tick();
    for (const connection of this.#connections.snapshot()) connection.tick();
  }

  #settleStop(): void {
    if (this.#pending > 0) return;
    this.#stopTicking();
    this.#stopped.resolve();
  }
}
