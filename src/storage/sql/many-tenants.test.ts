import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import pg from 'pg';
import { FULL } from '../../../test/support/effort.ts';
import {
  canStopPostgres,
  hasPostgres,
  startPostgres,
  type TestPostgres,
} from '../../../test/support/services/postgres.ts';
import { seeded } from '../../core/random.ts';
import { PostgresServer } from './postgres-server.ts';
import { TenantDatabases } from './tenant-databases.ts';

/** A hundred take several seconds and 0.8 GB of disk, so `npm test` uses fewer. */
const TENANTS = Number(process.env.WEIR_TEST_TENANTS ?? (FULL ? 300 : 30));
const CONNECTIONS = 20;

describe.skipIf(!hasPostgres || !canStopPostgres)('many tenants on PostgreSQL', () => {
  let server: TestPostgres;
  let url = '';
  beforeAll(async () => {
    server = await startPostgres({ wal_level: 'minimal', max_wal_senders: '0', synchronous_commit: 'off' });
    url = await server.freshUrl();
  });
  afterAll(() => server?.dispose());

  test('each has its own database, within a bounded number of connections', async () => {
    const databases = new TenantDatabases({
      servers: new Map([['', new PostgresServer({ url, connectionsEach: 2 })]]),
      placementOf: ({ tenant }) => ({ server: '', database: `many_${tenant}` }),
      maxConnections: CONNECTIONS,
    });
    const ids = Array.from({ length: TENANTS }, (_, index) => `t${index}`);
    const each = async (at: number, work: (id: string) => Promise<unknown>) => {
      const waiting = [...ids];
      const worker = async () => {
        for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await work(next);
      };
      await Promise.all(Array.from({ length: at }, worker));
    };
    await each(4, (id) => databases.create({ server: '', database: `many_${id}` }));
    // A second migration changes nothing.
    expect(await databases.migrate({ server: '', database: 'many_t7' })).toEqual([]);

    const watcher = new pg.Pool({ connectionString: url, max: 1 });
    let most = 0;
    const random = seeded(1);
    let left = 600;
    const visitor = async () => {
      while (left > 0) {
        left -= 1;
        const number = left;
        const tenant = `t${Math.floor(random() * TENANTS)}`;
        await databases.use({ tenant }, (db) =>
          db
            .insertInto('outbox')
            .values({ id: `o${number}`, topic: tenant, subject: '', created_at: number })
            .execute(),
        );
        if (number % 20 > 0) continue;
        const { rows } = await watcher.query<{ count: string }>(
          "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weir' AND datname LIKE 'many_%'",
        );
        most = Math.max(most, Number(rows[0]?.count));
      }
    };
    await Promise.all(Array.from({ length: 16 }, visitor));
    await watcher.end();
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(CONNECTIONS);
    expect(databases.connections).toBeLessThanOrEqual(CONNECTIONS);
    await databases.close();
  }, 300_000);
});
