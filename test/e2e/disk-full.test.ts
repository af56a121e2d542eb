import { afterEach, describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { startMockUpstream } from '../support/mock-upstream.ts';
import { chat, completion, eventually, metric, mockConfig, post } from './harness.ts';
import { admin, dataOf, done } from './helpers/admin.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const run = (...command: string[]) =>
  spawnSync(command[0] ?? '', command.slice(1), { stdio: 'ignore' }).status === 0;

/** A file system of its own that can be filled; undefined where this user may mount none. */
function smallDisk(megabytes: number): string | undefined {
  const path = mkdtempSync(join(tmpdir(), 'weir-disk-'));
  closers.push(() => rmSync(path, { recursive: true, force: true }));
  if (!run('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path)) return undefined;
  closers.push(() => run('umount', '-l', path));
  return path;
}

/** Leaves no room at all. */
function fill(disk: string): void {
  const path = join(disk, 'filler');
  for (const size of [1_048_576, 4_096, 1]) {
    try {
      for (;;) writeFileSync(path, Buffer.alloc(size), { flag: 'a' });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
    }
  }
}

/** The length of a list of any number of pages. */
async function count(gateway: Gateway, path: string): Promise<number> {
  let found = 0;
  for (let after = ''; ; ) {
    const page = await done(gateway, 'GET', `${path}?limit=200${after}`);
    found += dataOf(page).length;
    if (typeof page.next !== 'string') return found;
    after = `&after=${page.next}`;
  }
}

describe.skipIf(process.getuid?.() !== 0)('a full disk', () => {
  test('rejects administration with 503, shows in readiness, and loses no usage', async () => {
    const disk = smallDisk(24);
    if (disk === undefined) return;
    const mock = await startMockUpstream();
    closers.push(() => mock.close());
    mock.respondAlways(() => completion());
    const gateway = await startGateway({ config: mockConfig(mock.url), dataDir: join(disk, 'data') });
    closers.push(() => gateway.stop());
    await done(gateway, 'POST', '/tenants', { id: 'acme', tier: null });
    const key = String((await done(gateway, 'POST', '/tenants/acme/keys', { name: 'k' })).key);
    const ready = async () => {
      const response = await fetch(`${gateway.url}/health/ready`);
      return [response.status, await response.json()];
    };
    expect(await ready()).toEqual([200, { status: 'ready' }]);
    const infer = async (count: number) => {
      for (let index = 0; index < count; index += 1) {
        const response = await post(gateway, chat(), { headers: { authorization: `Bearer ${key}` } });
        expect(response.status).toBe(200);
        await response.text();
      }
    };
    await infer(5);

    fill(disk);
    const before = gateway.logs().length;
    // Small changes may still fit into the log that SQLite has already; larger ones do not.
    const name = 'n'.repeat(90);
    let created = 0;
    await eventually('the disk is full', async () => {
      const { status, body, headers } = await admin(gateway, 'POST', '/tenants/acme/keys', { name });
      if (status === 201) {
        created += 1;
        return false;
      }
      expect([status, body]).toMatchObject([
        503,
        { error: { code: 'store_unavailable', message: expect.stringContaining('the disk is full') } },
      ]);
      expect(headers.get('retry-after')).toBe('5');
      return true;
    });
    for (let index = 0; index < 30; index += 1) {
      const { status } = await admin(gateway, 'POST', '/tenants/acme/keys', { name });
      expect([201, 503]).toContain(status);
      if (status === 201) created += 1;
    }
    // A change that fails leaves nothing behind.
    expect((await admin(gateway, 'GET', '/tenants/acme')).status).toBe(200);
    expect(await ready()).toEqual([503, { status: 'degraded' }]);
    expect((await fetch(`${gateway.url}/health/live`)).status).toBe(200);
    await infer(40);
    await eventually('usage stays', async () => (await metric(gateway, 'llm_usage_events_pending')) >= 40);
    const logged = gateway.logs().slice(before);
    const failures = logged.filter(({ msg }) => String(msg).includes('cannot be written'));
    // The database, the journal, and the store of usage: once each, without a stack.
    expect(failures.length).toBeLessThanOrEqual(3);
    expect(logged.filter(({ msg }) => String(msg).includes('defect'))).toEqual([]);

    rmSync(join(disk, 'filler'));
    await eventually('it is ready again', async () => (await ready())[0] === 200, 10_000);
    await done(gateway, 'POST', '/tenants/acme/keys', { name: 'after' });
    await eventually(
      'all usage has arrived',
      async () => {
        const [sums = {}] = dataOf(await done(gateway, 'GET', '/tenants/acme/usage'));
        return Number(sums.requests) === 45;
      },
      15_000,
    );
    expect(await count(gateway, '/tenants/acme/keys')).toBe(created + 2);
    await gateway.waitForOutput(/local disk accepts writes again/);
  }, 60_000);
});
