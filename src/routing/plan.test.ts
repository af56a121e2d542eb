import { describe, expect, test } from 'bun:test';
import { testCall, testProvider } from '../../test/support/inference.ts';
import { GatewayError } from '../core/errors.ts';
import { type ModelDefinition, ModelDirectory } from './directory.ts';
import { TargetStates } from './health/target-states.ts';
import { RequestFacts } from './request-facts.ts';
import { DEFAULT_RETRY, RetryBudget } from './retry.ts';
import { createRoutingState, Router } from './router.ts';

const model = (
  id: string,
  targets: readonly string[],
  more: Partial<ModelDefinition> = {},
): ModelDefinition => ({
  id,
  aliases: [],
  strategy: 'round-robin',
  targets: targets.map((name) => {
    const [provider = '', tier = '0'] = name.split(':');
    return { provider, model: 'up', weight: 1, tier: Number(tier) };
  }),
  fallbacks: [],
  ...more,
});

/** A router over providers a to d, and what a request for `m` meets. */
function create(definitions: readonly ModelDefinition[], retry = DEFAULT_RETRY) {
  const states = new TargetStates();
  const providers = ['a', 'b', 'c', 'd'].map((id) => testProvider({ id }));
  const directory = new ModelDirectory(definitions, providers, () => new Map());
  const router = new Router({ ...createRoutingState(states), directory, random: () => 0, retry });
  const stateOf = (id: string) => {
    const provider = providers.find((one) => one.id === id);
    if (!provider) throw new Error(id);
    return states.of({ provider, model: 'up', weight: 1 });
  };
  const plan = (now = 0) => {
    const route = directory.resolve('m');
    if (!route) throw new Error('m');
    return router.plan(route, new RequestFacts(testCall(), 'default'), now);
  };
  return { plan, stateOf };
}

const down = (code: 'upstream_error' | 'upstream_rate_limited' = 'upstream_error', more = {}) =>
  new GatewayError(code, 'no', more);

/** What a request does while everything fails with the same error: targets, waits, and how it ends. */
function story(
  plan: ReturnType<ReturnType<typeof create>['plan']>,
  error: GatewayError,
  deadline = 1e9,
): string[] {
  const steps: string[] = [];
  let now = 0;
  for (;;) {
    const step = plan.next(now, deadline);
    if (step.kind === 'none') return steps;
    if (step.kind === 'wait') {
      now += step.ms;
      steps.push(`${step.ms} ms`);
      continue;
    }
    if (step.kind === 'queue') {
      steps.push(`wait for ${step.busy.map(({ target }) => target.provider.id).join('')}`);
      if (!plan.queueRejected(new GatewayError('model_busy', 'no room'))) return [...steps, 'stop'];
      continue;
    }
    steps.push(step.candidate.target.provider.id);
    if (!plan.failed(error)) return [...steps, 'stop'];
  }
}

describe('a plan', () => {
  test('tries a single target three times, with a doubling backoff', () => {
    const { plan } = create([model('m', ['a'])]);
    expect(story(plan(), down())).toEqual(['a', '500 ms', 'a', '1000 ms', 'a']);
  });

  test('tries other targets and fallbacks before it waits', () => {
    const { plan } = create([model('m', ['a', 'b'], { fallbacks: ['n'] }), model('n', ['c'])]);
    expect(story(plan(), down())).toEqual(['a', 'b', 'c']);
    const { plan: patient } = create([model('m', ['a', 'b'])]);
    expect(story(patient(), down())).toEqual(['a', 'b', '500 ms', 'b', 'a']);
  });

  test('retries only failures after which the same target may succeed', () => {
    const { plan } = create([model('m', ['a', 'b'])]);
    expect(story(plan(), new GatewayError('upstream_auth_failed', 'bad key'))).toEqual(['a', 'b']);
    expect(story(plan(), new GatewayError('upstream_rejected', 'nonsense'))).toEqual(['b', 'stop']);
  });

  test('waits for Retry-After, within the deadline', () => {
    const { plan } = create([model('m', ['a'])]);
    const told = down('upstream_rate_limited', { retryAfterSeconds: 7 });
    expect(story(plan(), told)).toEqual(['a', '7000 ms', 'a', '7000 ms', 'a']);
    expect(story(plan(), told, 5_000)).toEqual(['a']);
    expect(story(plan(), down('upstream_rate_limited', { retryAfterSeconds: 120 }))).toEqual(['a']);
  });

  test('skips targets with an open breaker, and records the reason', () => {
    const { plan, stateOf } = create([model('m', ['a', 'b'])]);
    for (let count = 0; count < 5; count += 1) stateOf('a').begin(0).end(0, down(), undefined);
    const one = plan();
    expect(story(one, new GatewayError('upstream_auth_failed', 'x'))).toEqual(['b']);
    expect(
      one.decisions[0]?.evaluated.map(({ target, exclusion }) => [target.provider.id, exclusion]),
    ).toEqual([
      ['b', undefined],
      ['a', 'breaker_open'],
    ]);
  });

  test('tries a target that is cooling down after all others', () => {
    const { plan, stateOf } = create([model('m', ['a', 'b'], { fallbacks: ['n'] }), model('n', ['c'])]);
    stateOf('a').begin(0).end(0, down('upstream_rate_limited'), undefined);
    expect(story(plan(), new GatewayError('upstream_auth_failed', 'x'))).toEqual(['b', 'c', 'a']);
  });

  test('returns no target when all are unavailable, and the time at which one becomes available', () => {
    const { plan, stateOf } = create([model('m', ['a'])]);
    for (let count = 0; count < 5; count += 1) stateOf('a').begin(0).end(0, down(), undefined);
    const one = plan();
    expect(one.next(1_000, 1e9)).toEqual({ kind: 'none' });
    expect(one.availableAt(1_000)).toBe(30_000);
  });

  test('ends when its own failures open the only breaker for longer than a wait may be', () => {
    const { plan, stateOf } = create([model('m', ['a'])]);
    const state = stateOf('a');
    const failNow = (now: number) => state.begin(now).end(now, down(), undefined);
    for (let count = 0; count < 4; count += 1) failNow(0);
    const one = plan();
    expect(one.next(0, 1e9)).toMatchObject({ kind: 'try' });
    failNow(0);
    expect(one.failed(down())).toBe(true);
    expect(one.next(0, 1e9)).toEqual({ kind: 'none' });
    // A second before the next probe, the usual waits suffice.
    const late = plan(29_000);
    expect(late.next(29_000, 1e9)).toEqual({ kind: 'none' });
  });

  test('waits for a breaker that admits a probe soon, and does not wait twice for nothing', () => {
    const { plan, stateOf } = create([model('m', ['a', 'b'])]);
    for (let count = 0; count < 5; count += 1) stateOf('a').begin(0).end(0, down(), undefined);
    stateOf('b').decide('drain', 0);
    stateOf('b').decide(undefined, 0);
    const one = plan(28_000);
    expect(one.next(28_000, 1e9)).toMatchObject({ kind: 'try' });
    stateOf('b').decide('disable', 28_000);
    one.failed(down());
    expect(one.next(28_000, 1e9)).toEqual({ kind: 'wait', ms: 2_000 });
    // Another request is the probe.
    stateOf('a').begin(30_000);
    expect(one.next(30_000, 1e9)).toEqual({ kind: 'none' });
  });

  test('does not repeat a target that refused to be asked again', () => {
    const { plan, stateOf } = create([model('m', ['a', 'b'])]);
    const both = plan();
    const steps: string[] = [];
    for (let now = 0; ; ) {
      const step = both.next(now, 1e9);
      if (step.kind === 'none') break;
      if (step.kind === 'wait') now += step.ms;
      if (step.kind !== 'try') continue;
      steps.push(step.candidate.target.provider.id);
      if (step.candidate.state === stateOf('a')) both.neverRepeat(step.candidate.state);
      both.failed(down());
    }
    expect(steps).toEqual(['a', 'b', 'b']);
    const { plan: alone } = create([model('m', ['a'])]);
    const only = alone();
    const step = only.next(0, 1e9);
    if (step.kind === 'try') only.neverRepeat(step.candidate.state);
    only.failed(down());
    expect(only.next(0, 1e9)).toEqual({ kind: 'none' });
  });

  test('uses a higher tier when the lower ones are unavailable', () => {
    const { plan, stateOf } = create([model('m', ['a:1', 'b:0', 'c:0'])]);
    const order = () => story(plan(), new GatewayError('upstream_auth_failed', 'x'));
    expect(order()).toEqual(['b', 'c', 'a']);
    stateOf('b').decide('disable', 0);
    stateOf('c').decide('drain', 0);
    expect(order()).toEqual(['a']);
  });

  test('uses the fallbacks for the kind of failure', () => {
    const fallbacksOn = { context_window: ['large'], rate_limit: ['spare'] };
    const { plan } = create([
      model('m', ['a', 'b'], { fallbacks: ['n'], fallbacksOn }),
      model('n', ['c']),
      model('large', ['d']),
      model('spare', ['d']),
    ]);
    // Too long for a is too long for b: straight to the larger one.
    expect(story(plan(), new GatewayError('context_length_exceeded', 'long'))).toEqual(['a', 'd', 'stop']);
    expect(story(plan(), down('upstream_rate_limited', { retryAfterSeconds: 99 }))).toEqual([
      'b',
      'a',
      'd',
      'c',
    ]);
    expect(story(plan(), new GatewayError('content_policy_violation', 'no'))).toEqual(['a', 'stop']);
  });
});

test('a recovered target is first only for its share of requests', () => {
  const states = new TargetStates();
  const providers = ['a', 'b'].map((id) => testProvider({ id }));
  const directory = new ModelDirectory(
    [model('m', ['a', 'b'], { strategy: 'weighted' })],
    providers,
    () => new Map(),
  );
  let seed = 0;
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed / 2_147_483_648;
  };
  const router = new Router({ ...createRoutingState(states), directory, random });
  const route = directory.resolve('m');
  const [first] = route?.targets ?? [];
  if (!route || !first) throw new Error('m');
  states.of(first).recovered(0);
  const shareAt = (now: number) => {
    let hits = 0;
    for (let turn = 0; turn < 2_000; turn += 1) {
      const step = router.plan(route, new RequestFacts(testCall(), 'default'), now).next(now, 1e9);
      if (step.kind === 'try' && step.candidate.target === first) hits += 1;
    }
    return hits / 2_000;
  };
  expect(shareAt(1)).toBeWithin(0.03, 0.08);
  expect(shareAt(15_000)).toBeWithin(0.2, 0.3);
  expect(shareAt(31_000)).toBeWithin(0.45, 0.55);
});

test('a recovered target gets a request while it is idle and the others are busy, and no more than its share', () => {
  const states = new TargetStates();
  const providers = ['a', 'b'].map((id) => testProvider({ id }));
  const directory = new ModelDirectory(
    [model('m', ['a', 'b'], { strategy: 'least-inflight' })],
    providers,
    () => new Map(),
  );
  const router = new Router({ ...createRoutingState(states), directory, random: () => 0.99 });
  const route = directory.resolve('m');
  const [first, second] = route?.targets ?? [];
  if (!route || !first || !second) throw new Error('m');
  states.of(first).recovered(0);
  const next = (now: number) => {
    const step = router.plan(route, new RequestFacts(testCall(), 'default'), now).next(now, 1e9);
    return step.kind === 'try' ? step.candidate.target : undefined;
  };
  expect(next(1)).toBe(second);
  for (let count = 0; count < 9; count += 1) states.of(second).begin(0);
  expect(next(1)).toBe(first);
  states.of(first).begin(0);
  // Two of eleven are more than a tenth, and less than half.
  expect([next(1), next(15_000)]).toEqual([second, first]);
});

test('retries stop when the budget is spent, and continue when it is refilled', () => {
  const budget = new RetryBudget();
  let spent = 0;
  while (budget.spend(0)) spent += 1;
  expect(spent).toBe(20);
  for (let request = 0; request < 100; request += 1) budget.earn(0.2, 0);
  let earned = 0;
  while (budget.spend(0)) earned += 1;
  expect(earned).toBe(20);
  expect(budget.spend(100)).toBe(true);
  expect(budget.spend(100)).toBe(false);
});
