import { Database } from 'bun:sqlite';
import { afterEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openControlDatabase } from '../sql/control-database.ts';
import { SqliteServer } from '../sql/sqlite-server.ts';
import { TenantDatabases } from '../sql/tenant-databases.ts';
import { type BackupOptions, createBackup } from './create-backup.ts';
import { BackupError } from './manifest.ts';
import { planRestore, type RestoreOptions, restoreBackup } from './restore-backup.ts';
import { FolderSource } from './source.ts';

const NOW = 1_800_000_000_000;
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'weir-backup-'));
  folders.push(made);
  return made;
}

/** An installation with these tenants, each with a key. */
async function installation(tenants: readonly string[]) {
  const data = folder();
  const servers = new Map([['', new SqliteServer(data)]]);
  const [[, server] = []] = servers;
  if (!server) throw new Error('no server');
  const control = await openControlDatabase(server);
  const databases = new TenantDatabases({ servers, placementOf: () => undefined, maxConnections: 1 });
  await control.db.insertInto('settings').values({ name: 'secret', value: 's3cret' }).execute();
  for (const id of tenants) {
    const database = `weir_${id}_0`;
    await databases.create({ server: '', database });
    await control.db
      .insertInto('tenants')
      .values({
        ...{ id, name: id, status: 'active', tier: null, server: '', database, schema: '', document: '{}' },
        ...{ version: 1, revision: 1, created_at: 1, updated_at: 1, deleted_at: null },
      })
      .execute();
    await control.db
      .insertInto('key_index')
      .values({ digest: id, id: `k-${id}`, tenant: id, document: '{}', version: 1, revision: 1, deleted: 0 })
      .execute();
    addKey(data, id, 'first', 1);
  }
  await control.close();
  return { data, servers };
}

function sqlite<T>(path: string, work: (database: Database) => T): T {
  const database = new Database(path);
  try {
    return work(database);
  } finally {
    database.close();
  }
}

function addKey(data: string, tenant: string, id: string, updatedAt: number): void {
  sqlite(join(data, 'tenants', `weir_${tenant}_0.sqlite`), (database) =>
    database.run(
      `INSERT INTO api_keys (id, kind, name, hint, digest, scopes, limits, version, created_by, created_at, updated_at)
       VALUES (?, 'api_key', '', '', ?, '{}', '[]', 1, '', 1, ?)`,
      [id, id, updatedAt],
    ),
  );
}

const backupOptions = (
  { servers }: Awaited<ReturnType<typeof installation>>,
  target: string,
  more: Partial<BackupOptions> = {},
): BackupOptions => ({
  ...{ folder: target, force: false, servers, secret: undefined, version: '1.2.3' },
  journal: () => [{ name: 'usage-1-a-0.ndjson', text: '[]\n' }],
  now: () => new Date(NOW),
  onProgress: () => undefined,
  ...more,
});

function restoreOptions(source: string, data: string, more: Partial<RestoreOptions> = {}) {
  const journal: string[] = [];
  const options: RestoreOptions = {
    ...{ source: new FolderSource(source), force: false, acceptOtherSecret: false, secret: undefined },
    servers: new Map([['', new SqliteServer(data)]]),
    now: () => new Date(NOW),
    onProgress: () => undefined,
    journal: {
      add: (name) => journal.push(`+${name}`),
      remove: (name) => journal.push(`-${name}`),
    },
    ...more,
  };
  return { options, journal };
}

/** Tenants of a restored installation, with the ids of their keys and of the changes that the start publishes. */
function contentsOf(data: string) {
  const tenants = sqlite(join(data, 'control.sqlite'), (control) =>
    control
      .query<{ id: string; database: string; deleted_at: number | null; revision: number }, []>(
        'SELECT id, database, deleted_at, revision FROM tenants ORDER BY id',
      )
      .all(),
  );
  return tenants.map(({ id, database, deleted_at }) => {
    if (deleted_at !== null) return { id, deleted: true };
    return sqlite(join(data, 'tenants', `${database}.sqlite`), (own) => ({
      id,
      keys: own
        .query<{ id: string }, []>('SELECT id FROM api_keys ORDER BY id')
        .all()
        .map((key) => key.id),
      outbox: own
        .query<{ subject: string }, []>('SELECT subject FROM outbox ORDER BY subject')
        .all()
        .map(({ subject }) => subject),
    }));
  });
}

describe('a backup', () => {
  test('that changes overtake is restored with those changes', async () => {
    const made = await installation(['a', 'b', 'c']);
    const target = join(folder(), 'backup');
    let steps = 0;
    await createBackup(
      backupOptions(made, target, {
        onProgress: () => {
          steps += 1;
          if (steps !== 1) return;
          // The control database is saved; no tenant's is.
          addKey(made.data, 'a', 'later', NOW + 1);
          sqlite(join(made.data, 'control.sqlite'), (control) =>
            control.run(`UPDATE tenants SET deleted_at = 5 WHERE id = 'b'`),
          );
          rmSync(join(made.data, 'tenants', 'weir_b_0.sqlite'));
        },
      }),
    );
    const data = folder();
    const { options, journal } = restoreOptions(target, data);
    const plan = await planRestore(options);
    expect(plan.manifest).toMatchObject({
      ...{ format: 1, weir: '1.2.3', deleted_tenants: ['b'], created_at: new Date(NOW).toISOString() },
      secret: { source: 'database' },
    });
    expect([plan.replaces, await restoreBackup(options, plan)]).toEqual([false, []]);
    expect(contentsOf(data)).toEqual([
      // The control database does not have the later key, so the start copies it.
      { id: 'a', keys: ['first', 'later'], outbox: ['later'] },
      { id: 'b', deleted: true },
      { id: 'c', keys: ['first'], outbox: [] },
    ]);
    expect(journal).toEqual(['+usage-1-a-0.ndjson']);
    const deleted = sqlite(join(data, 'control.sqlite'), (control) =>
      control.query('SELECT deleted FROM key_index ORDER BY digest').all(),
    );
    expect(deleted).toEqual([{ deleted: 0 }, { deleted: 1 }, { deleted: 0 }]);
  });

  test('that fails leaves nothing, and the earlier one in place', async () => {
    const made = await installation(['a', 'b']);
    const parent = folder();
    const target = join(parent, 'backup');
    await createBackup(backupOptions(made, target));
    rmSync(join(made.data, 'tenants', 'weir_b_0.sqlite'));
    await expect(createBackup(backupOptions(made, target, { force: true }))).rejects.toThrow(
      'The database of tenant b is missing',
    );
    expect(readdirSync(parent)).toEqual(['backup']);
    const { options } = restoreOptions(target, folder());
    expect((await planRestore(options)).manifest.databases).toHaveLength(3);
  });

  test('on a disk that is full or read-only is not made, and the message names the folder', async () => {
    const from = await installation([]);
    const parent = folder();
    const target = join(parent, 'target');
    for (const [code, reason] of [
      ['ENOSPC', 'the disk is full'],
      ['EROFS', 'the file system is read-only'],
    ] as const) {
      const journal = () => {
        throw Object.assign(new Error(`${code}: write`), { code });
      };
      await expect(createBackup(backupOptions(from, target, { journal }))).rejects.toThrow(
        `Cannot write the backup to ${target}: ${reason}.`,
      );
      expect(readdirSync(parent)).toEqual([]);
    }
  });

  test('with a damaged database is not made', async () => {
    const made = await installation(['a']);
    writeFileSync(join(made.data, 'tenants', 'weir_a_0.sqlite'), 'x'.repeat(10_000));
    const parent = folder();
    await expect(createBackup(backupOptions(made, join(parent, 'backup')))).rejects.toThrow('not a database');
    expect(readdirSync(parent)).toEqual([]);
  });
});

describe('a restore', () => {
  test('that fails changes nothing', async () => {
    const made = await installation(['a']);
    const target = join(folder(), 'backup');
    await createBackup(backupOptions(made, target));
    const other = await installation(['x']);
    const { options, journal } = restoreOptions(target, other.data, { force: true });
    const plan = await planRestore(options);
    // The last step fails.
    const control = plan.manifest.databases.find(({ tenant }) => tenant === null);
    rmSync(join(target, control?.file ?? ''));
    await expect(restoreBackup(options, plan)).rejects.toThrow();
    expect(contentsOf(other.data)).toEqual([{ id: 'x', keys: ['first'], outbox: [] }]);
    const left = readdirSync(join(other.data, 'tenants')).filter((name) => !name.endsWith('.lock'));
    expect(left).toEqual(['weir_x_0.sqlite']);
    expect(journal).toEqual(['+usage-1-a-0.ndjson', '-usage-1-a-0.ndjson']);
    expect(existsSync(join(other.data, 'control.sqlite.new'))).toBe(false);
  });

  test('needs the database servers of the backup', async () => {
    const made = await installation(['a']);
    const target = join(folder(), 'backup');
    await createBackup(backupOptions(made, target));
    const { options } = restoreOptions(target, folder(), { servers: new Map() });
    await expect(planRestore(options)).rejects.toThrow(BackupError);
  });
});
