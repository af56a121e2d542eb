import { expect, test } from 'bun:test';
import { lazy } from './lazy.ts';

test('loads once, for all who ask meanwhile, and then gives the value without a promise', async () => {
  const loading = Promise.withResolvers<string>();
  let loads = 0;
  const value = lazy(() => {
    loads += 1;
    return loading.promise;
  });
  expect(loads).toBe(0);
  const [first, second] = [value(), value()];
  loading.resolve('there');
  expect([await first, await second, value(), loads]).toEqual(['there', 'there', 'there', 1]);
});

test('a failure reaches everyone who waits, and the next call tries again', async () => {
  let loads = 0;
  const value = lazy(async () => {
    loads += 1;
    if (loads === 1) throw new Error('not this time');
    return loads;
  });
  const waiting = [value(), value()];
  for (const one of waiting) expect(Promise.resolve(one)).rejects.toThrow('not this time');
  await Promise.allSettled(waiting);
  expect(await value()).toBe(2);
});
