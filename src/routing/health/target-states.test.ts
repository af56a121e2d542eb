import { expect, test } from 'bun:test';
import { testProvider, testTarget } from '../../../test/support/inference.ts';
import { TargetStates } from './target-states.ts';

test('counts attempts per target, and ends each once', () => {
  const states = new TargetStates();
  const [one, other] = [testTarget(), testTarget(testProvider(), 'other')];
  const counts = () => [states.of(one).inflight, states.of(other).inflight, states.total()];
  const leases = [one, testTarget(), other].map((target) => states.of(target).begin(0));
  expect(counts()).toEqual([2, 1, 3]);
  leases[0]?.end(1, undefined, 3);
  leases[0]?.end(2, null, undefined);
  expect(counts()).toEqual([1, 1, 2]);
  for (const lease of leases) lease.end(3, null, undefined);
  expect(counts()).toEqual([0, 0, 0]);
});

test('drops idle models above the limit, but no operator decision', () => {
  const states = new TargetStates();
  const provider = testProvider();
  const retained = states.of(testTarget(provider, 'kept'));
  retained.decide('disable', 0);
  const busy = states.of(testTarget(provider, 'busy'));
  busy.begin(0);
  for (let index = 0; index < 2_500; index += 1) states.of(testTarget(provider, `m${index}`));
  expect(states.of(testTarget(provider, 'kept'))).toBe(retained);
  expect(states.of(testTarget(provider, 'busy'))).toBe(busy);
  expect([...states.ofProvider(provider.id)].length).toBeLessThanOrEqual(1_001);
});
