import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { testProvider, testTarget } from '../../test/support/inference.ts';
import { costOf } from './cost.ts';
import { type DayTime, DayTimes } from './day-times.ts';
import type { ModelPrice } from './price-data.ts';
import { multiplyDecimals, scalePrice } from './price-factor.ts';
import { type PriceRule, Prices } from './prices.ts';

const LIST: ModelPrice = { input: { base: '2' }, output: { base: '8' } };
const target = testTarget(testProvider(), 'gpt-x');
const rule = (more: Partial<PriceRule>): PriceRule => ({
  ...{ model: 'gpt-*', provider: null, tenant: null },
  ...{ from: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY },
  ...more,
});
const priceOf = (
  rules: readonly PriceRule[],
  context: { tenant?: string; at?: number; isBatch?: boolean } = {},
) => {
  const prices = new Prices({ of: () => ({ capabilities: {}, sources: [], price: LIST }) }, rules);
  return prices.of(target, undefined, { tenant: 't', at: Date.parse('2026-11-29T12:00:00Z'), ...context });
};
const usd = (input: string, output: string): ModelPrice => ({
  input: { base: input },
  output: { base: output },
});

describe('the price of a target', () => {
  test('is that of the first rule for the tenant and the day, else the list price', () => {
    const rules = [
      rule({ tenant: 'acme', price: usd('1', '2') }),
      rule({ until: Date.parse('2026-11-30T00:00:00Z'), price: usd('3', '4') }),
      rule({ model: 'other', price: usd('5', '6') }),
    ];
    expect(priceOf(rules, { tenant: 'acme' })).toEqual(usd('1', '2'));
    expect(priceOf(rules)).toEqual(usd('3', '4'));
    expect(priceOf(rules, { at: Date.parse('2026-11-30T00:00:00Z') })).toEqual(LIST);
  });

  test('of batch requests is a multiple of the price, or of the list price', () => {
    const own = [rule({ price: usd('0.3', '1.25'), batch: '0.5' })];
    expect(priceOf(own)).toEqual(usd('0.3', '1.25'));
    expect(priceOf(own, { isBatch: true })).toEqual(usd('0.15', '0.625'));
    expect(priceOf([rule({ batch: '0.5' })], { isBatch: true })).toEqual(usd('1', '4'));
    expect(priceOf([rule({ price: usd('1', '2') })], { isBatch: true })).toEqual(usd('1', '2'));
  });

  test('changes with the time of day, and combines with that of batches', () => {
    const night = { from: 16 * 60 + 30, until: 30, timeZone: 'UTC', factor: '0.5' };
    const rules = [rule({ dayTimes: [night], batch: '0.5' })];
    const at = (time: string) => Date.parse(`2026-11-29T${time}Z`);
    expect(priceOf(rules, { at: at('16:29:59') })).toBe(LIST);
    expect(priceOf(rules, { at: at('16:30:00') })).toEqual(usd('1', '4'));
    expect(priceOf(rules, { at: at('00:29:59') })).toEqual(usd('1', '4'));
    expect(priceOf(rules, { at: at('00:30:00') })).toBe(LIST);
    expect(priceOf(rules, { at: at('20:00:00'), isBatch: true })).toEqual(usd('0.5', '2'));
  });

  test('scales every price of a model', () => {
    const price: ModelPrice = {
      input: { base: '3', tiers: [{ fromTokens: 200_000, price: '6' }] },
      output: { base: '15' },
      cachedInput: { base: '0.3' },
      cacheWrite: { base: '3.75' },
      time: { perHour: '2.4', share: 8 },
    };
    expect(scalePrice(price, '0.25')).toEqual({
      input: { base: '0.75', tiers: [{ fromTokens: 200_000, price: '1.5' }] },
      output: { base: '3.75' },
      cachedInput: { base: '0.075' },
      cacheWrite: { base: '0.9375' },
      time: { perHour: '0.6', share: 8 },
    });
    expect(costOf(scalePrice(LIST, '0.5'), { inputTokens: 3, outputTokens: 1, raw: {} })).toBe('0.000007');
  });
});

test('products of decimals are exact', () => {
  expect(multiplyDecimals('0.1', '0.1')).toBe('0.01');
  expect(multiplyDecimals('12', '0.5')).toBe('6');
  expect(multiplyDecimals('0.000001', '0.0000015')).toBe('0.000000000002');
  expect(multiplyDecimals('0', '0.5')).toBe('0');
  const decimal = fc.tuple(fc.nat(10_000), fc.nat(999_999)).map(([whole, rest]) => ({
    text: `${whole}.${String(rest).padStart(6, '0')}`,
    units: BigInt(whole) * 1_000_000n + BigInt(rest),
  }));
  fc.assert(
    fc.property(decimal, decimal, (a, b) => {
      const [whole = '', fraction = ''] = multiplyDecimals(a.text, b.text).split('.');
      expect(BigInt(whole + fraction.padEnd(12, '0'))).toBe(a.units * b.units);
    }),
  );
});

describe('a time of day', () => {
  const times = new DayTimes();
  const holds = (time: Partial<DayTime>, at: string) =>
    times.contains({ from: 0, until: 60, timeZone: 'UTC', ...time }, Date.parse(at));

  test('is local, and follows changes of the clock', () => {
    const morning = { from: 8 * 60, until: 9 * 60, timeZone: 'Europe/Zurich' };
    expect(holds(morning, '2026-01-15T07:00:00Z')).toBe(true);
    expect(holds(morning, '2026-07-15T07:00:00Z')).toBe(false);
    expect(holds(morning, '2026-07-15T06:59:59Z')).toBe(true);
    const change = { from: 3 * 60, until: 4 * 60, timeZone: 'Europe/Zurich' };
    expect([holds(change, '2026-03-29T00:59:59Z'), holds(change, '2026-03-29T01:00:00Z')]).toEqual([
      false,
      true,
    ]);
    expect(holds({ from: 330, until: 331, timeZone: 'Asia/Kolkata' }, '2026-01-01T00:00:30Z')).toBe(true);
  });

  test('belongs to the day on which it begins', () => {
    // 2026-11-29 is a Sunday.
    const sundayNight = { from: 22 * 60, until: 6 * 60, days: [0] };
    expect(holds(sundayNight, '2026-11-29T22:00:00Z')).toBe(true);
    expect(holds(sundayNight, '2026-11-30T05:59:00Z')).toBe(true);
    expect(holds(sundayNight, '2026-11-29T05:59:00Z')).toBe(false);
    expect(holds(sundayNight, '2026-11-30T22:00:00Z')).toBe(false);
    expect(holds({ from: 60, until: 120, days: [1, 2] }, '2026-11-30T01:30:00Z')).toBe(true);
    expect(holds({ from: 60, until: 120, days: [1, 2] }, '2026-11-29T01:30:00Z')).toBe(false);
  });
});
