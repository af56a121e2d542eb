import { expect, test } from 'bun:test';
import { didYouMean, nearest } from './suggest.ts';

test('finds the slip of a hand', () => {
  expect(nearest('opnai', ['openai', 'mistral'])).toBe('openai');
  expect(nearest('PORT', ['host', 'port'])).toBe('port');
  expect(didYouMean('prt', ['port'])).toBe(' (did you mean "port"?)');
});

test('says nothing when nothing is near', () => {
  expect(nearest('database', ['openai', 'mistral'])).toBeUndefined();
  expect(didYouMean('x', [])).toBe('');
  expect(nearest('p'.repeat(100_000), ['port'])).toBeUndefined();
});
