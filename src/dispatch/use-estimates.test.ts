import { describe, expect, spyOn, test } from 'bun:test';
import fc from 'fast-check';
import { testCall, testProvider, testTarget } from '../../test/support/inference.ts';
import type { ExpectedUse } from '../limits/expected-use.ts';
import type { ModelInfo } from '../metering/model-data.ts';
import type { ModelPrice } from '../metering/price-data.ts';
import { type PriceRule, Prices } from '../metering/prices.ts';
import type { Target } from '../providers/types.ts';
import { RequestFacts } from '../routing/request-facts.ts';
import { UseEstimates } from './use-estimates.ts';

const provider = testProvider();
const HOUR = 3_600_000;
const price = (input: number, output: number): ModelPrice => ({
  input: { base: String(input) },
  output: { base: String(output) },
});
const body = { messages: [{ role: 'user', content: 'Hello' }] };
const facts = (tenant: string) => new RequestFacts(testCall(body), tenant);
const amounts = (use: ExpectedUse) => [use.likelyTokens(), use.tokens(), use.nanoUsd()];

function estimates(rules: readonly PriceRule[], infoOf: (target: Target) => Partial<ModelInfo>) {
  const modelInfo = (target: Target) => ({ capabilities: {}, sources: [], ...infoOf(target) });
  const prices = new Prices({ of: modelInfo }, rules);
  return { prices, of: new UseEstimates(prices, modelInfo) };
}

describe('the use of a model with several targets', () => {
  test('is the highest of them all, for every tenant and time', () => {
    const info = fc.record({
      ...{ contextWindow: fc.constantFrom(undefined, 8_000, 128_000) },
      ...{ maxOutputTokens: fc.constantFrom(undefined, 4_000, 16_000) },
      price: fc.option(
        fc.tuple(fc.constantFrom(1, 2), fc.constantFrom(4, 8)).map(([a, b]) => price(a, b)),
        {
          nil: undefined,
        },
      ),
    });
    const rule: fc.Arbitrary<PriceRule> = fc.record({
      model: fc.constantFrom('m0', 'm1', 'm*', '*'),
      provider: fc.constantFrom(null, provider.id, 'other'),
      tenant: fc.constantFrom(null, 'a', 'b'),
      from: fc.constantFrom(Number.NEGATIVE_INFINITY, 5 * HOUR),
      until: fc.constantFrom(Number.POSITIVE_INFINITY, 10 * HOUR),
      price: fc.constantFrom(undefined, price(1, 1), price(30, 90)),
    });
    fc.assert(
      fc.property(
        fc.array(info, { minLength: 1, maxLength: 4 }),
        fc.array(rule, { maxLength: 4 }),
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 8 }),
        (infos, rules, models) => {
          const { of } = estimates(rules, ({ model }) => infos[Number(model.slice(1)) % infos.length] ?? {});
          const routes = [
            { targets: models.map((model) => testTarget(provider, `m${model}`)), facts: undefined },
          ];
          for (const tenant of ['a', 'b', 'c']) {
            for (const at of [0, 5 * HOUR, 10 * HOUR, 30 * HOUR]) {
              const each = models.map((_, index) => {
                const [target] = routes[0]?.targets.slice(index) ?? [];
                return of.of(facts(tenant), [{ targets: target ? [target] : [], facts: undefined }], at);
              });
              const highest = (amount: (use: ExpectedUse) => number) => Math.max(...each.map(amount));
              expect(amounts(of.of(facts(tenant), routes, at))).toEqual([
                highest((use) => use.likelyTokens()),
                { least: highest((use) => use.tokens().least), most: highest((use) => use.tokens().most) },
                { least: highest((use) => use.nanoUsd().least), most: highest((use) => use.nanoUsd().most) },
              ]);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('is computed once for all targets with the same price and bounds', () => {
    const { of, prices } = estimates([], () => ({ price: price(1, 2), contextWindow: 8_000 }));
    const targets = Array.from({ length: 20 }, (_, index) => testTarget(provider, `m${index}`));
    const routes = [{ targets, facts: undefined }];
    expect(of.alternatives(routes, 0)).toHaveLength(1);
    const lookUps = spyOn(prices, 'of');
    amounts(of.of(facts('a'), routes, 0));
    expect(lookUps.mock.calls.length).toBe(2);
  });
});
