import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { type Config, DEFAULT_DATA_DIR } from '../config/schema.ts';
import type { UsageServerSettings } from '../metering/usage-thread.ts';
import type { RedisTls } from '../platform/redis-client.ts';
import type { DatabaseServer } from '../storage/sql/database-server.ts';
import { PostgresServer } from '../storage/sql/postgres-server.ts';
import { DatabaseSetupError } from '../storage/sql/postgres-setup-error.ts';
import type { QueryObserver } from '../storage/sql/query-observer.ts';
import { type RemoteSql, RemoteSqliteServer } from '../storage/sql/remote-server.ts';
import { SqliteServer } from '../storage/sql/sqlite-server.ts';
import type { WriteHealth } from '../storage/write-health.ts';

/** The folder of local data: embedded databases, usage journal, engine ledger. */
export function dataFolder({ storage }: Config): string {
  if (storage.data_dir !== null) return storage.data_dir;
  return isSqlite(storage.database_url) ? sqliteFolder(storage.database_url) : DEFAULT_DATA_DIR;
}

/** The folder of usage events that are not in the databases yet. */
export function journalFolder(config: Config): string {
  return join(dataFolder(config), 'usage-journal');
}

/** The folders of all configured SQLite servers. */
export function sqliteFolders({ storage }: Config): string[] {
  const urls = [storage.database_url, ...storage.servers.map(({ database_url }) => database_url)];
  return urls.filter(isSqlite).map(sqliteFolder);
}

function isSqlite(url: string): boolean {
  return /^sqlite:/i.test(url);
}

function sqliteFolder(url: string): string {
  return url.slice('sqlite:'.length);
}

type Storage = Config['storage'];

/**
 * Adds TLS with a private certificate authority and a client certificate to the URL of a PostgreSQL server; parameters that
 * it has stay.
 */
function withTls(url: string, { database_ca: ca, database_cert: cert, database_key: key }: Storage): string {
  if (ca === null && cert === null) return url;
  const changed = new URL(url);
  const { searchParams } = changed;
  const files = { sslrootcert: ca, sslcert: cert, sslkey: key };
  if (!searchParams.has('sslmode')) searchParams.set('sslmode', 'verify-full');
  for (const [name, path] of Object.entries(files)) {
    if (path !== null && !searchParams.has(name)) searchParams.set(name, resolve(path));
  }
  return changed.href;
}

/** The parts of a connection to Redis that are about TLS. @throws DatabaseSetupError when a file is not readable */
export function redisTls({ redis_ca: ca, redis_cert: cert, redis_key: key }: Storage): RedisTls {
  assertBoth('storage.redis', cert, key);
  return {
    ca: ca === null ? undefined : readAuthority(ca, 'storage.redis_ca'),
    identity:
      cert === null || key === null
        ? undefined
        : { cert: readAuthority(cert, 'storage.redis_cert'), key: readPem(key, 'storage.redis_key') },
  };
}

function assertBoth(name: string, cert: string | null, key: string | null): void {
  if ((cert === null) === (key === null)) return;
  throw new DatabaseSetupError(`"${name}_cert" and "${name}_key" go together: one of them is missing.`);
}

function readPem(path: string, key: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DatabaseSetupError(`"${key}" is not readable: ${reason}. It must name a PEM file.`, { cause });
  }
}

/**
 * Reads a file of certificate authorities.
 * @param key in the configuration, for the error
 * @throws DatabaseSetupError when it is not readable
 */
export function readAuthority(path: string, key: string): string {
  const text = readPem(path, key);
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw new DatabaseSetupError(`"${key}": ${path} is not a PEM file with certificates.`);
}

/** Memory of which one open SQLite file may take its part: about 1 MiB with its pages and statements. */
const MEMORY_PER_OPEN_FILE = 32 * 1024 * 1024;
const MIN_OPEN_FILES = 16;
const MAX_OPEN_FILES = 1_000;

/** @returns how many SQLite files of tenants stay open for storing usage: as many as fit into 1/32 of the memory */
function openUsageFiles(): number {
  const limit = process.constrainedMemory?.() ?? 0;
  const memory = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  return Math.min(MAX_OPEN_FILES, Math.max(MIN_OPEN_FILES, Math.floor(memory / MEMORY_PER_OPEN_FILE)));
}

function usesPostgres({ storage }: Config): boolean {
  return [storage, ...storage.servers].some(({ database_url }) => !isSqlite(database_url));
}

/** @returns how many of `storage.max_connections` are for storing usage */
export function usageConnections(config: Config): number {
  return usesPostgres(config) ? Math.floor(config.storage.max_connections / 2) : 0;
}

/** @returns the configured database servers by id, as the usage thread opens them */
export function usageServers(config: Config): Map<string, UsageServerSettings> {
  const { storage } = config;
  const all = [{ id: '', database_url: storage.database_url }, ...storage.servers];
  const postgres = all.filter(({ database_url }) => !isSqlite(database_url)).length;
  const settings = (url: string): UsageServerSettings =>
    isSqlite(url)
      ? { kind: 'sqlite', folder: sqliteFolder(url), maxOpen: openUsageFiles() }
      : {
          kind: 'postgres',
          url: withTls(url, storage),
          maxOpen: Math.max(1, Math.floor(usageConnections(config) / postgres)),
        };
  return new Map(all.map(({ id, database_url }) => [id, settings(database_url)]));
}

/** Receives the time of each statement of a database. */
export type StorageObserver = (
  backend: DatabaseServer['backend'],
  ...query: Parameters<QueryObserver>
) => void;

function observerOf(
  backend: DatabaseServer['backend'],
  observer: StorageObserver | undefined,
): QueryObserver | undefined {
  return observer && ((...query) => observer(backend, ...query));
}

/**
 * The configured database servers by id; the id of the default one is `''`.
 * @param onConnectionLost called when a server closes an idle connection
 * @param writes learns of writes to SQLite files that the disk rejects
 * @param onQuery receives the time of each statement
 * @param remote the process that has the SQLite files of a server open, where that is not this one
 * @throws DatabaseSetupError when the certificate authority is not readable
 */
export function databaseServers(
  config: Config,
  onConnectionLost: (error: unknown) => void,
  writes?: WriteHealth,
  onQuery?: StorageObserver,
  remote?: (server: string) => RemoteSql,
): Map<string, DatabaseServer> {
  const { storage } = config;
  const { database_ca: ca, database_cert: cert, database_key: key } = storage;
  if (ca !== null) readAuthority(ca, 'storage.database_ca');
  if (cert !== null) readAuthority(cert, 'storage.database_cert');
  if (key !== null) readPem(key, 'storage.database_key');
  assertBoth('storage.database', cert, key);
  const openSqlite = (id: string, url: string) =>
    remote
      ? new RemoteSqliteServer(remote(id))
      : new SqliteServer(sqliteFolder(url), writes, observerOf('sqlite', onQuery));
  const open = (id: string, url: string, replicaUrl?: string | null): DatabaseServer =>
    isSqlite(url)
      ? openSqlite(id, url)
      : new PostgresServer({
          url: withTls(url, storage),
          replicaUrl: replicaUrl ? withTls(replicaUrl, storage) : undefined,
          onIdleError: onConnectionLost,
          onQuery: observerOf('postgres', onQuery),
        });
  const servers = new Map([['', open('', storage.database_url, storage.replica_url)]]);
  for (const { id, database_url, replica_url } of storage.servers) {
    servers.set(id, open(id, database_url, replica_url));
  }
  return servers;
}
