import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseServer } from '../../src/storage/sql/database-server.ts';
import { PostgresServer } from '../../src/storage/sql/postgres-server.ts';
import { openPostgresUsage } from '../../src/storage/sql/postgres-usage-database.ts';
import { sqlitePath } from '../../src/storage/sql/sqlite-path.ts';
import { SqliteServer } from '../../src/storage/sql/sqlite-server.ts';
import { openSqliteUsage } from '../../src/storage/sql/sqlite-usage-database.ts';
import type { UsageDatabase } from '../../src/storage/sql/usage-database.ts';
import { hasPostgres, sharedPostgres } from './services/postgres.ts';

export interface TestServer {
  /** One more connection to the same databases, as another process has it. */
  connect(): DatabaseServer;
  /** One more connection to an existing database, as the usage writer has it. */
  openUsage(name: string): UsageDatabase | Promise<UsageDatabase>;
  /** Name for a database that no other test has. */
  freshName(): string;
  dispose(): Promise<void>;
}

export interface TestBackend {
  readonly name: string;
  readonly available: boolean;
  start(): Promise<TestServer>;
}

let names = 0;

/** Every backend that a store has to behave the same on. */
export const BACKENDS: readonly TestBackend[] = [
  {
    name: 'SQLite',
    available: true,
    start: async () => {
      const folder = mkdtempSync(join(tmpdir(), 'weir-sqlite-'));
      const databases = join(folder, 'databases');
      return {
        connect: () => new SqliteServer(databases),
        openUsage: (name) => openSqliteUsage(sqlitePath(databases, name)),
        freshName: () => `test_${++names}`,
        dispose: async () => rmSync(folder, { recursive: true, force: true }),
      };
    },
  },
  {
    name: 'PostgreSQL',
    available: hasPostgres,
    start: async () => {
      const url = await (await sharedPostgres()).freshUrl();
      const made: string[] = [];
      return {
        connect: () => new PostgresServer({ url }),
        openUsage: (name) => openPostgresUsage(url, name),
        freshName: () => {
          const name = `weir_test_${process.pid}_t${++names}`;
          made.push(name);
          return name;
        },
        dispose: async () => {
          const server = new PostgresServer({ url });
          for (const name of made) await server.drop(name);
        },
      };
    },
  },
];
