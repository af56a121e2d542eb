import { expect, test } from 'bun:test';
import { ageSeconds, type CacheEntry, ENTRY_FORMAT, usability } from './cache-entry.ts';

const ENTRY: CacheEntry<string> = {
  ...{ format: ENTRY_FORMAT, key: 'k', value: 'v' },
  owner: { tenant: 'acme', namespace: '', model: 'chat', tags: [] },
  ...{ storedAt: 100_000, freshUntil: 160_000, usableUntil: 170_000 },
};

test('an entry is used only by its tenant, under its key, in its format, in its time', () => {
  expect(usability(ENTRY, 'k', 'acme', 100_000)).toBe('fresh');
  expect(usability(ENTRY, 'k', 'acme', 160_000)).toBe('stale');
  expect(usability(ENTRY, 'k', 'acme', 170_000)).toBeUndefined();
  expect(usability(ENTRY, 'k', 'other', 100_000)).toBeUndefined();
  expect(usability(ENTRY, 'collides', 'acme', 100_000)).toBeUndefined();
  expect(usability({ ...ENTRY, format: 0 }, 'k', 'acme', 100_000)).toBeUndefined();
  // Another gateway's clock is a little ahead, or far.
  expect(usability(ENTRY, 'k', 'acme', 96_000)).toBe('fresh');
  expect(usability(ENTRY, 'k', 'acme', 90_000)).toBeUndefined();
  expect(ageSeconds(ENTRY, 96_000)).toBe(0);
  expect(ageSeconds(ENTRY, 102_900)).toBe(2);
});
