import { afterEach, expect, test } from 'bun:test';
import type { Kysely } from 'kysely';
import { BACKENDS } from '../../test/support/database-servers.ts';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { RecordedEvents } from '../../test/support/recorded-events.ts';
import { lazy } from '../core/lazy.ts';
import { openControlDatabase } from '../storage/sql/control-database.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { requeueAbandoned } from '../storage/sql/job-store.ts';
import type { JobHandler, JobOutcome } from './job-worker.ts';
import { JobWorker, LeaseLostError } from './job-worker.ts';
import { SqlJobQueue } from './sql-job-queue.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function open(
  handler: Partial<JobHandler> & Pick<JobHandler, 'run'>,
  prepare?: (control: Kysely<ControlTables>) => Promise<void>,
) {
  const sqlite = BACKENDS.find(({ name }) => name === 'SQLite');
  const server = await sqlite?.start();
  if (!server) throw new Error('no SQLite');
  const { db: control, close } = await openControlDatabase(server.connect());
  closers.push(() => server.dispose(), close);
  const clock = new FakeClock();
  const events = new RecordedEvents();
  const queue = new SqlJobQueue({ control, clock, random: () => 0, weightOf: () => 1 });
  const outcomes: JobOutcome[] = [];
  const worker = new JobWorker({
    ...{ queue, clock, events, owner: 'gw_1', random: () => 0.5 },
    onRun: (_kind, outcome) => outcomes.push(outcome),
    prepare: prepare && lazy(() => prepare(control)),
  });
  worker.register({ kind: 'work', concurrency: 2, maxAttempts: 3, ...handler });
  closers.push(() => worker.close());
  const add = (...ids: string[]) =>
    queue.add(ids.map((id) => ({ id, kind: 'work', tenant: 'acme', payload: id })));
  const state = async (id: string) => {
    const row = await control.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    return { state: row.state, attempts: row.attempts, error: row.error };
  };
  return { control, clock, events, queue, worker, outcomes, add, state };
}

test('runs all jobs, no more at a time than the handler allows', async () => {
  const ran: string[] = [];
  let most = 0;
  let running = 0;
  const { worker, add, outcomes } = await open({
    run: async ({ payload }) => {
      running += 1;
      most = Math.max(most, running);
      await settle();
      running -= 1;
      ran.push(payload);
      return undefined;
    },
  });
  await add('a', 'b', 'c', 'd', 'e');
  worker.wake();
  await worker.idle();
  expect(ran.sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(most).toBe(2);
  expect(outcomes).toEqual(['done', 'done', 'done', 'done', 'done']);
});

test('runs nothing before jobs that a process left behind are queued again, and each job once', async () => {
  const ran: string[] = [];
  const ready = Promise.withResolvers<void>();
  const { control, worker, add } = await open(
    {
      run: async ({ payload }) => {
        ran.push(payload);
        await settle();
        return undefined;
      },
    },
    async (jobs) => {
      await ready.promise;
      await requeueAbandoned(jobs);
    },
  );
  await add('left');
  await control.updateTable('jobs').set({ state: 'running', owner: 'gw_0', lease_until: 9e15 }).execute();
  await add('new');
  worker.wake('work');
  await settle();
  expect(ran).toEqual([]);
  ready.resolve();
  await worker.idle();
  worker.wake();
  await worker.idle();
  expect(ran.sort()).toEqual(['left', 'new']);
});

test('retries with pauses, then sets the job aside', async () => {
  const failed: string[] = [];
  const { worker, clock, add, state, events, outcomes } = await open({
    run: async () => {
      throw new Error('broken');
    },
    failed: async (_job, error) => void failed.push(error),
  });
  await add('a');
  for (const pause of [0, 1_000, 2_000]) {
    clock.advance(pause - 1);
    worker.wake();
    await worker.idle();
    clock.advance(1);
    worker.wake();
    await worker.idle();
  }
  expect(await state('a')).toEqual({ state: 'failed', attempts: 3, error: 'broken' });
  expect(failed).toEqual(['broken']);
  expect(outcomes).toEqual(['retried', 'retried', 'failed']);
  expect(events.names).toEqual(['queued_job.failed']);
});

test('a job whose processes were killed too often is set aside without a run', async () => {
  let runs = 0;
  const { worker, control, add, state } = await open({
    run: async () => {
      runs += 1;
      return undefined;
    },
  });
  await add('a');
  await control.updateTable('jobs').set({ attempts: 3 }).execute();
  worker.wake();
  await worker.idle();
  expect(runs).toBe(0);
  expect((await state('a')).state).toBe('failed');
});

test('a job that is to run again later has no failed attempt', async () => {
  const { worker, clock, add, state, outcomes } = await open({
    run: async () => ({ retryAt: clock.wallTime() + 60_000 }),
  });
  await add('a');
  worker.wake();
  await worker.idle();
  expect(await state('a')).toEqual({ state: 'queued', attempts: 0, error: null });
  expect(outcomes).toEqual(['again']);
});

test('a job returns to the queue when the gateway stops', async () => {
  const { worker, add, state } = await open({
    run: (_job, { signal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  });
  await add('a');
  worker.wake();
  while ((await state('a')).state !== 'running') await settle();
  await worker.close();
  expect(await state('a')).toEqual({ state: 'queued', attempts: 0, error: null });
});

test('a cancelled job is aborted with the next extension of its lease', async () => {
  const reasons: unknown[] = [];
  const { worker, clock, queue, add, outcomes } = await open({
    run: (_job, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => {
          reasons.push(signal.reason);
          reject(signal.reason);
        }),
      ),
  });
  await add('a');
  worker.wake();
  while (clock.sleeping === 0) await settle();
  await queue.cancel(['a']);
  clock.advance(3_000);
  await worker.idle();
  expect(reasons).toEqual([expect.any(LeaseLostError)]);
  expect(outcomes).toEqual(['lost']);
});

test('a change is rolled back when its job belongs to another gateway', async () => {
  const { worker, control, add, state, outcomes } = await open({
    run: async ({ id }, { finish }) => {
      await control.updateTable('jobs').set({ fence: 99 }).where('id', '=', id).execute();
      await control.transaction().execute(async (transaction) => {
        await transaction.updateTable('jobs').set({ payload: 'changed' }).where('id', '=', id).execute();
        await finish(transaction);
      });
      return undefined;
    },
  });
  await add('a');
  worker.wake();
  await worker.idle();
  expect(outcomes).toEqual(['lost']);
  expect(await state('a')).toMatchObject({ state: 'running' });
  const row = await control.selectFrom('jobs').select('payload').executeTakeFirstOrThrow();
  expect(row.payload).toBe('a');
});
