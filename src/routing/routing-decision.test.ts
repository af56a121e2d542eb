import { expect, test } from 'bun:test';
import { testProvider } from '../../test/support/inference.ts';
import type { ModelRoute } from './directory.ts';
import { DEFAULT_HEALTH, TargetState } from './health/target-state.ts';
import { type RouteCandidate, RoutingDecision } from './routing-decision.ts';

const route: ModelRoute = {
  id: 'm',
  label: 'm',
  strategy: 'power-of-two',
  targets: [],
  fallbacks: [],
  fallbacksOn: {},
  strict: false,
  facts: undefined,
};
const candidates = ['a', 'b', 'c'].map(
  (id, index): RouteCandidate => ({
    target: { provider: testProvider({ id }), model: 'up', weight: 1 },
    route,
    state: new TargetState(() => DEFAULT_HEALTH),
    index,
    inflight: index,
    timePerTokenMs: index === 0 ? undefined : index * 10,
  }),
);
const shown = (decision: RoutingDecision) =>
  decision.evaluated.map(({ target, exclusion, inflight, timePerTokenMs }) => [
    target.provider.id,
    exclusion,
    inflight,
    timePerTokenMs,
  ]);

test('lists targets that were read, then those that were not, then those that were ruled out', () => {
  const [a, b, c] = candidates;
  if (!a || !b || !c) throw new Error('three');
  const excluded = [{ target: b.target, exclusion: 'without tools' }];
  const decision = new RoutingDecision(route, 'asked', 0, candidates, excluded);
  decision.record(c, 'busy');
  decision.recordTried(c);
  expect(shown(decision)).toEqual([
    ['c', 'busy', 2, 20],
    ['a', undefined, undefined, undefined],
    ['b', 'without tools', undefined, undefined],
  ]);
  decision.recordTried(a);
  expect(shown(decision)[1]).toEqual(['a', undefined, 0, undefined]);
});

test('keeps the state of the moment, and ignores targets of other models', () => {
  const [first, other] = candidates;
  if (!first || !other) throw new Error('two');
  const changing = { ...first, inflight: 1 };
  const decision = new RoutingDecision(route, 'asked', 0, [changing], []);
  decision.record(changing, 'draining');
  changing.inflight = 9;
  decision.recordTried(other);
  expect(shown(decision)).toEqual([['a', 'draining', 1, undefined]]);
});

test('keeps the gauges of engines that decided, whatever they are later', () => {
  const load = (waiting: number) => ({ waiting, running: 1, cacheUsage: 0.5 });
  const changing = candidates.map((one, index) => ({ ...one, engine: load(index) }));
  const decision = new RoutingDecision({ ...route, strategy: 'engine-load' }, 'asked', 0, changing, []);
  for (const one of changing) one.engine = load(99);
  const [, tried] = changing;
  if (tried) decision.recordTried(tried);
  expect(decision.evaluated.map(({ target, engine }) => [target.provider.id, engine?.waiting])).toEqual([
    ['b', 1],
    ['a', 0],
    ['c', 2],
  ]);
  expect(new RoutingDecision(route, 'asked', 0, changing, []).evaluated[0]?.engine).toBeUndefined();
});
