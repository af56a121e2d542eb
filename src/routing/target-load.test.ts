import { expect, test } from 'bun:test';
import { testProvider, testTarget } from '../../test/support/inference.ts';
import { TargetLoad } from './target-load.ts';

test('counts slots by target, and takes each back once', () => {
  const load = new TargetLoad();
  const [one, other] = [testTarget(), testTarget(testProvider(), 'other')];
  const releases = [load.acquire(one), load.acquire(testTarget()), load.acquire(other)];
  expect([load.inflight(one), load.inflight(other), load.total()]).toEqual([2, 1, 3]);
  releases[0]?.();
  releases[0]?.();
  expect([load.inflight(one), load.total()]).toEqual([1, 2]);
  for (const release of releases) release();
  expect([load.inflight(one), load.inflight(other), load.total()]).toEqual([0, 0, 0]);
});
