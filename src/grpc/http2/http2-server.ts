import { listenSockets, type SocketListener, type TlsCredentials } from '../../platform/socket-listener.ts';
import type { Traffic } from '../../platform/socket-writer.ts';
import { WriteBatch } from '../../platform/write-batch.ts';
import { ByteLedger } from '../../server/byte-ledger.ts';
import type { ConnectionMemory } from '../../server/connection-memory.ts';
import { ConnectionTable } from '../../server/connection-table.ts';
import type { HttpServer, HttpServerStats } from '../../server/http-server.ts';
import type { ServerLimitName } from '../../server/server-limits.ts';
import type { GrpcLimits } from '../grpc-limits.ts';
import { ERROR, goAwayFrame, settingsFrame } from './frames.ts';
import { Http2Connection, type Http2ConnectionServer } from './http2-connection.ts';
import type { Http2Stream, StreamHandler } from './http2-stream.ts';

export interface Http2ServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Whether other processes may listen on the port too (Linux). */
  readonly shared?: boolean | undefined;
  /** TLS 1.2 and 1.3 with these; plain text when absent. */
  readonly tls?: TlsCredentials | undefined;
  /** Called for each client whose certificate `tls.clientCa` does not accept, with its address and the reason. */
  readonly onCertificateRejected?: ((remoteAddress: string, reason: string) => void) | undefined;
  /** Begins to handle a request. Must not throw. */
  readonly accept: (stream: Http2Stream, memory: ConnectionMemory) => StreamHandler;
  readonly onError: (error: unknown) => void;
  /** Read at each use, so that a change applies to open connections too. */
  readonly limits: () => GrpcLimits;
  /** Whether a peer is a proxy, to which limits of one client address do not apply. */
  readonly isProxy: (address: string) => boolean;
  readonly onLimit: (limit: ServerLimitName) => void;
  /** Calls `tick` once a second until the returned function is called. A timer by default. */
  readonly everySecond?: ((tick: () => void) => () => void) | undefined;
}

function everySecond(tick: () => void): () => void {
  const timer = setInterval(tick, 1_000);
  timer.unref();
  return () => clearInterval(timer);
}

/** A server of HTTP/2 for gRPC, on plain sockets. Why it exists: docs/decisions/0081. */
export class Http2Server implements HttpServer, Http2ConnectionServer {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly accept: (stream: Http2Stream, memory: ConnectionMemory) => StreamHandler;
  readonly onError: (error: unknown) => void;
  readonly limits: () => GrpcLimits;
  readonly onLimit: (limit: ServerLimitName) => void;
  readonly ledger: ByteLedger;
  readonly batch = new WriteBatch();
  readonly bytes: Traffic = { receivedBytes: 0, sentBytes: 0 };
  readonly #listener: SocketListener;
  readonly #connections: ConnectionTable<Http2Connection>;
  readonly #stopTicking: () => void;
  readonly #stopped = Promise.withResolvers<void>();
  #streams = 0;
  #isStopping = false;
  #isTrimming = false;

  /** @throws Error with `code` `EADDRINUSE` or `EACCES` when the port is unavailable */
  constructor(options: Http2ServerOptions) {
    this.accept = options.accept;
    this.onError = options.onError;
    this.limits = options.limits;
    this.onLimit = options.onLimit;
    this.secure = options.tls !== undefined;
    this.ledger = new ByteLedger(this.limits, () => this.#trimSoon());
    this.#connections = new ConnectionTable({ limits: this.limits, isProxy: options.isProxy });
    this.#listener = listenSockets({
      ...{ host: options.host, port: options.port, shared: options.shared, tls: options.tls },
      protocol: 'h2',
      onCertificateRejected: options.onCertificateRejected,
      accept: (remoteAddress) => this.#accept(remoteAddress),
    });
    this.host = options.host;
    this.port = this.#listener.port;
    this.#stopTicking = (options.everySecond ?? everySecond)(() => this.#tick());
  }

  pendingRequests(): number {
    return this.#streams;
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

  /** Asks all clients to open other connections. Open ones end with their last call. */
  retireConnections(): void {
    for (const connection of this.#connections.snapshot()) connection.retire();
  }

  /** Accepts no more connections, and asks clients to open others elsewhere. */
  leave(): void {
    this.#listener.stop();
    this.retireConnections();
  }

  /** The same. @returns resolves when all calls have ended */
  drain(): Promise<void> {
    this.leave();
    this.#isStopping = true;
    this.#settleStop();
    return this.#stopped.promise;
  }

  /** Closes every connection now. */
  close(): void {
    this.#listener.stop();
    this.#isStopping = true;
    for (const connection of this.#connections.snapshot()) connection.terminate();
    this.#settleStop();
  }

  // Events of connections.

  opened(connection: Http2Connection): void {
    this.#connections.add(connection);
  }

  closed(connection: Http2Connection): void {
    this.#connections.remove(connection);
  }

  streamBegan(): void {
    this.#streams += 1;
  }

  streamEnded(): void {
    this.#streams -= 1;
    if (this.#isStopping) this.#settleStop();
  }

  #accept(remoteAddress: string): Http2Connection | Uint8Array {
    const client = this.#connections.enter(remoteAddress);
    if (typeof client !== 'string') return new Http2Connection(this, client);
    this.onLimit(client);
    return REJECTIONS[client] ?? REJECTION;
  }

  /** Closes connections whose responses wait beyond a cap, once the present event is handled. */
  #trimSoon(): void {
    if (this.#isTrimming) return;
    this.#isTrimming = true;
    queueMicrotask(() => {
      this.#isTrimming = false;
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
    this.#connections.tick();
    for (const connection of this.#connections.snapshot()) connection.tick();
  }

  #settleStop(): void {
    if (this.#streams > 0) return;
    this.#stopTicking();
    this.#stopped.resolve();
  }
}

const rejection = (reason: string) =>
  new Uint8Array(Buffer.concat([settingsFrame([]), goAwayFrame(0, ERROR.ENHANCE_YOUR_CALM, reason)]));

const REJECTION = rejection('too many connections');
/** The whole of what a connection gets that is closed at once. */
const REJECTIONS: Readonly<Partial<Record<ServerLimitName, Uint8Array>>> = {
  max_connections: rejection('the gateway has too many connections (limits.max_connections)'),
  max_connections_per_ip: rejection('too many connections from this address (limits.max_connections_per_ip)'),
};
