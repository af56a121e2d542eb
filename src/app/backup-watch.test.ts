import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadText } from '../../test/support/config-source.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { startObjectStore } from '../../test/support/object-store.ts';
import { openObjectStorage } from '../platform/object-storage/open-object-storage.ts';
import { BackupRepository } from '../storage/backup/repository/repository.ts';
import { snapshotName } from '../storage/backup/repository/snapshot.ts';
import { BackupWatch } from './backup-watch.ts';

const MINUTE = 60_000;
const START = FakeClock.WALL_OFFSET;
const ENV = { AWS_ACCESS_KEY_ID: 'AKID', AWS_SECRET_ACCESS_KEY: 'secret' };

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-backup-watch-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A watch whose clock has advanced by an hour. */
async function watch(backups: object | null, clock = new FakeClock()) {
  let { config } = loadText(JSON.stringify({ storage: { backups } }));
  const watched = new BackupWatch({ config: () => config, env: ENV, clock });
  const change = (next: object | null) => {
    config = loadText(JSON.stringify({ storage: { backups: next } })).config;
  };
  await clock.advance(60 * MINUTE);
  return { clock, watched, change };
}

describe('the age of the latest backup', () => {
  test.each(['a folder', 'a bucket'])('is that of the newest name in a repository in %s', async (kind) => {
    const store = startObjectStore('backups', { secrets: { AKID: 'secret' }, pageSize: 2 });
    const [location, endpoint] = kind === 'a folder' ? [folder, undefined] : ['s3://backups/weir', store.url];
    const storage = openObjectStorage(location, ENV, { endpoint });
    // An encrypted repository, which is read without its passphrase.
    const secret = { kind: 'key', key: Buffer.alloc(32, 7) } as const;
    await BackupRepository.create(storage, secret, new Date(START));
    const { clock, watched } = await watch({ location, endpoint });
    await watched.run();
    expect(watched.age).toMatchObject({ intervalMs: 5 * MINUTE, ageMs: undefined, isOverdue: true });

    for (const minute of [50, 55, 52]) {
      const name = snapshotName(new Date(START + minute * MINUTE), `000000${minute}`);
      await storage.put(`snapshots/${name}`, Buffer.from('sealed'));
    }
    await clock.advance(MINUTE);
    await watched.run();
    expect(watched.age).toMatchObject({ ageMs: 6 * MINUTE, isOverdue: false });
    await clock.advance(4 * MINUTE + 1_000);
    expect(watched.age).toMatchObject({ ageMs: 10 * MINUTE + 1_000, isOverdue: true });
    await store.close();
  });

  test('is that of a plain backup in a folder', async () => {
    const { watched } = await watch({ location: folder, interval: '1d' });
    writeFileSync(
      join(folder, 'manifest.json'),
      JSON.stringify({ created_at: new Date(START).toISOString() }),
    );
    await watched.run();
    expect(watched.age).toMatchObject({ ageMs: 60 * MINUTE, isOverdue: false });
  });

  test('grows while the location is unreachable, and failures are reported until it is back', async () => {
    const store = startObjectStore('backups', { secrets: { AKID: 'secret' } });
    const location = 's3://backups/weir';
    const storage = openObjectStorage(location, ENV, { endpoint: store.url });
    await storage.put(
      `snapshots/${snapshotName(new Date(START + 59 * MINUTE), '0000000f')}`,
      Buffer.from('x'),
    );
    const { clock, watched } = await watch({ location, endpoint: store.url });
    await watched.run();
    expect(watched.age).toMatchObject({ ageMs: MINUTE, fault: undefined });
    store.fail('GET', 'list-type', 403, 1);
    await clock.advance(12 * MINUTE);
    await expect(watched.run()).rejects.toThrow('403');
    // Not due again, and no success: the job that calls it reports a failure once.
    await expect(watched.run()).rejects.toThrow('403');
    expect(watched.age).toMatchObject({ ageMs: 13 * MINUTE, isOverdue: true });
    expect(watched.age?.fault).toContain('403');
    await clock.advance(MINUTE);
    await watched.run();
    expect(watched.age).toMatchObject({ ageMs: 14 * MINUTE, fault: undefined });
    await store.close();
  });

  test('is unknown without `storage.backups`, also after a reload', async () => {
    const { watched, change } = await watch(null);
    await watched.run();
    expect(watched.age).toBeUndefined();
    change({ location: folder });
    expect(watched.age).toBeUndefined();
    await watched.run();
    expect(watched.age).toMatchObject({ isOverdue: true });
    change(null);
    expect(watched.age).toBeUndefined();
  });
});
