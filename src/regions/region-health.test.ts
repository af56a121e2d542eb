import { expect, test } from 'bun:test';
import { RegionHealth } from './region-health.ts';

const SETTINGS = { failures: 3, successes: 2 };
const OK = { latencyMs: 80 };
const FAILED = { fault: 'no response' };

function observed() {
  const changes: [string, boolean][] = [];
  const health = new RegionHealth(
    () => 1_000,
    (region, isUp) => changes.push([region, isUp]),
  );
  const record = (...checks: (typeof OK | typeof FAILED)[]) => {
    for (const check of checks) health.record('eu', check, SETTINGS);
  };
  return { health, changes, record };
}

test('a region is up until enough checks in a row have failed', () => {
  const { health, changes, record } = observed();
  expect(health.isUp('eu')).toBe(true);
  record(FAILED, FAILED, OK, FAILED, FAILED);
  expect(health.isUp('eu')).toBe(true);
  record(FAILED);
  expect(health.isUp('eu')).toBe(false);
  expect(health.status('eu')).toMatchObject({ changedAt: 1_000, fault: 'no response', latencyMs: 80 });
  expect(changes).toEqual([['eu', false]]);
});

test('it is up again after enough successful checks in a row', () => {
  const { health, changes, record } = observed();
  record(FAILED, FAILED, FAILED, OK, FAILED, OK);
  expect(health.isUp('eu')).toBe(false);
  record(OK);
  expect(health.isUp('eu')).toBe(true);
  expect(changes).toEqual([
    ['eu', false],
    ['eu', true],
  ]);
});

test('a region that is configured no more is forgotten', () => {
  const { health, record } = observed();
  record(FAILED, FAILED, FAILED);
  health.keep(['us']);
  expect(health.isUp('eu')).toBe(true);
});
