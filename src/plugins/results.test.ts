import { describe, expect, test } from 'bun:test';
import { PluginFailure } from './plugin-failure.ts';
import { readOrder, readRequestChange, readVerdict, readWindowChange } from './results.ts';

const isInvalid = (read: () => unknown) => {
  try {
    read();
  } catch (error) {
    return error instanceof PluginFailure && error.reason === 'invalid';
  }
  return false;
};

describe('a window', () => {
  test('without a result is sent as it is', () => {
    expect(readWindowChange(undefined, 'abc', false)).toEqual({ text: 'abc', keep: 0 });
    expect(readWindowChange({ keep: 2 }, 'abc', false)).toEqual({ text: 'a', keep: 2 });
    expect(readWindowChange({ text: '' }, 'abc', false)).toEqual({ text: '', keep: 0 });
  });

  test('keeps nothing when it is the last one', () => {
    expect(readWindowChange({ keep: 2 }, 'abc', true)).toEqual({ text: 'abc', keep: 0 });
  });

  test.each([{ keep: 4 }, { keep: -1 }, { keep: 1.5 }, { keep: '1' }, { text: 1 }, 'abc', 7])(
    '%p is invalid',
    (result) => {
      expect(isInvalid(() => readWindowChange(result, 'abc', false))).toBe(true);
    },
  );

  test('cannot grow without end', () => {
    const window = 'x'.repeat(20_000);
    expect(isInvalid(() => readWindowChange({ keep: 8_193 }, window, false))).toBe(true);
    expect(readWindowChange({ keep: 8_192 }, window, false).keep).toBe(8_192);
  });
});

test.each([
  { headers: { 'x-weir-provider': 'forged' } },
  { headers: { 'x-ratelimit-limit': '1' } },
  { headers: { 'x-request-id': 'forged' } },
  { headers: { 'content-length': '0' } },
  { headers: { 'X-Upper': 'a' } },
  { headers: { 'x-a': 'ü' } },
  { headers: { 'x-a': 7 } },
  { headers: 'x-a' },
  { headers: Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`x-${index}`, 'a'])) },
  { texts: [{ index: 0.5, text: 'a' }] },
  { texts: [{ index: 0 }] },
  { texts: Array.from({ length: 3 }, () => ({ index: 0, text: 'a' })) },
  { reject: {} },
  { reject: { message: 'no', code: 'internal_error' } },
])('the change %p of a request is invalid', (change) => {
  expect(isInvalid(() => readRequestChange(change, 2))).toBe(true);
});

test.each([
  {},
  { findings: {} },
  { findings: [{ kind: 'The Value' }] },
  { findings: [{ kind: 'a', score: 2 }] },
  { findings: [], texts: ['a'] },
  { findings: [null] },
])('the verdict %p is invalid', (verdict) => {
  expect(isInvalid(() => readVerdict(verdict, 2))).toBe(true);
});

test('an order names each target once, and only targets that are there', () => {
  expect(readOrder({ order: [1, 1, 0] }, 3)).toEqual({ order: [1, 0], only: false });
  expect(readOrder(null, 3)).toBeUndefined();
  for (const order of [[3], [-1], ['0'], [0, 1, 2, 0]]) {
    expect(isInvalid(() => readOrder({ order }, 3))).toBe(true);
  }
  expect(isInvalid(() => readOrder({ order: [0], only: 'yes' }, 3))).toBe(true);
});
