import { expect, test } from 'bun:test';
import { eventFilter, isWanted } from './event-filter.ts';

test.each([
  ['*', 'budget.exceeded', true],
  ['budget.*', 'budget.exceeded', true],
  ['budget.*', 'budget.threshold_reached', true],
  ['budget.*', 'quota.exceeded', false],
  ['*.failed', 'batch.failed', true],
  ['*.failed', 'batch.completed', false],
  ['budget.exceeded', 'budget.exceeded', true],
  ['budget', 'budget.exceeded', false],
  ['a*a', 'a', false],
  ['*let*ch*', 'batch.completed', false],
  ['b*.c*ed', 'batch.completed', true],
  ['b*d*d', 'batch.completed', false],
])('%s, %s: %p', (pattern, type, expected) => {
  expect(isWanted([pattern], type)).toBe(expected);
});

test('a filter must have patterns that match a type', () => {
  expect(eventFilter.safeParse(['budget.*', '*']).success).toBe(true);
  for (const wrong of [[], ['budgets.*'], ['Budget.*'], ['b'.repeat(200)], Array(60).fill('*')]) {
    expect(eventFilter.safeParse(wrong).success).toBe(false);
  }
});

test('a pattern with many wildcards takes no time', () => {
  expect(isWanted(['*a'.repeat(49)], `${'a'.repeat(40)}b`)).toBe(false);
});
