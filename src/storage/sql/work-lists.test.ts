import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Kysely } from 'kysely';
import { BACKENDS } from '../../../test/support/database-servers.ts';
import type { AsyncRequestRow } from './async-tables.ts';
import type { BatchRow, FileRow } from './batch-tables.ts';
import { openControlDatabase } from './control-database.ts';
import type { ControlTables } from './control-tables.ts';
import {
  creatorOfResults,
  listAllAsync,
  listAllBatches,
  listAllFiles,
  type WorkOwner,
  type WorkPage,
} from './work-lists.ts';

const NOW = 1_000;
const common = (id: string, tenant: string, member: string | null, createdAt: number) => ({
  ...{ id, tenant, member, key_id: `key of ${member}`, created_at: createdAt },
});
type Common = ReturnType<typeof common>;

const batch = (of: Common, more: Partial<BatchRow> = {}): BatchRow => ({
  ...{ caller: '{}', form: 'file', endpoint: '', status: 'completed', provider: '', provider_batch: '' },
  ...{ input_file: '', output_file: null, error_file: null, metadata: '{}', errors: '["many"]' },
  ...{ models: '[]', total: 0, completed: 0, failed: 0, unfinished: 0, input_tokens: 0, output_tokens: 0 },
  ...{ cost_pico: '0', unpriced: 0, output_expires_ms: null, completion_window: '24h', expires_at: 0 },
  ...{ started_at: null, finalizing_at: null, cancelling_at: null, ended_at: null, version: 1 },
  ...of,
  ...more,
});
const file = (of: Common, more: Partial<FileRow> = {}): FileRow => ({
  ...{ purpose: 'batch', filename: 'f', bytes: 1, digest: '', own: 0, expires_at: null },
  ...of,
  ...more,
});
const queued = (of: Common, more: Partial<AsyncRequestRow> = {}): AsyncRequestRow => ({
  ...{ caller: '{}', endpoint: '', model: 'm', status: 'pending', idempotency: null, fingerprint: '' },
  ...{ runs: 0, http_status: null, error_code: null, cost_pico: '0', started_at: null, ended_at: null },
  ...{ deadline_at: 0, delete_at: null },
  ...of,
  ...more,
});

/** Two of them at the same time. */
const WORK = [
  common('a', 'acme', 'ann', 1),
  common('b', 'acme', 'ben', 2),
  common('c', 'beta', 'ann', 2),
  common('d', 'beta', null, 3),
];

describe.each(BACKENDS)('lists of work, on $name', ({ start }) => {
  let db: Kysely<ControlTables>;
  const closers: (() => unknown)[] = [];
  beforeAll(async () => {
    const server = await start();
    const opened = await openControlDatabase(server.connect());
    db = opened.db;
    closers.push(opened.close, () => server.dispose());
    const models = (...names: string[]) => ({ models: JSON.stringify(names) });
    await db
      .insertInto('batches')
      .values(WORK.map((one) => batch(one, one.id === 'b' ? models('large "x"', 'm\\1') : models('large'))))
      .execute();
    await db
      .updateTable('batches')
      .set({ output_file: 'out', error_file: 'err' })
      .where('id', '=', 'a')
      .execute();
    await db
      .insertInto('files')
      .values(WORK.map((one) => file(one)))
      .execute();
    await db
      .insertInto('files')
      .values([
        file(common('expired', 'acme', null, 4), { expires_at: NOW }),
        file(common('inner', 'acme', null, 5), { purpose: 'message_batch' }),
      ])
      .execute();
    await db
      .insertInto('async_requests')
      .values(WORK.map((one) => queued(one)))
      .execute();
    await db
      .insertInto('async_requests')
      .values(queued(common('gone', 'acme', null, 4), { delete_at: NOW }))
      .execute();
  });
  afterAll(async () => {
    for (const close of closers) await close();
  });

  const all: WorkPage = { owners: undefined, limit: 10 };
  const ids = (rows: readonly { readonly id: string }[]) => rows.map(({ id }) => id).join('');

  test('have the latest first, without what has expired', async () => {
    expect(ids(await listAllBatches(db, all))).toBe('dcba');
    expect(ids(await listAllFiles(db, all, NOW))).toBe('dcba');
    expect(ids(await listAllAsync(db, all, NOW))).toBe('dcba');
    expect((await listAllBatches(db, all))[0]).toMatchObject({ errors: '[]', metadata: 'null', total: 0 });
  });

  test('show whole tenants, and of others what a member created', async () => {
    const list = async (...owners: WorkOwner[]) => ids(await listAllBatches(db, { ...all, owners }));
    expect(await list({ tenant: 'acme', user: undefined })).toBe('ba');
    expect(await list({ tenant: 'acme', user: undefined }, { tenant: 'beta', user: 'ann' })).toBe('cba');
    expect(await list({ tenant: 'acme', user: 'ann' }, { tenant: 'beta', user: 'ann' })).toBe('ca');
    expect(await list()).toBe('');
  });

  test('are filtered, and read page by page', async () => {
    const list = async (page: Partial<WorkPage> & { model?: string; status?: string }) =>
      ids(await listAllBatches(db, { ...all, ...page }));
    expect(await list({ user: 'ann' })).toBe('ca');
    expect(await list({ key: 'key of ben' })).toBe('b');
    expect(await list({ id: 'c' })).toBe('c');
    expect(await list({ model: 'large' })).toBe('dca');
    expect([await list({ model: 'large "x"' }), await list({ model: 'm\\1' })]).toEqual(['b', 'b']);
    expect([await list({ model: 'larg' }), await list({ model: '%' })]).toEqual(['', '']);
    expect(await list({ status: 'failed' })).toBe('');
    expect(await list({ limit: 2 })).toBe('dc');
    expect(await list({ after: { at: 2, id: 'c' } })).toBe('ba');
    expect(await list({ after: { at: 2, id: 'b' }, owners: [{ tenant: 'acme', user: undefined }] })).toBe(
      'a',
    );
    expect(ids(await listAllFiles(db, { ...all, purpose: 'vision' }, NOW))).toBe('');
    expect(ids(await listAllAsync(db, { ...all, model: 'm', status: 'pending', limit: 1 }, NOW))).toBe('d');
  });

  test('know who created the batch of a file with results', async () => {
    expect(await creatorOfResults(db, 'acme', 'err')).toEqual({ member: 'ann' });
    expect(await creatorOfResults(db, 'beta', 'err')).toBeUndefined();
  });
});
