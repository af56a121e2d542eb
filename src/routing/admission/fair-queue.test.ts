import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { FairQueue, PRIORITIES, type Waiting } from './fair-queue.ts';

interface Item extends Waiting {
  readonly name: string;
}

let order = 0;
const item = (name: string, tenant: string, more: Partial<Waiting> = {}): Item => ({
  name,
  tenant,
  weight: 1,
  tokens: 100,
  priority: 'normal',
  deadlineAt: 1_000,
  order: order++,
  ...more,
});

function drain(queue: FairQueue<Item>): string {
  const names: string[] = [];
  for (let next = queue.next(); next; next = queue.next()) names.push(next.name);
  return names.join(' ');
}

const queueOf = (...items: Item[]) => {
  const queue = new FairQueue<Item>();
  for (const one of items) queue.add(one);
  return queue;
};

describe('a fair queue', () => {
  test('admits tenants in turn, however many requests one of them has sent', () => {
    const queue = queueOf(
      ...['a1', 'a2', 'a3', 'a4'].map((name) => item(name, 'a')),
      item('b1', 'b'),
      item('b2', 'b'),
    );
    expect(drain(queue)).toBe('a1 b1 a2 b2 a3 a4');
  });

  test('counts tokens by weight, not requests', () => {
    const long = ['a1', 'a2'].map((name) => item(name, 'a', { tokens: 300 }));
    const short = ['b1', 'b2', 'b3', 'b4'].map((name) => item(name, 'b'));
    expect(drain(queueOf(...long, ...short))).toBe('a1 b1 b2 b3 a2 b4');
    const heavy = ['c1', 'c2', 'c3'].map((name) => item(name, 'c', { weight: 3 }));
    expect(drain(queueOf(...short, ...heavy))).toBe('b1 c1 c2 c3 b2 b3 b4');
  });

  test('high precedes normal within its tenant only; low follows all tenants', () => {
    const queue = queueOf(
      item('a-low', 'a', { priority: 'low' }),
      item('a1', 'a'),
      item('b1', 'b'),
      item('b-high', 'b', { priority: 'high' }),
      item('c-high', 'c', { priority: 'high' }),
    );
    expect(drain(queue)).toBe('a1 b-high c-high b1 a-low');
  });

  test('the earliest deadline goes first', () => {
    const queue = queueOf(
      item('late', 'a', { deadlineAt: 900 }),
      item('soon', 'a', { deadlineAt: 500 }),
      item('late too', 'a', { deadlineAt: 900 }),
    );
    expect(drain(queue)).toBe('soon late late too');
  });

  test('an idle tenant accumulates neither credit nor debt', () => {
    const queue = queueOf();
    for (let turn = 0; turn < 50; turn += 1) queue.attemptStarted('a', 100);
    for (const name of ['b1', 'b2', 'b3']) queue.add(item(name, 'b'));
    for (const name of ['a1', 'a2', 'a3']) queue.add(item(name, 'a'));
    expect(drain(queue)).toBe('b1 b2 a1 b3 a2 a3');
  });

  test('the charge is corrected by the actual tokens, in both directions', () => {
    const queue = queueOf(...['a1', 'a2', 'b1', 'b2', 'b3', 'b4'].map((name) => item(name, name[0] ?? '')));
    expect(queue.next()?.name).toBe('a1');
    queue.settle('a', 200);
    expect(drain(queue)).toBe('b1 b2 b3 a2 b4');
  });

  test('evicts low requests first, then the last of the tenant with the most', () => {
    const queue = queueOf(
      ...['a1', 'a2', 'a3'].map((name) => item(name, 'a')),
      item('b1', 'b'),
      item('b-low', 'b', { priority: 'low' }),
    );
    expect([queue.shed()?.name, queue.shed()?.name, queue.shed()?.name]).toEqual(['b-low', 'a3', 'a2']);
    expect(drain(queue)).toBe('a1 b1');
    expect(queue.shed()).toBeUndefined();
  });
});

/** Requests that come, go, are shed and begin, in any order. */
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('add'),
      tenant: fc.constantFrom('a', 'b', 'c', 'd'),
      tokens: fc.integer({ min: 1, max: 1_000 }),
      priority: fc.constantFrom(...PRIORITIES),
      deadlineAt: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove'), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('next') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('shed') }) },
);

test('each request leaves the queue once', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const queue = new FairQueue<Item>();
      const inside: Item[] = [];
      const left: (Item | undefined)[] = [];
      const gone = (one: Item | undefined) => {
        left.push(one);
        if (one) inside.splice(inside.indexOf(one), 1);
      };
      for (const one of steps) {
        if (one.kind === 'add' && 'tenant' in one) {
          const added = item('', one.tenant, one);
          inside.push(added);
          queue.add(added);
        } else if ('which' in one) {
          const chosen = inside[one.which % Math.max(1, inside.length)];
          if (chosen) {
            expect(queue.remove(chosen)).toBe(true);
            expect(queue.remove(chosen)).toBe(false);
            gone(chosen);
          }
        } else {
          const expected = inside.length > 0;
          const taken = one.kind === 'next' ? queue.next() : queue.shed();
          expect(taken !== undefined).toBe(expected);
          gone(taken);
        }
        expect(queue.size).toBe(inside.length);
        expect(new Set(queue.all())).toEqual(new Set(inside));
      }
      const all = left.filter((one) => one !== undefined);
      expect(new Set(all).size).toBe(all.length);
    }),
  );
});

test('of two tenants with queued requests, neither gets more than one request ahead', () => {
  const tenant = fc.record({
    weight: fc.integer({ min: 1, max: 5 }),
    tokens: fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 40, maxLength: 40 }),
  });
  fc.assert(
    fc.property(tenant, tenant, (a, b) => {
      const queue = new FairQueue<Item>();
      const given = { a: 0, b: 0 };
      for (const [name, { weight, tokens }] of Object.entries({ a, b })) {
        for (const count of tokens) queue.add(item(name, name, { weight, tokens: count }));
      }
      const longest = 1_000 / a.weight + 1_000 / b.weight;
      const left = { a: a.tokens.length, b: b.tokens.length };
      while (left.a > 0 && left.b > 0) {
        const next = queue.next();
        if (next?.name !== 'a' && next?.name !== 'b') throw new Error('another tenant');
        given[next.name] += next.tokens / next.weight;
        left[next.name] -= 1;
        expect(Math.abs(given.a - given.b)).toBeLessThanOrEqual(longest);
      }
    }),
  );
});
