import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createQueryId, type KyselyPlugin, type RootOperationNode, sql } from 'kysely';
import { BACKENDS, type TestServer } from '../../../test/support/database-servers.ts';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { SecretBox } from '../../platform/secret-box.ts';
import { RequestLogKeys } from '../../tenancy/request-log-keys.ts';
import type { LoggedRow } from '../logged-request.ts';
import { exportedLog, waitingLog } from './exported-log.ts';
import {
  deleteLargeLog,
  deleteOldLog,
  deleteUnusedKeys,
  type LogQuery,
  SqlRequestLogStore,
} from './request-log-store.ts';
import { TenantDatabases } from './tenant-databases.ts';

const SCOPE = { tenant: 't' };
const EVERYTHING: LogQuery = { from: 0, to: 10_000, filter: {}, after: undefined, limit: 1_000 };

const row = (index: number, more: Partial<LoggedRow> = {}): LoggedRow => ({
  ...{ id: `log_${String(index).padStart(4, '0')}`, requestId: `req_${index}`, at: index, keyId: 'key_a' },
  ...{ member: 'usr_a', model: 'm', status: 200, error: null, costPico: index, durationMs: index },
  ...{ keyVersion: 1, sealed: 'x'.repeat(100) },
  ...more,
});

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`the request log on ${backend.name}`, () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await backend.start();
    });
    afterAll(() => server?.dispose());

    const create = async () => {
      const placement = { server: '', database: server.freshName() };
      const databases = new TenantDatabases({
        servers: new Map([['', server.connect()]]),
        placementOf: () => placement,
        maxConnections: 4,
      });
      await databases.create(placement);
      return { databases, store: new SqlRequestLogStore(databases) };
    };
    const ids = (rows: readonly LoggedRow[]) => rows.map(({ id }) => Number(id.slice(4)));

    test('numbers rows in the order of transactions of several gateways, which erasing does not change', async () => {
      const { databases, store } = await create();
      const other = new SqlRequestLogStore(databases);
      const put = (of: SqlRequestLogStore, from: number) =>
        of.put(SCOPE, [row(from, { at: 1_000 }), row(from + 1, { at: 1_000 })]);
      await Promise.all([put(store, 0), put(other, 2), put(store, 4), put(other, 6)]);
      const page = (after: number, more = {}) =>
        databases.use(SCOPE, (db) =>
          exportedLog(db, after, { since: 0, limit: 100, maxBytes: 10_000, ...more }),
        );
      const { rows, end, isLast } = await page(0);
      expect(rows.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((n) => 1_000 + n));
      // Rows of a transaction stay together.
      for (let at = 0; at < 8; at += 2) {
        const [first = '', second = ''] = rows.slice(at, at + 2).map(({ id }) => id);
        expect(Number(second.slice(4)) - Number(first.slice(4))).toBe(1);
      }
      expect([end, isLast]).toEqual([1_008, true]);
      expect(await page(1_001, { maxBytes: 250 })).toMatchObject({ end: 1_003, isLast: false });
      expect(await page(1_001, { limit: 2 })).toMatchObject({ end: 1_003, isLast: false });
      expect(await page(0, { since: 1_001 })).toEqual({ rows: [], end: 1_008, isLast: true });
      const counted = await databases.use(SCOPE, (db) => waitingLog(db, { sequence: 1_005, line: 0 }, 0));
      expect(counted).toEqual({ count: 3, isMore: false, oldestAt: 1_000 });
      await store.erase(SCOPE, { before: 2_000 });
      await put(store, 8);
      expect((await page(end)).rows.map(({ sequence }) => sequence)).toEqual([1_009, 1_010]);
      await databases.close();
    });

    test('reads and counts what exports send by the index of numbers', async () => {
      const { databases, store } = await create();
      await store.put(SCOPE, [row(0), row(1)]);
      const nodes: RootOperationNode[] = [];
      const recorder: KyselyPlugin = {
        transformQuery: ({ node }) => {
          nodes.push(node);
          return node;
        },
        transformResult: async ({ result }) => result,
      };
      const plans = await databases.use(SCOPE, async (db) => {
        await exportedLog(db.withPlugin(recorder), 0, { since: 0, limit: 10, maxBytes: 1_000 });
        await waitingLog(db.withPlugin(recorder), { sequence: 0, line: 0 }, 0);
        const explain = backend.name === 'SQLite' ? 'EXPLAIN QUERY PLAN' : 'EXPLAIN';
        return db.transaction().execute(async (transaction) => {
          // A table of two rows is scanned where PostgreSQL may do so.
          if (backend.name !== 'SQLite') await sql`SET LOCAL enable_seqscan = off`.execute(transaction);
          const found: string[] = [];
          for (const node of nodes) {
            const query = transaction.getExecutor().compileQuery(node, createQueryId());
            const explained = { ...query, sql: `${explain} ${query.sql}` };
            found.push(JSON.stringify((await transaction.executeQuery(explained)).rows));
          }
          return found;
        });
      });
      expect(plans.length).toBe(3);
      for (const plan of plans) {
        // PostgreSQL chooses between indexes by the contents of the table.
        if (backend.name === 'SQLite') expect(plan).toContain('request_log_sequence');
        expect(plan).not.toMatch(/SCAN request_log|Seq Scan on request_log/);
      }
      await databases.close();
    });

    test('lists and filters rows, newest first, page by page', async () => {
      const { databases, store } = await create();
      const rows = Array.from({ length: 120 }, (_, index) =>
        row(
          index,
          index % 10 === 0 ? { status: 503, error: 'model_busy', member: null, keyId: 'key_b' } : {},
        ),
      );
      await store.put(SCOPE, rows);
      expect(await store.list(SCOPE, EVERYTHING)).toEqual(rows.toReversed());
      const first = await store.list(SCOPE, { ...EVERYTHING, limit: 50 });
      const after = first.at(-1);
      expect(ids(await store.list(SCOPE, { ...EVERYTHING, after, limit: 2 }))).toEqual([69, 68]);
      const found = async (filter: LogQuery['filter']) =>
        ids(await store.list(SCOPE, { ...EVERYTHING, filter }));
      expect(await found({ id: 'req_7' })).toEqual([7]);
      expect(await found({ status: 5, key: 'key_b', minCostPico: 90 })).toEqual([110, 100, 90]);
      expect(await found({ status: 503, error: 'model_busy', maxCostPico: 10 })).toEqual([10, 0]);
      expect(await found({ user: 'usr_a', minDurationMs: 118 })).toEqual([119, 118]);
      expect(await found({ model: "x'); DROP TABLE request_log; --" })).toEqual([]);
      await databases.close();
    });

    test('erases what one person or key left, and counts it before', async () => {
      const { databases, store } = await create();
      await store.put(
        SCOPE,
        Array.from({ length: 250 }, (_, index) => row(index, { member: index < 210 ? 'usr_a' : 'usr_b' })),
      );
      expect(await store.count(SCOPE, { user: 'usr_a' })).toEqual({ rows: 210, bytes: 21_000 });
      expect(await store.erase(SCOPE, { user: 'usr_a', before: 5 })).toBe(5);
      expect(await store.erase(SCOPE, { user: 'usr_a' })).toBe(205);
      expect(await store.count(SCOPE, {})).toEqual({ rows: 40, bytes: 4_000 });
      await databases.close();
    });

    test('deletes the oldest rows by age and by size', async () => {
      const { databases, store } = await create();
      await store.put(
        SCOPE,
        Array.from({ length: 300 }, (_, index) => row(index)),
      );
      while ((await databases.use(SCOPE, (db) => deleteOldLog(db, 30))) > 0);
      expect((await store.count(SCOPE, {})).rows).toBe(270);
      while ((await databases.use(SCOPE, (db) => deleteLargeLog(db, 2_000))) > 0);
      expect(ids(await store.list(SCOPE, EVERYTHING))).toEqual(
        Array.from({ length: 20 }, (_, index) => 299 - index),
      );
      await databases.close();
    });

    test('keys rotate, are sealed, and are deleted with what they sealed', async () => {
      const { databases, store } = await create();
      const box = new SecretBox('secret of the installation', 'request log keys');
      const keys = new RequestLogKeys({ store, box, clock: new FakeClock() });
      // Reading makes no key.
      expect((await keys.all(SCOPE)).size).toBe(0);
      const first = await keys.current(SCOPE);
      expect(first.version).toBe(1);
      // Two gateways that make the first key at once have the same one.
      const other = new RequestLogKeys({ store, box, clock: new FakeClock() });
      const sealed = first.box.seal('text');
      expect((await other.all(SCOPE)).get(1)?.box.open(sealed)).toBe('text');
      await store.put(SCOPE, [row(1)]);
      expect(await keys.rotate(SCOPE)).toBe(2);
      expect([...(await keys.all(SCOPE)).keys()]).toEqual([2, 1]);
      await databases.use(SCOPE, deleteUnusedKeys);
      expect([...(await keys.all(SCOPE)).keys()]).toEqual([2, 1]);
      await store.erase(SCOPE, { requestId: 'req_1' });
      await databases.use(SCOPE, deleteUnusedKeys);
      expect([...(await keys.all(SCOPE)).keys()]).toEqual([2]);
      const stranger = new SecretBox('another secret', 'request log keys');
      const wrong = new RequestLogKeys({ store, box: stranger, clock: new FakeClock() });
      // A copy of the database in another installation: closed, and sealed with a key of its own from now on.
      expect((await wrong.all(SCOPE)).size).toBe(0);
      expect((await wrong.current(SCOPE)).version).toBe(3);
      await databases.close();
    });
  });
}
