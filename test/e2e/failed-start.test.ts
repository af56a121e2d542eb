import { Database } from 'bun:sqlite';
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openControlDatabase } from '../../src/storage/sql/control-database.ts';
import { CONTROL_MIGRATIONS } from '../../src/storage/sql/migrations/control.ts';
import { SqliteServer } from '../../src/storage/sql/sqlite-server.ts';
import { freePort } from '../support/free-port.ts';
import { gatewayInProcess } from '../support/gateway-in-process.ts';
import { temporaryFolder } from '../support/secret-stores/fixture.ts';
import { weir } from './harness.ts';

/** A start that fails ends the process: one that listens without a gateway would be alive, and never ready. */

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => rmSync(folder.path, { recursive: true, force: true }));

/** A migrated control database after `change`. */
async function damaged(change: (database: Database) => void): Promise<void> {
  const { close } = await openControlDatabase(new SqliteServer(folder.path));
  await close();
  const database = new Database(join(folder.path, 'control.sqlite'));
  change(database);
  database.close();
}

test('a secret that is missing or wrong stops the start before it writes, while there are keys', async () => {
  const start = (secret: string) =>
    gatewayInProcess({ env: { DATABASE_URL: `sqlite:${folder.path}`, WEIR_SECRET: secret } });
  const first = await start('the first secret of it');
  await first.close();
  // Without keys, nothing is lost.
  const second = await start('the secret that stays');
  const { adminKey: key } = second;
  const made = await second.call('POST', '/admin/v1/tenants/default/keys', { key, body: { name: 'k' } });
  expect(made.status).toBe(201);
  await second.close();
  for (const wrong of ['', 'the first secret of it']) {
    await expect(start(wrong)).rejects.toThrow(/^WEIR_SECRET is missing, or is not the one/);
  }
  const database = new Database(join(folder.path, 'control.sqlite'));
  expect(database.query("SELECT name FROM settings WHERE name = 'secret'").all()).toEqual([]);
  database.close();
  const again = await start('the secret that stays');
  expect((await again.call('GET', '/v1/models', { key: String(made.body.key) })).status).toBe(200);
  await again.close();
}, 60_000);

async function serve() {
  const port = String(await freePort());
  return weir(['serve'], { WEIR_DATA_DIR: folder.path, SERVER_PORT: port, METRICS_PORT: 'off' });
}

test('a migration that fails half way names itself, and leaves the database as it was', async () => {
  const [last = ''] = Object.keys(CONTROL_MIGRATIONS).sort().slice(-1);
  // Its tables and columns exist already.
  await damaged((database) => database.run('DELETE FROM kysely_migration WHERE name = ?', [last]));
  const { code, stderr } = await serve();
  expect(code).toBe(1);
  expect(stderr).toStartWith(`The migration "${last}" of the control database failed: `);
  expect(stderr).toContain('It was rolled back');
  expect(stderr).not.toContain('    at ');
  const database = new Database(join(folder.path, 'control.sqlite'));
  expect(database.query('SELECT count(*) AS count FROM kysely_migration').get()).toEqual({
    count: Object.keys(CONTROL_MIGRATIONS).length - 1,
  });
  database.close();
}, 60_000);

test('a failure that nothing expects is printed, and ends the process', async () => {
  await damaged((database) => database.run('ALTER TABLE kysely_migration RENAME COLUMN name TO other'));
  const { code, stderr } = await serve();
  expect(code).toBe(1);
  expect(stderr).toContain('weir failed: ');
}, 60_000);
