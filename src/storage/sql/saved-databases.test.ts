import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { BACKENDS, type TestServer } from '../../../test/support/database-servers.ts';
import { DatabaseMissingError } from './database-errors.ts';
import { type DatabaseSchema, NewerDatabaseError } from './database-schema.ts';
import type { DatabaseServer } from './database-server.ts';
import { appliedMigrations, migrate } from './migrate.ts';
import { CONTROL_SCHEMA, TENANT_SCHEMA } from './schemas.ts';
import type { TenantTables } from './tenant-tables.ts';

const AUDIT = { actor: 'a', actor_name: 'A', action: 'x', subject: 's', address: '', request_id: '' };
const nothing = async () => undefined;

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`saved databases on ${backend.name}`, () => {
    let server: TestServer;
    let folder: string;
    let files = 0;
    beforeAll(async () => {
      server = await backend.start();
      folder = mkdtempSync(join(tmpdir(), 'weir-saved-'));
    });
    afterAll(async () => {
      await server?.dispose();
      rmSync(folder, { recursive: true, force: true });
    });
    const freshFile = () => join(folder, `${++files}`);

    /** A migrated database with these audit entries. */
    async function created(schema: DatabaseSchema, details: readonly string[]) {
      const one = server.connect();
      const name = server.freshName();
      await one.create(name);
      const database = await one.open<TenantTables>(name);
      await migrate(database, schema.migrations);
      for (const [at, text] of details.entries()) {
        await database.db
          .insertInto('audit_log')
          .values({ ...AUDIT, id: `id${at}`, at: Number.MAX_SAFE_INTEGER - at, details: text })
          .execute();
      }
      await database.close();
      return { one, name };
    }

    async function detailsOf(one: DatabaseServer, name: string) {
      const database = await one.open<TenantTables>(name);
      const rows = await database.db
        .selectFrom('audit_log')
        .select(['at', 'details'])
        .orderBy('at', 'desc')
        .execute();
      await database.close();
      expect(rows.map(({ at }) => at)).toEqual(rows.map((_, at) => Number.MAX_SAFE_INTEGER - at));
      return rows.map(({ details }) => details);
    }

    const saved = (one: DatabaseServer, name: string, file: string, schema = TENANT_SCHEMA) =>
      one.save<TenantTables, string[]>(name, schema, file, (db) => appliedMigrations(db));

    test('come back with every row and value, for their owner only', async () => {
      const details = [
        '',
        'Größe 💧 \u2028 \\ " \' \t\r\n{}',
        'x'.repeat(3_000_000),
        'null',
        '\\N',
        '{"a":null}',
      ];
      const many = [...details, ...Array.from({ length: 2_500 }, (_, at) => `row ${at}`)];
      const { one, name } = await created(TENANT_SCHEMA, many);
      const file = freshFile();
      expect(await saved(one, name, file)).toEqual(Object.keys(TENANT_SCHEMA.migrations));
      expect(statSync(file).mode & 0o777).toBe(0o600);
      const target = server.freshName();
      await one.load<TenantTables>(target, TENANT_SCHEMA, file, async (db) => {
        await db.updateTable('audit_log').set({ details: 'edited' }).where('id', '=', 'id0').execute();
      });
      expect(await detailsOf(one, target)).toEqual(['edited', ...many.slice(1)]);
      // The original is as it was.
      expect(await detailsOf(one, name)).toEqual(many);
    }, 60_000);

    test('replace what a database held', async () => {
      const { one, name } = await created(TENANT_SCHEMA, ['old', 'older']);
      const file = freshFile();
      await saved(one, name, file);
      const other = await created(TENANT_SCHEMA, ['replaced']);
      await one.load(other.name, TENANT_SCHEMA, file, nothing);
      expect(await detailsOf(one, other.name)).toEqual(['old', 'older']);
    });

    test('of an older version come back with its schema, which migrates', async () => {
      const { '0001_people_and_keys': first, ...later } = TENANT_SCHEMA.migrations;
      if (!first) throw new Error('no first migration');
      const old = { tables: TENANT_SCHEMA.tables, migrations: { '0001_people_and_keys': first } };
      const { one, name } = await created(old, ['kept']);
      const file = freshFile();
      await saved(one, name, file);
      const target = server.freshName();
      await one.load(target, TENANT_SCHEMA, file, nothing);
      const database = await one.open<TenantTables>(target);
      expect(await migrate(database, TENANT_SCHEMA.migrations)).toEqual(Object.keys(later));
      expect(await database.db.selectFrom('usage_batches').selectAll().execute()).toEqual([]);
      await database.close();
      expect(await detailsOf(one, target)).toEqual(['kept']);
    });

    test('of a newer version are rejected, and what is there stays', async () => {
      const newer = {
        tables: TENANT_SCHEMA.tables,
        migrations: { ...TENANT_SCHEMA.migrations, '9999_later': { up: nothing } },
      };
      const { one, name } = await created(newer, ['newer']);
      const file = freshFile();
      await saved(one, name, file, newer);
      const target = await created(TENANT_SCHEMA, ['stays']);
      await expect(one.load(target.name, TENANT_SCHEMA, file, nothing)).rejects.toThrow(NewerDatabaseError);
      expect(await detailsOf(one, target.name)).toEqual(['stays']);
    });

    test('that are damaged or fail to be edited change nothing', async () => {
      const { one, name } = await created(TENANT_SCHEMA, ['saved']);
      const file = freshFile();
      await saved(one, name, file);
      const broken = freshFile();
      const bytes = readFileSync(file);
      writeFileSync(broken, bytes.subarray(0, Math.floor(bytes.length / 2)));
      const target = await created(TENANT_SCHEMA, ['stays']);
      await expect(one.load(target.name, TENANT_SCHEMA, broken, nothing)).rejects.toThrow();
      const failing = one.load(target.name, TENANT_SCHEMA, file, () => Promise.reject(new Error('no edit')));
      await expect(failing).rejects.toThrow('no edit');
      expect(await detailsOf(one, target.name)).toEqual(['stays']);
    });

    test('need a database that exists', async () => {
      await expect(saved(server.connect(), server.freshName(), freshFile())).rejects.toThrow(
        DatabaseMissingError,
      );
    });

    test('are in use while a connection is open', async () => {
      const { one, name } = await created(TENANT_SCHEMA, []);
      expect(await one.isInUse(name)).toBe(false);
      const database = await server.connect().open<TenantTables>(name);
      await database.db.selectFrom('members').selectAll().execute();
      expect(await one.isInUse(name)).toBe(true);
      await database.close();
      // A PostgreSQL server needs a moment to notice.
      while (await one.isInUse(name)) await Promise.resolve();
    });

    test('list all tables of the schema', async () => {
      for (const schema of [CONTROL_SCHEMA, TENANT_SCHEMA]) {
        const one = server.connect();
        const name = server.freshName();
        await one.create(name);
        const database = await one.open(name);
        await migrate(database, schema.migrations);
        const tables = (await database.db.introspection.getTables()).map(({ name: table }) => table);
        await database.close();
        expect(tables.sort()).toEqual([...schema.tables].sort());
      }
    });

    test.skipIf(backend.name !== 'PostgreSQL')('are lines of JSON, and damage names the line', async () => {
      const { one, name } = await created(TENANT_SCHEMA, ['a', 'b']);
      const file = freshFile();
      await saved(one, name, file);
      const lines = gunzipSync(readFileSync(file)).toString().trimEnd().split('\n');
      expect(JSON.parse(lines[0] ?? '')).toEqual({
        weir_dump: 1,
        migrations: Object.keys(TENANT_SCHEMA.migrations),
      });
      expect(JSON.parse(lines.at(-1) ?? '')).toEqual({ rows: 2 });
      const loaded = (text: string) => {
        const broken = freshFile();
        writeFileSync(broken, gzipSync(text));
        return one.load(server.freshName(), TENANT_SCHEMA, broken, nothing);
      };
      await expect(loaded(lines.slice(0, -1).join('\n'))).rejects.toThrow('incomplete');
      await expect(loaded(lines.map((line) => line.replace('"b"', '"b')).join('\n'))).rejects.toThrow('line');
      await expect(loaded(`${lines[0]}\n["x"]\n`)).rejects.toThrow('line 2');
    });
  });
}
