import { describe, expect, test } from 'bun:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import type { SubjectLimits } from '../core/limit.ts';
import { limitOf, limitSchema } from '../core/limit-schema.ts';
import { NO_EVENTS } from '../events/event-bus.ts';
import { Calendar } from './calendar.ts';
import { Limiter } from './limiter.ts';
import { MemoryLimitStore } from './memory-limit-store.ts';
import type { UsageRecords } from './period-sums.ts';
import { UsageReconciler } from './usage-reconciler.ts';

const subject = (scope: SubjectLimits['scope'], id: string, ...documents: object[]): SubjectLimits => ({
  ...{ scope, id, name: id, timeZone: 'UTC' },
  limits: documents.map((document) => limitOf(limitSchema.parse(document))),
});
const TOKENS = { of: 'tokens', per: 'day', max: 1_000 };
const COST = { of: 'cost', per: 'month', max: '9' };
const REQUESTS = { of: 'requests', per: 'day', max: 50 };

function setUp(
  limits: Readonly<Record<string, readonly SubjectLimits[]>>,
  models: readonly SubjectLimits[] = [],
) {
  const clock = new FakeClock();
  const store = new MemoryLimitStore(clock);
  const limiter = new Limiter({ clock, store, calendar: new Calendar(), events: NO_EVENTS });
  const asked: string[] = [];
  let failing = false;
  let flushed = 0;
  let readMs = 0;
  const sums = {
    ...{ attempts: 0n, failures: 0n, cached_tokens: 0n, cache_write_tokens: 0n },
    ...{
      reasoning_tokens: 0n,
      unpriced: 0n,
      estimated: 0n,
      duration_ms: 0n,
      cache_hits: 0n,
      saved_pico: 0n,
      saved_ms: 0n,
      prompt_saved_pico: 0n,
      output_cost_pico: 0n,
      errors: 0n,
      rejected: 0n,
    },
    ...{ requests: 3n, input_tokens: 100n, output_tokens: 20n, cost_pico: 1_500n },
  };
  const records: UsageRecords = {
    summarise: async ({ tenant }, { groupBy, to }) => {
      if (failing) throw new Error('unreachable');
      asked.push(`${tenant} ${groupBy.join()}`);
      clock.advance(readMs);
      // The events of all times are in the last hour.
      if (to <= clock.wallTime()) return [];
      const [by] = groupBy;
      return [{ start: null, by: by ? { [by]: by === 'tag' ? 'team=a' : 'own' } : {}, sums }];
    },
    events: async () => ({ events: [], next: undefined }),
  };
  const reconciler = new UsageReconciler({
    ...{ clock, limiter, records },
    flush: async () => {
      flushed += 1;
    },
    tenants: () => Object.keys(limits),
    subjectsOf: (tenant) => limits[tenant] ?? [],
    modelSubjects: () => models,
  });
  const used = async (...subjects: SubjectLimits[]) =>
    (await limiter.counterStates(subjects)).map(({ counterState }) => counterState);
  return {
    reconciler,
    used,
    asked,
    fail: (value: boolean) => {
      failing = value;
    },
    flushed: () => flushed,
    /** From now on, each read takes so long. */
    slowDown: (ms: number) => {
      readMs = ms;
    },
  };
}

describe('quotas and budgets', () => {
  test('are raised to the recorded use of their tenant, key, user or tag', async () => {
    const subjects = [
      subject('tenant', 't/', TOKENS, COST, REQUESTS),
      subject('key', 't/own', TOKENS),
      subject('key', 't/other', TOKENS),
      subject('user', 't/own', REQUESTS),
      subject('tag', 't/team=a', COST),
    ];
    const { reconciler, used, flushed } = setUp({ t: subjects });
    await reconciler.reconcile('t');
    expect(flushed()).toBe(1);
    expect(await used(...subjects)).toEqual([120, 2, 3, 120, 0, 3, 2]);
    await reconciler.reconcile('t');
    expect(await used(...subjects)).toEqual([120, 2, 3, 120, 0, 3, 2]);
  });

  test('of targets and addresses, and rates, are left alone', async () => {
    const { reconciler, asked } = setUp({
      t: [subject('target', 'm', TOKENS), subject('tenant', 't/', { of: 'tokens', per: 'minute', max: 5 })],
    });
    await reconciler.reconcile('t');
    expect(asked).toEqual([]);
  });

  test('of models are raised to the use of all tenants, after a round over them', async () => {
    const model = subject('model', 'own', TOKENS, REQUESTS);
    const other = subject('model', 'other', COST);
    const { reconciler, used } = setUp({ a: [], b: [], c: [] }, [model, other]);
    await reconciler.step();
    await reconciler.step();
    expect(await used(model, other)).toEqual([0, 0, 0]);
    await reconciler.step();
    expect(await used(model, other)).toEqual([360, 9, 0]);
    for (let step = 0; step < 3; step += 1) await reconciler.step();
    expect(await used(model, other)).toEqual([360, 9, 0]);
  });

  test('are reconciled in one step where they changed, as far as the time of a step goes', async () => {
    const limits = Object.fromEntries(
      ['a', 'b', 'c'].map((id) => [id, [subject('tenant', `${id}/`, TOKENS)]]),
    );
    const { reconciler, asked, slowDown } = setUp(limits);
    const tenantsOf = () => [...new Set(asked.splice(0).map((one) => one.trim()))];
    reconciler.scheduleAll();
    await reconciler.step();
    expect(tenantsOf()).toEqual(['a', 'b', 'c']);
    reconciler.scheduleAll();
    slowDown(210);
    await reconciler.step();
    expect(tenantsOf()).toEqual(['a']);
  });

  test('are reconciled tenant by tenant, those that changed first', async () => {
    const limits = Object.fromEntries(
      ['a', 'b', 'c'].map((id) => [id, [subject('tenant', `${id}/`, TOKENS)]]),
    );
    const { reconciler, asked, fail, flushed } = setUp(limits);
    const tenantsOf = () => [...new Set(asked.splice(0).map((one) => one.split(' ')[0]))];
    for (let step = 0; step < 3; step += 1) await reconciler.step();
    expect(tenantsOf().toSorted()).toEqual(['a', 'b', 'c']);
    // Only changes need the usage of the last seconds.
    expect(flushed()).toBe(0);
    reconciler.schedule('b');
    await reconciler.step();
    expect([tenantsOf(), flushed()]).toEqual([['b'], 1]);
    // A failure is retried first.
    fail(true);
    reconciler.schedule('c');
    expect(reconciler.step()).rejects.toThrow('unreachable');
    fail(false);
    await reconciler.step();
    expect(tenantsOf()).toEqual(['c']);
    const before = flushed();
    reconciler.scheduleAll();
    for (let step = 0; step < 3; step += 1) await reconciler.step();
    expect(tenantsOf().toSorted()).toEqual(['a', 'b', 'c']);
    // Once for all of them.
    expect(flushed() - before).toBe(1);
  });
});
