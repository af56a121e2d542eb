import { describe, expect, test } from 'bun:test';
import { testCall, testProvider } from '../../test/support/inference.ts';
import { type ModelDefinition, ModelDirectory } from './directory.ts';
import { TargetStates } from './health/target-states.ts';
import { RequestFacts } from './request-facts.ts';
import { createRoutingState, Router } from './router.ts';

const model = (
  id: string,
  targets: readonly string[],
  more: Partial<ModelDefinition> = {},
): ModelDefinition => ({
  id,
  aliases: [],
  strategy: 'round-robin',
  targets: targets.map((provider) => ({ provider, model: 'up', weight: 1 })),
  fallbacks: [],
  ...more,
});

function create(definitions: readonly ModelDefinition[]) {
  const states = new TargetStates();
  const providers = ['a', 'b', 'c'].map((id) => testProvider({ id }));
  const directory = new ModelDirectory(definitions, providers, () => new Map());
  const retry = { attempts: 1, baseMs: 0, maxMs: 0, budget: 0 };
  const router = new Router({ ...createRoutingState(states), directory, random: () => 0, retry });
  const order = (name: string) => {
    const route = directory.resolve(name);
    if (!route) throw new Error(`no route for ${name}`);
    const plan = router.plan(route, new RequestFacts(testCall(), 'default'), 0);
    const targets: string[] = [];
    for (let step = plan.next(0, 1e9); step.kind === 'try'; step = plan.next(0, 1e9)) {
      targets.push(TargetStates.key(step.candidate.target));
    }
    return targets;
  };
  return { states, order, directory };
}

describe('Router', () => {
  test('rotates the targets of each model independently', () => {
    const { order } = create([model('m', ['a', 'b']), model('n', ['a', 'b'])]);
    expect([order('m'), order('n'), order('m')]).toEqual([
      ['a/up', 'b/up'],
      ['a/up', 'b/up'],
      ['b/up', 'a/up'],
    ]);
  });

  test('uses the attempts in flight', () => {
    const { states, order, directory } = create([model('m', ['a', 'b'], { strategy: 'least-inflight' })]);
    const first = directory.resolve('m')?.targets[0];
    if (!first) throw new Error('the model has targets');
    const lease = states.of(first).begin(0);
    expect([order('m')[0], order('m')[0]]).toEqual(['b/up', 'b/up']);
    lease.end(0, undefined, 1);
  });

  test('appends fallbacks, each target once, also in circular definitions', () => {
    const { order } = create([
      model('m', ['a'], { fallbacks: ['n', 'c/direct', 'nowhere'] }),
      model('n', ['b', 'a'], { fallbacks: ['m'] }),
    ]);
    expect(order('m')).toEqual(['a/up', 'b/up', 'c/direct']);
  });

  test('excludes targets with weight 0', () => {
    const off = { targets: [{ provider: 'a', model: 'up', weight: 0 }] };
    const { order } = create([
      model('m', [], { ...off, fallbacks: ['n'] }),
      model('n', ['b']),
      model('off', [], off),
    ]);
    expect(order('m')).toEqual(['b/up']);
    expect(order('off')).toEqual([]);
  });
});
