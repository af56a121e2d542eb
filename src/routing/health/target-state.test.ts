import { describe, expect, test } from 'bun:test';
import { GatewayError } from '../../core/errors.ts';
import { PeakEwma, RecentLowest, RecentQuantiles } from './latency.ts';
import { DEFAULT_HEALTH, TargetState } from './target-state.ts';

const create = () => new TargetState(() => DEFAULT_HEALTH);
const failure = (code: 'upstream_error' | 'upstream_rate_limited' | 'upstream_rejected', more = {}) =>
  new GatewayError(code, 'it failed', more);

function fail(state: TargetState, now: number, error = failure('upstream_error')): void {
  state.begin(now).end(now, error, undefined);
}

describe('a target', () => {
  test('becomes unavailable after consecutive failures, and returns with slow start after a probe', () => {
    const state = create();
    for (let count = 0; count < 5; count += 1) fail(state, 0);
    expect([state.unavailable(0), state.availableAt(0)]).toEqual(['breaker_open', 30_000]);
    const probe = state.begin(30_000);
    expect(state.unavailable(30_000)).toBe('breaker_open');
    probe.responseStarted(30_100);
    expect(state.unavailable(30_100)).toBeUndefined();
    expect([state.share(30_100), state.share(45_100), state.share(60_100)]).toEqual([0.1, 0.5, 1]);
    probe.end(40_000, undefined, 10);
    expect(state.inflight).toBe(0);
  });

  test('is not affected by invalid requests or disconnected clients', () => {
    const state = create();
    for (let count = 0; count < 20; count += 1) {
      fail(state, 0, failure('upstream_rejected'));
      state.begin(0).end(0, null, undefined);
    }
    expect([state.unavailable(0), state.failures]).toEqual([undefined, 0]);
  });

  test('cools down for Retry-After, up to a maximum', () => {
    const state = create();
    fail(state, 0, failure('upstream_rate_limited', { retryAfterSeconds: 20 }));
    expect([state.unavailable(19_999), state.unavailable(20_000)]).toEqual(['cooling_down', undefined]);
    fail(state, 0, failure('upstream_rate_limited', { retryAfterSeconds: 86_400 }));
    expect(state.availableAt(0)).toBe(300_000);
    expect(state.breakerState(0)).toBe('closed');
  });

  test('that fails after its first event counts a failure', () => {
    const state = create();
    for (let count = 0; count < 5; count += 1) {
      const lease = state.begin(0);
      lease.responseStarted(1);
      lease.end(2, failure('upstream_error'), 3);
    }
    // Each began well: what counts is the share of failures.
    expect(state.breakerState(2)).toBe('closed');
    for (let count = 0; count < 8; count += 1) {
      const lease = state.begin(0);
      lease.responseStarted(1);
      lease.end(2, failure('upstream_error'), 3);
    }
    expect(state.breakerState(2)).toBe('open');
  });

  test('that stops responding fails its pending attempts; one that responds with errors does not', () => {
    const given: string[] = [];
    const waiting = (state: TargetState, name: string) => {
      const lease = state.begin(0);
      lease.onAbandon = ({ code }) => given.push(`${name} ${code}`);
      return lease;
    };
    const broken = create();
    waiting(broken, 'broken');
    for (let count = 0; count < 5; count += 1) fail(broken, 0);
    const silent = create();
    waiting(silent, 'silent');
    waiting(silent, 'answered').responseStarted(1);
    for (let count = 0; count < 5; count += 1)
      fail(silent, 0, new GatewayError('upstream_timeout', 'silence'));
    const sick = create();
    waiting(sick, 'sick');
    sick.checked(false, 0);
    expect(given).toEqual(['silent upstream_timeout', 'sick upstream_timeout']);
  });

  test('follows operator decisions before measurements', () => {
    const state = create();
    state.decide('drain', 0);
    expect(state.unavailable(0)).toBe('draining');
    state.decide('disable', 0);
    expect([state.unavailable(0), state.availableAt(0)]).toEqual(['disabled', Number.POSITIVE_INFINITY]);
    for (let count = 0; count < 5; count += 1) fail(state, 0);
    state.decide('force', 0);
    expect(state.unavailable(0)).toBeUndefined();
    state.decide(undefined, 0);
    state.reset(0);
    expect(state.unavailable(0)).toBeUndefined();
    state.checked(false, 0);
    expect(state.unavailable(0)).toBe('unhealthy');
  });

  test('that fails in mid-stream during a probe releases the probe', () => {
    const state = create();
    for (let count = 0; count < 5; count += 1) fail(state, 0);
    const probe = state.begin(30_000);
    probe.end(30_001, null, undefined);
    expect(state.unavailable(30_001)).toBeUndefined();
  });
});

describe('time per token', () => {
  test('rises at once and decays slowly', () => {
    const timePerTokenMs = new PeakEwma();
    timePerTokenMs.add(10, 0);
    timePerTokenMs.add(100, 1);
    expect(timePerTokenMs.at(1)).toBe(100);
    timePerTokenMs.add(10, 2);
    expect(timePerTokenMs.at(2)).toBeWithin(90, 100);
    timePerTokenMs.add(10, 60_000);
    expect(timePerTokenMs.at(60_000)).toBeWithin(10, 11);
  });

  test('decays without samples', () => {
    const timePerTokenMs = new PeakEwma();
    expect(timePerTokenMs.at(0)).toBeUndefined();
    timePerTokenMs.add(100, 0);
    expect(timePerTokenMs.at(30_000)).toBeWithin(4, 6);
  });
});

test('the lowest of the last samples forgets older ones', () => {
  const lowest = new RecentLowest(3);
  expect(lowest.value).toBeUndefined();
  for (const sample of [300, 10, 12]) lowest.add(sample);
  expect(lowest.value).toBe(10);
  for (const sample of [20, 21]) lowest.add(sample);
  expect(lowest.value).toBe(12);
  lowest.reset();
  expect(lowest.value).toBeUndefined();
});

describe('quantiles', () => {
  test('cover the last samples, once there are enough', () => {
    const recent = new RecentQuantiles(100);
    for (let value = 1; value <= 10; value += 1) recent.add(value);
    expect(recent.quantile(0.95)).toBeUndefined();
    for (let value = 1; value <= 200; value += 1) recent.add(value);
    expect([recent.quantile(0), recent.quantile(0.95), recent.quantile(1)]).toEqual([101, 195, 200]);
  });
});
