import { expect, test } from 'bun:test';
import { RecentMap } from './recent-map.ts';

test('keeps a bounded number of entries: those that were used last', () => {
  const map = new RecentMap<number, string>(1_000);
  map.set(-1, 'used');
  for (let index = 0; index < 100_000; index += 1) {
    map.set(index, String(index));
    expect(map.get(-1)).toBe('used');
    expect(map.size).toBeLessThanOrEqual(1_000);
  }
  for (let index = 99_600; index < 100_000; index += 1) expect(map.get(index)).toBe(String(index));
  expect(map.get(5)).toBeUndefined();
});

test('returns the value that was set last, and nothing after it is cleared', () => {
  const map = new RecentMap<string, number>(10);
  map.set('a', 1);
  map.set('a', 2);
  for (let index = 0; index < 6; index += 1) map.set(`other ${index}`, index);
  expect(map.get('a')).toBe(2);
  map.set('a', 3);
  expect(map.get('a')).toBe(3);
  map.clear();
  expect([map.get('a'), map.size]).toEqual([undefined, 0]);
});
