import { describe, expect, test } from 'bun:test';
import { seededRandom } from '../../../test/support/bytes.ts';
import { testCall, testProvider, testTarget } from '../../../test/support/inference.ts';
import { EngineLoads } from '../engine-loads.ts';
import { PrefixIndex, prefixChain } from '../prefix-index.ts';
import { RequestFacts } from '../request-facts.ts';
import { STRATEGIES, type StrategyName } from './index.ts';
import type { SelectionContext, TargetView } from './strategy.ts';

const view = (model: string, more: Partial<TargetView> = {}, weight = 1): TargetView => ({
  target: testTarget(testProvider(), model, weight),
  inflight: 0,
  timePerTokenMs: undefined,
  price: undefined,
  engine: undefined,
  ...more,
});

function first(
  strategy: StrategyName,
  views: readonly TargetView[],
  more: Partial<SelectionContext> = {},
): string | undefined {
  const selection: SelectionContext = {
    count: 0,
    random: () => 0,
    equalWeights: false,
    inputTokens: 1_000,
    outputTokens: 100,
    affinity: undefined,
    seenBlocks: () => 0,
    blocks: 0,
    ...more,
  };
  return STRATEGIES[strategy](views, selection)[0]?.target.model;
}

describe('power-of-two', () => {
  test('chooses the shorter expected wait of the two targets drawn', () => {
    const fast = view('fast', { timePerTokenMs: 10, inflight: 3 });
    const slow = view('slow', { timePerTokenMs: 100, inflight: 0 });
    expect(first('power-of-two', [slow, fast])).toBe('fast');
    expect(first('power-of-two', [slow, { ...fast, inflight: 20 }])).toBe('slow');
  });

  test('chooses a target without measurements', () => {
    expect(first('power-of-two', [view('known', { timePerTokenMs: 10 }), view('new')])).toBe('new');
  });
});

describe('lowest-cost', () => {
  const cheap = view('cheap', { price: { input: 1, output: 2, cached: 1 } });
  const costly = view('costly', { price: { input: 1.5, output: 3, cached: 0.1 } });

  test('puts the cheapest target first, and targets without a price last', () => {
    expect(first('lowest-cost', [view('unknown'), costly, cheap])).toBe('cheap');
  });

  test('uses the price of cached input', () => {
    const seenBlocks: SelectionContext['seenBlocks'] = ({ model }) => (model === 'costly' ? 15 : 0);
    expect(first('lowest-cost', [cheap, costly], { seenBlocks, blocks: 15 })).toBe('costly');
  });
});

describe('consistent-hash', () => {
  const three = ['a', 'b', 'c'].map((model) => view(model));
  const keys = Array.from({ length: 300 }, (_, index) => `user ${index}`);

  test('sends a key to the same target, and moves only the keys of a removed one', () => {
    const before = keys.map((affinity) => first('consistent-hash', three, { affinity }));
    expect(keys.map((affinity) => first('consistent-hash', three, { affinity }))).toEqual(before);
    const without = three.filter(({ target }) => target.model !== 'b');
    const after = keys.map((affinity) => first('consistent-hash', without, { affinity }));
    expect(after.filter((model, index) => model !== before[index] && before[index] !== 'b')).toEqual([]);
    for (const model of ['a', 'b', 'c']) {
      expect(before.filter((one) => one === model).length).toBeWithin(70, 130);
    }
  });

  test('uses another target when one exceeds its share of the load', () => {
    const affinity = keys.find((key) => first('consistent-hash', three, { affinity: key }) === 'a') ?? '';
    const busy = three.map((one) =>
      one.target.model === 'a' ? { ...one, inflight: 10 } : { ...one, inflight: 5 },
    );
    expect(first('consistent-hash', busy, { affinity })).not.toBe('a');
  });
});

describe('two idle targets', () => {
  const share = (of: string, views: readonly TargetView[]) => {
    const random = seededRandom(5);
    const rounds = 4_000;
    let count = 0;
    for (let round = 0; round < rounds; round += 1) {
      if (first('power-of-two', views, { random }) === of) count += 1;
    }
    return count / rounds;
  };

  test('that are alike share the requests, whatever a first request or a pause took', () => {
    const steady = view('steady', { timePerTokenMs: 10, idleTimePerTokenMs: 10 });
    const paused = view('paused', { timePerTokenMs: 300, idleTimePerTokenMs: 10 });
    expect(share('paused', [steady, paused])).toBeWithin(0.45, 0.55);
  });

  test('that differ in speed are chosen by it, and neither is given up', () => {
    const fast = view('fast', { timePerTokenMs: 10, idleTimePerTokenMs: 10 });
    const slow = view('slow', { timePerTokenMs: 40, idleTimePerTokenMs: 40 });
    expect(share('slow', [fast, slow])).toBeWithin(0.03, 0.09);
  });

  test('of which one is busy are compared by their expected wait', () => {
    const idle = view('idle', { timePerTokenMs: 10, idleTimePerTokenMs: 10 });
    const busy = view('busy', { timePerTokenMs: 10, idleTimePerTokenMs: 10, inflight: 1 });
    expect(share('busy', [idle, busy])).toBe(0);
  });
});

describe('prefix-affinity', () => {
  const index = new PrefixIndex();
  const system = 'You are careful. '.repeat(60);
  const chain = prefixChain([system, 'user', 'first question '.repeat(30)]);
  const seen: (of: readonly number[]) => SelectionContext['seenBlocks'] =
    (of) =>
    ({ model }) =>
      index.seen('m', of, model);
  index.add('m', chain, 'warm');

  test('chooses the target that processed the prefix', () => {
    const views = [view('cold', { timePerTokenMs: 1 }), view('warm', { timePerTokenMs: 5 })];
    const again = prefixChain([system, 'user', 'another question '.repeat(30)]);
    expect(index.seen('m', again, 'warm')).toBeGreaterThan(2);
    expect(index.seen('other', again, 'warm')).toBe(0);
    expect(first('prefix-affinity', views, { blocks: again.length, seenBlocks: seen(again) })).toBe('warm');
    expect(first('prefix-affinity', views)).toBe('cold');
    const busy = [view('cold', { inflight: 1 }), view('warm', { inflight: 9 })];
    expect(first('prefix-affinity', busy, { blocks: again.length, seenBlocks: seen(again) })).toBe('cold');
  });

  test('drops the least recently used blocks', () => {
    const small = new PrefixIndex(5);
    small.add('m', [1, 2, 3], 'a');
    small.add('m', [4, 5, 6], 'b');
    expect(small.size).toBe(5);
    expect([small.seen('m', [1, 2, 3], 'a'), small.seen('m', [4, 5, 6], 'b')]).toEqual([0, 3]);
    small.forget('b');
    expect(small.seen('m', [4], 'b')).toBe(0);
  });

  test('a hash covers all text before it', () => {
    const one = prefixChain(['a'.repeat(256), 'b'.repeat(256)]);
    const other = prefixChain(['x'.repeat(256), 'b'.repeat(256)]);
    expect(one[1]).not.toBe(other[1]);
    expect(prefixChain(['a'.repeat(100), 'a'.repeat(156), 'b'.repeat(256)])).toEqual(one);
    expect(prefixChain(['short'])).toEqual([]);
  });
});

describe('engine-load', () => {
  test('chooses the engine with the shortest queue', () => {
    const idle = view('idle', { engine: { waiting: 0, running: 2, cacheUsage: 0.2 } });
    const queued = view('queued', { engine: { waiting: 3, running: 1, cacheUsage: 0.2 } });
    const full = view('full', { engine: { waiting: 0, running: 0, cacheUsage: 0.97 } });
    expect(first('engine-load', [queued, full, idle])).toBe('idle');
  });

  test('ignores stale gauges', () => {
    let now = 0;
    const loads = new EngineLoads(() => now, 10_000);
    loads.set('p', { waiting: 1, running: 1, cacheUsage: 0 });
    expect(loads.of('p')).toBeDefined();
    now = 10_001;
    expect(loads.of('p')).toBeUndefined();
  });
});

describe('the facts of a request', () => {
  const facts = (body: Readonly<Record<string, unknown>>, headers = {}) =>
    new RequestFacts(testCall(body, { headers: new Headers(headers) }), 't');
  const user = (content: unknown) => ({ role: 'user', content });

  test('the affinity key is the session, the user, or the start of the conversation', () => {
    expect(facts({ messages: [] }, { 'x-weir-session': 's1' }).affinity).toBe('t s1');
    expect(facts({ messages: [], user: 'u1' }).affinity).toBe('t u1');
    expect(facts({ messages: [], metadata: { user_id: 'u2' } }).affinity).toBe('t u2');
    const begun = facts({ messages: [{ role: 'system', content: 's' }, user('hello')] }).affinity;
    const later = facts({
      messages: [
        { role: 'system', content: 's' },
        user('hello'),
        { role: 'assistant', content: 'x' },
        user('more'),
      ],
    }).affinity;
    expect(later).toBe(begun);
    expect(facts({ messages: [user('other')] }).affinity).not.toBe(begun);
    expect(facts({}).affinity).toBeUndefined();
  });

  test('tools, images and expected output', () => {
    const picture = facts({
      messages: [user([{ type: 'image_url', image_url: { url: 'x' } }])],
      tools: [{}],
    });
    expect([picture.view.hasTools, picture.view.hasImages()]).toEqual([true, true]);
    const { view } = facts({ messages: [user('image_url')] });
    expect([view.hasTools, view.hasImages()]).toEqual([false, false]);
    expect(facts({ max_tokens: 7 }).outputTokens).toBe(7);
    expect(facts({}).outputTokens).toBe(500);
  });
});
