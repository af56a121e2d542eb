import { expect, test } from 'bun:test';
import { testCall, testProvider } from '../../test/support/inference.ts';
import { ModelDirectory } from './directory.ts';
import { TargetStates } from './health/target-states.ts';
import { RequestFacts } from './request-facts.ts';
import { createRoutingState, Router } from './router.ts';
import type { TargetPreference } from './target-preference.ts';

function targetsFor(preference: TargetPreference) {
  const states = new TargetStates();
  const ids = ['a', 'b', 'c', 'd'];
  const targets = ids.map((provider) => ({ provider, model: 'up', weight: 1 }));
  const directory = new ModelDirectory(
    [{ id: 'm', aliases: [], strategy: 'power-of-two', targets, fallbacks: [] }],
    ids.map((id) => testProvider({ id })),
    () => new Map(),
  );
  const retry = { attempts: 1, baseMs: 0, maxMs: 0, budget: 0 };
  const router = new Router({ ...createRoutingState(states), directory, random: () => 0, retry });
  const route = directory.resolve('m');
  if (!route) throw new Error('the model is there');
  const facts = new RequestFacts(testCall(), 'default', undefined, 1, undefined, preference);
  const plan = router.plan(route, facts, 0);
  const tried: string[] = [];
  for (let step = plan.next(0, 1e9); step.kind === 'try'; step = plan.next(0, 1e9)) {
    tried.push(step.candidate.target.provider.id);
  }
  return tried;
}

test('the targets of a preference come first, and the others follow', () => {
  const tried = targetsFor({ model: 'm', order: ['c/up', 'b/up', 'unknown/up'], only: false });
  expect(tried.slice(0, 2)).toEqual(['c', 'b']);
  expect(tried.toSorted()).toEqual(['a', 'b', 'c', 'd']);
});

test('no other target is tried where the preference says so', () => {
  expect(targetsFor({ model: 'm', order: ['d/up'], only: true })).toEqual(['d']);
  expect(targetsFor({ model: 'm', order: [], only: true })).toEqual([]);
});

test('a preference holds for its model only, not for fallbacks', () => {
  expect(targetsFor({ model: 'other', order: ['d/up'], only: true })).toHaveLength(4);
});
