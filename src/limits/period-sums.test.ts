import { expect, test } from 'bun:test';
import fc from 'fast-check';
import type { UsageEvent } from '../storage/usage-event.ts';
import { type SumsBy, sumsSince, type UsageRecords } from './period-sums.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START = Date.parse('2026-11-01T00:00:00Z');

const event = (at: number, more: Partial<UsageEvent>): UsageEvent => ({
  ...{ id: String(at), tenant: 't', requestId: 'r', at, keyId: 'k', member: null, model: 'm', provider: 'p' },
  ...{ upstreamModel: 'u', operation: 'chat', tags: [], status: 200, outcome: 'done', requests: 1 },
  ...{ inputTokens: 0, outputTokens: 0, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
  ...{ costPico: 0, estimated: false, durationMs: 1, firstEventMs: null },
  ...more,
});

/** By whom an event is counted. */
const namesOf = (one: UsageEvent, by: string | undefined): readonly string[] => {
  if (by === undefined || by === 'tenant') return [''];
  if (by === 'tag') return one.tags;
  return [by === 'key' ? one.keyId : by === 'model' ? one.model : (one.member ?? '')];
};

/** Records that answer as the database does: sums of whole hours, and events in pages. */
function recordsOf(events: readonly UsageEvent[]): UsageRecords {
  return {
    summarise: async (_, { from, to, groupBy }) => {
      if (from % HOUR_MS !== 0 || to % HOUR_MS !== 0) throw new Error('only whole hours are summed');
      const [by] = groupBy;
      const within = events.filter(({ at }) => at >= from && at < to);
      const names = new Set(within.flatMap((one) => namesOf(one, by)));
      return [...names].map((name) => {
        const own = within.filter((one) => namesOf(one, by).includes(name));
        const sum = (of: (one: UsageEvent) => number) =>
          own.reduce((total, one) => total + BigInt(of(one)), 0n);
        return {
          start: null,
          by: by === undefined ? {} : { [by]: name },
          sums: {
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
            requests: sum((one) => one.requests),
            input_tokens: sum((one) => one.inputTokens),
            output_tokens: sum((one) => one.outputTokens),
            cost_pico: sum((one) => one.costPico ?? 0),
          },
        };
      });
    },
    events: async (_, { from, to, matches }, after) => {
      const found = events.filter((one) => one.at >= from && one.at < to && matches(one));
      const start = after?.line ?? 0;
      const page = found.slice(start, start + 2);
      const next = start + 2 < found.length ? { at: 0, id: '', line: start + 2 } : undefined;
      return { events: page, next };
    },
  };
}

const events = fc.array(
  fc
    .record({
      at: fc.integer({ min: START, max: START + 5 * DAY_MS }),
      keyId: fc.constantFrom('a', 'b'),
      model: fc.constantFrom('m', 'n'),
      member: fc.constantFrom('u', null),
      tags: fc.subarray(['x', 'y']),
      requests: fc.constantFrom(0, 1),
      inputTokens: fc.nat(1_000),
      outputTokens: fc.nat(1_000),
      costPico: fc.option(fc.nat(10_000_000)),
    })
    .map(({ at, ...more }) => event(at, more)),
  { maxLength: 40 },
);

test('the sums since any moment are those of the events since then, in any time zone', async () => {
  const moment = fc.oneof(
    fc.integer({ min: 0, max: 5 * 96 }).map((quarters) => START + (quarters * HOUR_MS) / 4),
    fc.integer({ min: START, max: START + 5 * DAY_MS }),
  );
  await fc.assert(
    fc.asyncProperty(
      events,
      moment,
      fc.constantFrom<SumsBy>('tenant', 'key', 'user', 'tag', 'model'),
      async (all, from, by) => {
        const now = START + 5 * DAY_MS;
        const sums = await sumsSince(recordsOf(all), { tenant: 't' }, from, now, by);
        const expected = new Map<string, { requests: number; tokens: number; pico: number }>();
        for (const one of all) {
          if (one.at < from) continue;
          for (const name of namesOf(one, by)) {
            const sum = expected.get(name) ?? { requests: 0, tokens: 0, pico: 0 };
            sum.requests += one.requests;
            sum.tokens += one.inputTokens + one.outputTokens;
            sum.pico += one.costPico ?? 0;
            expected.set(name, sum);
          }
        }
        for (const [name, { requests, tokens, pico }] of expected) {
          expect(sums.get(name)).toMatchObject({ requests, tokens, nanoUsd: Math.ceil(pico / 1_000) });
        }
        expect(sums.size).toBe(expected.size);
      },
    ),
  );
});
