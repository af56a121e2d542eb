import { expect, test } from 'bun:test';
import { PromptPrefixes } from './prompt-prefixes.ts';

test('remembers prefixes by tenant, with the time of the last one', () => {
  const prefixes = new PromptPrefixes();
  prefixes.add('a', [1n, 2n], 100);
  prefixes.add('a', [2n], 200);
  expect([prefixes.has('a', 1n, 100), prefixes.has('a', 1n, 101)]).toEqual([true, false]);
  expect([prefixes.has('a', 2n, 200), prefixes.has('b', 2n, 0)]).toEqual([true, false]);
});

test('is bounded for each tenant, and in all', () => {
  const prefixes = new PromptPrefixes(3, 7);
  prefixes.add('a', [1n, 2n, 3n, 4n], 0);
  expect([1n, 2n, 3n, 4n].map((one) => prefixes.has('a', one, 0))).toEqual([false, true, true, true]);
  prefixes.add('b', [1n, 2n, 3n], 1);
  prefixes.add('a', [3n], 2);
  prefixes.add('c', [1n, 2n, 3n], 3);
  expect(prefixes.size).toBe(7);
  // The tenant that was idle for longest loses its prefixes first.
  expect([1n, 2n, 3n].map((one) => prefixes.has('b', one, 0))).toEqual([false, false, true]);
  prefixes.add('d', [1n], 4);
  expect(prefixes.has('b', 3n, 0)).toBe(false);
  expect(prefixes.size).toBe(7);
});
