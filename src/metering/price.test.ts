import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { costOf } from './cost.ts';
import { costPico, dollarsOfPico, nanoOfPico, outputCostPico, promptCacheSavingPico } from './price.ts';

const price = (input: string, output: string) => ({ input: { base: input }, output: { base: output } });
const usage = (inputTokens: number, outputTokens: number) => ({ inputTokens, outputTokens, raw: {} });

describe('cost', () => {
  test.each([
    [price('0.15', '0.6'), usage(1_000, 500), '0.00045'],
    [price('2.5', '10'), usage(1, 0), '0.0000025'],
    [price('0.0375', '0.15'), usage(3, 2), '0.0000004125'],
    [price('0', '0'), usage(10, 10), '0'],
    // Twelve decimals per million tokens: rounded once, half up.
    [price('0.000000500000', '0'), usage(1, 0), '0.000000000001'],
    [price('0.000000499999', '0'), usage(1, 0), '0'],
    [price('1000000', '0'), usage(9_007, 0), '9007'],
  ])('%j for %j', (of, used, dollars) => {
    const pico = costPico(of, used);
    expect(pico === undefined ? undefined : dollarsOfPico(pico)).toBe(dollars);
  });

  test('equals exact decimal arithmetic within its range', () => {
    const rate = fc.integer({ min: 0, max: 99_999_999 }).map((units) => (units / 1_000_000).toFixed(6));
    fc.assert(
      fc.property(rate, rate, fc.nat(10_000_000), fc.nat(1_000_000), (input, output, read, written) => {
        const pico = costPico(price(input, output), usage(read, written));
        expect(pico === undefined ? undefined : dollarsOfPico(pico)).toBe(
          costOf(price(input, output), usage(read, written)) ?? '',
        );
      }),
    );
  });

  test('is that of input and time, and that of output', () => {
    const of = { ...price('3', '15'), cachedInput: { base: '0.3' }, time: { perHour: '3.6', share: 1 } };
    const used = { inputTokens: 1_000, cachedInputTokens: 400, outputTokens: 20, raw: {} };
    const cost = costPico(of, used, 1_000) ?? 0;
    expect(outputCostPico(of, used, cost, 1_000)).toBe(20 * 15_000_000);
    expect(cost - 20 * 15_000_000).toBe(600 * 3_000_000 + 400 * 300_000 + 1_000_000_000);
    expect(outputCostPico(of, usage(5, 0), 1, 0)).toBe(0);
    // Only what is priced costs.
    expect(outputCostPico({ output: { base: '2' } }, usage(0, 10), 20_000_000, 0)).toBe(20_000_000);
  });

  test('by the hour depends on the duration and the number of requests that share it', () => {
    const time = { perHour: '3.6', share: 4 };
    expect(costPico({ time }, usage(5, 5), 10_000)).toBe(2_500_000_000);
    expect(costPico({ ...price('1', '1'), time }, usage(5, 5), 10_000)).toBe(2_500_000_000 + 10_000_000);
  });

  test('is unknown where a price is unknown', () => {
    expect(costPico({ input: { base: '1' } }, usage(1, 1))).toBeUndefined();
    expect(costPico({ input: { base: '1' } }, usage(1, 0))).toBe(1_000_000);
  });

  test('is rounded up for budgets', () => {
    expect([nanoOfPico(0), nanoOfPico(1), nanoOfPico(1_000), nanoOfPico(1_001)]).toEqual([0, 1, 1, 2]);
  });
});

test('what a prompt cache saved is the difference to the same input without it', () => {
  const cached = { ...price('3', '15'), cachedInput: { base: '0.3' }, cacheWrite: { base: '3.75' } };
  const of = (cachedInputTokens: number, cacheWriteTokens: number, inputTokens = 1_000) =>
    promptCacheSavingPico(cached, {
      inputTokens,
      cachedInputTokens,
      cacheWriteTokens,
      outputTokens: 9,
      raw: {},
    });
  expect(of(0, 0)).toBe(0);
  expect(of(1_000, 0)).toBe(1_000 * 2_700_000);
  expect(of(0, 1_000)).toBe(-1_000 * 750_000);
  expect(of(400, 100)).toBe(400 * 2_700_000 - 100 * 750_000);
  // Without prices of their own, cached tokens cost as much as others.
  expect(promptCacheSavingPico(price('3', '15'), { inputTokens: 9, cachedInputTokens: 9, raw: {} })).toBe(0);
  expect(promptCacheSavingPico({}, { inputTokens: 9, cachedInputTokens: 9, raw: {} })).toBe(0);
});

test('writes for an hour cost twice the price of input, where writes have a price', () => {
  const used = { inputTokens: 1_000, cacheWriteTokens: 600, longCacheWriteTokens: 400, raw: {} };
  const cached = { ...price('3', '15'), cacheWrite: { base: '3.75' } };
  expect(costPico(cached, used)).toBe(400 * 3_000_000 + 200 * 3_750_000 + 400 * 6_000_000);
  expect(costPico(price('3', '15'), used)).toBe(1_000 * 3_000_000);
  // With prices that need exact arithmetic too.
  const fine = { ...price('3.0000001', '15'), cacheWrite: { base: '3.75' } };
  expect(costPico(fine, used)).toBe(400 * 3_000_000 + 200 * 3_750_000 + 400 * 6_000_000 + 120);
});
