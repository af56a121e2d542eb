import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { GatewayError } from '../../core/errors.ts';
import { DEFAULT_OUTLIERS, ejectOutliers, type OutlierSample, outliers } from './outliers.ts';
import { DEFAULT_HEALTH, TargetState } from './target-state.ts';

const sample = (failures: number, requests = 100): OutlierSample => ({ failures, requests });
const found = (samples: readonly OutlierSample[], ejected = 0) =>
  outliers(samples, ejected, DEFAULT_OUTLIERS);

test('finds the target that fails far more often than the others', () => {
  expect(found([sample(1), sample(20), sample(0)])).toEqual([1]);
  expect(found([sample(1), sample(2), sample(0), sample(1), sample(30), sample(0)])).toEqual([4]);
});

test('finds none where error rates are similar or low, or samples are few', () => {
  expect(found([sample(20), sample(22), sample(19)])).toEqual([]);
  expect(found([sample(0), sample(0), sample(4)])).toEqual([]);
  expect(found([sample(0), sample(9, 10), sample(0)])).toEqual([]);
  expect(found([sample(0), sample(90)])).toEqual([]);
});

test('never ejects more than allowed', () => {
  const samples = fc.array(
    fc.record({ requests: fc.nat(200), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(samples, fc.nat(5), (list, ejected) => {
      const given = list.map(({ requests, share }) => sample(Math.floor(requests * share), requests));
      const most = Math.max(0, Math.floor(given.length * DEFAULT_OUTLIERS.maxEjected) - ejected);
      const indices = found(given, ejected);
      expect(indices.length).toBeLessThanOrEqual(most);
      expect(new Set(indices).size).toBe(indices.length);
    }),
  );
});

test('an outlier is tried last, returns with slow start, and is compared by new samples', () => {
  const states = [0, 1, 2].map(() => new TargetState(() => DEFAULT_HEALTH));
  const fails = new GatewayError('upstream_error', 'no');
  for (let turn = 0; turn < 50; turn += 1) {
    for (const [index, state] of states.entries()) {
      state.begin(0).end(0, index === 1 && turn % 4 === 0 ? fails : undefined, 1);
    }
  }
  expect(ejectOutliers(states, DEFAULT_OUTLIERS, 1)).toEqual([1]);
  expect(states.map((state) => state.unavailable(2))).toEqual([undefined, 'ejected', undefined]);
  expect(states[1]?.availableAt(2)).toBe(30_001);
  expect(ejectOutliers(states, DEFAULT_OUTLIERS, 2)).toEqual([]);
  expect([states[1]?.unavailable(30_001), states[1]?.share(31_000)]).toEqual([undefined, 0.1]);
  expect(ejectOutliers(states, DEFAULT_OUTLIERS, 30_001)).toEqual([]);
  expect([states[1]?.share(60_001), states[1]?.isHealthy(60_001)]).toEqual([1, true]);
});
