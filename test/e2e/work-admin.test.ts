import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { records } from '../../src/core/json.ts';
import { gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { uploadFile } from '../support/upload-file.ts';
import { addFailedJob } from './helpers/failed-job.ts';
import { Organisation } from './helpers/organisation.ts';

/** Batches, files, queued requests and jobs in the admin API: who sees and changes which of them. */

type Caller = 'owner' | 'dev' | 'other' | 'viewer' | 'platform';

let gateway: InProcessGateway;
const callers = new Map<Caller, string>();
let devKey = '';
let plainKey = '';
let devBatch = '';
let devFile = '';
let plainBatch = '';

const line = (customId: string, input = 'x') =>
  JSON.stringify({
    ...{ custom_id: customId, method: 'POST', url: '/v1/embeddings' },
    body: { model: 'simulator', input },
  });

const as = (caller: Caller, method: string, path: string) =>
  gateway.call(method, `/admin/v1${path}`, { key: callers.get(caller) });

async function batchOf(key: string, text: string): Promise<{ batch: string; file: string }> {
  const file = await uploadFile(gateway, key, text);
  const created = await gateway.call('POST', '/v1/batches', {
    ...{ key, body: { input_file_id: file, endpoint: '/v1/embeddings', completion_window: '24h' } },
  });
  return { batch: String(created.body.id), file };
}

/** Jobs run when they are added: nothing waits for another second. */
async function ended(tenant: string, batch: string) {
  for (;;) {
    const found = await as('platform', 'GET', `/tenants/${tenant}/batches/${batch}`);
    if (found.body.ended_at !== null) return found.body;
    await new Promise(setImmediate);
  }
}

const queue = async (key: string) =>
  String(
    (
      await gateway.call('POST', '/v1/embeddings', {
        ...{ key, headers: { prefer: 'respond-async' }, body: { model: 'simulator', input: 'a secret' } },
      })
    ).body.id,
  );

const ids = async (caller: Caller, path: string): Promise<unknown[]> => {
  const { status, body, text } = await as(caller, 'GET', path);
  expect([path, status, text]).toEqual([path, 200, text]);
  return records(body.data).map(({ id }) => id);
};

async function auditOf(tenant: string | undefined, action: string) {
  const path = tenant === undefined ? '/audit' : `/tenants/${tenant}/audit`;
  const { body } = await as('platform', 'GET', `${path}?limit=200`);
  return records(body.data).filter((entry) => entry.action === action);
}

beforeAll(async () => {
  gateway = await gatewayInProcess();
  callers.set('platform', gateway.adminKey);
  const organisation = new Organisation(gateway);
  for (const id of ['acme', 'beta']) await organisation.done('POST', '/admin/v1/tenants', { id, tier: null });
  const roles = { owner: 'owner', dev: 'developer', other: 'developer', viewer: 'viewer' } as const;
  for (const name of ['owner', 'dev', 'other', 'viewer'] as const) {
    const member = await organisation.member('acme', name, roles[name]);
    callers.set(name, await organisation.session('acme', name));
    if (name === 'dev') devKey = String((await organisation.key('acme', { name: 'of dev', member })).key);
  }
  plainKey = String((await organisation.key('beta', { name: 'plain' })).key);
  ({ batch: devBatch, file: devFile } = await batchOf(devKey, [line('one'), line('two')].join('\n')));
  ({ batch: plainBatch } = await batchOf(plainKey, `${line('one')}\n{"custom_id":\n${line('one')}`));
  await ended('acme', devBatch);
  await ended('beta', plainBatch);
}, 60_000);
afterAll(() => gateway?.close());

describe('batches', () => {
  test('of all tenants are listed, filtered and read page by page', async () => {
    expect(await ids('platform', '/batches')).toEqual([plainBatch, devBatch]);
    expect(await ids('platform', '/batches?tenant=acme')).toEqual([devBatch]);
    expect(await ids('platform', '/batches?status=failed')).toEqual([plainBatch]);
    expect(await ids('platform', '/batches?model=simulator')).toEqual([devBatch]);
    expect(await ids('platform', '/batches?model=sim')).toEqual([]);
    expect(await ids('platform', `/batches?id=${devBatch}`)).toEqual([devBatch]);
    const { body } = await as('platform', 'GET', `/batches?id=${devBatch}`);
    const [row] = records(body.data);
    expect(row).toMatchObject({ key_name: 'of dev', total: 2, completed: 2, failed: 0, tenant: 'acme' });
    expect(await ids('platform', `/batches?user=${row?.user}`)).toEqual([devBatch]);
    expect(await ids('platform', `/batches?key=${row?.key}`)).toEqual([devBatch]);
    const first = await as('platform', 'GET', '/batches?limit=1');
    expect(records(first.body.data).map(({ id }) => id)).toEqual([plainBatch]);
    expect(await ids('platform', `/batches?limit=1&after=${first.body.next}`)).toEqual([devBatch]);
    expect((await as('platform', 'GET', '/batches?after=x')).status).toBe(400);
    expect((await as('platform', 'GET', '/batches?status=done')).status).toBe(400);
  });

  test('of a tenant are seen by its members only', async () => {
    for (const caller of ['owner', 'dev', 'viewer'] as const) {
      expect([caller, await ids(caller, '/batches')]).toEqual([caller, [devBatch]]);
      expect((await as(caller, 'GET', '/batches?tenant=beta')).status).toBe(404);
      expect((await as(caller, 'GET', `/batches?id=${plainBatch}`)).body.data).toEqual([]);
    }
  });

  test('that are not valid name their lines', async () => {
    const { body } = await as('platform', 'GET', `/tenants/beta/batches/${plainBatch}`);
    expect(records(body.errors).map(({ line: number, code }) => [number, code])).toEqual([
      [2, 'invalid_json_line'],
      [3, 'duplicate_custom_id'],
    ]);
  });

  test('show results to their creator and to those who read requests, and others’ readings are recorded', async () => {
    const path = `/tenants/acme/batches/${devBatch}/results?limit=1`;
    const before = (await auditOf('acme', 'batch.read')).length;
    const own = await as('dev', 'GET', path);
    expect(own.body).toMatchObject({
      data: [{ line: 1, custom_id: 'one', request_id: `${devBatch}-1`, status: 200, error: null }],
      has_more: true,
    });
    const next = await as('dev', 'GET', `${path}&after=${own.body.next}`);
    expect(records(next.body.data).map(({ custom_id: id }) => id)).toEqual(['two']);
    expect(await auditOf('acme', 'batch.read')).toHaveLength(before);
    for (const caller of ['other', 'viewer'] as const) {
      expect([caller, (await as(caller, 'GET', path)).status]).toEqual([caller, 403]);
    }
    expect((await as('owner', 'GET', path)).status).toBe(200);
    const [entry] = await auditOf('acme', 'batch.read');
    expect(entry).toMatchObject({ subject: `batch:${devBatch}`, details: { lines: 1 } });
  });

  test('show results while they run, and say when their place has changed', async () => {
    const { control, databases } = gateway.gateway.stores;
    const running = 'batch_running';
    const row = await control
      .selectFrom('batches')
      .selectAll()
      .where('id', '=', devBatch)
      .executeTakeFirstOrThrow();
    await control
      .insertInto('batches')
      .values({ ...row, id: running, status: 'in_progress', ended_at: null, created_at: 1 })
      .execute();
    const results = [200, 429, 200].map((status, at) => ({
      ...{
        batch: running,
        line: at + 1,
        custom_id: `c${at + 1}`,
        request_id: `${running}-${at + 1}`,
        status,
      },
      ...{ error: '', body: '{"error":{"code":"slow_down"}}', input_tokens: 0, output_tokens: 0 },
      ...{ cost_pico: null, created_at: 1 },
    }));
    await databases.use({ tenant: 'acme' }, (db) => db.insertInto('batch_results').values(results).execute());
    const path = `/tenants/acme/batches/${running}/results`;
    const first = await as('dev', 'GET', `${path}?limit=2`);
    expect(records(first.body.data).map(({ line: number, error }) => [number, error])).toEqual([
      [1, null],
      [2, 'slow_down'],
    ]);
    const second = `${path}?limit=2&after=${first.body.next}`;
    expect((await as('dev', 'GET', second)).body).toMatchObject({ data: [{ line: 3 }], has_more: false });
    const failed = await as('dev', 'GET', `${path}?outcome=failed`);
    expect(records(failed.body.data).map(({ custom_id: id }) => id)).toEqual(['c2']);
    await control.updateTable('batches').set({ status: 'completed' }).where('id', '=', running).execute();
    expect((await as('dev', 'GET', second)).status).toBe(400);
    await control.deleteFrom('batches').where('id', '=', running).execute();
  });

  test('are cancelled by their creator and by those who change limits', async () => {
    const cancel = (caller: Caller, batch: string) =>
      as(caller, 'POST', `/tenants/acme/batches/${batch}/cancel`).then(({ status }) => status);
    // One that has ended is a conflict, for those who may.
    const found: [Caller, number][] = [];
    for (const caller of ['viewer', 'other', 'dev', 'owner'] as const) {
      found.push([caller, await cancel(caller, devBatch)]);
    }
    expect(found).toEqual([
      ['viewer', 403],
      ['other', 403],
      ['dev', 409],
      ['owner', 409],
    ]);
  });
});

describe('files', () => {
  test('are listed by purpose, without those of other tenants', async () => {
    expect(await ids('viewer', '/files?purpose=batch')).toEqual([devFile]);
    expect(await ids('platform', '/files?purpose=batch&tenant=acme')).toEqual([devFile]);
    const { body } = await as('owner', 'GET', '/files');
    expect(records(body.data).map(({ purpose, key }) => [purpose, key === null])).toEqual([
      ['batch_output', true],
      ['batch', false],
    ]);
    expect((await as('owner', 'GET', '/files?tenant=beta')).status).toBe(404);
  });

  test('show their content to their creator, results to that of the batch, and to those who read requests', async () => {
    const { output_file: output } = (await as('platform', 'GET', `/tenants/acme/batches/${devBatch}`)).body;
    for (const file of [devFile, String(output)]) {
      const path = `/tenants/acme/files/${file}/content`;
      const before = (await auditOf('acme', 'file.read')).length;
      const own = await as('dev', 'GET', path);
      expect([own.status, own.text.split('\n')[0]?.includes('"custom_id":"one"')]).toEqual([200, true]);
      expect(own.headers.get('content-disposition')).toStartWith('attachment; filename');
      expect(own.headers.get('x-content-type-options')).toBe('nosniff');
      expect(await auditOf('acme', 'file.read')).toHaveLength(before);
      for (const caller of ['other', 'viewer'] as const) {
        expect([caller, (await as(caller, 'GET', path)).status]).toEqual([caller, 403]);
        expect([caller, (await as(caller, 'DELETE', `/tenants/acme/files/${file}`)).status]).toEqual([
          caller,
          403,
        ]);
      }
      expect((await as('owner', 'GET', path)).text).toBe(own.text);
      expect(await auditOf('acme', 'file.read')).toHaveLength(before + 1);
    }
  });

  test('are deleted by their creator', async () => {
    const file = await uploadFile(gateway, devKey, 'x');
    expect((await as('dev', 'DELETE', `/tenants/acme/files/${file}`)).status).toBe(204);
    expect((await as('owner', 'GET', `/tenants/acme/files/${file}`)).status).toBe(404);
    expect((await auditOf('acme', 'file.delete'))[0]).toMatchObject({ subject: `file:${file}` });
  });
});

describe('queued requests', () => {
  test('are seen with their content by who queued them, and by those who read requests', async () => {
    const own = await queue(devKey);
    const foreign = await queue(plainKey);
    expect(await ids('platform', '/async-requests')).toEqual([foreign, own]);
    expect(await ids('platform', '/async-requests?tenant=acme&model=simulator')).toEqual([own]);
    expect(await ids('platform', '/async-requests?status=cancelled')).toEqual([]);
    expect(await ids('dev', '/async-requests')).toEqual([own]);
    expect(await ids('owner', '/async-requests')).toEqual([own]);
    expect(await ids('other', '/async-requests')).toEqual([]);
    const path = `/tenants/acme/async-requests/${own}`;
    expect((await as('dev', 'GET', `${path}/content`)).body.request).toMatchObject({ input: 'a secret' });
    expect(await auditOf('acme', 'async_request.read')).toHaveLength(0);
    expect((await as('owner', 'GET', `${path}/content`)).text).toContain('a secret');
    expect(await auditOf('acme', 'async_request.read')).toHaveLength(1);
    for (const [method, at] of [
      ['GET', path],
      ['GET', `${path}/content`],
      ['DELETE', path],
    ] as const) {
      expect([method, at, (await as('other', method, at)).status]).toEqual([method, at, 404]);
    }
    expect((await as('dev', 'DELETE', path)).status).toBe(200);
    expect((await as('owner', 'GET', `${path}/content`)).body).toEqual({ request: null, response: null });
    expect((await auditOf('acme', 'async_request.cancel'))[0]).toMatchObject({
      subject: `async_request:${own}`,
    });
  });
});

describe('the queue', () => {
  test('shows jobs that failed for good, and runs them again', async () => {
    for (const [at, id] of ['first', 'second:prepare', 'third'].entries()) {
      await addFailedJob(gateway, id, 1_000_000 + at);
    }
    const { body } = await as('platform', 'GET', '/jobs');
    expect(records(body.data).find(({ kind }) => kind === 'test.kind')).toEqual({
      ...{ kind: 'test.kind', queued: 0, running: 0, failed: 3, oldest_due_at: null },
    });
    const page = await as('platform', 'GET', '/jobs/failed?limit=2');
    expect(records(page.body.data).map(({ id }) => id)).toEqual(['third', 'second:prepare']);
    expect(await ids('platform', `/jobs/failed?limit=2&after=${page.body.next}`)).toEqual(['first']);
    const retry = `/jobs/failed/${encodeURIComponent('second:prepare')}/retry`;
    expect((await as('platform', 'POST', retry)).status).toBe(204);
    expect((await as('platform', 'POST', retry)).status).toBe(404);
    expect(await ids('platform', '/jobs/failed')).toEqual(['third', 'first']);
    expect((await auditOf(undefined, 'job.retry'))[0]).toMatchObject({ subject: 'job:second:prepare' });
    for (const path of ['/jobs', '/jobs/failed']) {
      expect([path, (await as('owner', 'GET', path)).status]).toEqual([path, 403]);
    }
  });
});
