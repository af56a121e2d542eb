import { describe, expect, test } from 'bun:test';
import { storedResponse } from '../../test/support/response-store-conformance.ts';
import { BufferedResponseStore } from './buffered-response-store.ts';
import { MemoryResponseStore } from './memory-response-store.ts';
import type { ResponseStore } from './response-store.ts';

const A = { tenant: 'a' };

/** A store whose writes wait until the test completes or fails them. */
function gated() {
  const inner = new MemoryResponseStore();
  const waiting: { go: () => void; fail: (error: Error) => void }[] = [];
  const sizes: number[] = [];
  const store: ResponseStore = {
    put: (scope, stored) =>
      new Promise((resolve, reject) => {
        sizes.push(stored.length);
        waiting.push({ go: () => void inner.put(scope, stored).then(resolve), fail: reject });
      }),
    get: (scope, id, now) => inner.get(scope, id, now),
    outputsOf: (scope, ids, now) => inner.outputsOf(scope, ids, now),
    delete: (scope, id) => inner.delete(scope, id),
  };
  return { store, inner, sizes, next: () => waiting.shift() };
}

function keeping(store: ResponseStore) {
  const lost: number[] = [];
  const keeper = new BufferedResponseStore(
    store,
    () => 1_500,
    (count) => lost.push(count),
  );
  return { keeper, lost };
}

/** Runs all pending microtasks. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
}

describe('a response', () => {
  test('can be read at once, and is written in the background', async () => {
    const { store, inner, next } = gated();
    const { keeper } = keeping(store);
    keeper.save(A, storedResponse('r'));
    expect(await keeper.get(A, 'r')).toEqual(storedResponse('r'));
    await settle();
    expect(await inner.get(A, 'r', 1_500)).toBeUndefined();
    next()?.go();
    await keeper.flush();
    expect(await inner.get(A, 'r', 1_500)).toEqual(storedResponse('r'));
  });

  test('of one tenant is not found by another whose name and id join to the same text', async () => {
    const { store } = gated();
    const { keeper } = keeping(store);
    keeper.save({ tenant: 'a b' }, storedResponse('c'));
    expect(await keeper.get({ tenant: 'a' }, ' bc')).toBeUndefined();
    expect(await keeper.get({ tenant: 'a' }, 'b c')).toBeUndefined();
    expect(await keeper.get({ tenant: 'a b' }, 'c')).toBeDefined();
  });

  test('deleted during its write stays deleted', async () => {
    const { store, inner, next } = gated();
    const { keeper } = keeping(store);
    keeper.save(A, storedResponse('r'));
    await settle();
    const deleting = keeper.delete(A, 'r');
    next()?.go();
    expect(await deleting).toBe(true);
    expect(await inner.get(A, 'r', 1_500)).toBeUndefined();
    expect(await keeper.get(A, 'r')).toBeUndefined();
  });

  test('saved again during its write is written again', async () => {
    const { store, inner, next } = gated();
    const { keeper } = keeping(store);
    keeper.save(A, storedResponse('r', { response: { turn: 1 } }));
    await settle();
    keeper.save(A, storedResponse('r', { response: { turn: 2 } }));
    next()?.go();
    await settle();
    next()?.go();
    await keeper.flush();
    expect((await inner.get(A, 'r', 1_500))?.response).toEqual({ turn: 2 });
  });

  test('that is too large is dropped and reported', () => {
    const { keeper, lost } = keeping(gated().store);
    keeper.save(A, storedResponse('r', { response: { text: 'x'.repeat(17 * 1024 * 1024) } }));
    expect(lost).toEqual([1]);
  });
});

test('many responses are written in few batches', async () => {
  const { store, sizes, next } = gated();
  const { keeper } = keeping(store);
  for (let index = 0; index < 450; index += 1) keeper.save(A, storedResponse(`r${index}`));
  for (let batch = 0; batch < 3; batch += 1) {
    await settle();
    next()?.go();
  }
  await keeper.flush();
  expect(sizes).toEqual([200, 200, 50]);
});

test('a batch has one tenant, so that a failing database drops only its own', async () => {
  const { store, inner, sizes, next } = gated();
  const { keeper, lost } = keeping(store);
  for (let index = 0; index < 6; index += 1) {
    keeper.save({ tenant: index % 2 === 0 ? 'a' : 'b' }, storedResponse(`r${index}`));
  }
  await settle();
  next()?.fail(new Error('missing'));
  await settle();
  next()?.go();
  await keeper.flush();
  expect([sizes, lost]).toEqual([[3, 3], [3]]);
  expect(await inner.get(A, 'r0', 1_500)).toBeUndefined();
  expect(await inner.get({ tenant: 'b' }, 'r1', 1_500)).toBeDefined();
});

test('queued responses are bounded by their size', async () => {
  const { store, next } = gated();
  const { keeper, lost } = keeping(store);
  const large = { response: { text: 'x'.repeat(15 * 1024 * 1024) } };
  for (let index = 0; index < 10; index += 1) keeper.save(A, storedResponse(`r${index}`, large));
  expect(lost).toEqual([1, 1]);
  // Replacing one, and deleting one, make no difference to the others.
  keeper.save(A, storedResponse('r0', large));
  expect(lost).toEqual([1, 1]);
  await settle();
  next()?.go();
  await settle();
  next()?.go();
  await keeper.flush();
  keeper.save(A, storedResponse('later', large));
  expect(lost).toEqual([1, 1]);
});

test('a failed write drops its batch, reports it, and the next batch is written', async () => {
  const { store, inner, next } = gated();
  const { keeper, lost } = keeping(store);
  keeper.save(A, storedResponse('r'));
  await settle();
  next()?.fail(new Error('disk full'));
  await keeper.flush();
  expect(lost).toEqual([1]);
  keeper.save(A, storedResponse('s'));
  await settle();
  next()?.go();
  await keeper.flush();
  expect(await inner.get(A, 's', 1_500)).toBeDefined();
});

test('queued and written responses are found by their items', async () => {
  const { store, next } = gated();
  const { keeper } = keeping(store);
  const of = (id: string, item: string) => storedResponse(id, { response: { id, output: [{ id: item }] } });
  keeper.save(A, of('written', 'a'));
  await settle();
  next()?.go();
  await keeper.flush();
  keeper.save(A, of('queued', 'b'));
  keeper.save({ tenant: 'other' }, of('queued', 'c'));
  const found = await keeper.outputsOf(A, ['a', 'b', 'c']);
  expect(found.map(({ id }) => id).sort()).toEqual(['queued', 'written']);
  expect(await keeper.outputsOf(A, ['c'])).toEqual([]);
  await settle();
  next()?.go();
  await settle();
  next()?.go();
  await keeper.flush();
});
