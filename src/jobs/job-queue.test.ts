import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import { BACKENDS } from '../../test/support/database-servers.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { hasRedis, sharedRedis } from '../../test/support/services/redis.ts';
import { connectRedis } from '../storage/kv/connect-redis.ts';
import { openControlDatabase } from '../storage/sql/control-database.ts';
import { type JobQueue, MAX_PAYLOAD, type NewJob } from './job-queue.ts';
import { RedisJobQueue } from './redis-job-queue.ts';
import { SqlJobQueue } from './sql-job-queue.ts';

const LEASE_MS = 10_000;

const closers: (() => unknown)[] = [];
/** Of the databases that all tests share. */
const sharedClosers: (() => unknown)[] = [];
async function closeAll(all: (() => unknown)[]) {
  for (const close of all.splice(0).reverse()) await close();
}
afterEach(() => closeAll(closers));
afterAll(() => closeAll(sharedClosers));

type Backend = (typeof BACKENDS)[number];

const shared = new Map<string, Promise<Awaited<ReturnType<typeof openControlDatabase>>['db']>>();

async function startDatabase(backend: Backend) {
  const server = await backend.start();
  const { db, close } = await openControlDatabase(server.connect());
  sharedClosers.push(() => server.dispose(), close);
  return db;
}

/** A database with queues on it, as several gateways have them. */
async function openDatabase(backend: Backend) {
  const started = shared.get(backend.name) ?? startDatabase(backend);
  shared.set(backend.name, started);
  const control = await started;
  await control.deleteFrom('jobs').execute();
  const clock = new FakeClock();
  const weights = new Map<string, number>();
  const sqlQueue = () =>
    new SqlJobQueue({ control, clock, random: () => 0, weightOf: (tenant) => weights.get(tenant) ?? 1 });
  /** Leases end by the server's clock where there is one. */
  const expireLeases = async () => {
    clock.advance(LEASE_MS + 1);
    await control.updateTable('jobs').set({ lease_until: 1 }).where('state', '=', 'running').execute();
  };
  return { control, clock, weights, sqlQueue, expireLeases };
}

type Database = Awaited<ReturnType<typeof openDatabase>>;

let prefixes = 0;

async function openRedisQueue(database: Database, prefix = `jobs-${process.pid}-${++prefixes}`) {
  const { url } = await sharedRedis();
  const connect = async () => {
    const client = await connectRedis({ url, timeoutMs: 5_000, onError: () => undefined });
    await client.connected();
    closers.push(() => client.disconnect());
    return client;
  };
  const client = await connect();
  const queue = new RedisJobQueue({
    ...{ queue: database.sqlQueue(), prefix, owner: `gw_${++prefixes}` },
    connect: async () => client,
    connectBlocking: connect,
    now: () => performance.now(),
    sleep: (_ms, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
  });
  closers.push(() => queue.close());
  return { queue, client, prefix };
}

const QUEUES: { name: string; available: boolean; open: () => Promise<Database & { queue: JobQueue }> }[] = [
  ...BACKENDS.map((backend) => ({
    ...{ name: backend.name, available: backend.available },
    open: async () => {
      const database = await openDatabase(backend);
      return { ...database, queue: database.sqlQueue() };
    },
  })),
  {
    name: 'Redis',
    available: hasRedis,
    open: async () => {
      const database = await openDatabase(sqlite());
      return { ...database, queue: (await openRedisQueue(database)).queue };
    },
  },
];

function sqlite(): Backend {
  const found = BACKENDS.find(({ name }) => name === 'SQLite');
  if (!found) throw new Error('no SQLite');
  return found;
}

function job(id: string, tenant = 'acme', more: Partial<NewJob> = {}): NewJob {
  return { id, kind: 'work', tenant, payload: `{"id":"${id}"}`, ...more };
}

const claim = (queue: JobQueue, limit: number, owner = 'gw_1') =>
  queue.claim({ kind: 'work', owner, limit, leaseMs: LEASE_MS });

for (const { name, available, open } of QUEUES) {
  describe.skipIf(!available)(`the job queue on ${name}`, () => {
    test('leases each job once, in order, and adds it once', async () => {
      const { queue, clock } = await open();
      await queue.add([job('a'), job('b')]);
      await queue.add([job('a'), job('later', 'acme', { dueAt: clock.wallTime() + 1_000 })]);
      const [first] = await claim(queue, 1);
      expect(first).toMatchObject({
        id: 'a',
        kind: 'work',
        tenant: 'acme',
        payload: '{"id":"a"}',
        attempt: 1,
      });
      expect((await claim(queue, 5, 'gw_2')).map(({ id }) => id)).toEqual(['b']);
      expect(await claim(queue, 5)).toEqual([]);
      expect(await queue.claim({ kind: 'other', owner: 'gw_1', limit: 5, leaseMs: LEASE_MS })).toEqual([]);
      clock.advance(1_000);
      expect((await claim(queue, 5)).map(({ id }) => id)).toEqual(['later']);
    });

    test('settles a job once, and never by a gateway that lost its lease', async () => {
      const { queue, expireLeases } = await open();
      await queue.add([job('a')]);
      const [lost] = await claim(queue, 1, 'gw_1');
      await expireLeases();
      const [current] = await claim(queue, 1, 'gw_2');
      if (!lost || !current) throw new Error('not leased');
      expect(current.attempt).toBe(2);
      expect(await queue.extend(lost, LEASE_MS)).toBeFalse();
      expect(await queue.finish(lost)).toBeFalse();
      expect(await queue.retry(lost, 0, 'no')).toBeFalse();
      expect(await queue.fail(lost, 'no')).toBeFalse();
      expect(await queue.extend(current, LEASE_MS)).toBeTrue();
      expect(await queue.finish(current)).toBeTrue();
      expect(await queue.finish(current)).toBeFalse();
      await queue.add([job('a')]);
      expect(await claim(queue, 1)).toEqual([]);
    });

    test('settles and adds within a transaction, which may roll back', async () => {
      const { queue, control } = await open();
      const rollback = control.transaction().execute(async (transaction) => {
        await queue.add([job('a')], transaction);
        throw new Error('rolled back');
      });
      await expect(rollback).rejects.toThrow('rolled back');
      expect(await claim(queue, 1)).toEqual([]);
      await control.transaction().execute((transaction) => queue.add([job('a')], transaction));
      const [leased] = await claim(queue, 1);
      if (!leased) throw new Error('not leased');
      const failing = control.transaction().execute(async (transaction) => {
        await queue.finish(leased, transaction);
        throw new Error('rolled back');
      });
      await expect(failing).rejects.toThrow('rolled back');
      expect(await queue.finish(leased)).toBeTrue();
    });

    test('retries later, and counts the attempts that failed', async () => {
      const { queue, clock } = await open();
      await queue.add([job('a')]);
      const [first] = await claim(queue, 1);
      if (!first) throw new Error('not leased');
      expect(await queue.retry(first, clock.wallTime() + 500, 'first\0error')).toBeTrue();
      expect(await claim(queue, 1)).toEqual([]);
      clock.advance(500);
      const [second] = await claim(queue, 1);
      if (!second) throw new Error('not leased');
      expect(second).toMatchObject({ attempt: 2, error: 'firsterror' });
      expect(await queue.retry(second, clock.wallTime(), null)).toBeTrue();
      expect(await claim(queue, 1)).toMatchObject([{ attempt: 1 }]);
    });

    test('sets failed jobs aside until someone runs them again', async () => {
      const { queue } = await open();
      await queue.add([job('a')]);
      const [first] = await claim(queue, 1);
      if (!first) throw new Error('not leased');
      expect(await queue.fail(first, 'broken')).toBeTrue();
      expect(await claim(queue, 1)).toEqual([]);
      expect(await queue.failed(10)).toMatchObject([{ id: 'a', attempts: 1, error: 'broken' }]);
      expect(await queue.counts()).toMatchObject([{ kind: 'work', state: 'failed', count: 1 }]);
      expect(await queue.requeue('none')).toBeFalse();
      expect(await queue.requeue('a')).toBeTrue();
      expect(await claim(queue, 1)).toMatchObject([{ id: 'a', attempt: 1 }]);
    });

    test('cancels queued and running jobs, not those that have ended', async () => {
      const { queue } = await open();
      await queue.add([job('a'), job('b'), job('c')]);
      const [done, running] = await claim(queue, 2);
      if (!done || !running) throw new Error('not leased');
      await queue.finish(done);
      expect(await queue.cancel(['a', 'b', 'c', 'unknown'])).toBe(2);
      expect(await queue.extend(running, LEASE_MS)).toBeFalse();
      expect(await queue.finish(running)).toBeFalse();
      expect(await claim(queue, 5)).toEqual([]);
    });

    test('gives tenants fair shares, whatever each has queued', async () => {
      const { queue, weights } = await open();
      await queue.add(Array.from({ length: 40 }, (_, index) => job(`large-${index}`, 'large')));
      await queue.add(Array.from({ length: 10 }, (_, index) => job(`small-${index}`, 'small')));
      const tenants = (jobs: readonly { tenant: string }[]) =>
        jobs.filter(({ tenant }) => tenant === 'small').length;
      const first = await claim(queue, 8);
      expect([first.length, tenants(first)]).toEqual([8, 4]);
      weights.set('large', 3);
      // 12 of 16 for the large one.
      const second = await claim(queue, 8);
      expect([second.length, tenants(second)]).toEqual([8, 0]);
      // What one tenant leaves, the other gets.
      expect(await claim(queue, 100)).toHaveLength(34);
    });

    test('two gateways never lease the same job', async () => {
      const { queue } = await open();
      await queue.add(Array.from({ length: 60 }, (_, index) => job(`j${index}`, `t${index % 3}`)));
      const rounds = await Promise.all(
        Array.from({ length: 6 }, (_, index) => claim(queue, 10, `gw_${index}`)),
      );
      const ids = rounds.flat().map(({ id }) => id);
      const rest = (await claim(queue, 100)).map(({ id }) => id);
      expect(new Set([...ids, ...rest]).size).toBe(ids.length + rest.length);
      expect(ids.length + rest.length).toBe(60);
    });

    test('deletes ended jobs after a day, and failed ones after 14', async () => {
      const { queue, clock, control } = await open();
      await queue.add([job('done'), job('failed'), job('queued')]);
      const [done, failed] = await claim(queue, 2);
      if (!done || !failed) throw new Error('not leased');
      await queue.finish(done);
      await queue.fail(failed, 'broken');
      const left = async () => {
        await queue.deleteOld();
        const rows = await control.selectFrom('jobs').select('id').orderBy('id').execute();
        return rows.map(({ id }) => id);
      };
      expect(await left()).toEqual(['done', 'failed', 'queued']);
      clock.advance(86_400_001);
      expect(await left()).toEqual(['failed', 'queued']);
      clock.advance(14 * 86_400_000);
      expect(await left()).toEqual(['queued']);
    });

    test('rejects a payload that is too large', async () => {
      const { queue } = await open();
      const payload = 'x'.repeat(MAX_PAYLOAD + 1);
      await expect(queue.add([job('a', 'acme', { payload })])).rejects.toThrow(RangeError);
    });
  });
}

describe.skipIf(!hasRedis)('notices in streams of Redis', () => {
  /** Resolves with the next notice. */
  const nextWake = (queue: JobQueue) => new Promise<string>((resolve) => queue.onWake(resolve));

  test('wake another gateway at once, and are removed when it has claimed', async () => {
    const database = await openDatabase(sqlite());
    const adding = await openRedisQueue(database);
    const { queue, client, prefix } = await openRedisQueue(database, adding.prefix);
    const woken = nextWake(queue);
    queue.listen(['work']);
    await adding.queue.add([job('a')]);
    adding.queue.wake('work');
    expect(await woken).toBe('work');
    expect(await claim(queue, 1, 'gw_2')).toHaveLength(1);
    expect(await client.call('XLEN', [`${prefix}:jobs:work`])).toBe(0);
  });

  test('failed jobs are sent to other systems', async () => {
    const { queue, client, prefix } = await openRedisQueue(await openDatabase(sqlite()));
    await queue.add([job('a')]);
    const [leased] = await claim(queue, 1);
    if (!leased) throw new Error('not leased');
    await queue.fail(leased, 'broken');
    expect(JSON.stringify(await client.call('XRANGE', [`${prefix}:failed-jobs`, '-', '+']))).toContain(
      'broken',
    );
  });
});

test('a gateway leaves the jobs of tenants that another region serves', async () => {
  const { control, clock } = await openDatabase(sqlite());
  const queueOf = (tenants: readonly string[]) =>
    new SqlJobQueue({
      ...{ control, clock, random: () => 0, weightOf: () => 1 },
      runsFor: (tenant) => tenants.includes(tenant),
    });
  const [eu, us] = [queueOf(['acme', 'anywhere']), queueOf(['anywhere'])];
  await eu.add([job('a', 'acme'), job('b', 'anywhere')]);
  expect((await claim(us, 5)).map(({ id }) => id)).toEqual(['b']);
  expect((await claim(eu, 5, 'gw_2')).map(({ id }) => id)).toEqual(['a']);
});

test('a server that does not wait for notices is asked with pauses', async () => {
  const database = await openDatabase(sqlite());
  const commands: string[] = [];
  const slept = Promise.withResolvers<number>();
  const client = {
    ready: true,
    call: async (command: string) => {
      commands.push(command);
      // Without the pause, this test would not end otherwise.
      if (commands.length > 100) slept.resolve(0);
      return command === 'XAUTOCLAIM' ? ['0-0', [], []] : null;
    },
    connected: async () => undefined,
    disconnect: () => undefined,
  };
  const queue = new RedisJobQueue({
    ...{ queue: database.sqlQueue(), prefix: 'x', owner: 'gw_1', now: () => 0 },
    connect: async () => client,
    connectBlocking: async () => client,
    sleep: (ms, signal) => {
      slept.resolve(ms);
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    },
  });
  closers.push(() => queue.close());
  queue.listen(['work']);
  expect(await slept.promise).toBe(1_000);
  expect(commands).toEqual(['XGROUP', 'XAUTOCLAIM', 'XREADGROUP']);
});
