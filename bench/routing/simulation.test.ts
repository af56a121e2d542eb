import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { seeded } from '../../src/core/random.ts';
import type { StrategyName } from '../../src/routing/strategies/index.ts';
import { EventQueue } from './event-queue.ts';
import { ALIKE, REPLICAS, requestsAt } from './scenarios.ts';
import { simulate } from './simulation.ts';

const REQUESTS = 4_000;

const run = (strategy: StrategyName, replicas = REPLICAS, perSecond = 22) =>
  simulate({ strategy, replicas, requests: requestsAt(perSecond, REQUESTS), random: seeded(2) });

describe('with replicas that differ, one of which fails for a minute', () => {
  const byDefault = run('power-of-two');

  test('the default strategy has a better p99 than round-robin and least-inflight', () => {
    for (const other of [run('round-robin'), run('least-inflight')]) {
      expect(byDefault.p99).toBeLessThan(other.p99);
      expect(byDefault.firstP99).toBeLessThan(other.firstP99);
    }
  });

  test('no request fails, and few are tried twice', () => {
    expect(byDefault.failed).toBe(0);
    expect(byDefault.attempts - REQUESTS).toBeWithin(5, 60);
  });

  test('the same numbers come out each time', () => {
    expect(run('power-of-two')).toEqual(byDefault);
  });
});

test('prefix affinity has twice the cache hits of least-inflight, at the same p99', () => {
  const least = run('least-inflight', ALIKE, 20);
  const prefix = run('prefix-affinity', ALIKE, 20);
  expect(prefix.hitRatio).toBeGreaterThan(2 * least.hitRatio);
  expect(prefix.p99).toBeLessThan(least.p99 * 1.02);
  expect(prefix.costPerThousand).toBeLessThan(least.costPerThousand);
});

test('events happen in the order of their times', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 100 }), (times) => {
      const events = new EventQueue();
      const seen: (readonly [number, number])[] = [];
      for (const [index, time] of times.entries()) events.at(time, () => seen.push([events.now, index]));
      events.run();
      const expected = times
        .map((time, index) => [time, index] as const)
        .sort(([a, i], [b, j]) => a - b || i - j);
      expect(seen).toEqual(expected);
    }),
  );
});
