import { expect, test } from 'bun:test';
import { ModelScope, matchesAny, modelScopeOf } from './model-scope.ts';

test.each<[readonly string[], string, boolean]>([
  [['a'], 'a', true],
  [['a'], 'ab', false],
  [['a*'], 'ab', true],
  [['a*'], 'ba', false],
  [['*'], 'anything', true],
  [[], 'a', false],
])('%j and %s: %p', (patterns, value, expected) => {
  expect(matchesAny(patterns, value)).toBe(expected);
});

test('a key without a list may use every model', () => {
  expect([modelScopeOf(undefined), modelScopeOf({})]).toEqual([undefined, undefined]);
  expect(modelScopeOf({ models: [] })?.allows(['a'], 'general')).toBe(false);
});

test('records each refused model once for each reason, and not without end', () => {
  const scope = new ModelScope(['a']);
  expect(scope.allows(['alias', 'a'], 'general')).toBe(true);
  for (const reason of ['general', 'mirror', 'general'] as const)
    expect(scope.allows(['b', 'c'], reason)).toBe(false);
  expect(scope.refused).toEqual([
    { model: 'b', reason: 'general' },
    { model: 'b', reason: 'mirror' },
  ]);
  for (let index = 0; index < 1_000; index += 1) scope.allows([`m${index}`], 'general');
  expect(scope.refused.length).toBe(50);
});
