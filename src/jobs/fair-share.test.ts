import { expect, test } from 'bun:test';
import { fairShares } from './fair-share.ts';

const equal = () => 1;

test('tenants with equal weights get equal shares, those with fewer running jobs first', () => {
  expect([...fairShares(['a', 'b'], new Map(), equal, 5)]).toEqual([
    ['a', 3],
    ['b', 2],
  ]);
  expect([...fairShares(['a', 'b'], new Map([['a', 4]]), equal, 4)]).toEqual([['b', 4]]);
});

test('shares follow the weights', () => {
  const shares = fairShares(['a', 'b'], new Map(), (tenant) => (tenant === 'a' ? 3 : 1), 8);
  expect([shares.get('a'), shares.get('b')]).toEqual([6, 2]);
});

test('there is nothing to divide without tenants or places', () => {
  expect(fairShares([], new Map(), equal, 5).size).toBe(0);
  expect(fairShares(['a'], new Map(), equal, 0).size).toBe(0);
});
