import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { seededRandom } from '../../../test/support/bytes.ts';
import { testProvider, testTarget } from '../../../test/support/inference.ts';
import { STRATEGIES, type StrategyName } from './index.ts';
import type { SelectionContext, TargetView } from './strategy.ts';

const view = (model: string, weight = 1, inflight = 0): TargetView => ({
  target: testTarget(testProvider(), model, weight),
  inflight,
  timePerTokenMs: undefined,
  price: undefined,
  engine: undefined,
});

const selection = (more: Partial<SelectionContext> = {}): SelectionContext => ({
  count: 0,
  random: () => 0,
  equalWeights: false,
  inputTokens: 100,
  outputTokens: 100,
  affinity: undefined,
  seenBlocks: () => 0,
  blocks: 0,
  ...more,
});
const names = (views: readonly TargetView[]) => views.map(({ target }) => target.model);
const order = (strategy: StrategyName, views: readonly TargetView[], count = 0, random = () => 0) =>
  names(STRATEGIES[strategy](views, selection({ count, random })));

const views = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat(20)), { maxLength: 6 })
  .map((rows) => rows.map(([weight, inflight], index) => view(`m${index}`, weight, inflight)));

describe('every strategy', () => {
  const every = fc.constantFrom(...(Object.keys(STRATEGIES) as StrategyName[]));
  test('returns distinct targets, at least one if there is any, and does not change its input', () => {
    fc.assert(
      fc.property(
        every,
        views,
        fc.nat(),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (name, given, count, random) => {
          const before = names(given);
          const ordered = order(name, given, count, () => random);
          expect(new Set(ordered).size).toBe(ordered.length);
          expect(before).toEqual(expect.arrayContaining(ordered));
          expect(ordered.length).toBeGreaterThanOrEqual(Math.min(2, before.length));
          expect(names(given)).toEqual(before);
        },
      ),
    );
  });
});

test('round-robin starts with the next target at each request', () => {
  const given = [view('a'), view('b'), view('c')];
  expect([0, 1, 2, 3].map((count) => order('round-robin', given, count).join(''))).toEqual([
    'abc',
    'bca',
    'cab',
    'abc',
  ]);
});

describe('weighted', () => {
  test('puts each target first in proportion to its weight', () => {
    const random = seededRandom(1);
    const given = [view('a', 1), view('b', 2), view('c', 7)];
    const firsts: Record<string, number> = {};
    for (let selection = 0; selection < 10_000; selection += 1) {
      const first = order('weighted', given, selection, random)[0] ?? '';
      firsts[first] = (firsts[first] ?? 0) + 1;
    }
    expect(firsts.a).toBeWithin(850, 1_150);
    expect(firsts.b).toBeWithin(1_800, 2_200);
    expect(firsts.c).toBeWithin(6_800, 7_200);
  });
});

describe('least-inflight', () => {
  test('starts with the fewest attempts in flight per weight', () => {
    fc.assert(
      fc.property(views, fc.nat(), (given, count) => {
        const ordered = STRATEGIES['least-inflight'](given, selection({ count }));
        const loads = ordered.map(({ inflight, target }) => inflight / target.weight);
        expect(loads).toEqual(loads.toSorted((a, b) => a - b));
      }),
    );
  });

  test('rotates equal targets', () => {
    const given = [view('a'), view('b'), view('c', 1, 1)];
    expect([0, 1, 2].map((count) => order('least-inflight', given, count).join(''))).toEqual([
      'abc',
      'bac',
      'abc',
    ]);
  });
});
