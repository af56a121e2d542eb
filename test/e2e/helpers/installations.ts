import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { hasPostgres, sharedPostgres } from '../../support/services/postgres.ts';

/** Registers what undoes something after the test. */
export type OnEnd = (close: () => unknown) => void;

/** An installation whose data can be lost. */
export interface Installation {
  /** Environment of gateways and commands. */
  readonly env: Record<string, string>;
  /** Deletes all data. */
  lose(): Promise<void>;
}

export function temporaryFolder(onEnd: OnEnd): string {
  const folder = mkdtempSync(join(tmpdir(), 'weir-backup-'));
  onEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Installations on each kind of database. */
export const INSTALLATIONS = [
  {
    name: 'SQLite',
    available: true,
    install: async (onEnd: OnEnd): Promise<Installation> => {
      const data = join(temporaryFolder(onEnd), 'data');
      return { env: { WEIR_DATA_DIR: data }, lose: async () => rmSync(data, { recursive: true }) };
    },
  },
  {
    name: 'PostgreSQL',
    available: hasPostgres,
    install: async (onEnd: OnEnd): Promise<Installation> => {
      const data = join(temporaryFolder(onEnd), 'data');
      const url = await (await sharedPostgres()).freshUrl();
      const drop = async () => {
        const client = new pg.Client({ connectionString: url });
        await client.connect();
        const { rows } = await client.query<{ database: string }>(
          `SELECT database FROM tenants WHERE database NOT LIKE 'gone/%'`,
        );
        for (const { database } of rows) {
          await client.query(`DROP DATABASE IF EXISTS "${database}" WITH (FORCE)`);
        }
        await client.query('DROP SCHEMA public CASCADE');
        await client.query('CREATE SCHEMA public');
        await client.end();
      };
      onEnd(drop);
      return {
        env: { WEIR_DATA_DIR: data, DATABASE_URL: url },
        lose: async () => {
          rmSync(data, { recursive: true });
          await drop();
        },
      };
    },
  },
];
