/**
 * Idle keep-alive connections by origin, and the number of open ones. The connection that was returned last is taken
 * first, so that the others expire. Independent of sockets.
 */

export interface PooledConnection {
  /** Ends an idle connection in an orderly way. */
  closeIdle(): void;
}

export interface PoolOptions {
  /** Open connections to one origin, idle ones and attempts to connect included. */
  readonly maxConnections: number;
  /** Idle connections kept for one origin. */
  readonly maxIdle: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

interface Idle<C> {
  readonly connection: C;
  /** Clock time, in milliseconds, from which the server may be closing the connection. */
  readonly expiresAt: number;
}

interface Origin<C> {
  idle: Idle<C>[];
  /** Reserved and not released. */
  open: number;
}

export class ConnectionPool<C extends PooledConnection> {
  readonly #origins = new Map<string, Origin<C>>();
  readonly #options: PoolOptions;
  #size = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Idle connections, of all origins. */
  get size(): number {
    return this.#size;
  }

  /** Takes the newest idle connection that has not expired, and closes expired ones on the way. */
  take(origin: string): C | undefined {
    const stack = this.#origins.get(origin)?.idle;
    if (stack === undefined) return undefined;
    for (let idle = stack.pop(); idle !== undefined; idle = stack.pop()) {
      this.#size -= 1;
      if (idle.expiresAt > this.#options.now()) return idle.connection;
      idle.connection.closeIdle();
    }
    return undefined;
  }

  /**
   * Counts a connection that is about to be opened. The caller calls `release` when it is closed, or did not open.
   * @returns false, without counting it, when the origin has `maxConnections` already
   */
  reserve(origin: string): boolean {
    const entry = this.#entry(origin);
    if (entry.open >= this.#options.maxConnections) return false;
    entry.open += 1;
    return true;
  }

  /** A reserved connection is closed, or did not open. */
  release(origin: string): void {
    const entry = this.#origins.get(origin);
    if (entry === undefined) return;
    entry.open -= 1;
    this.#forgetEmpty(origin, entry);
  }

  /** Keeps a connection for `ttlMs` milliseconds, or closes it when there are enough. */
  put(origin: string, connection: C, ttlMs: number): void {
    const { idle } = this.#entry(origin);
    if (ttlMs <= 0 || idle.length >= this.#options.maxIdle) {
      connection.closeIdle();
      return;
    }
    idle.push({ connection, expiresAt: this.#options.now() + ttlMs });
    this.#size += 1;
  }

  /** Removes an idle connection that the server has closed. */
  remove(origin: string, connection: C): void {
    const stack = this.#origins.get(origin)?.idle;
    const at = stack?.findIndex((idle) => idle.connection === connection) ?? -1;
    if (stack === undefined || at < 0) return;
    stack.splice(at, 1);
    this.#size -= 1;
  }

  /** Closes the expired connections. */
  sweep(): void {
    const now = this.#options.now();
    this.#closeWhere((idle) => idle.expiresAt <= now);
  }

  closeAll(): void {
    this.#closeWhere(() => true);
  }

  /** Closes the idle connections of one origin. */
  closeIdle(origin: string): void {
    const entry = this.#origins.get(origin);
    if (entry === undefined) return;
    const { idle } = entry;
    entry.idle = [];
    this.#size -= idle.length;
    for (const { connection } of idle) connection.closeIdle();
    this.#forgetEmpty(origin, entry);
  }

  #entry(origin: string): Origin<C> {
    let entry = this.#origins.get(origin);
    if (entry === undefined) {
      entry = { idle: [], open: 0 };
      this.#origins.set(origin, entry);
    }
    return entry;
  }

  #closeWhere(isOver: (idle: Idle<C>) => boolean): void {
    for (const [origin, entry] of this.#origins) {
      const { idle } = entry;
      entry.idle = idle.filter((one) => !isOver(one));
      this.#size -= idle.length - entry.idle.length;
      for (const one of idle) if (isOver(one)) one.connection.closeIdle();
      this.#forgetEmpty(origin, entry);
    }
  }

  #forgetEmpty(origin: string, { idle, open }: Origin<C>): void {
    if (idle.length === 0 && open <= 0) this.#origins.delete(origin);
  }
}
