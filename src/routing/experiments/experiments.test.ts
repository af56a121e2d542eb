import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../../test/support/effort.ts';
import { testCall } from '../../../test/support/inference.ts';
import { eventsTo } from '../../../test/support/recorded-events.ts';
import type { ModelRoute } from '../directory.ts';
import { RequestFacts } from '../request-facts.ts';
import type { Sample } from './canary.ts';
import { Experiments } from './experiments.ts';
import type { CanarySettings } from './settings.ts';
import { variantOf } from './variants.ts';

const keys = Array.from({ length: 2_000 }, (_, index) => `user ${index}`);

describe('variants', () => {
  test('get their percentages, and keep their keys while these grow', () => {
    const assign = (percent: number) =>
      keys.map((key) => variantOf('m', [{ name: 'b', model: 'b', percent }], key, () => 0)?.name);
    const [ten, thirty] = [assign(10), assign(30)];
    expect(ten.filter(Boolean).length).toBeWithin(150, 250);
    expect(thirty.filter(Boolean).length).toBeWithin(520, 680);
    expect(ten.every((name, index) => name === undefined || thirty[index] === name)).toBe(true);
    expect(assign(10)).toEqual(ten);
  });

  test('of two experiments are independent', () => {
    const variants = [{ name: 'b', model: 'b', percent: 50 }];
    const both = keys.filter(
      (key) => variantOf('m', variants, key, () => 0) && variantOf('n', variants, key, () => 0),
    );
    expect(both.length).toBeWithin(400, 600);
  });

  test('are drawn at random without an affinity key', () => {
    const variants = [
      { name: 'b', model: 'b', percent: 20 },
      { name: 'c', model: 'c', percent: 30 },
    ];
    const at = (random: number) => variantOf('m', variants, undefined, () => random)?.name;
    expect([at(0), at(0.1999), at(0.2), at(0.4999), at(0.5)]).toEqual(['b', 'b', 'c', 'c', undefined]);
  });
});

const CANARY: CanarySettings = {
  model: 'next',
  percent: 50,
  minRequests: 20,
  errorIncrease: 0.1,
  latencyRatio: 1.5,
  costRatio: 2,
  windowMs: 60_000,
};
const route = (canary: CanarySettings | undefined): ModelRoute => ({
  id: 'm',
  label: 'm',
  strategy: 'power-of-two',
  targets: [],
  fallbacks: [],
  fallbacksOn: {},
  strict: false,
  facts: undefined,
  experiments: { split: [], canary, mirror: undefined },
});
const facts = new RequestFacts(testCall(), 't');

function create(canary = CANARY) {
  const rollbacks: string[] = [];
  let random = 0.1;
  const experiments = new Experiments(
    () => random,
    eventsTo({
      'canary.rolled_back': ({ model, canary: to, reason }) => rollbacks.push(`${model} -> ${to}: ${reason}`),
    }),
  );
  const models = (settings: CanarySettings | undefined) => [
    { id: 'm', experiments: { split: [], canary: settings, mirror: undefined } },
  ];
  experiments.configure(models(canary));
  const record = (variant: string, sample: Partial<Sample>, times = 1, at = 0) => {
    for (let turn = 0; turn < times; turn += 1) {
      experiments.record(
        { model: 'm', variant },
        { failed: false, timePerTokenMs: 10, nanoUsd: 1_000, ...sample },
        at,
      );
    }
  };
  const variant = (value: number) => {
    random = value;
    return experiments.assign(route(canary), facts)?.variant;
  };
  return { experiments, rollbacks, record, variant, models };
}

describe('a canary', () => {
  test.each([
    ['fails more often', { failed: true }, '100.0 % of its requests failed'],
    [
      'is slower',
      { timePerTokenMs: 16 },
      'it took 16.0 ms per token, compared with 10.0 ms on the stable side',
    ],
    [
      'costs more',
      { nanoUsd: 2_100_000 },
      'a request cost $0.002100, compared with $0.000001 on the stable side',
    ],
  ])('that %s is taken back, once enough is known of both', (_, sample, reason) => {
    const { rollbacks, record, variant, experiments } = create();
    record('canary', sample, 30);
    expect(rollbacks).toEqual([]);
    record('control', {}, 20);
    record('canary', sample);
    expect(rollbacks).toEqual([expect.stringContaining(`m -> next: ${reason}`)]);
    record('canary', sample, 5);
    expect(rollbacks.length).toBe(1);
    expect([variant(0), variant(0.9)]).toEqual(['control', 'control']);
    expect(experiments.canaries()).toMatchObject([{ state: 'rolled_back' }]);
  });

  test('that is as good or better is kept', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })), (numbers) => {
        const { rollbacks, record } = create({ ...CANARY, errorIncrease: 0.4 });
        for (let turn = 0; turn < 200; turn += 1) {
          const [a = 0, b = 0] = [numbers.next().value, numbers.next().value];
          record('control', { failed: a < 0.05, timePerTokenMs: 10 });
          record('canary', { failed: b < 0.05, timePerTokenMs: 8, nanoUsd: undefined });
        }
        expect(rollbacks).toEqual([]);
      }),
      { numRuns: runs(30) },
    );
  });

  test('is not compared by samples outside of the window', () => {
    const { rollbacks, record } = create();
    record('canary', { failed: true }, 60, 0);
    record('control', {}, 60, 61_000);
    record('canary', {}, 60, 61_000);
    expect(rollbacks).toEqual([]);
  });

  test('gets its share, also after an operator resumes it, and stays rolled back after a reload', () => {
    const { experiments, record, variant, models } = create();
    expect([variant(0.49), variant(0.5)]).toEqual(['canary', 'control']);
    record('control', {}, 20);
    record('canary', { failed: true }, 20);
    experiments.configure(models(CANARY));
    expect(variant(0)).toBe('control');
    expect([experiments.decide('m', 'resume'), experiments.decide('x', 'resume')]).toEqual([true, false]);
    expect(variant(0)).toBe('canary');
    experiments.decide('m', 'stop');
    expect([variant(0), experiments.canaries()[0]?.state]).toEqual(['control', 'stopped']);
    experiments.configure(models({ ...CANARY, percent: 10 }));
    expect([variant(0.09), variant(0.1)]).toEqual(['canary', 'control']);
    experiments.configure(models(undefined));
    expect(experiments.canaries()).toEqual([]);
  });
});
