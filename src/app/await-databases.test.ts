import { expect, test } from 'bun:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { DatabaseUnavailableError } from '../storage/sql/database-errors.ts';
import { awaitDatabases } from './await-databases.ts';

const refused = () =>
  Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5432'), { code: 'ECONNREFUSED' });
const turns = async () => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
};

function create(timeoutMs: number) {
  const clock = new FakeClock();
  const waits: [number, number][] = [];
  const run = awaitDatabases({
    clock,
    timeoutMs,
    onWait: (_, retryInMs, leftMs) => waits.push([retryInMs, leftMs]),
  });
  /** Lets the work fail and the clock pass until nothing waits. */
  const settle = async () => {
    await turns();
    while (clock.sleeping > 0) {
      clock.advance(waits.at(-1)?.[0] ?? 0);
      await turns();
    }
  };
  return { run, waits, settle, clock };
}

test('retries with growing pauses until the server responds', async () => {
  const { run, waits, settle } = create(60_000);
  let attempts = 0;
  const opened = run(async () => {
    attempts += 1;
    if (attempts < 6) throw refused();
    return 'open';
  });
  await settle();
  expect(await opened).toBe('open');
  expect(waits.map(([retryIn]) => retryIn)).toEqual([500, 1_000, 2_000, 4_000, 5_000]);
});

test('gives up at the time limit, which all work shares', async () => {
  const { run, waits, settle } = create(4_000);
  const first = run(() => Promise.reject(refused()));
  const outcome = first.catch((error: unknown) => error);
  await settle();
  expect(await outcome).toBeInstanceOf(DatabaseUnavailableError);
  expect(waits).toEqual([
    [500, 4_000],
    [1_000, 3_500],
    [2_000, 2_500],
    [500, 500],
  ]);
  await expect(run(() => Promise.reject(refused()))).rejects.toThrow('ECONNREFUSED');
  expect(waits).toHaveLength(4);
});

test('tries once without a time limit', async () => {
  const { run, waits } = create(0);
  await expect(run(() => Promise.reject(refused()))).rejects.toThrow(DatabaseUnavailableError);
  expect(waits).toEqual([]);
});

test.each([
  ['a wrong password', Object.assign(new Error('password authentication failed'), { code: '28P01' })],
  ['a full disk', Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' })],
  ['a locked file', Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY' })],
  ['a defect', new TypeError('x is not a function')],
])('does not wait for %s', async (_, error) => {
  const { run, waits } = create(60_000);
  await expect(run(() => Promise.reject(error))).rejects.toThrow();
  expect(waits).toEqual([]);
});
