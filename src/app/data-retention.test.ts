import { describe, expect, test } from 'bun:test';
import { BACKENDS, type TestBackend } from '../../test/support/database-servers.ts';
import { RecordedEvents } from '../../test/support/recorded-events.ts';
import { storedResponse } from '../../test/support/response-store-conformance.ts';
import { chainEntries, writeAudit } from '../storage/sql/audit-chain.ts';
import { openControlDatabase } from '../storage/sql/control-database.ts';
import { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import { TenantResponseStore } from '../storage/sql/tenant-response-store.ts';
import { type Retention, retentionOf } from '../tenancy/retention.ts';
import { DataRetention } from './data-retention.ts';

const DAY = 86_400_000;
const HOUR = 3_600_000;
/** The start of a day. */
const NOW = 20_000 * DAY;
const INSTALLATION: Retention = { usage: 400 * DAY, audit: 100 * DAY, responses: 30 * DAY };
const AUDIT = { actor: 'a', actor_name: 'A', action: 'x', subject: 's', address: '', request_id: '' };
const SUMS = {
  ...{ requests: 1, attempts: 1, failures: 0, input_tokens: 1, output_tokens: 1, cached_tokens: 0 },
  ...{
    cache_write_tokens: 0,
    reasoning_tokens: 0,
    cost_pico: 1,
    unpriced: 0,
    estimated: 0,
    duration_ms: 0,
    cache_hits: 0,
    saved_pico: 0,
    saved_ms: 0,
    prompt_saved_pico: 0,
    output_cost_pico: 0,
    errors: 0,
    rejected: 0,
  },
};

async function create(backend: TestBackend, tenants: readonly string[], own: Record<string, Retention> = {}) {
  const server = await backend.start();
  const { db: control, close } = await openControlDatabase(server.connect());
  const names = new Map(tenants.map((tenant) => [tenant, server.freshName()]));
  const missing = new Set<string>();
  const databases = new TenantDatabases({
    servers: new Map([['', server.connect()]]),
    placementOf: ({ tenant }) => {
      const database = missing.has(tenant) ? undefined : names.get(tenant);
      return database === undefined ? undefined : { server: '', database };
    },
    maxConnections: 10,
  });
  for (const database of names.values()) await databases.create({ server: '', database });
  const visited: string[] = [];
  const events = new RecordedEvents();
  const retention = new DataRetention({
    ...{ events, control, databases },
    clock: { wallTime: () => NOW },
    tenants: () => tenants,
    retentionOf: (tenant) => {
      visited.push(tenant);
      return own[tenant] ?? INSTALLATION;
    },
    installation: () => INSTALLATION,
    requestLogOf: (tenant) => (tenant === 'logs' ? { days: 10, max_mb: 1 } : undefined),
  });
  return {
    ...{ control, databases, retention, visited, events, missing },
    store: new TenantResponseStore(databases, control),
    close: async () => {
      await databases.close();
      await close();
      await server.dispose();
    },
  };
}

type Made = Awaited<ReturnType<typeof create>>;

/** Adds usage with its sums, an audit entry and a response of some age. */
async function add({ databases, store }: Made, tenant: string, ageDays: number): Promise<void> {
  const at = NOW - ageDays * DAY;
  await databases.use({ tenant }, async (db) => {
    await db
      .insertInto('usage_batches')
      .values({ id: `b${ageDays}`, first_at: at - HOUR, last_at: at, count: 3, events: '' })
      .execute();
    for (const [period, length] of [
      ['hour', HOUR],
      ['day', DAY],
    ] as const) {
      const start = at - (at % length);
      const sums = { ...SUMS, period, start, model: 'm' };
      await db
        .insertInto('usage_rollups')
        .values({ ...sums, key_id: 'k', member: '', provider: 'p' })
        .execute();
      await db
        .insertInto('usage_tag_rollups')
        .values({ ...sums, tag: 't' })
        .execute();
    }
    await writeAudit(db, { ...AUDIT, id: `a${ageDays}`, at, details: '{}' });
  });
  await store.put({ tenant }, [storedResponse(`r${ageDays}`, { createdAt: at, expiresAt: at + 30 * DAY })]);
}

async function ages({ databases }: Made, tenant: string) {
  return databases.use({ tenant }, async (db) => {
    const ids = (rows: readonly { readonly id: string }[]) =>
      rows.map(({ id }) => Number(id.slice(1))).sort((a, b) => a - b);
    const starts = async (table: 'usage_rollups' | 'usage_tag_rollups') =>
      (
        await db
          .selectFrom(table)
          .select('start')
          .where('period', '=', 'day')
          .orderBy('start', 'desc')
          .execute()
      ).map(({ start }) => Math.floor((NOW - start) / DAY));
    return {
      usage: ids(await db.selectFrom('usage_batches').select('id').execute()),
      sums: await starts('usage_rollups'),
      tagSums: await starts('usage_tag_rollups'),
      audit: ids(await db.selectFrom('audit_log').select('id').execute()),
      responses: ids(await db.selectFrom('responses').select('id').execute()),
    };
  });
}

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`retention on ${backend.name}`, () => {
    test('deletes what is older than the retention of its kind and tenant, and counts it', async () => {
      const made = await create(backend, ['a', 'b'], {
        b: { usage: 10 * DAY, audit: null, responses: null },
      });
      for (const tenant of ['a', 'b']) {
        for (const age of [900, 401, 399, 200, 60, 20, 1]) await add(made, tenant, age);
      }
      await writeAudit(made.control, { ...AUDIT, id: 'old', at: NOW - 101 * DAY, details: '{}' });
      await writeAudit(made.control, { ...AUDIT, id: 'young', at: NOW - 99 * DAY, details: '{}' });
      // One tenant in each run, because each is visited once an hour.
      await made.retention.run();
      await made.retention.run();
      expect(await ages(made, 'a')).toEqual({
        ...{ usage: [1, 20, 60, 200, 399], sums: [1, 20, 60, 200, 399], tagSums: [1, 20, 60, 200, 399] },
        ...{ audit: [1, 20, 60], responses: [1, 20] },
      });
      // The responses of `b` had an expiry of their own.
      expect(await ages(made, 'b')).toEqual({
        ...{ usage: [1], sums: [1], tagSums: [1] },
        ...{ audit: [1, 20, 60, 200, 399, 401, 900], responses: [1, 20] },
      });
      expect(await made.control.selectFrom('audit_log').select('id').execute()).toEqual([{ id: 'young' }]);
      const counted = { usage: 0, audit: 0, responses: 0 };
      for (const payload of made.events.payloads) {
        if (typeof payload !== 'object' || payload === null || !('kind' in payload) || !('count' in payload))
          continue;
        const { kind, count } = payload;
        if (kind === 'usage' || kind === 'audit' || kind === 'responses') counted[kind] += Number(count);
      }
      // Of each batch 3 events; of each age 4 sums.
      expect(counted).toEqual({ usage: 8 * 3 + 8 * 4, audit: 4 + 1, responses: 10 });
      await made.close();
    }, 60_000);

    test('deletes any amount', async () => {
      const made = await create(backend, ['a']);
      await made.databases.use({ tenant: 'a' }, async (db) => {
        for (let part = 0; part < 3; part += 1) {
          const rows = Array.from({ length: 500 }, (_, at) => ({
            ...AUDIT,
            id: `a${part} ${at}`,
            at,
            details: '{}',
            ...{ sequence: null, hash: null },
          }));
          await db.insertInto('audit_log').values(rows).execute();
        }
        while ((await chainEntries(db)) > 0);
      });
      await made.retention.run();
      expect((await ages(made, 'a')).audit).toEqual([]);
      await made.close();
    }, 60_000);
  });
}

const [sqlite] = BACKENDS;
if (!sqlite) throw new Error('no SQLite');

for (const backend of BACKENDS) {
  test.skipIf(!backend.available)(`logged requests on ${backend.name} go by age and size`, async () => {
    const made = await create(backend, ['logs', 'ended']);
    const sealed = 'x'.repeat(400 * 1024);
    const at = (ageDays: number) => NOW - ageDays * DAY;
    for (const tenant of ['logs', 'ended']) {
      const rows = [0.5, 2, 5, 9, 11].map((age) => ({
        ...{ id: `log_${age}`, request_id: 'r', at: at(age), key_id: 'k', member: null, model: 'm' },
        ...{
          status: 200,
          error: null,
          cost_pico: 1,
          duration_ms: 1,
          bytes: sealed.length,
          key_version: 1,
          sealed,
        },
      }));
      await made.databases.use({ tenant }, (db) => db.insertInto('request_log').values(rows).execute());
    }
    await made.retention.run();
    await made.retention.run();
    const left = (tenant: string) =>
      made.databases.use({ tenant }, async (db) => {
        const rows = await db.selectFrom('request_log').select('id').orderBy('at', 'desc').execute();
        return rows.map(({ id }) => id);
      });
    // Ten days, and of those what fits into a MiB.
    expect(await left('logs')).toEqual(['log_0.5', 'log_2']);
    // A log that was switched off.
    expect(await left('ended')).toEqual(['log_0.5']);
    expect(made.events.payloads.map((payload) => JSON.stringify(payload)).sort()).toEqual(
      [1, 2, 4].map((count) => JSON.stringify({ kind: 'request_log', count })),
    );
    await made.close();
  });
}

test('each tenant is visited once in an hour, and one that fails stops no other', async () => {
  const made = await create(sqlite, ['t000', 't001', 't002']);
  const { retention, visited, missing } = made;
  missing.add('t001');
  const failures: unknown[] = [];
  for (let minute = 0; minute < 3; minute += 1) {
    await retention.run().catch((error: unknown) => failures.push(error));
  }
  expect([visited, failures.length]).toEqual([['t000', 't001', 't002'], 1]);
  await made.close();
});

test('a tenant has its own retention where its document has one', () => {
  expect(retentionOf(INSTALLATION, undefined)).toEqual(INSTALLATION);
  expect(retentionOf(INSTALLATION, { usage: '90d', responses: null })).toEqual({
    ...{ usage: 90 * DAY, audit: 100 * DAY, responses: null },
  });
});
