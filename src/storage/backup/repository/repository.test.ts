import { Database } from 'bun:sqlite';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ObjectStore, startObjectStore } from '../../../../test/support/object-store.ts';
import { FolderStorage } from '../../../platform/object-storage/folder-storage.ts';
import type { ObjectStorage } from '../../../platform/object-storage/object-storage.ts';
import { openObjectStorage } from '../../../platform/object-storage/open-object-storage.ts';
import { openControlDatabase } from '../../sql/control-database.ts';
import type { DatabaseServer } from '../../sql/database-server.ts';
import { SqliteServer } from '../../sql/sqlite-server.ts';
import { TenantDatabases } from '../../sql/tenant-databases.ts';
import { BackupError } from '../manifest.ts';
import { planRestore, type RestoreOptions, restoreBackup } from '../restore-backup.ts';
import { createSnapshot, type SnapshotOptions } from './create-snapshot.ts';
import { parseKeyFile, type RepositorySecret } from './keys.ts';
import { withRepositoryLock } from './lock.ts';
import { BackupRepository } from './repository.ts';
import { RepositorySource, verifySnapshot } from './repository-source.ts';
import { keptSnapshots, pruneRepository } from './retention.ts';
import { snapshotName } from './snapshot.ts';

const NOW = 1_800_000_000_000;
const KEY: RepositorySecret = { kind: 'key', key: Buffer.alloc(32, 7) };
const TENANTS = ['a', 'b'];
const folders: string[] = [];
let template: string;
let store: ObjectStore;

beforeAll(async () => {
  store = startObjectStore('backups', { secrets: { AKID: 'secret' } });
  template = mkdtempSync(join(tmpdir(), 'weir-backup-'));
  const server = new SqliteServer(template);
  const control = await openControlDatabase(server);
  const databases = new TenantDatabases({
    servers: new Map([['', server]]),
    placementOf: () => undefined,
    maxConnections: 1,
  });
  await control.db.insertInto('settings').values({ name: 'secret', value: 's3cret' }).execute();
  for (const id of TENANTS) {
    const database = `weir_${id}_0`;
    await databases.create({ server: '', database });
    await control.db
      .insertInto('tenants')
      .values({
        ...{ id, name: id, status: 'active', tier: null, server: '', database, schema: '', document: '{}' },
        ...{ version: 1, revision: 1, created_at: 1, updated_at: 1, deleted_at: null },
      })
      .execute();
    change(template, id, (own) => {
      addKey(own, 'first');
      addBatches(own, 0, 12, id);
    });
  }
  await control.close();
});
afterAll(async () => {
  rmSync(template, { recursive: true, force: true });
  await store.close();
});
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  store.objects.clear();
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'weir-backup-'));
  folders.push(made);
  return made;
}

/** An installation of two tenants, with keys and usage. */
function installation(): string {
  const data = folder();
  cpSync(template, data, { recursive: true });
  return data;
}

function change(data: string, tenant: string, work: (database: Database) => void): void {
  const database = new Database(join(data, 'tenants', `weir_${tenant}_0.sqlite`));
  try {
    work(database);
  } finally {
    database.close();
  }
}

function addKey(database: Database, id: string): void {
  database.run(
    `INSERT INTO api_keys (id, kind, name, hint, digest, scopes, limits, version, created_by, created_at, updated_at)
     VALUES (?, 'api_key', 'Ünï "quoted"\n', '', ?, '{}', '[]', 1, '', 9007199254740993, 1)`,
    [id, id],
  );
}

/** 200 KB of each batch that cannot be compressed much. */
function addBatches(database: Database, from: number, to: number, tenant: string): void {
  for (let at = from; at < to; at += 1) {
    database.run('INSERT INTO usage_batches (id, first_at, last_at, count, events) VALUES (?, ?, ?, 1, ?)', [
      `usage-1-${String(at).padStart(4, '0')}`,
      at,
      at,
      Array.from({ length: 12_500 }, (_, part) =>
        ((at * 7_919 + part * 104_729) % 0xff_ff_ff).toString(36),
      ).join(`"${tenant}`),
    ]);
  }
}

/** All rows of all tables of all databases of a folder. */
function rowsOf(data: string): Record<string, unknown> {
  const tenants = readdirSync(join(data, 'tenants'))
    .filter((name) => name.endsWith('.sqlite'))
    .map((name) => [name.replace(/_[^_]*$/, ''), join(data, 'tenants', name)]);
  return Object.fromEntries(
    tenants.map(([name, path]) => {
      const database = new Database(path);
      const tables = database
        .query<{ name: string }, []>(
          `SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'outbox' ORDER BY name`,
        )
        .all();
      const rows = tables
        .filter((table) => !/^(?:kysely|sqlite)_/.test(table.name))
        .map((table) => [table.name, database.query(`SELECT * FROM "${table.name}" ORDER BY 1, 2`).all()]);
      database.close();
      return [name, rows];
    }),
  );
}

const BACKENDS: [string, () => ObjectStorage, RepositorySecret | undefined][] = [
  ['a folder', () => new FolderStorage(join(folder(), 'backups')), undefined],
  [
    'an S3-compatible store, encrypted',
    () =>
      openObjectStorage('s3://backups/weir', {
        AWS_ENDPOINT_URL_S3: store.url,
        AWS_ACCESS_KEY_ID: 'AKID',
        AWS_SECRET_ACCESS_KEY: 'secret',
      }),
    KEY,
  ],
];

interface Fixture {
  readonly data: string;
  readonly servers: Map<string, DatabaseServer>;
  readonly repository: BackupRepository;
}

async function fixture(storage: ObjectStorage, secret?: RepositorySecret): Promise<Fixture> {
  const data = installation();
  const repository = await BackupRepository.create(storage, secret, new Date(NOW));
  return { data, servers: new Map([['', new SqliteServer(data)]]), repository };
}

let clock = NOW;
const backUp = (
  { servers, repository }: Pick<Fixture, 'servers' | 'repository'>,
  more: Partial<SnapshotOptions> = {},
) => {
  clock += 300_000;
  const at = clock;
  return createSnapshot({
    ...{ repository, servers, files: [], secret: undefined, version: '1.2.3', full: false },
    journal: () => [{ name: 'usage-1-a-0.ndjson', text: '[]\n' }],
    now: () => new Date(at),
    randomId: () => '0123abcd',
    onProgress: () => undefined,
    ...more,
  });
};

async function restore(repository: BackupRepository, name: string, server: DatabaseServer) {
  const journal: string[] = [];
  const options: RestoreOptions = {
    source: new RepositorySource(repository, await repository.readSnapshot(name)),
    ...{ force: false, acceptOtherSecret: false, secret: undefined, servers: new Map([['', server]]) },
    now: () => new Date(clock),
    onProgress: () => undefined,
    journal: { add: (file, content) => journal.push(`${file}: ${String(content)}`), remove: () => undefined },
  };
  await restoreBackup(options, await planRestore(options));
  return journal;
}

describe.each(BACKENDS)('backups in %s', (_, open, secret) => {
  test('share what has not changed, and each is restored as it was', async () => {
    const made = await fixture(open(), secret);
    const path = join(folder(), 'weir.yaml');
    writeFileSync(path, 'server: {}\n');
    const first = await backUp(made, { files: [{ name: 'etc/weir.yaml', path }] });
    const before = rowsOf(made.data);
    change(made.data, 'a', (own) => {
      addKey(own, 'second');
      addBatches(own, 12, 14, 'a');
      own.run(`DELETE FROM usage_batches WHERE id = 'usage-1-0000'`);
      own.run(`UPDATE usage_batches SET count = 2, events = events || 'more' WHERE id = 'usage-1-0013'`);
    });
    const second = await backUp(made);
    const after = rowsOf(made.data);
    // Of 2.4 MB, half a megabyte is new, and the batches that shared a chunk with a deleted one are written again.
    expect(second).toMatchObject({ parent: first.name, databases: { length: 3 } });
    expect(second.written.bytes).toBeLessThan(first.written.bytes / 1.4);
    const third = await backUp(made);
    expect(third.written.chunks).toBe(0);
    for (const [snapshot, rows] of [
      [first, before],
      [third, after],
    ] as const) {
      const target = folder();
      const journal = await restore(made.repository, snapshot.name, new SqliteServer(target));
      expect(rowsOf(target)).toEqual(rows);
      expect(journal).toEqual(['usage-1-a-0.ndjson: []\n']);
    }
    const source = new RepositorySource(made.repository, first);
    for await (const file of source.files()) {
      expect([file.name, String(file.content)]).toEqual(['etc/weir.yaml', 'server: {}\n']);
    }
  });

  test('are rejected with the name of what is missing or altered, before anything is written', async () => {
    const made = await fixture(open(), secret);
    const { name } = await backUp(made);
    const { storage } = made.repository;
    const keys: string[] = [];
    for await (const { key } of storage.list('chunks/')) keys.push(key);
    expect(keys.length).toBeGreaterThan(4);
    for (const key of keys) {
      const content: Uint8Array[] = [];
      for await (const piece of storage.get(key)) content.push(piece);
      const whole = Buffer.concat(content);
      const altered = Buffer.from(whole);
      const middle = altered.length >> 1;
      altered[middle] = (altered[middle] ?? 0) ^ 1;
      for (const broken of [altered, whole.subarray(0, -1), undefined]) {
        if (broken === undefined) await storage.delete(key);
        else await storage.put(key, broken);
        const target = folder();
        const error = await restore(made.repository, name, new SqliteServer(target)).catch((cause) => cause);
        expect(error).toBeInstanceOf(BackupError);
        expect(String(error)).toContain(
          `${key} is ${broken === undefined ? 'missing' : 'not what was stored'}`,
        );
        expect(readdirSync(target)).toEqual([]);
      }
      await storage.put(key, whole);
    }
    await restore(made.repository, name, new SqliteServer(folder()));
  });

  test('are deleted by the policy with what no other one has, and not by a dry run', async () => {
    const made = await fixture(open(), secret);
    const first = await backUp(made);
    change(made.data, 'b', (own) => own.run('DELETE FROM usage_batches'));
    const second = await backUp(made);
    const planned = await pruneRepository(made.repository, { last: 1 }, clock, true);
    expect([planned.deleted, planned.kept]).toEqual([[first.name], [second.name]]);
    await verifySnapshot(made.repository, first, new Set(), () => undefined);
    const done = await pruneRepository(made.repository, { last: 1 }, clock, false);
    expect(done).toEqual(planned);
    expect(done.chunks).toBeGreaterThan(0);
    expect(await made.repository.snapshotNames()).toEqual([second.name]);
    await verifySnapshot(made.repository, second, new Set(), () => undefined);
    expect((await pruneRepository(made.repository, { last: 1 }, clock, false)).chunks).toBe(0);
  });
});

describe('an encrypted repository', () => {
  test('opens with its own secret only, and shows nothing of its content', async () => {
    const storage = new FolderStorage(join(folder(), 'backups'));
    const passphrase = { kind: 'passphrase', passphrase: 'correct horse battery' } as const;
    const made = await fixture(storage, passphrase);
    await backUp(made);
    const reopened = await BackupRepository.open(storage, passphrase);
    expect(await reopened.snapshotNames()).toHaveLength(1);
    for (const [secret, message] of [
      [undefined, 'are encrypted with a passphrase. Set WEIR_BACKUP_PASSPHRASE'],
      [{ ...passphrase, passphrase: 'wrong horse battery' }, 'The passphrase is not the one'],
      [KEY, 'are encrypted with a passphrase, and a key file was given'],
    ] as const) {
      await expect(BackupRepository.open(storage, secret)).rejects.toThrow(message);
    }
    const plain = await BackupRepository.create(new FolderStorage(folder()), undefined, new Date(NOW));
    await expect(BackupRepository.open(plain.storage, passphrase)).rejects.toThrow('are not encrypted');
    for (const name of readdirSync(storage.location, { recursive: true, encoding: 'utf8' })) {
      if (!/^(?:chunks|snapshots)\/.*[0-9a-f]{8}/.test(name)) continue;
      const content = readFileSync(join(storage.location, name), 'latin1');
      expect(content).not.toContain('usage');
      expect(content).not.toContain('s3cret');
    }
  });

  test('notices an object in the place of another one', async () => {
    const made = await fixture(new FolderStorage(join(folder(), 'backups')), KEY);
    const { storage } = made.repository;
    const first = await backUp(made);
    const second = await backUp(made);
    cpSync(join(storage.location, 'snapshots', first.name), join(storage.location, 'snapshots', second.name));
    await expect(made.repository.readSnapshot(second.name)).rejects.toThrow('is not what was stored');
  });

  test('has a key file of 32 bytes', () => {
    expect(parseKeyFile(`${'0a'.repeat(32)}\n`, 'key')).toEqual(Buffer.alloc(32, 10));
    expect(parseKeyFile(Buffer.alloc(32, 10).toString('base64'), 'key')).toEqual(Buffer.alloc(32, 10));
    for (const text of ['', 'short', '0a'.repeat(31), 'x'.repeat(64)]) {
      expect(() => parseKeyFile(text, 'key')).toThrow('key is no key file');
    }
  });
});

describe('a repository', () => {
  test('of a newer format or with an altered header is rejected', async () => {
    const made = await fixture(new FolderStorage(join(folder(), 'backups')));
    const { storage } = made.repository;
    const header = join(storage.location, 'weir-backups.json');
    writeFileSync(header, readFileSync(header, 'utf8').replace('"weir_backups": 1', '"weir_backups": 2'));
    await expect(BackupRepository.open(storage, undefined)).rejects.toThrow('have format 2');
    writeFileSync(header, '{}');
    await expect(BackupRepository.open(storage, undefined)).rejects.toThrow('is altered');
    rmSync(header);
    await expect(BackupRepository.open(storage, undefined)).rejects.toThrow('There are no backups');
  });

  test('has one writer at a time; a lock of a dead process expires', async () => {
    const storage = new FolderStorage(folder());
    const now = () => new Date(NOW);
    await withRepositoryLock(storage, 'one', now, async () => {
      await expect(withRepositoryLock(storage, 'two', now, async () => undefined)).rejects.toThrow(
        'Another backup to',
      );
      const later = () => new Date(NOW + 601_000);
      expect(await withRepositoryLock(storage, 'two', later, async () => 'taken over')).toBe('taken over');
    });
    expect(await withRepositoryLock(storage, 'three', now, async () => 'free')).toBe('free');
  });

  test('does not read databases that have not changed', async () => {
    const made = await fixture(new FolderStorage(join(folder(), 'backups')));
    const [server] = made.servers.values();
    if (!server) throw new Error('no server');
    const first = await backUp(made);
    const read: string[] = [];
    const watched = new Proxy(server, {
      get: (target, name) =>
        name === 'read'
          ? (database: string, work: never) => {
              read.push(database);
              return target.read(database, work);
            }
          : (Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name)),
    });
    const servers = new Map([['', watched]]);
    await backUp({ ...made, servers });
    expect(read).toEqual(['control']);
    change(made.data, 'b', (own) => addKey(own, 'second'));
    await backUp({ ...made, servers });
    expect(read).toEqual(['control', 'control', 'weir_b_0']);
    const full = await backUp({ ...made, servers }, { full: true });
    expect(full.parent).toBeNull();
    expect(first.written.chunks).toBeGreaterThan(0);
    expect(read.slice(3)).toEqual(['control', 'weir_a_0', 'weir_b_0']);
  });
});

test('a retention policy keeps the latest of each period, and the latest of all', () => {
  const name = (text: string) => snapshotName(new Date(text), '00000000');
  const names = [
    '2026-08-31T23:00:00Z',
    '2026-09-30T10:00:00Z',
    '2026-11-22T22:00:00Z',
    '2026-11-28T09:00:00Z',
    '2026-11-29T08:00:00Z',
    '2026-11-29T23:55:00Z',
    '2026-11-30T07:55:00Z',
    '2026-11-30T08:00:00Z',
  ].map(name);
  const now = Date.parse('2026-11-30T08:03:00Z');
  const kept = (policy: Parameters<typeof keptSnapshots>[1]) =>
    [...keptSnapshots(names, policy, now)].sort().map((one) => names.indexOf(one));
  expect(kept({})).toEqual([7]);
  expect(kept({ last: 3 })).toEqual([5, 6, 7]);
  expect(kept({ withinMs: 10 * 60_000 })).toEqual([6, 7]);
  expect(kept({ daily: 3 })).toEqual([3, 5, 7]);
  // 30 November 2026 is a Monday.
  expect(kept({ weekly: 3 })).toEqual([2, 5, 7]);
  expect(kept({ monthly: 12 })).toEqual([0, 1, 7]);
  expect(kept({ hourly: 2, monthly: 2 })).toEqual([1, 6, 7]);
});
