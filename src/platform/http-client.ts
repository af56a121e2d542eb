import { type Clock, systemClock } from '../core/clock.ts';
import {
  type Transport,
  TransportError,
  type UpstreamCall,
  type UpstreamHandler,
  type UpstreamRequest,
} from '../core/transport.ts';
import { ConnectionPool } from './connection-pool.ts';
import { type CallOwner, Http1Call } from './http1-call.ts';
import { Http1Connection, SETTLE_MS } from './http1-connection.ts';
import { parseTarget, RequestEncoder, type RequestTarget } from './http1-request.ts';
import { OriginTrust } from './origin-trust.ts';
import { WaitingCalls } from './waiting-calls.ts';
import { WriteBatch } from './write-batch.ts';

/** How many connections a transport opens, and how long it keeps them. */
export interface ConnectionSettings {
  /** Milliseconds for name resolution and the handshakes of TCP and TLS, and for waiting where all connections are in use. */
  readonly connectTimeoutMs: number;
  /** Open connections to one origin (host and port), idle ones and attempts to connect included. */
  readonly maxConnections: number;
  /** Idle connections kept for one origin. */
  readonly maxIdle: number;
  /** Milliseconds that an idle connection is kept. A shorter `Keep-Alive: timeout` of the server wins. */
  readonly idleTimeoutMs: number;
}

export const DEFAULT_CONNECTION_SETTINGS: ConnectionSettings = {
  connectTimeoutMs: 10_000,
  maxConnections: 20_000,
  maxIdle: 800,
  idleTimeoutMs: 30_000,
};

/** Certificates in PEM: the authority of the server instead of those of the system, and that of this client. */
export interface UpstreamTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface Http1TransportOptions extends Partial<ConnectionSettings> {
  readonly clock?: Clock;
  /** Receives errors that handlers throw, against their contract. A process warning by default. */
  readonly onHandlerError?: (error: unknown) => void;
  /** Added to the TLS options of connections. */
  readonly tls?: UpstreamTls;
  /** Opens connections; `Bun.connect` by default. For tests. */
  readonly connect?: (options: Bun.TCPSocketConnectOptions<Http1Connection>) => Promise<unknown>;
}

export interface Http1TransportStats {
  /** Open connections, idle ones included. */
  readonly open: number;
  readonly idle: number;
  /** Calls that have not ended, those that wait for a connection included. */
  readonly active: number;
}

export interface Http1Transport extends Transport {
  stats(): Http1TransportStats;
}

/** Subtracted from a server's hint, for the time that its FIN takes to arrive. */
const KEEP_ALIVE_MARGIN_MS = 1000;
const SWEEP_INTERVAL_MS = 1000;
/** The list of one protocol, as TLS has it: its length, and its name (RFC 7301). */
const ALPN_HTTP1 = '\x08http/1.1';
/** Parsed URLs in the cache: one for each upstream endpoint, or more where models are part of the path. */
const MAX_CACHED_TARGETS = 1000;

/**
 * HTTP/1.1 with keep-alive, for `http:` and `https:` URLs. Why it exists: docs/decisions/0002.
 *
 * - The runtime does TLS. It checks certificates and host names against its authorities, with those of
 *   \`NODE_EXTRA_CA_CERTS\`, and nothing is sent before that.
 * - Bodies are forwarded unchanged: a `content-encoding` is NOT decoded, so callers send
 *   `accept-encoding: identity`.
 * - `connection`, `content-length`, `transfer-encoding` and the like are this transport's own; a caller's
 *   values for them are not sent.
 * - No request is sent twice, except a GET whose kept-alive connection closes without one byte of response, once: it
 *   has no effect at the upstream. A POST fails, and the caller decides. A request of which no byte was sent, because
 *   the connection was found closed, goes to another connection.
 * - A connection with bytes that belong to no request is closed. For ten minutes, each connection to that origin then
 *   serves one request. Until an origin has shown three times that nothing follows its responses, a connection waits 30 ms
 *   before its next request.
 * - A request to an origin that has `maxConnections` waits for one of them, in the order of arrival. After
 *   `connectTimeoutMs` it fails with `connect_timeout`.
 * - While a call is paused none of its handler's methods is called.
 */
export function createHttp1Transport(options: Http1TransportOptions = {}): Http1Transport {
  return new Http1Client(options);
}

class Http1Client implements Http1Transport, CallOwner {
  readonly batch = new WriteBatch();
  readonly #settings: ConnectionSettings;
  readonly #onHandlerError: (error: unknown) => void;
  readonly #connect: (options: Bun.TCPSocketConnectOptions<Http1Connection>) => Promise<unknown>;
  readonly #tls: Bun.TLSOptions;
  readonly #pool: ConnectionPool<Http1Connection>;
  readonly #waiting = new WaitingCalls<Http1Call>();
  readonly #targets = new Map<string, RequestTarget>();
  readonly #trust: OriginTrust;
  readonly #encoder = new RequestEncoder();
  #sweeper: ReturnType<typeof setInterval> | undefined;
  #closed = false;
  #open = 0;
  #active = 0;

  constructor({ clock = systemClock, onHandlerError, connect, tls, ...settings }: Http1TransportOptions) {
    this.#settings = { ...DEFAULT_CONNECTION_SETTINGS, ...settings };
    this.#onHandlerError = onHandlerError ?? warnOfHandlerError;
    this.#connect = connect ?? Bun.connect;
    this.#tls = { ...tls, ALPNProtocols: ALPN_HTTP1 };
    const { maxConnections, maxIdle } = this.#settings;
    const now = () => clock.now();
    this.#pool = new ConnectionPool({ maxConnections, maxIdle, now });
    this.#trust = new OriginTrust(now, SETTLE_MS);
  }

  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    this.#active += 1;
    try {
      const target = this.#target(request.url);
      const parts = this.#encoder.encode(request, target);
      const upstreamCall = new Http1Call(this, target, parts, request.method === 'GET', handler);
      const kept = this.#pool.take(target.origin);
      if (kept === undefined) this.startAnew(upstreamCall);
      else this.#assign(upstreamCall, kept);
      return upstreamCall;
    } catch (error) {
      const upstreamCall = new Http1Call(this, undefined, [], false, handler);
      queueMicrotask(() => upstreamCall.onFailure(error));
      return upstreamCall;
    }
  }

  close(): void {
    this.#closed = true;
    this.#pool.closeAll();
    this.#stopSweeper();
  }

  stats(): Http1TransportStats {
    return { open: this.#open, idle: this.#pool.size, active: this.#active };
  }

  /** Opens a connection for a call, or queues the call where the origin has `maxConnections`. */
  startAnew(upstreamCall: Http1Call): void {
    const { target } = upstreamCall;
    if (target === undefined) return;
    if (this.#pool.reserve(target.origin)) this.#startOnNewConnection(upstreamCall, target);
    else this.#wait(upstreamCall, target);
  }

  #startOnNewConnection(upstreamCall: Http1Call, target: RequestTarget): void {
    const connection = new Http1Connection(target, this);
    this.#assign(upstreamCall, connection);
    this.#openConnection(connection, target);
  }

  #assign(upstreamCall: Http1Call, connection: Http1Connection): void {
    upstreamCall.connection = connection;
    connection.carry(upstreamCall);
  }

  #wait(upstreamCall: Http1Call, { origin, host }: RequestTarget): void {
    const { connectTimeoutMs, maxConnections } = this.#settings;
    const timer = setTimeout(() => {
      const message = `no connection to ${host} became free within ${connectTimeoutMs} ms: all ${maxConnections} are in use ("upstream.max_connections")`;
      upstreamCall.onFailure(new TransportError('connect_timeout', message));
    }, connectTimeoutMs);
    upstreamCall.stopWaiting = () => {
      clearTimeout(timer);
      this.#waiting.remove(origin, upstreamCall);
    };
    this.#waiting.add(origin, upstreamCall);
  }

  #nextWaiting(origin: string): Http1Call | undefined {
    const next = this.#waiting.take(origin);
    next?.stopWaiting?.();
    return next;
  }

  finished(): void {
    this.#active -= 1;
  }

  handlerThrew(error: unknown): void {
    this.#onHandlerError(error);
  }

  // Events of connections.

  onOpen(): void {
    this.#open += 1;
  }

  onReusable(connection: Http1Connection, keepAliveSeconds: number | undefined): void {
    if (this.#closed) {
      connection.closeIdle();
      return;
    }
    const { idleTimeoutMs, maxIdle } = this.#settings;
    const hintMs =
      keepAliveSeconds === undefined ? idleTimeoutMs : keepAliveSeconds * 1000 - KEEP_ALIVE_MARGIN_MS;
    const isKept = maxIdle > 0 && !this.#trust.isDistrusted(connection.origin);
    const ttlMs = isKept ? Math.min(hintMs, idleTimeoutMs) : 0;
    const next = ttlMs > 0 ? this.#nextWaiting(connection.origin) : undefined;
    if (next !== undefined) {
      this.#assign(next, connection);
      return;
    }
    this.#pool.put(connection.origin, connection, ttlMs);
    this.#startSweeper();
  }

  isTrusted(origin: string): boolean {
    return this.#trust.isTrusted(origin);
  }

  onQuiet({ origin }: Http1Connection): void {
    this.#trust.quiet(origin);
  }

  onLateBytes({ origin }: Http1Connection): void {
    this.#trust.lateBytes(origin);
    this.#pool.closeIdle(origin);
  }

  onClose(connection: Http1Connection): void {
    this.#open -= 1;
    this.#pool.remove(connection.origin, connection);
    this.#released(connection);
  }

  /** A connection is closed, or did not open: a waiting call may open another. */
  #released(connection: Http1Connection): void {
    const { origin } = connection;
    if (connection.released) return;
    connection.released = true;
    this.#pool.release(origin);
    const next = this.#nextWaiting(origin);
    if (next !== undefined) this.startAnew(next);
  }

  /**
   * The runtime cannot cancel a connection attempt. An attempt that is abandoned, by abort or timeout, is closed
   * when it opens, or ends when the system gives up.
   */
  #openConnection(connection: Http1Connection, target: RequestTarget): void {
    const { connectTimeoutMs } = this.#settings;
    const timer = setTimeout(() => {
      const message = `no connection to ${target.host} within ${connectTimeoutMs} ms`;
      connection.failToConnect(new TransportError('connect_timeout', message));
    }, connectTimeoutMs);
    connection.onConnected = () => clearTimeout(timer);
    const { hostname, port } = target;
    const tls = target.tls ? { tls: { ...this.#tls, serverName: hostname } } : {};
    // Async, so that a synchronous throw becomes a rejection.
    const attempt = async () =>
      this.#connect({ hostname, port, ...tls, data: connection, socket: SOCKET_HANDLER });
    attempt().then(
      () => undefined,
      (cause: unknown) => {
        clearTimeout(timer);
        const reason = cause instanceof Error ? cause.message : String(cause);
        connection.failToConnect(
          new TransportError('connect', `cannot connect to ${target.host}: ${reason}`, { cause }),
        );
        this.#released(connection);
      },
    );
  }

  #target(url: string): RequestTarget {
    const cached = this.#targets.get(url);
    if (cached !== undefined) return cached;
    const target = parseTarget(url);
    if (this.#targets.size >= MAX_CACHED_TARGETS) this.#targets.clear();
    this.#targets.set(url, target);
    return target;
  }

  #startSweeper(): void {
    if (this.#sweeper !== undefined) return;
    this.#sweeper = setInterval(() => {
      this.#pool.sweep();
      if (this.#pool.size === 0) this.#stopSweeper();
    }, SWEEP_INTERVAL_MS);
    this.#sweeper.unref();
  }

  #stopSweeper(): void {
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }
}

/** Stateless: each socket's events go to the connection in its `data`. */
const SOCKET_HANDLER: Bun.SocketHandler<Http1Connection> = {
  open: (socket) => socket.data.opened(socket),
  data: (socket, bytes) => socket.data.received(bytes),
  drain: (socket) => socket.data.drained(),
  close: (socket, error) => socket.data.closed(error),
  error: (socket, error) => socket.data.socketFailed(error),
  handshake: (socket, success, error) => socket.data.secured(success, error),
};

function warnOfHandlerError(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
