import { expect, test } from 'bun:test';
import { testProvider } from '../../test/support/inference.ts';
import type { ModelRoute } from './directory.ts';
import { DEFAULT_HEALTH, TargetState } from './health/target-state.ts';
import { Look, LookNotes, type Ready } from './look.ts';

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
const places = ['a', 'b', 'c'].map(
  (id, index): Ready => ({
    target: { provider: testProvider({ id }), model: 'up', weight: 1 },
    route,
    state: new TargetState(() => DEFAULT_HEALTH),
    index,
    inflight: index,
    pace: index === 0 ? undefined : index * 10,
  }),
);
const shown = (look: Look) =>
  look.considered.map(({ target, leftOut, inflight, pace }) => [target.provider.id, leftOut, inflight, pace]);

test('tells what was noted, then those that nobody had to look at, then those that were ruled out', () => {
  const [a, b, c] = places;
  if (!a || !b || !c) throw new Error('three');
  const ruledOut = [{ target: b.target, leftOut: 'without tools' }];
  const look = new Look(route, 'asked', 0, places, 2, ruledOut, new LookNotes());
  look.note(c, 'busy');
  look.tried(c);
  expect(shown(look)).toEqual([
    ['c', 'busy', 2, 20],
    ['a', undefined, undefined, undefined],
    ['b', 'without tools', undefined, undefined],
  ]);
  look.tried(a);
  expect(shown(look)[1]).toEqual(['a', undefined, 0, undefined]);
  expect(look.only).toBeUndefined();
});

test('notes that newer ones have taken the place of are not taken for others', () => {
  const notes = new LookNotes(16);
  const [a] = places;
  if (!a) throw new Error('one');
  const old = new Look(route, 'asked', 0, [a], 1, [], notes);
  old.note(a, undefined);
  expect(old.only).toMatchObject({ inflight: 0 });
  const newer = new Look(route, 'asked', 0, places, 3, [], notes);
  for (const place of places) newer.note(place, 'draining');
  expect(shown(old)).toEqual([['a', undefined, 0, undefined]]);
  notes.reserve(1);
  expect(shown(old)).toEqual([['a', undefined, undefined, undefined]]);
  expect(shown(newer).map(([id, why]) => [id, why])).toEqual([
    ['a', 'draining'],
    ['b', 'draining'],
    ['c', 'draining'],
  ]);
});
