import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BACKENDS, type TestServer } from '../../../test/support/database-servers.ts';
import { FULL } from '../../../test/support/effort.ts';
import { startObjectStore } from '../../../test/support/object-store.ts';
import { FolderStorage } from '../../platform/object-storage/folder-storage.ts';
import type { ObjectStorage } from '../../platform/object-storage/object-storage.ts';
import { openObjectStorage } from '../../platform/object-storage/open-object-storage.ts';
import { storeUsage } from '../../storage/sql/store-usage.ts';
import { TenantDatabases } from '../../storage/sql/tenant-databases.ts';
import { SqlUsageStore } from '../../storage/sql/usage-store.ts';
import { batchOf } from '../../storage/usage-batch.ts';
import type { UsageEvent } from '../../storage/usage-event.ts';
import { UsageArchives } from './usage-archives.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 20);
const TENANT = { tenant: 't' };

function event(id: string, at: number): UsageEvent {
  return {
    ...{ id, tenant: 't', requestId: id, at, keyId: 'k', member: null, model: 'm', provider: 'p' },
    ...{ upstreamModel: 'm', operation: 'chat', tags: ['team=a'], status: 200, outcome: 'done', requests: 1 },
    ...{ inputTokens: 1, outputTokens: 2, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
    ...{ costPico: 5, estimated: false, durationMs: 5, firstEventMs: null, client: 'curl' },
  };
}

/** Two months that are old enough, one that is not, and a batch over a month's end. */
const BATCHES = [
  batchOf('one', [event('a', Date.UTC(2026, 5, 3)), event('b', Date.UTC(2026, 5, 4))]),
  batchOf('two', [event('c', Date.UTC(2026, 5, 30, 23)), event('d', Date.UTC(2026, 6, 1, 1))]),
  batchOf('three', [event('e', Date.UTC(2026, 6, 9))]),
  batchOf('four', [event('f', Date.UTC(2026, 9, 9))]),
];
const ALL = ['a', 'b', 'c', 'd', 'e', 'f'];

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`archives of usage on ${backend.name}`, () => {
    let server: TestServer;
    let root = '';
    beforeAll(async () => {
      server = await backend.start();
      root = mkdtempSync(join(tmpdir(), 'weir-archive-'));
    });
    afterAll(async () => {
      rmSync(root, { recursive: true, force: true });
      await server?.dispose();
    });

    // Of the storage more than of the database.
    const isLong = backend.name === 'PostgreSQL' && !FULL;

    async function create(name: string, storage: ObjectStorage = new FolderStorage(join(root, name))) {
      const database = server.freshName();
      const placement = { server: '', database };
      const databases = new TenantDatabases({
        servers: new Map([['', server.connect()]]),
        placementOf: () => placement,
        maxConnections: 4,
      });
      await databases.create(placement);
      const store = async (batches: readonly ReturnType<typeof batchOf>[]) => {
        const usage = await server.openUsage(database);
        await storeUsage(usage, batches);
        await usage.close();
      };
      let now = NOW;
      let ids = 0;
      const clock = { wallTime: () => now };
      const archives = (more: Partial<ConstructorParameters<typeof UsageArchives>[0]> = {}) =>
        new UsageArchives({
          ...{ databases, storage: () => storage, clock, newId: () => `ua_${++ids}`, afterMs: 30 * DAY },
          ...{ keepMs: null, ...more },
        });
      const usage = new SqlUsageStore(databases);
      const stored = async () => {
        const { events } = await usage.events(
          TENANT,
          { from: 0, to: NOW, matches: () => true },
          undefined,
          100,
        );
        return events.map(({ id }) => id).sort();
      };
      const archived = async () => {
        const found: string[] = [];
        for await (const { event: one } of archives().read('t', 0, NOW)) found.push(one?.id ?? '');
        return found.sort();
      };
      const requests = async () => {
        const [sum] = await usage.summarise(TENANT, { from: 0, to: NOW, interval: null, groupBy: [] });
        return Number(sum?.sums.requests ?? 0n);
      };
      const later = (ms: number) => {
        now += ms;
      };
      await store(BATCHES);
      return { databases, archives, store, stored, archived, requests, later, storage };
    }

    test('take whole months that are old enough; sums stay, and a batch that arrives again is known', async () => {
      const { databases, archives, store, stored, archived, requests } = await create('months');
      expect(await archives().preview('t')).toMatchObject({ month: '2026-06', events: 4 });
      expect(await archives().run('t')).toEqual({ files: 2, events: 5, deleted: 0 });
      expect(await archives().run('t')).toEqual({ files: 0, events: 0, deleted: 0 });
      expect([await stored(), await archived()]).toEqual([['f'], ['a', 'b', 'c', 'd', 'e']]);
      expect((await archives().list('t')).map(({ month, events }) => [month, events])).toEqual([
        ['2026-06', 4],
        ['2026-07', 1],
      ]);
      // A gateway that was down for months stores its journal again, with one event more.
      await store([...BATCHES, batchOf('one', [...(BATCHES[0]?.events ?? []), event('late', NOW - 1)])]);
      expect([await stored(), await requests()]).toEqual([['f', 'late'], 7]);
      await databases.close();
    });

    test('come back for a time, for searches, and leave again', async () => {
      const { databases, archives, stored, archived, requests, later } = await create('restored');
      await archives().run('t');
      const [first] = await archives().list('t');
      expect(await archives().restore('t', first?.id ?? '', NOW + DAY)).toBe(4);
      expect(await archives().restore('t', first?.id ?? '', NOW + DAY)).toBe(0);
      expect(await stored()).toEqual(['a', 'b', 'c', 'd', 'f']);
      expect(await archives().run('t')).toEqual({ files: 0, events: 0, deleted: 0 });
      later(2 * DAY);
      await archives().run('t');
      expect([await stored(), await archived(), await requests()]).toEqual([['f'], ALL.slice(0, 5), 6]);
      // Also where the rows of its batches are deleted.
      await databases.use(TENANT, (db) => db.deleteFrom('usage_batches').execute());
      expect(await archives().restore('t', first?.id ?? '', NOW + 9 * DAY)).toBe(4);
      expect(await stored()).toEqual(['a', 'b', 'c', 'd']);
      await databases.close();
    });

    test.skipIf(isLong)(
      'contain each event once, wherever a process is killed',
      async () => {
        // Each operation on storage and database once fails before it is done, and once after.
        for (let step = 1, killed = true; killed; step += 1) {
          const made = await create(`killed-${step}`);
          const { databases, storage, archives, stored, archived, requests, later, store } = made;
          let left = step;
          killed = false;
          const perhaps = async <T>(work: () => Promise<T>): Promise<T> => {
            left -= 1;
            const isDue = left === 0;
            if (isDue && step % 2 === 0) {
              killed = true;
              throw new Error('killed');
            }
            const result = await work();
            if (isDue) {
              killed = true;
              throw new Error('killed');
            }
            return result;
          };
          const frail = archives({
            databases: Object.assign(Object.create(databases), {
              use: (...call: Parameters<TenantDatabases['use']>) => perhaps(() => databases.use(...call)),
            }),
            storage: () => ({
              location: storage.location,
              put: (key: string, body: Uint8Array | AsyncIterable<Uint8Array>) =>
                perhaps(() => (body instanceof Uint8Array ? storage.put(key, body) : storage.put(key, body))),
              get: (key) => storage.get(key),
              head: (key) => storage.head(key),
              list: (prefix) => storage.list(prefix),
              delete: (key) => storage.delete(key),
            }),
          });
          await frail.run('t').catch((error: unknown) => expect(String(error)).toContain('killed'));
          // Meanwhile a batch of the plan grows.
          await store([batchOf('two', [...(BATCHES[1]?.events ?? []), event('g', Date.UTC(2026, 6, 2))])]);
          // The lease of the killed process is over.
          later(DAY);
          await archives().run('t');
          expect([...(await stored()), ...(await archived())].sort()).toEqual([...ALL, 'g']);
          expect([await stored(), await requests()]).toEqual([['f'], 7]);
          const keys: string[] = [];
          for await (const { key } of storage.list('t/')) keys.push(key);
          expect(keys).toHaveLength(2 * (await archives().list('t')).length);
          await databases.close();
        }
      },
      60_000,
    );

    test.skipIf(isLong)(
      'an altered or missing file is an error, and a storage that is down changes nothing',
      async () => {
        const { databases, archives, archived, stored } = await create('altered');
        const down = archives({ storage: () => Promise.reject(new Error('unreachable')) });
        await expect(down.run('t')).rejects.toThrow('unreachable');
        expect(await stored()).toEqual(ALL);
        const late = archives({ clock: { wallTime: () => NOW + DAY } });
        expect((await late.run('t')).events).toBe(5);
        const [first] = await archives().list('t');
        const path = join(root, 'altered', 't', '2026-06', `${first?.id}.ndjson.zst`);
        const content = await readFile(path);
        await writeFile(path, content.subarray(0, -1));
        await expect(archived()).rejects.toThrow('other bytes than were written');
        rmSync(path);
        await expect(archived()).rejects.toThrow('There is no');
        await databases.close();
      },
    );

    test.skipIf(isLong)('are deleted after their time, and with their tenant', async () => {
      const { databases, archives, storage } = await create('deleted');
      await archives().run('t');
      const keep = archives({ keepMs: NOW - Date.UTC(2026, 6, 5) });
      expect(await keep.run('t')).toEqual({ files: 0, events: 0, deleted: 1 });
      expect((await archives().list('t')).map(({ month }) => month)).toEqual(['2026-07']);
      await archives().remove('t');
      const keys: string[] = [];
      for await (const { key } of storage.list('')) keys.push(key);
      expect(keys).toEqual([]);
      await databases.close();
    });

    test.skipIf(isLong)('go to an S3-compatible store', async () => {
      const store = await startObjectStore('usage');
      const storage = openObjectStorage(
        's3://usage/archive',
        {},
        {
          endpoint: store.url,
          region: 'eu-central-1',
          credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
        },
      );
      const { databases, archives, archived } = await create('s3', storage);
      expect((await archives().run('t')).files).toBe(2);
      expect(await archived()).toEqual(ALL.slice(0, 5));
      await databases.close();
      await store.close();
    });
  });
}
