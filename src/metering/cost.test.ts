import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { costOf } from './cost.ts';

const price = { input: { base: '2.5' }, output: { base: '10' }, cachedInput: { base: '1.25' } };

test.each([
  [{ inputTokens: 1_000_000, outputTokens: 0 }, '2.5'],
  [{ inputTokens: 1, outputTokens: 1 }, '0.0000125'],
  [{ inputTokens: 1000, cachedInputTokens: 400, outputTokens: 100 }, '0.003'],
  [{ inputTokens: 0, outputTokens: 0 }, '0'],
  [{}, '0'],
])('of %p', (usage, cost) => {
  expect(costOf(price, { ...usage, raw: {} })).toBe(cost);
});

test('a tier applies from its number of input tokens', () => {
  const tiered = {
    input: { base: '3', tiers: [{ fromTokens: 200_000, price: '6' }] },
    output: { base: '0' },
  };
  expect(costOf(tiered, { inputTokens: 199_999, raw: {} })).toBe('0.599997');
  expect(costOf(tiered, { inputTokens: 200_000, raw: {} })).toBe('1.2');
});

test('an unknown price makes the cost unknown, unless no token needs it', () => {
  expect(costOf({ input: { base: '1' } }, { inputTokens: 5, outputTokens: 5, raw: {} })).toBeUndefined();
  expect(costOf({ input: { base: '1' } }, { inputTokens: 5, raw: {} })).toBe('0.000005');
});

test('sums are exact for parts of any size', () => {
  const cents = fc.integer({ min: 0, max: 10 ** 9 });
  fc.assert(
    fc.property(fc.nat(10 ** 6), fc.nat(10 ** 6), cents, cents, (input, output, inRate, outRate) => {
      const text = (rate: number) => `${Math.floor(rate / 1e6)}.${String(rate % 1e6).padStart(6, '0')}`;
      const rates = { input: { base: text(inRate) }, output: { base: text(outRate) } };
      const cost = costOf(rates, { inputTokens: input, outputTokens: output, raw: {} }) ?? '';
      const [whole = '', fraction = ''] = cost.split('.');
      const exact = BigInt(input) * BigInt(inRate) + BigInt(output) * BigInt(outRate);
      expect(BigInt(whole + fraction.padEnd(12, '0'))).toBe(exact);
    }),
  );
});
