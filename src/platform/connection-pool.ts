/**
 * Idle keep-alive connections by origin. The last one put back is taken first, so that the others grow old
 * and go. Knows nothing of sockets.
 */

export interface PooledConnection {
  /** Ends an idle connection in an orderly way. */
  closeIdle(): void;
}

interface Idle<C> {
  readonly connection: C;
  /** Clock time, in milliseconds, from which the server may be closing the connection. */
  readonly expiresAt: number;
}

export class ConnectionPool<C extends PooledConnection> {
  readonly #idle = new Map<string, Idle<C>[]>();
  readonly #maxIdlePerOrigin: number;
  readonly #now: () => number;
  #size = 0;

  constructor(maxIdlePerOrigin: number, now: () => number) {
    this.#maxIdlePerOrigin = maxIdlePerOrigin;
    this.#now = now;
  }

  /** Connections held, of all origins. */
  get size(): number {
    return this.#size;
  }

  /** The freshest connection that has not expired. Expired ones met on the way are closed. */
  take(origin: string): C | undefined {
    const stack = this.#idle.get(origin);
    if (stack === undefined) return undefined;
    for (let idle = stack.pop(); idle !== undefined; idle = stack.pop()) {
      this.#size -= 1;
      if (idle.expiresAt > this.#now()) return idle.connection;
      idle.connection.closeIdle();
    }
    return undefined;
  }

  /** Keeps a connection for `ttlMs` milliseconds, or closes it when there are enough. */
  put(origin: string, connection: C, ttlMs: number): void {
    let stack = this.#idle.get(origin);
    if (stack === undefined) {
      stack = [];
      this.#idle.set(origin, stack);
    }
    if (ttlMs <= 0 || stack.length >= this.#maxIdlePerOrigin) {
      connection.closeIdle();
      return;
    }
    stack.push({ connection, expiresAt: this.#now() + ttlMs });
    this.#size += 1;
  }

  /** Forgets a connection that the server has closed. */
  remove(origin: string, connection: C): void {
    const stack = this.#idle.get(origin);
    const at = stack?.findIndex((idle) => idle.connection === connection) ?? -1;
    if (stack === undefined || at < 0) return;
    stack.splice(at, 1);
    this.#size -= 1;
  }

  /** Closes the expired connections and forgets origins without any. */
  sweep(): void {
    const now = this.#now();
    this.#closeWhere((idle) => idle.expiresAt <= now);
  }

  closeAll(): void {
    this.#closeWhere(() => true);
  }

  #closeWhere(isOver: (idle: Idle<C>) => boolean): void {
    for (const [origin, stack] of this.#idle) {
      const kept = stack.filter((idle) => !isOver(idle));
      if (kept.length === 0) this.#idle.delete(origin);
      else this.#idle.set(origin, kept);
      this.#size -= stack.length - kept.length;
      for (const idle of stack) if (isOver(idle)) idle.connection.closeIdle();
    }
  }
}
