import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type Kysely, sql } from 'kysely';
import { BACKENDS, type TestServer } from '../../../test/support/database-servers.ts';
import { change, currentRevision, openControlDatabase } from './control-database.ts';
import type { ControlTables } from './control-tables.ts';
import { migrate, pendingMigrations } from './migrate.ts';
import { CONTROL_MIGRATIONS } from './migrations/control.ts';
import { TENANT_MIGRATIONS } from './migrations/tenant.ts';
import { TenantDatabases, UnknownTenantError } from './tenant-databases.ts';
import type { TenantTables } from './tenant-tables.ts';

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`databases on ${backend.name}`, () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await backend.start();
    });
    afterAll(() => server?.dispose());

    test('are created once, exist, and are deleted with their data', async () => {
      const one = server.connect();
      const name = server.freshName();
      expect([await one.exists(name), await one.create(name), await one.create(name)]).toEqual([
        false,
        true,
        false,
      ]);
      expect(await server.connect().exists(name)).toBe(true);
      expect([await one.drop(name), await one.drop(name), await one.exists(name)]).toEqual([
        true,
        false,
        false,
      ]);
    });

    test.each([
      [''],
      ['a"b'],
      ["x'; DROP DATABASE a; --"],
      ['../up'],
      ['A'],
      ['a'.repeat(64)],
      ['a/b'],
      ['.'],
    ])('refuse to be called %j', async (name) => {
      const one = server.connect();
      for (const attempt of [() => one.create(name), () => one.drop(name), () => one.open(name)]) {
        await expect((async () => attempt())()).rejects.toThrow('not a database name');
      }
    });

    test('are migrated once when many processes start at the same time', async () => {
      const name = server.freshName();
      await server.connect().create(name);
      let ran = 0;
      const slow = {
        '0001_a': {
          up: async (db: Kysely<unknown>) => {
            ran += 1;
            await db.schema.createTable('a').addColumn('id', 'integer').execute();
          },
        },
      };
      const applied = await Promise.all(
        Array.from({ length: 5 }, async () => {
          const database = await server.connect().open<{ a: { id: number } }>(name);
          const names = await migrate(database, slow);
          await database.close();
          return names;
        }),
      );
      expect(ran).toBe(1);
      expect(applied.flat()).toEqual(['0001_a']);
    });

    test('migrated by a newer version are accepted unchanged', async () => {
      const name = server.freshName();
      await server.connect().create(name);
      const column = (table: string) => ({
        up: async (db: Kysely<unknown>) => {
          await db.schema.createTable(table).addColumn('id', 'integer').execute();
        },
      });
      const database = await server.connect().open<Record<string, { id: number }>>(name);
      const old = { '0001_a': column('a'), '0003_c': column('c') };
      await migrate(database, { '0001_a': column('a'), '0002_b': column('b') });
      expect(await pendingMigrations(database, old)).toEqual(['0003_c']);
      expect(await migrate(database, old)).toEqual(['0003_c']);
      expect(await migrate(database, old)).toEqual([]);
      for (const table of ['a', 'b', 'c']) {
        expect(await database.db.selectFrom(table).selectAll().execute()).toEqual([]);
      }
      await database.close();
    });

    test('roll a failed migration back', async () => {
      const name = server.freshName();
      await server.connect().create(name);
      const database = await server.connect().open<Record<string, { id: number }>>(name);
      const broken = {
        '0001_a': {
          up: async (db: Kysely<unknown>) => {
            await db.schema.createTable('a').addColumn('id', 'integer').execute();
            await sql`SELECT nonsense FROM nowhere`.execute(db);
          },
        },
      };
      await expect(migrate(database, broken)).rejects.toThrow(
        /^The migration "0001_a" of the control database failed: .*nowhere.*\. It was rolled back/,
      );
      expect((await database.db.introspection.getTables()).map((table) => table.name)).toEqual([]);
      await database.close();
    });

    test('store integers exactly, and reject those beyond the range of a number', async () => {
      const name = server.freshName();
      await server.connect().create(name);
      const database = await server.connect().open<{ n: { value: number } }>(name);
      await database.db.schema.createTable('n').addColumn('value', 'bigint').execute();
      const values = [0, -1, Number.MAX_SAFE_INTEGER, 1_790_000_000_000];
      await database.db
        .insertInto('n')
        .values(values.map((value) => ({ value })))
        .execute();
      const rows = await database.db.selectFrom('n').select('value').execute();
      expect(rows.map(({ value }) => value).sort()).toEqual([...values].sort());
      await database.close();
    });

    test('issue revisions in the order in which changes become visible', async () => {
      const name = server.freshName();
      const one = server.connect();
      await one.create(name);
      const first = await one.open<ControlTables>(name);
      await migrate(first, CONTROL_MIGRATIONS);
      // SQLite blocks the process while it waits for a lock, so two connections of one process can't share a file.
      const second = backend.name === 'SQLite' ? first : await server.connect().open<ControlTables>(name);
      expect(await currentRevision(first.db)).toBe(0);
      const seen: number[] = [];
      await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          change((index % 2 ? first : second).db, async (transaction, revision) => {
            await transaction
              .insertInto('settings')
              .values({ name: `s${revision}`, value: String(index) })
              .execute();
            seen.push(revision);
          }),
        ),
      );
      expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
      await expect(
        change(first.db, async () => {
          throw new Error('no');
        }),
      ).rejects.toThrow('no');
      expect(await currentRevision(second.db)).toBe(20);
      await first.close();
      await second.close();
    });

    test('of tenants are opened within a bounded number of connections, under any load', async () => {
      const tenants = Array.from({ length: 12 }, (_, index) => `t${index}`);
      const names = new Map(tenants.map((tenant) => [tenant, server.freshName()]));
      const databases = new TenantDatabases({
        servers: new Map([['', server.connect()]]),
        placementOf: ({ tenant }) => {
          const database = names.get(tenant);
          return database === undefined ? undefined : { server: '', database };
        },
        maxConnections: 6,
      });
      for (const database of names.values()) await databases.create({ server: '', database });
      let most = 0;
      await Promise.all(
        Array.from({ length: 120 }, async (_, index) => {
          const tenant = tenants[(index * 7) % tenants.length] ?? '';
          await databases.use({ tenant }, async (db) => {
            most = Math.max(most, databases.connections);
            await db
              .insertInto('outbox')
              .values({ id: `o${index}`, topic: tenant, subject: '', created_at: index })
              .execute();
          });
        }),
      );
      expect(most).toBeLessThanOrEqual(6);
      for (const tenant of tenants) {
        const rows = await databases.read({ tenant }, (db) => db.selectFrom('outbox').selectAll().execute());
        expect(rows.map(({ topic }) => topic)).toEqual(Array.from({ length: 10 }, () => tenant));
      }
      await expect(databases.use({ tenant: 'nobody' }, async () => 1)).rejects.toThrow(UnknownTenantError);
      await databases.drop({ server: '', database: names.get('t0') ?? '' });
      expect(
        await databases
          .use({ tenant: 't0' }, (db) => db.selectFrom('outbox').selectAll().execute())
          .catch(() => 'gone'),
      ).toBe('gone');
      await databases.close();
      expect(databases.connections).toBe(0);
    });

    test('of tenants have all their tables', async () => {
      const name = server.freshName();
      const one = server.connect();
      await one.create(name);
      const database = await one.open<TenantTables>(name);
      expect(await migrate(database, TENANT_MIGRATIONS)).toEqual(Object.keys(TENANT_MIGRATIONS));
      const tables = await database.db.introspection.getTables();
      expect(tables.map((table) => table.name).sort()).toEqual([
        'api_keys',
        'async_contents',
        'audit_head',
        'audit_log',
        'audit_seals',
        'batch_chunks',
        'batch_results',
        'events',
        'invitations',
        'members',
        'outbox',
        'prompt_versions',
        'prompts',
        'request_log',
        'request_log_head',
        'request_log_keys',
        'response_items',
        'responses',
        'usage_archives',
        'usage_batch_index',
        'usage_batches',
        'usage_client_rollups',
        'usage_days',
        'usage_key_times',
        'usage_metrics',
        'usage_rollups',
        'usage_tag_rollups',
        'write_lock',
      ]);
      await database.close();
    });
  });
}

test('a control database from before tenants is migrated', async () => {
  const [backend] = BACKENDS;
  const server = await backend?.start();
  if (!server) throw new Error('no SQLite');
  const control = await openControlDatabase(server.connect());
  expect(await pendingMigrations(control, CONTROL_MIGRATIONS)).toEqual([]);
  await control.close();
  await server.dispose();
});
