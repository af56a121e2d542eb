import type { UsageDatabase } from './usage-database.ts';

/** Opens the databases of one server. */
export interface UsageServer {
  open(database: string): UsageDatabase | Promise<UsageDatabase>;
  /** Most databases that are open at once, at least 1: they take memory or connections. */
  readonly maxOpen: number;
  /** Databases that are written at once, at most `maxOpen`. */
  readonly atOnce: number;
}

interface Handle {
  readonly database: UsageDatabase;
  isUsed: boolean;
}

/** The open databases of one server: the least recently used one is closed for another. */
export class UsageDatabases {
  /** In the order of their last use. */
  readonly #open = new Map<string, Handle>();

  constructor(private readonly server: UsageServer) {}

  get atOnce(): number {
    return this.server.atOnce;
  }

  /** Number of open databases. */
  get size(): number {
    return this.#open.size;
  }

  /** Runs `work` on a database. At most `atOnce` calls at once, each on another database. */
  async use(name: string, work: (database: UsageDatabase) => Promise<void>): Promise<void> {
    const handle = this.#open.get(name) ?? (await this.#opened(name));
    this.#open.delete(name);
    this.#open.set(name, handle);
    handle.isUsed = true;
    try {
      await work(handle.database);
    } finally {
      handle.isUsed = false;
    }
  }

  /** Closes a database, if it is open. Not while it is used. */
  async forget(name: string): Promise<void> {
    const handle = this.#open.get(name);
    this.#open.delete(name);
    await handle?.database.close();
  }

  async close(): Promise<void> {
    for (const name of [...this.#open.keys()]) await this.forget(name);
  }

  async #opened(name: string): Promise<Handle> {
    for (const [oldest, { isUsed }] of this.#open) {
      if (this.#open.size < this.server.maxOpen) break;
      if (!isUsed) await this.forget(oldest);
    }
    const handle = { database: await this.server.open(name), isUsed: true };
    this.#open.set(name, handle);
    return handle;
  }
}
