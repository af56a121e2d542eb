import { type Clock, systemClock } from '../core/clock.ts';
import {
  type Transport,
  TransportError,
  type UpstreamCall,
  type UpstreamHandler,
  type UpstreamHeaders,
  type UpstreamRequest,
} from '../core/transport.ts';
import { ConnectionPool } from './connection-pool.ts';
import { type AssignedCall, Http1Connection } from './http1-connection.ts';
import { encodeRequest, parseTarget, type RequestTarget } from './http1-request.ts';
import { WriteBatch } from './write-batch.ts';

export interface Http1TransportOptions {
  /** Milliseconds for name resolution and the TCP handshake; 10,000 by default. */
  readonly connectTimeoutMs?: number;
  /** Idle connections kept per origin; 256 by default. */
  readonly maxIdlePerOrigin?: number;
  /**
   * Milliseconds that an idle connection is kept where the server gives no `Keep-Alive: timeout` hint. 4,000
   * by default: one second less than the shortest default among common servers (Node and Uvicorn, 5 s).
   */
  readonly idleTimeoutMs?: number;
  readonly clock?: Clock;
  /** Told what a handler threw, against its contract. A process warning by default. */
  readonly onHandlerError?: (error: unknown) => void;
  /** Opens connections; `Bun.connect` by default. For tests. */
  readonly connect?: (options: Bun.TCPSocketConnectOptions<Http1Connection>) => Promise<unknown>;
}

export interface Http1TransportStats {
  /** Open connections, idle ones included. */
  readonly open: number;
  readonly idle: number;
  /** Exchanges that have been sent and have not ended. */
  readonly active: number;
}

export interface Http1Transport extends Transport {
  stats(): Http1TransportStats;
}

/** Taken off a server's hint, for the time that its FIN travels. */
const KEEP_ALIVE_MARGIN_MS = 1000;
/** No hint keeps a connection longer than this. */
const MAX_IDLE_MS = 60_000;
const SWEEP_INTERVAL_MS = 1000;
/** Parsed URLs kept; there are as many as upstream endpoints, unless models are part of the path. */
const MAX_CACHED_TARGETS = 1000;

/**
 * HTTP/1.1 over plain TCP with keep-alive, for `http:` URLs. Why it exists: docs/decisions/0002.
 *
 * - Bodies are forwarded unchanged: a `content-encoding` is NOT decoded, so callers send
 *   `accept-encoding: identity`.
 * - `connection`, `content-length`, `transfer-encoding` and the like are this transport's own; a caller's
 *   values for them are not sent.
 * - A request on a kept-alive connection that closes without one byte of response is sent again, once, on a
 *   fresh connection: the server had closed it while the request was on its way.
 * - While an exchange is paused none of its handler's methods is called.
 */
export function createHttp1Transport(options: Http1TransportOptions = {}): Http1Transport {
  return new Http1Client(options);
}

class Http1Client implements Http1Transport {
  readonly batch = new WriteBatch();
  readonly #connectTimeoutMs: number;
  readonly #idleTimeoutMs: number;
  readonly #onHandlerError: (error: unknown) => void;
  readonly #connect: (options: Bun.TCPSocketConnectOptions<Http1Connection>) => Promise<unknown>;
  readonly #pool: ConnectionPool<Http1Connection>;
  readonly #targets = new Map<string, RequestTarget>();
  #sweeper: ReturnType<typeof setInterval> | undefined;
  #closed = false;
  #open = 0;
  #active = 0;

  constructor(options: Http1TransportOptions) {
    const clock = options.clock ?? systemClock;
    this.#connectTimeoutMs = options.connectTimeoutMs ?? 10_000;
    this.#idleTimeoutMs = options.idleTimeoutMs ?? 4000;
    this.#onHandlerError = options.onHandlerError ?? warnOfHandlerError;
    this.#connect = options.connect ?? Bun.connect;
    this.#pool = new ConnectionPool(options.maxIdlePerOrigin ?? 256, () => clock.now());
  }

  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    this.#active += 1;
    try {
      const target = this.#target(request.url);
      const upstreamCall = new Http1Call(this, target, encodeRequest(request, target), handler);
      this.start(upstreamCall, this.#pool.take(target.origin));
      return upstreamCall;
    } catch (error) {
      const upstreamCall = new Http1Call(this, undefined, [], handler);
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

  /** Puts an exchange on a kept connection, or on a new one. */
  start(upstreamCall: Http1Call, kept: Http1Connection | undefined): void {
    const { target } = upstreamCall;
    if (target === undefined) return;
    const connection = kept ?? new Http1Connection(target.origin, this);
    upstreamCall.connection = connection;
    connection.carry(upstreamCall);
    if (kept === undefined) this.#openConnection(connection, target);
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
    const ttlMs =
      keepAliveSeconds === undefined
        ? this.#idleTimeoutMs
        : Math.min(keepAliveSeconds * 1000 - KEEP_ALIVE_MARGIN_MS, MAX_IDLE_MS);
    this.#pool.put(connection.origin, connection, ttlMs);
    this.#startSweeper();
  }

  onClose(connection: Http1Connection): void {
    this.#open -= 1;
    this.#pool.remove(connection.origin, connection);
  }

  /**
   * The runtime cannot cancel an attempt to connect. One that is given up, by abort or timeout, is closed as
   * soon as it opens, or else ends when the system gives up.
   */
  #openConnection(connection: Http1Connection, target: RequestTarget): void {
    const timer = setTimeout(() => {
      const message = `no connection to ${target.host} within ${this.#connectTimeoutMs} ms`;
      connection.failToConnect(new TransportError('connect_timeout', message));
    }, this.#connectTimeoutMs);
    const { hostname, port } = target;
    // Async, so that an option refused synchronously is a rejection too.
    const attempt = async () => this.#connect({ hostname, port, data: connection, socket: SOCKET_HANDLER });
    attempt().then(
      () => clearTimeout(timer),
      (cause: unknown) => {
        clearTimeout(timer);
        const reason = cause instanceof Error ? cause.message : String(cause);
        connection.failToConnect(
          new TransportError('connect', `cannot connect to ${target.host}: ${reason}`, { cause }),
        );
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
  error: (socket, error) => socket.data.failed(error),
};

function warnOfHandlerError(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}

const NO_PARTS: readonly (string | Uint8Array)[] = [];

class Http1Call implements UpstreamCall, AssignedCall {
  connection: Http1Connection | undefined;
  readonly target: RequestTarget | undefined;
  #parts: readonly (string | Uint8Array)[];
  readonly #client: Http1Client;
  readonly #handler: UpstreamHandler;
  #paused = false;
  #finished = false;

  constructor(
    client: Http1Client,
    target: RequestTarget | undefined,
    parts: readonly (string | Uint8Array)[],
    handler: UpstreamHandler,
  ) {
    this.#client = client;
    this.target = target;
    this.#parts = parts;
    this.#handler = handler;
  }

  get parts(): readonly (string | Uint8Array)[] {
    return this.#parts;
  }

  get paused(): boolean {
    return this.#paused;
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.connection?.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.connection?.resume();
  }

  abort(): void {
    const { connection } = this;
    if (!this.#finish()) return;
    connection?.destroy();
  }

  onHead(status: number, headers: UpstreamHeaders): void {
    // It will not be sent again: a large body need not live as long as a long answer.
    this.#parts = NO_PARTS;
    this.#handler.onHead(status, headers);
  }

  onData(bytes: Uint8Array): void {
    this.#handler.onData(bytes);
  }

  onEnd(): void {
    if (!this.#finish()) return;
    try {
      this.#handler.onEnd();
    } catch (error) {
      this.#client.handlerThrew(error);
    }
  }

  onFailure(error: unknown): void {
    if (!this.#finish()) return;
    if (error instanceof TransportError) {
      this.#fail(error);
      return;
    }
    // The handler still learns that its exchange has ended, so that it can let go of what it holds.
    const ended = new TransportError('closed_mid_body', 'a response handler threw', { cause: error });
    this.#client.handlerThrew(error);
    this.#fail(ended);
  }

  onStaleConnection(): void {
    if (!this.#finished) this.#client.start(this, undefined);
  }

  /** @returns false when the exchange had already ended. */
  #finish(): boolean {
    if (this.#finished) return false;
    this.#finished = true;
    this.connection = undefined;
    this.#client.finished();
    return true;
  }

  #fail(error: TransportError): void {
    try {
      this.#handler.onError(error);
    } catch (thrown) {
      this.#client.handlerThrew(thrown);
    }
  }
}
