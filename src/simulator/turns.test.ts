import { expect, test } from 'bun:test';
import { createHarness, userMessage } from './test-support.ts';
import { Turns } from './turns.ts';

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test('a turn of the event loop has a limit, and what waits for the next one goes first', async () => {
  const turns = new Turns();
  let now = 0;
  while (turns.next() === undefined) now += 1;
  expect(now).toBeGreaterThan(10);
  const order: number[] = [];
  const waits = Array.from({ length: 2 * now }, async (_, index) => {
    await turns.next();
    order.push(index);
  });
  await nextTurn();
  expect(order.length).toBeLessThanOrEqual(now);
  await Promise.all(waits);
  expect(order).toEqual(Array.from({ length: 2 * now }, (_, index) => index));
});

test('large pieces of work take a turn each', async () => {
  const turns = new Turns();
  expect(turns.next(1_000_000)).toBeUndefined();
  expect(turns.next(1)).toBeInstanceOf(Promise);
  await nextTurn();
});

test.each([
  ['streams', true],
  ['whole responses', false],
])('other work runs between the tokens of %s', async (_, stream) => {
  const { post } = createHarness();
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const bodies = Array.from({ length: 10 }, async () => {
    const request = { model: 'simulator:tokens=2000', messages: userMessage('Hello'), stream };
    return (await post('/chat/completions', request)).text();
  });
  await Promise.all(bodies);
  isOver = true;
  expect(turns).toBeGreaterThan(100);
});
