import { afterEach, describe, expect, test } from 'bun:test';
import {
  closeBatches,
  DAY_MS,
  failed,
  installBatches as install,
  OK,
  OWNER,
  TENANT,
} from '../../test/support/batch-installation.ts';
import { BACKENDS } from '../../test/support/database-servers.ts';
import { settle } from '../../test/support/fake-clock.ts';

afterEach(closeBatches);

const line = (id: string) =>
  JSON.stringify({ custom_id: id, method: 'POST', url: '/v1/embeddings', body: { model: 'm', input: id } });
const lines = (count: number) => Array.from({ length: count }, (_, at) => line(`l${at}`));
const idsIn = (results: readonly Record<string, unknown>[]) => results.map(({ custom_id }) => custom_id);

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`batches on ${backend.name}`, () => {
    test('run each line once, and add up tokens and costs exactly', async () => {
      const ran: string[] = [];
      const { create, run, resultsOf, eventTypes, databases, storage } = await install(backend, (request) => {
        ran.push(request.requestId);
        return request.body.includes('"l7"') ? failed('invalid_request') : OK;
      });
      const batch = await run((await create(lines(250))).id);
      expect(batch).toMatchObject({
        status: 'completed',
        total: 250,
        completed: 249,
        failed: 1,
        unfinished: 0,
      });
      expect([batch.inputTokens, batch.outputTokens, batch.costPico]).toEqual([747, 498, 1_744n]);
      expect(new Set(ran).size).toBe(250);
      const { output, errors } = await resultsOf(batch);
      expect(idsIn(output)).toEqual(Array.from({ length: 250 }, (_, at) => `l${at}`).toSpliced(7, 1));
      expect(idsIn(errors)).toEqual(['l7']);
      expect(await eventTypes()).toEqual(['batch.created', 'batch.completed']);
      // Nothing of it is left beside its files.
      const rows = await databases.use({ tenant: TENANT }, (db) =>
        Promise.all(
          (['batch_results', 'batch_chunks'] as const).map((table) =>
            db.selectFrom(table).selectAll().execute(),
          ),
        ),
      );
      expect(rows).toEqual([[], []]);
      expect(await Array.fromAsync(storage.list('batches/'))).toEqual([]);
    });

    test('expire: lines that did not run have an error', async () => {
      const { create, run, resultsOf, clock, batches, eventTypes, files } = await install(
        backend,
        ({ body }) => (body.includes('"l1"') ? failed('rate_limit_exceeded', 30) : OK),
      );
      const { id } = await create(lines(3));
      expect((await run(id)).status).toBe('in_progress');
      clock.advance(DAY_MS);
      await batches.sweep();
      await run(id);
      // Where lines still ran, it waits for them.
      clock.advance(1_000);
      const batch = await run(id);
      expect(batch).toMatchObject({ status: 'expired', total: 3, completed: 2, failed: 1, unfinished: 1 });
      const { output, errors } = await resultsOf(batch);
      expect(idsIn(output)).toEqual(['l0', 'l2']);
      expect(errors).toMatchObject([{ custom_id: 'l1', response: null, error: { code: 'batch_expired' } }]);
      expect(await eventTypes()).toEqual(['batch.created', 'batch.expired']);
      await expect(batches.get(TENANT, '\0')).rejects.toMatchObject({ code: 'not_found' });
      await expect(files.get(TENANT, '\0')).rejects.toMatchObject({ code: 'not_found' });
    });
  });
}

describe('a line', () => {
  const [sqlite] = BACKENDS;
  if (!sqlite) throw new Error('no SQLite');

  test('waits for a limit, and costs what all its runs cost', async () => {
    let runs = 0;
    const { create, run, resultsOf, clock } = await install(sqlite, () => {
      runs += 1;
      return runs < 3 ? failed('rate_limit_exceeded', 30) : OK;
    });
    const { id } = await create(lines(1));
    expect(await run(id)).toMatchObject({ status: 'in_progress', completed: 0, failed: 0, costPico: 1n });
    // Not before the limit says so.
    await run(id);
    expect(runs).toBe(1);
    for (let round = 0; round < 2; round += 1) {
      clock.advance(30_000);
      await run(id);
    }
    const batch = await run(id);
    expect([batch.status, runs, batch.costPico, batch.failed]).toEqual(['completed', 3, 9n, 0]);
    expect((await resultsOf(batch)).output).toMatchObject([{ response: { status_code: 200 } }]);
  });

  test('of a gateway that stops is not claimed again at once', async () => {
    const { create, run, worker, state, queue, clock } = await install(sqlite, () => OK);
    const { id } = await create(lines(1));
    state.isReady = false;
    await run(id);
    await run(id);
    worker.pause();
    const wanted = { kind: 'batch.lines', owner: 'gw_2', limit: 1, leaseMs: 1_000 };
    expect(await queue.claim(wanted)).toEqual([]);
    clock.advance(1_000);
    expect(await queue.claim(wanted)).toMatchObject([{ id: `${id}:lines:0` }]);
  });

  test('whose provider fails is tried four times', async () => {
    let runs = 0;
    const { create, worker, batches, resultsOf, clock } = await install(sqlite, () => {
      runs += 1;
      return failed('upstream_overloaded');
    });
    const { id } = await create(lines(1));
    worker.wake();
    while ((await batches.get(TENANT, id)).status !== 'completed') {
      await settle();
      clock.advance(1_000);
    }
    await worker.idle();
    const batch = await batches.get(TENANT, id);
    expect(runs).toBe(4);
    expect(batch).toMatchObject({ completed: 0, failed: 1, costPico: 4n, outputFile: null });
    expect((await resultsOf(batch)).errors).toMatchObject([{ response: { status_code: 503 } }]);
  });

  test('that a full quota rejects for longer than the batch may run fails at once', async () => {
    const { create, run } = await install(sqlite, () => failed('quota_exceeded', 7 * 86_400));
    expect(await run((await create(lines(1))).id)).toMatchObject({ status: 'completed', failed: 1 });
  });
});

describe('what a tenant may have', () => {
  const [sqlite] = BACKENDS;
  if (!sqlite) throw new Error('no SQLite');

  test('is bounded: files, their size, and batches that have not ended', async () => {
    const { create, upload, files, worker, batches, control } = await install(sqlite, () => OK);
    worker.pause();
    expect((await upload('x')).filename).toBe('in.jsonl');
    await expect(upload('x'.repeat(1_000_001))).rejects.toMatchObject({ code: 'request_too_large' });
    await create(lines(1));
    const { id } = await create(lines(1));
    const inputFile = (await batches.get(TENANT, id)).inputFile;
    await expect(files.delete(TENANT, inputFile)).rejects.toMatchObject({ code: 'conflict' });
    await expect(upload('x')).rejects.toMatchObject({ code: 'quota_exceeded' });
    await expect(batches.delete(TENANT, id)).rejects.toMatchObject({ code: 'conflict' });
    const third = batches.create(OWNER, {
      ...{ form: 'file', endpoint: '/v1/embeddings', inputFile, metadata: null, windowMs: DAY_MS },
      caller: { kind: 'key', name: 'k', address: '127.0.0.1' },
      ...{ completionWindow: '24h', outputExpiresMs: null },
    });
    await expect(third).rejects.toMatchObject({ code: 'quota_exceeded' });
    // Also of those that are created at the same time.
    await control.updateTable('batches').set({ status: 'cancelled' }).execute();
    const several = Array.from({ length: 5 }, () =>
      batches.create(OWNER, {
        ...{ form: 'file', endpoint: '/v1/embeddings', inputFile, metadata: null, windowMs: DAY_MS },
        caller: { kind: 'key', name: 'k', address: '127.0.0.1' },
        ...{ completionWindow: '24h', outputExpiresMs: null },
      }),
    );
    const created = (await Promise.allSettled(several)).filter(({ status }) => status === 'fulfilled');
    expect(created).toHaveLength(2);
  });

  test('is shared by uploads that arrive at the same time', async () => {
    const { files } = await install(sqlite, () => OK);
    const { promise: others, resolve: release } = Promise.withResolvers<void>();
    async function* part() {
      yield Buffer.alloc(900_000);
      await others;
    }
    const about = () => ({ purpose: 'batch', filename: 'x', expiresAt: null });
    const uploads = Array.from({ length: 3 }, () => files.upload(OWNER, part(), about));
    // Before one of them has ended.
    await expect(Promise.race(uploads)).rejects.toMatchObject({ code: 'quota_exceeded' });
    release();
    const stored = (await Promise.allSettled(uploads)).filter(({ status }) => status === 'fulfilled');
    expect(stored).toHaveLength(2);
    await expect(files.upload(OWNER, part(), about)).rejects.toMatchObject({ code: 'quota_exceeded' });
    const [one] = await files.list({ tenant: TENANT, limit: 1, order: 'asc', after: undefined });
    await files.delete(TENANT, one?.id ?? '');
    expect((await files.upload(OWNER, part(), about)).bytes).toBe(900_000);
  });

  test('is listed without what has expired, and pages are full', async () => {
    const { files, clock } = await install(sqlite, () => OK);
    async function* part() {
      yield Buffer.from('x');
    }
    const upload = (expiresAt: number | null) =>
      files.upload(OWNER, part(), () => ({ purpose: 'batch', filename: 'x', expiresAt }));
    await upload(clock.wallTime() + 1_000);
    clock.advance(1_000);
    const { id } = await upload(null);
    const page = await files.list({ tenant: TENANT, limit: 1, order: 'asc', after: undefined });
    expect(page.map((file) => file.id)).toEqual([id]);
  });

  test('does not grow with batches that fail, or that were rejected', async () => {
    const { create, run, files, clock, storage } = await install(sqlite, () => OK);
    const batch = await run((await create([...lines(150), '{'])).id);
    expect(batch).toMatchObject({ status: 'failed', errors: [{ code: 'invalid_json_line', line: 151 }] });
    expect(await Array.fromAsync(storage.list('batches/'))).toEqual([]);
    // The input of a message batch that was never stored.
    async function* content() {
      yield Buffer.from('x');
    }
    await files.writeOwn(
      'file-1',
      TENANT,
      { purpose: 'message_batch', filename: 'x', expiresAt: null },
      content(),
    );
    expect(await files.deleteExpired()).toBe(0);
    clock.advance(3_600_001);
    expect(await files.deleteExpired()).toBe(1);
  });

  test('does not grow with batches whose results cannot be written', async () => {
    const { create, batches, run, clock, storage } = await install(sqlite, () => OK);
    const { id } = await create(lines(1));
    const put = storage.put.bind(storage);
    storage.put = (key: string, body: Uint8Array & AsyncIterable<Uint8Array>) =>
      key.startsWith('files/') ? Promise.reject(new Error('no space')) : put(key, body);
    for (let round = 0; round < 60 && (await batches.get(TENANT, id)).status !== 'failed'; round += 1) {
      await run(id);
      clock.advance(5 * 60_000);
    }
    expect(await batches.get(TENANT, id)).toMatchObject({
      status: 'failed',
      errors: [{ code: 'results_unwritable' }],
    });
    expect(await Array.fromAsync(storage.list('batches/'))).toEqual([]);
  });

  test('ends: files expire, contents without a file and old batches are deleted', async () => {
    const { create, run, files, clock, control, storage, batches } = await install(sqlite, () => OK);
    const { id } = await create(lines(1));
    const { outputFile } = await run(id);
    await storage.put('files/file-orphan', Buffer.from('x'));
    clock.advance(2 * DAY_MS);
    await expect(files.get(TENANT, outputFile ?? '')).rejects.toMatchObject({ code: 'not_found' });
    expect(await files.deleteExpired()).toBe(1);
    // By the clock of the disk, it is new; a content is kept for a day.
    await files.deleteOrphans();
    const stored = await Array.fromAsync(storage.list('files/'));
    expect(stored.map(({ key }) => key)).not.toContain(`files/${outputFile}`);
    clock.advance(91 * DAY_MS);
    await batches.sweep();
    expect(await control.selectFrom('batches').select('id').execute()).toEqual([]);
  });
});
