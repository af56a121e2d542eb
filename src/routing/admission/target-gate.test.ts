import { describe, expect, test } from 'bun:test';
import { testProvider } from '../../../test/support/inference.ts';
import { GatewayError } from '../../core/errors.ts';
import { DEFAULT_HEALTH, type TargetState } from '../health/target-state.ts';
import { TargetStates } from '../health/target-states.ts';
import { AdaptiveLimit, type LimitSetting } from './concurrency-limit.ts';
import { QueuedRequest } from './queued-request.ts';

const PAYER = { tenant: 't', weight: 1, inputTokens: 10, outputTokens: 90 };

function create(limit: LimitSetting, maxQueued = 10) {
  const states = new TargetStates();
  const configure = (setting: LimitSetting, now = 0) =>
    states.configure(DEFAULT_HEALTH, { limit: setting, limits: new Map(), maxQueued }, now);
  configure(limit);
  const [a, b] = ['a', 'b'].map((id) => states.of({ provider: testProvider({ id }), model: 'm', weight: 1 }));
  if (!a || !b) throw new Error('two targets');
  return { states, a, b, configure };
}

let order = 0;
/** A request that waits for the first of some targets, and which one it got or why it left. */
function wait(targets: readonly TargetState[], tenant = 't') {
  const story: { got: TargetState | undefined; left: string | undefined } = {
    got: undefined,
    left: undefined,
  };
  const queueTenant = { ...PAYER, tenant };
  const request = new QueuedRequest({
    queueTenant,
    priority: 'normal',
    deadlineAt: 1e9,
    order: order++,
    expiresAt: 1e9,
    slots: targets.flatMap((state) => {
      const acquire = () => {
        story.got = state;
        return state.begin(0, false, queueTenant, true);
      };
      return state.gate ? [{ gate: state.gate, acquire }] : [];
    }),
  });
  const outcome = request.outcome.then((end) => {
    story.left = end.kind;
    return end;
  });
  return { story, request, outcome };
}

describe('a target with a concurrency limit', () => {
  test('is full at its limit, and a released slot goes to a queued request at once', async () => {
    const { a, states } = create(2);
    const leases = [a.begin(0, false, PAYER), a.begin(0, false, PAYER)];
    expect(a.full).toBe(true);
    const { story, outcome } = wait([a]);
    expect([states.queued(), story.got]).toEqual([1, undefined]);
    leases[0]?.end(5, undefined, 90);
    expect([states.queued(), story.got, a.inflight]).toEqual([0, a, 2]);
    expect((await outcome).kind).toBe('let_in');
  });

  test('an unused slot is released', () => {
    const { a } = create(1);
    const lease = a.begin(0);
    lease.release(1);
    lease.release(2);
    expect(a.inflight).toBe(0);
    const sent = a.begin(3);
    sent.sent(3);
    sent.release(4);
    expect(a.inflight).toBe(1);
  });

  test('a request that queues for several targets gets the first free slot, and leaves the other queues', () => {
    const { a, b, states } = create(1);
    a.begin(0);
    const onB = b.begin(0);
    const { story } = wait([a, b]);
    expect([a.gate?.queue.size, b.gate?.queue.size, states.queued()]).toEqual([1, 1, 1]);
    onB.end(1, null, undefined);
    expect([story.got, a.gate?.queue.size, b.gate?.queue.size]).toEqual([b, 0, 0]);
  });

  test('requests leave the queue of a failing target, and stay in the queues of others', async () => {
    const { a, b } = create(1);
    const onA = a.begin(0);
    const onB = b.begin(0);
    const one = wait([a]);
    const both = wait([a, b]);
    a.decide('disable', 1);
    expect(a.gate?.queue.size).toBe(2);
    onA.end(1, new GatewayError('upstream_error', 'no'), undefined);
    expect((await one.outcome).kind).toBe('gone');
    expect([both.story.left, a.gate?.queue.size, b.gate?.queue.size]).toEqual([undefined, 0, 1]);
    onB.end(2, undefined, 5);
    expect(both.story.got).toBe(b);
  });

  test('a full queue evicts the last request of the tenant with the most', async () => {
    const { a } = create(1, 3);
    a.begin(0);
    const heavy = [wait([a], 'g'), wait([a], 'g'), wait([a], 'g')];
    const modest = wait([a], 'm');
    expect((await heavy[2]?.outcome)?.kind).toBe('shed');
    expect([a.gate?.queue.size, modest.story.left]).toEqual([3, undefined]);
  });

  test('a cancelled or expired request leaves all queues', async () => {
    const { a, b, states } = create(1);
    a.begin(0);
    b.begin(0);
    const [late, gone] = [wait([a, b]), wait([a, b])];
    late.request.expire();
    gone.request.cancel();
    expect([(await late.outcome).kind, (await gone.outcome).kind, states.queued()]).toEqual([
      'timeout',
      'cancelled',
      0,
    ]);
  });

  test('a higher limit admits more requests; without a limit, queued requests evaluate targets again', async () => {
    const { a, configure } = create(1);
    a.begin(0);
    const [first, second, third] = [wait([a]), wait([a]), wait([a])];
    configure(2);
    expect([first?.story.got, second?.story.got, a.inflight]).toEqual([a, undefined, 2]);
    configure(null);
    expect([(await second.outcome).kind, (await third.outcome).kind, a.full]).toEqual([
      'gone',
      'gone',
      false,
    ]);
  });

  test('estimates the wait of the next request of a tenant', () => {
    const { a } = create(1);
    let lease = a.begin(0, false, PAYER);
    const waiters = Array.from({ length: 6 }, () => wait([a], 'g'));
    expect(a.gate?.expectedWait('g')).toBeUndefined();
    for (const at of [100, 200, 300]) {
      lease.end(at, undefined, 90);
      lease = { ...lease, end: (now) => a.released(now, PAYER, 90) };
    }
    expect(waiters.filter(({ story }) => story.got).length).toBe(3);
    expect([a.gate?.expectedWait('g'), a.gate?.expectedWait('other')]).toEqual([400, 100]);
  });
});

describe('an adaptive limit', () => {
  /** An engine whose answers get slower beyond what it can do at once; always asked for as much as it may have. */
  const settled = (capacity: number, limit = new AdaptiveLimit(), timePerTokenMs = 20) => {
    // A quiet time first, as at night.
    for (let turn = 0; turn < 200; turn += 1) limit.succeeded(timePerTokenMs, 1);
    for (let turn = 0; turn < 3_000; turn += 1) {
      const inflight = limit.value;
      limit.succeeded(timePerTokenMs * Math.max(1, inflight / capacity), inflight);
    }
    return limit;
  };

  test.each([4, 16, 64, 200])('approaches the capacity of an engine with %d slots', (capacity) => {
    const { value } = settled(capacity);
    expect(value).toBeWithin(capacity, capacity * 2.5);
  });

  test('adapts to a slower engine', () => {
    const limit = settled(64);
    expect(settled(64, limit, 50).value).toBeWithin(64, 64 * 2.5);
  });

  test('falls with the capacity, and does not rise under low load', () => {
    const limit = settled(64);
    const before = limit.value;
    for (let turn = 0; turn < 100; turn += 1) limit.succeeded(20, 3);
    expect(limit.value).toBe(before);
    for (let turn = 0; turn < 10; turn += 1) limit.overloaded();
    expect(limit.value).toBeLessThan(before * 0.4);
    for (let turn = 0; turn < 1_000; turn += 1) limit.overloaded();
    expect(limit.value).toBe(1);
  });
});
