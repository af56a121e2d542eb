import { expect, test } from 'bun:test';
import { testProvider } from '../../test/support/inference.ts';
import type { ModelRoute } from './directory.ts';
import { DEFAULT_HEALTH, TargetState } from './health/target-state.ts';
import { type RouteCandidate, RoutingDecisionEntry, RoutingDecisionLog } from './routing-decision.ts';

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
const shown = (decision: RoutingDecisionEntry) =>
  decision.evaluated.map(({ target, leftOut, inflight, timePerTokenMs }) => [
    target.provider.id,
    leftOut,
    inflight,
    timePerTokenMs,
  ]);

test('tells what was noted, then those that nobody had to look at, then those that were ruled out', () => {
  const [a, b, c] = candidates;
  if (!a || !b || !c) throw new Error('three');
  const ruledOut = [{ target: b.target, leftOut: 'without tools' }];
  const decision = new RoutingDecisionEntry(
    route,
    'asked',
    0,
    candidates,
    2,
    ruledOut,
    new RoutingDecisionLog(),
  );
  decision.note(c, 'busy');
  decision.tried(c);
  expect(shown(decision)).toEqual([
    ['c', 'busy', 2, 20],
    ['a', undefined, undefined, undefined],
    ['b', 'without tools', undefined, undefined],
  ]);
  decision.tried(a);
  expect(shown(decision)[1]).toEqual(['a', undefined, 0, undefined]);
  expect(decision.only).toBeUndefined();
});

test('notes that newer ones have taken the place of are not taken for others', () => {
  const notes = new RoutingDecisionLog(16);
  const [a] = candidates;
  if (!a) throw new Error('one');
  const old = new RoutingDecisionEntry(route, 'asked', 0, [a], 1, [], notes);
  old.note(a, undefined);
  expect(old.only).toMatchObject({ inflight: 0 });
  const newer = new RoutingDecisionEntry(route, 'asked', 0, candidates, 3, [], notes);
  for (const candidate of candidates) newer.note(candidate, 'draining');
  expect(shown(old)).toEqual([['a', undefined, 0, undefined]]);
  notes.reserve(1);
  expect(shown(old)).toEqual([['a', undefined, undefined, undefined]]);
  expect(shown(newer).map(([id, why]) => [id, why])).toEqual([
    ['a', 'draining'],
    ['b', 'draining'],
    ['c', 'draining'],
  ]);
});
