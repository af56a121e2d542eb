import type { Kysely } from 'kysely';
import type { TenantScope } from '../tenant-scope.ts';
import { missing } from './database-errors.ts';
import type { DatabaseServer, OpenDatabase } from './database-server.ts';
import { migrate, migrateExisting } from './migrate.ts';
import { TENANT_MIGRATIONS } from './migrations/tenant.ts';
import type { TenantTables } from './tenant-tables.ts';

export type TenantDatabase = Kysely<TenantTables>;

/** Location of a tenant's database. */
export interface Placement {
  /** Id of the server; empty for the default one. */
  readonly server: string;
  readonly database: string;
}

export interface TenantDatabasesOptions {
  /** By id; the default one has the id ''. */
  readonly servers: ReadonlyMap<string, DatabaseServer>;
  /** @returns undefined when the tenant does not exist */
  readonly placementOf: (scope: TenantScope) => Placement | undefined;
  /** Maximum number of connections to all tenants' databases together. */
  readonly maxConnections: number;
}

interface Handle {
  readonly database: OpenDatabase<TenantTables>;
  readonly connections: number;
  /** Calls that are using it. */
  users: number;
}

/** Characters of the tenant's id in its database's name. */
const ID_LENGTH = 40;

/**
 * @param suffix makes the names of recreated and restored tenants differ: at most 17 lowercase letters and digits
 * @returns a name for a tenant's database
 */
export function tenantDatabaseName(tenant: string, suffix: string): string {
  return `weir_${tenant.replaceAll('-', '_').slice(0, ID_LENGTH)}_${suffix}`;
}

/** The tenant does not exist. */
export class UnknownTenantError extends Error {
  override readonly name = 'UnknownTenantError';
}

/**
 * Opens tenants' databases within a limit of connections. The least recently used idle database is closed for another;
 * while all are in use, callers wait in order. A `TenantScope` is required, so a query accesses one tenant's data only.
 *
 * Fails closed: methods reject with `UnknownTenantError`, or with the database's error (see `isUnavailable`).
 */
export class TenantDatabases {
  /** In the order of their last use. */
  readonly #open = new Map<string, Handle>();
  readonly #opening = new Map<string, Promise<Handle>>();
  readonly #waiting: (() => void)[] = [];
  #connections = 0;
  readonly #dropListeners: ((placement: Placement) => Promise<void>)[] = [];

  constructor(private readonly options: TenantDatabasesOptions) {}

  /** Number of connections that open databases may use now. */
  get connections(): number {
    return this.#connections;
  }

  /** Runs `work` on the tenant's database, for reading and writing. @returns what `work` returns */
  async use<T>(scope: TenantScope, work: (db: TenantDatabase) => Promise<T>): Promise<T> {
    return this.#with(this.#placement(scope), false, work);
  }

  /** Runs `work` on the tenant's database, for reads that may lag behind: on a read replica where one is configured. */
  async read<T>(scope: TenantScope, work: (db: TenantDatabase) => Promise<T>): Promise<T> {
    return this.#with(this.#placement(scope), true, work);
  }

  /** Runs `work` on a database by its place: for processes that have checked which tenant it is of. */
  async at<T>(placement: Placement, work: (db: TenantDatabase) => Promise<T>): Promise<T> {
    return this.#with(placement, false, work);
  }

  /** Creates and migrates a tenant's database; also completes one whose creation was interrupted. */
  async create(placement: Placement): Promise<void> {
    const server = this.#server(placement.server);
    await server.create(placement.database);
    await this.#migrate(placement, migrate);
  }

  /**
   * Migrates the database of a tenant.
   *
   * @returns names of the applied migrations
   * @throws DatabaseMissingError when it does not exist or is empty
   */
  migrate(placement: Placement): Promise<string[]> {
    return this.#migrate(placement, migrateExisting);
  }

  async #migrate({ server, database }: Placement, apply: typeof migrate<TenantTables>): Promise<string[]> {
    const opened = await this.#server(server).open<TenantTables>(database);
    try {
      return await apply(opened, TENANT_MIGRATIONS);
    } catch (error) {
      throw missing(error, database);
    } finally {
      await opened.close();
    }
  }

  /** @returns those of some databases that do not exist, without opening any */
  async missingOf(placements: readonly Placement[]): Promise<Placement[]> {
    const missingPlacements: Placement[] = [];
    for (const id of new Set(placements.map(({ server }) => server))) {
      const there = placements.filter(({ server }) => server === id);
      const names = new Set(await this.#server(id).missingOf(there.map(({ database }) => database)));
      missingPlacements.push(...there.filter(({ database }) => names.has(database)));
    }
    return missingPlacements;
  }

  /** Calls back before a database is deleted, for those that have it open too. */
  onDrop(listener: (placement: Placement) => Promise<void>): void {
    this.#dropListeners.push(listener);
  }

  /** Reports a write that failed on another connection. */
  writeFailed({ server, database }: Placement, error: unknown): void {
    this.options.servers.get(server)?.writeFailed?.(database, error);
  }

  /** Deletes a tenant's database with its data. */
  async drop({ server, database }: Placement): Promise<void> {
    for (const listener of this.#dropListeners) await listener({ server, database });
    for (const key of [keyOf(server, database, false), keyOf(server, database, true)]) {
      const handle = this.#open.get(key);
      if (handle) await this.#close(key, handle);
    }
    await this.#server(server).drop(database);
  }

  /** Closes all open databases. */
  async close(): Promise<void> {
    for (const [key, handle] of this.#open) await this.#close(key, handle);
  }

  #placement(scope: TenantScope): Placement {
    const placement = this.options.placementOf(scope);
    if (!placement) throw new UnknownTenantError(`tenant "${scope.tenant}" does not exist`);
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
    } catch (error) {
      throw missing(error, placement.database);
    } finally {
      handle.users -= 1;
      if (handle.users === 0) this.#waiting.shift()?.();
    }
  }

  /** @returns an open handle, with its number of users increased */
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
