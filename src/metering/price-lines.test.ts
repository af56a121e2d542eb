import { expect, test } from 'bun:test';
import { addCosts, costOf } from './cost.ts';
import { priceLines } from './price-lines.ts';

const PRICE = {
  input: { base: '2.5', tiers: [{ fromTokens: 1_000, price: '5' }] },
  cachedInput: { base: '0.25' },
  output: { base: '10' },
};

test('the lines of a price add up to the cost', () => {
  const usage = {
    inputTokens: 1_200,
    outputTokens: 40,
    cachedInputTokens: 200,
    cacheWriteTokens: 100,
    raw: {},
  };
  const lines = priceLines(PRICE, usage);
  expect(lines).toEqual([
    { of: 'input', tokens: 900, perMillion: '5', cost: '0.0045' },
    { of: 'cached input', tokens: 200, perMillion: '0.25', cost: '0.00005' },
    { of: 'cache write', tokens: 100, perMillion: '5', cost: '0.0005' },
    { of: 'output', tokens: 40, perMillion: '10', cost: '0.0004' },
  ]);
  expect(lines.reduce((sum, { cost }) => addCosts(sum, cost ?? '0'), '0')).toBe(costOf(PRICE, usage) ?? '');
});

test('an unknown price leaves tokens without a cost', () => {
  expect(priceLines(undefined, { inputTokens: 3, raw: {} })).toEqual([
    { of: 'input', tokens: 3, perMillion: null, cost: null },
  ]);
  expect(priceLines(PRICE, { raw: {} })).toEqual([]);
});
