import { join } from 'node:path';
import { type Config, DEFAULT_DATA_DIR } from '../config/schema.ts';
import type { DatabaseServer } from '../storage/sql/database-server.ts';
import { PostgresServer } from '../storage/sql/postgres-server.ts';
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

function isSqlite(url: string): boolean {
  return /^sqlite:/i.test(url);
}

function sqliteFolder(url: string): string {
  return url.slice('sqlite:'.length);
}

/**
 * The configured database servers by id; the id of the default one is `''`.
 * @param onConnectionLost called when a server closes an idle connection
 * @param writes learns of writes to SQLite files that the disk rejects
 */
export function databaseServers(
  config: Config,
  onConnectionLost: (error: unknown) => void,
  writes?: WriteHealth,
): Map<string, DatabaseServer> {
  const { storage } = config;
  const open = (url: string, replicaUrl?: string | null): DatabaseServer =>
    isSqlite(url)
      ? new SqliteServer(sqliteFolder(url), writes)
      : new PostgresServer({
          url,
          replicaUrl: replicaUrl ?? undefined,
          onIdleError: onConnectionLost,
        });
  const servers = new Map([['', open(storage.database_url, storage.replica_url)]]);
  for (const { id, database_url, replica_url } of storage.servers) {
    servers.set(id, open(database_url, replica_url));
  }
  return servers;
}
