import type { Kysely } from 'kysely';
import type { TenantScope } from '../tenant-scope.ts';
import type { DatabaseServer, OpenDatabase } from './database-server.ts';
import { migrate } from './migrate.ts';
import { TENANT_MIGRATIONS } from './migrations/tenant.ts';
import type { TenantTables } from './tenant-tables.ts';

export type TenantDatabase = Kysely<TenantTables>;

/** Where a tenant's database is. */
export interface Placement {
  readonly server: string;
  readonly database: string;
}

export interface TenantDatabasesOptions {
  /** By id; the default one is ''. */
  readonly servers: ReadonlyMap<string, DatabaseServer>;
  /** @returns nothing when there is no such tenant */
  readonly placementOf: (scope: TenantScope) => Placement | undefined;
  /** Connections to tenants' databases, all together. */
  readonly maxConnections: number;
}

interface Handle {
  readonly database: OpenDatabase<TenantTables>;
  readonly connections: number;
  users: number;
}

export class UnknownTenantError extends Error {
  override readonly name = 'UnknownTenantError';
}

/**
 * The databases of all tenants, of which only so many are open as connections are allowed: the one that was not used
 * for longest is closed for another. Who needs one while all are in use waits.
 */
export class TenantDatabases {
  /** In the order of their last use. */
  readonly #open = new Map<string, Handle>();
  readonly #opening = new Map<string, Promise<Handle>>();
  readonly #waiting: (() => void)[] = [];
  #connections = 0;

  constructor(private readonly options: TenantDatabasesOptions) {}

  /** Connections that are, or may be, open now. */
  get connections(): number {
    return this.#connections;
  }

  /** Works with the tenant's database. @throws UnknownTenantError, or DatabaseUnavailableError */
  async use<T>(scope: TenantScope, work: (db: TenantDatabase) => Promise<T>): Promise<T> {
    return this.#with(this.#placement(scope), false, work);
  }

  /** Reads where nothing is missed that was written a moment ago: at a replica, if the server has one. */
  async read<T>(scope: TenantScope, work: (db: TenantDatabase) => Promise<T>): Promise<T> {
    return this.#with(this.#placement(scope), true, work);
  }

  /** Makes the database of a tenant, or completes one that was begun. */
  async create(placement: Placement): Promise<void> {
    const server = this.#server(placement.server);
    await server.create(placement.database);
    await this.migrate(placement);
  }

  /** @returns the migrations that were applied */
  async migrate({ server, database }: Placement): Promise<string[]> {
    const opened = await this.#server(server).open<TenantTables>(database);
    try {
      return await migrate(opened, TENANT_MIGRATIONS);
    } finally {
      await opened.close();
    }
  }

  /** Removes a tenant's database with all that is in it. */
  async drop({ server, database }: Placement): Promise<void> {
    for (const key of [keyOf(server, database, false), keyOf(server, database, true)]) {
      const handle = this.#open.get(key);
      if (handle) await this.#close(key, handle);
    }
    await this.#server(server).drop(database);
  }

  async close(): Promise<void> {
    for (const [key, handle] of this.#open) await this.#close(key, handle);
  }

  #placement(scope: TenantScope): Placement {
    const placement = this.options.placementOf(scope);
    if (!placement) throw new UnknownTenantError(`no such tenant: ${scope.tenant}`);
    return placement;
  }

  #server(id: string): DatabaseServer {
    const server = this.options.servers.get(id);
    if (!server) throw new Error(`the database server "${id}" is not configured (storage.servers)`);
    return server;
  }

  async #with<T>(
    placement: Placement,
    replica: boolean,
    work: (db: TenantDatabase) => Promise<T>,
  ): Promise<T> {
    const key = keyOf(placement.server, placement.database, replica);
    const handle = await this.#take(key, placement, replica);
    try {
      return await work(handle.database.db);
    } finally {
      handle.users -= 1;
      if (handle.users === 0) this.#waiting.shift()?.();
    }
  }

  /** A handle with one more user. */
  async #take(key: string, placement: Placement, replica: boolean): Promise<Handle> {
    for (;;) {
      const handle = this.#open.get(key);
      if (handle) {
        handle.users += 1;
        this.#open.delete(key);
        this.#open.set(key, handle);
        return handle;
      }
      const opening = this.#opening.get(key);
      if (opening) {
        await opening;
        continue;
      }
      const opened = this.#openOne(key, placement, replica).finally(() => this.#opening.delete(key));
      this.#opening.set(key, opened);
      await opened;
    }
  }

  async #openOne(key: string, placement: Placement, replica: boolean): Promise<Handle> {
    const server = this.#server(placement.server);
    const connections = replica ? 1 : server.connectionsEach;
    while (this.#connections + connections > this.options.maxConnections && this.#connections > 0) {
      const idle = [...this.#open].find(([, { users }]) => users === 0);
      if (idle) await this.#close(...idle);
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#connections += connections;
    try {
      const { database } = placement;
      const opened = replica
        ? await server.openReplica<TenantTables>(database)
        : await server.open<TenantTables>(database);
      const handle: Handle = { database: opened, connections, users: 0 };
      this.#open.set(key, handle);
      return handle;
    } catch (error) {
      this.#connections -= connections;
      this.#waiting.shift()?.();
      throw error;
    }
  }

  async #close(key: string, handle: Handle): Promise<void> {
    this.#open.delete(key);
    try {
      await handle.database.close();
    } finally {
      this.#connections -= handle.connections;
      this.#waiting.shift()?.();
    }
  }
}

function keyOf(server: string, database: string, replica: boolean): string {
  return `${server}/${database}${replica ? '/replica' : ''}`;
}
