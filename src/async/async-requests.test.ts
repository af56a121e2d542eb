import { afterAll, describe, expect, test } from 'bun:test';
import { BACKENDS, type TestBackend } from '../../test/support/database-servers.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { RecordedEvents } from '../../test/support/recorded-events.ts';
import { type ErrorCode, GatewayError } from '../core/errors.ts';
import { Outbox } from '../events/outbox.ts';
import { JobWorker } from '../jobs/job-worker.ts';
import { SqlJobQueue } from '../jobs/sql-job-queue.ts';
import { openControlDatabase } from '../storage/sql/control-database.ts';
import { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import type { AsyncOutcome, RunRequest, RunResponse } from './async-parts.ts';
import { AsyncRequests, type NewAsyncRequest } from './async-requests.ts';
import { type RunAsyncParts, RunAsyncRequest } from './run-async-request.ts';

const TENANT = 'acme';
const OWNER = { tenant: TENANT, keyId: 'key_1', member: null };
const DAY_MS = 86_400_000;
const ALL = () => true;

const closers: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const OK: RunResponse = {
  ...{ status: 200, headers: { 'x-weir-model': 'm' }, body: '{"id":12345678901234567890}' },
  ...{ error: undefined, costPico: 7 },
};

function failure(code: ErrorCode, retryAfterSeconds?: number): RunResponse {
  const error = new GatewayError(code, 'no', retryAfterSeconds === undefined ? {} : { retryAfterSeconds });
  return { status: error.status, headers: {}, body: '{"error":{}}', error, costPico: 1 };
}

type Respond = (run: RunRequest) => RunResponse | Promise<RunResponse>;

/** Queued requests on a database, to which the test responds. */
async function install(backend: TestBackend, respond: Respond) {
  const server = await backend.start();
  const { db: control, close } = await openControlDatabase(server.connect());
  const database = server.freshName();
  const databases = new TenantDatabases({
    servers: new Map([['', server.connect()]]),
    placementOf: () => ({ server: '', database }),
    maxConnections: 10,
  });
  closers.push(
    () => server.dispose(),
    close,
    () => databases.close(),
  );
  await databases.create({ server: '', database });
  const clock = new FakeClock();
  await control
    .insertInto('tenants')
    .values({
      ...{ id: TENANT, name: TENANT, status: 'active', tier: null, server: '', database, document: '{}' },
      ...{ version: 1, revision: 1, created_at: 0, updated_at: 0, deleted_at: null, schema: '' },
    })
    .execute();
  let ids = 0;
  const sources = { clock, newId: (prefix: string) => `${prefix}_${++ids}` };
  const outcomes: AsyncOutcome[] = [];
  const queue = new SqlJobQueue({ control, clock, weightOf: () => 1, random: () => 0 });
  const parts: Omit<RunAsyncParts, 'requests'> = {
    ...{ control, databases, clock, queue, running: new Map(), isReady: () => true },
    outbox: new Outbox(control, sources, () => undefined),
    bounds: () => ({
      ...{ concurrency: 4, maxActive: 2, maxStored: 3, maxSize: 100 },
      ...{ runWithinMs: DAY_MS, keepMs: DAY_MS },
    }),
    onOutcome: (outcome) => outcomes.push(outcome),
    respond: async (run) => respond(run),
  };
  const requests = new AsyncRequests(parts);
  const worker = (owner: string) => {
    const made = new JobWorker({ queue, clock, events: new RecordedEvents(), owner, random: () => 0.5 });
    made.register(new RunAsyncRequest({ ...parts, requests }));
    closers.push(() => made.close());
    return made;
  };
  return {
    ...{ requests, control, clock, databases, outcomes, worker },
    add: (given: Partial<NewAsyncRequest> = {}, owner = OWNER) =>
      requests.add(owner, {
        ...{ endpoint: '/v1/embeddings', model: 'm', body: '{"model":"m"}', headers: {} },
        caller: { kind: 'key', name: 'k', address: '127.0.0.1' },
        ...{ idempotencyKey: null, ...given },
      }),
    get: (id: string) => requests.get(TENANT, id, ALL),
    eventsOf: async () =>
      (await control.selectFrom('event_log').select(['type']).orderBy('sequence').execute()).map(
        ({ type }) => type,
      ),
  };
}

async function runOf(worker: JobWorker): Promise<void> {
  worker.wake();
  await worker.idle();
}

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`queued requests on ${backend.name}`, () => {
    test('run once and keep their response for a day', async () => {
      const { add, get, requests, worker, clock, control, databases, outcomes, eventsOf } = await install(
        backend,
        () => OK,
      );
      const { id } = await add();
      expect(id).toMatch(/^async_[0-9a-f]{32}$/);
      expect(await get(id)).toMatchObject({ status: 'pending', costPico: 0n });
      await runOf(worker('gw_1'));
      const done = await get(id);
      expect(done).toMatchObject({ status: 'succeeded', httpStatus: 200, costPico: 7n, errorCode: null });
      const { status, headers, body } = OK;
      expect(await requests.responseOf(done)).toEqual({ status, headers, body });
      expect(await eventsOf()).toEqual(['async.completed']);
      expect(outcomes).toEqual(['accepted', 'succeeded']);
      await expect(requests.get('other', id, ALL)).rejects.toMatchObject({ code: 'not_found' });
      clock.advance(DAY_MS);
      await expect(get(id)).rejects.toMatchObject({ code: 'not_found' });
      await requests.sweep();
      expect(await control.selectFrom('async_requests').select('id').execute()).toEqual([]);
      const left = await databases.use({ tenant: TENANT }, (db) =>
        db.selectFrom('async_contents').select('id').execute(),
      );
      expect(left).toEqual([]);
    });

    test('run again where a gateway was killed; a response that is stored counts', async () => {
      const hang = Promise.withResolvers<RunResponse>();
      let runs = 0;
      const { add, get, requests, worker, control, eventsOf } = await install(backend, () => {
        runs += 1;
        return runs === 1 ? hang.promise : OK;
      });
      const { id } = await add();
      const killed = worker('gw_1');
      killed.wake();
      while (runs < 1) await new Promise(setImmediate);
      expect((await get(id)).status).toBe('running');
      await control.updateTable('jobs').set({ lease_until: 1 }).where('state', '=', 'running').execute();
      await runOf(worker('gw_2'));
      expect((await get(id)).status).toBe('succeeded');
      hang.resolve({ ...OK, body: '{"second":true}' });
      await killed.idle();
      const done = await get(id);
      expect([done.status, runs]).toEqual(['succeeded', 2]);
      expect((await requests.responseOf(done))?.body).toBe(OK.body);
      expect(await eventsOf()).toEqual(['async.completed']);
    });
  });
}

describe('a queued request', () => {
  const [sqlite] = BACKENDS;
  if (!sqlite) throw new Error('no SQLite');

  test('that was killed between its response and its end does not run again', async () => {
    let runs = 0;
    const { add, get, worker, databases } = await install(sqlite, () => {
      runs += 1;
      return OK;
    });
    const { id } = await add();
    await databases.use({ tenant: TENANT }, (db) =>
      db
        .updateTable('async_contents')
        .set({ response: '{}', http_status: 200, cost_pico: '5' })
        .where('id', '=', id)
        .execute(),
    );
    await runOf(worker('gw_1'));
    expect([(await get(id)).costPico, runs]).toEqual([5n, 0]);
  });

  test('waits for a limit, and costs what all its runs cost', async () => {
    const responses = [failure('rate_limit_exceeded', 30), failure('upstream_error'), OK];
    const { add, get, worker, clock, outcomes } = await install(sqlite, () => responses.shift() ?? OK);
    const { id } = await add();
    const gateway = worker('gw_1');
    await runOf(gateway);
    expect(await get(id)).toMatchObject({ status: 'pending', costPico: 1n });
    await runOf(gateway);
    expect(responses).toHaveLength(2);
    clock.advance(30_000);
    await runOf(gateway);
    clock.advance(1_000);
    await runOf(gateway);
    expect(await get(id)).toMatchObject({ status: 'succeeded', costPico: 9n });
    expect(outcomes).toEqual(['accepted', 'retried', 'retried', 'succeeded']);
  });

  test('fails with the response of an error, or when it did not run in time', async () => {
    const { add, get, requests, worker, clock, eventsOf } = await install(sqlite, ({ body }) =>
      body.includes('late') ? failure('rate_limit_exceeded', 300) : failure('invalid_request'),
    );
    const wrong = await add();
    const late = await add({ body: '"late"' });
    await runOf(worker('gw_1'));
    const failed = await get(wrong.id);
    expect(failed).toMatchObject({ status: 'failed', httpStatus: 400, errorCode: 'invalid_request' });
    expect((await requests.responseOf(failed))?.body).toBe('{"error":{}}');
    clock.advance(DAY_MS);
    await requests.sweep();
    expect(await get(late.id)).toMatchObject({ status: 'failed', errorCode: 'request_timeout' });
    expect(await eventsOf()).toEqual(['async.failed', 'async.failed']);
  });

  test('is cancelled while it waits and while it runs; its content is deleted', async () => {
    const started = Promise.withResolvers<void>();
    const { add, get, requests, worker, databases, outcomes, eventsOf } = await install(
      sqlite,
      ({ signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve(failure('client_closed_request')));
          started.resolve();
        }),
    );
    const running = await add();
    const gateway = worker('gw_1');
    gateway.wake();
    await started.promise;
    const waiting = await add();
    for (const one of [waiting, running, running]) {
      expect(await requests.cancel(one)).toMatchObject({ status: 'cancelled' });
    }
    await gateway.idle();
    expect(await get(running.id)).toMatchObject({ status: 'cancelled', costPico: 1n });
    expect(await get(waiting.id)).toMatchObject({ status: 'cancelled', costPico: 0n });
    const left = await databases.use({ tenant: TENANT }, (db) =>
      db.selectFrom('async_contents').select('id').execute(),
    );
    expect([left, await eventsOf()]).toEqual([[], []]);
    expect(outcomes).toEqual(['accepted', 'accepted', 'cancelled', 'cancelled']);
  });

  test('is the same for repetitions with its idempotency key', async () => {
    const { add } = await install(sqlite, () => OK);
    const { id } = await add({ idempotencyKey: 'a' });
    expect((await add({ idempotencyKey: 'a' })).id).toBe(id);
    await expect(add({ idempotencyKey: 'a', body: '{}' })).rejects.toMatchObject({
      code: 'idempotency_key_reused',
    });
    // Another key of the tenant has idempotency keys of its own.
    expect((await add({ idempotencyKey: 'a' }, { ...OWNER, keyId: 'key_2' })).id).not.toBe(id);
  });

  test('is bounded in size, and in number while it waits and while it is kept', async () => {
    const { add, worker, databases } = await install(sqlite, () => OK);
    await expect(add({ body: 'x'.repeat(101) })).rejects.toMatchObject({ code: 'request_too_large' });
    // Also those that are queued at the same time; of the others, no content is left.
    const several = await Promise.allSettled(Array.from({ length: 5 }, () => add()));
    expect(several.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    const contents = await databases.use({ tenant: TENANT }, (db) =>
      db.selectFrom('async_contents').select('id').execute(),
    );
    expect(contents).toHaveLength(2);
    await expect(add()).rejects.toMatchObject({ code: 'quota_exceeded', details: { retryAfterSeconds: 5 } });
    const gateway = worker('gw_1');
    await runOf(gateway);
    await add();
    await expect(add()).rejects.toMatchObject({ code: 'quota_exceeded', details: { retryAfterSeconds: 60 } });
  });
});
