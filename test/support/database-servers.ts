import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseServer } from '../../src/storage/sql/database-server.ts';
import { PostgresServer } from '../../src/storage/sql/postgres-server.ts';
import { SqliteServer } from '../../src/storage/sql/sqlite-server.ts';
import { hasPostgres, sharedPostgres } from './services/postgres.ts';

export interface TestServer {
  /** One more connection to the same databases, as another process has it. */
  connect(): DatabaseServer;
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
      return {
        connect: () => new SqliteServer(join(folder, 'databases')),
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
