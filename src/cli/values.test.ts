import { describe, expect, test } from 'bun:test';
import { describeLimit, limitsFrom, listFrom, parseBudget, parseExpiry, parseLimit } from './values.ts';

describe('limits', () => {
  test.each([
    ['100 requests per minute', { of: 'requests', per: 'minute', max: 100 }],
    ['1_000_000 tokens/day', { of: 'tokens', per: 'day', max: 1_000_000 }],
    ['5 concurrent requests', { of: 'concurrent_requests', per: null, max: 5 }],
    ['1 request per second', { of: 'requests', per: 'second', max: 1 }],
  ])('%s', (text, document) => {
    expect(parseLimit(text)).toMatchObject(document);
  });

  test.each(['100', 'requests per minute', '5 apples per day', '10 requests per year', '10 requests'])(
    '%s is none',
    (text) => {
      expect(() => parseLimit(text)).toThrow('Write it as');
    },
  );

  test.each([
    ['50', 'month', '50'],
    ['$5.25/day', 'day', '5.25'],
    ['10 per month', 'month', '10'],
  ])('%s is a budget', (text, per, max) => {
    expect(parseBudget(text)).toMatchObject({ of: 'cost', per, max });
  });

  test.each(['fifty', '5/hour', '-1', ''])('%p is no budget', (text) => {
    expect(() => parseBudget(text)).toThrow('is not a budget');
  });

  test('are a list, which none empties', () => {
    expect(limitsFrom([], [])).toBeUndefined();
    expect(limitsFrom(['none'], [])).toEqual([]);
    expect(limitsFrom(['5 requests per day'], ['3'])?.map(describeLimit)).toEqual([
      '5 requests per day',
      '$3 per month',
    ]);
  });
});

test('an expiry is a date, a time, a duration or never', () => {
  expect(parseExpiry('never')).toBeNull();
  expect(parseExpiry('2999-01-31')).toBe(Date.parse('2999-01-31T00:00:00Z'));
  expect(parseExpiry('2999-01-31T12:00:00+02:00')).toBe(Date.parse('2999-01-31T10:00:00Z'));
  const inAnHour = parseExpiry('1h') ?? 0;
  expect(Math.abs(inAnHour - Date.now() - 3_600_000)).toBeLessThan(60_000);
  for (const text of ['2001-01-01', 'soon', '']) expect(() => parseExpiry(text)).toThrow('in the future');
});

test('a list is separated by commas', () => {
  expect(listFrom('a, b,,c ')).toEqual(['a', 'b', 'c']);
});
