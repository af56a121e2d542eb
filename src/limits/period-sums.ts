import type { SqlUsageStore, UsageDimension } from '../storage/sql/usage-store.ts';
import type { TenantScope } from '../storage/tenant-scope.ts';
import type { UsageEvent } from '../storage/usage-event.ts';

/** What was used, in the units of limits. */
export interface UsedSum {
  requests: number;
  /** Input and output. */
  tokens: number;
  /** 10^-9 US dollars, rounded up. */
  nanoUsd: number;
}

/** Whose use is summed: the whole tenant's, or that of each key, user, tag or model. */
export type SumsBy = Extract<UsageDimension, 'key' | 'user' | 'tag' | 'model'> | 'tenant';

/** The usage records of tenants. */
export type UsageRecords = Pick<SqlUsageStore, 'summarise' | 'events'>;

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const PICO_PER_NANO = 1_000n;
/** Events of one page. */
const PAGE = 1_000;

/**
 * Sums the recorded use since the start of a period. Whole days and hours (UTC) have sums of their own; where a time zone's
 * day begins within an hour, the rest of that hour is summed from its events.
 *
 * @param from Unix milliseconds
 * @param now Unix milliseconds, at least `from`
 * @returns by the id of the key, user or model, or the tag; by the empty text for the tenant
 * @throws the database's error
 */
export async function sumsSince(
  records: UsageRecords,
  scope: TenantScope,
  from: number,
  now: number,
  by: SumsBy,
): Promise<ReadonlyMap<string, UsedSum>> {
  const sums = new Map<string, UsedSum & { pico: bigint }>();
  const sumOf = (name: string) => {
    let sum = sums.get(name);
    if (!sum) {
      sum = { requests: 0, tokens: 0, nanoUsd: 0, pico: 0n };
      sums.set(name, sum);
    }
    return sum;
  };
  for (const [start, end] of wholeParts(from, now)) {
    const groupBy = by === 'tenant' ? [] : [by];
    const groups = await records.summarise(scope, { from: start, to: end, interval: null, groupBy });
    for (const { by: names, sums: found } of groups) {
      const sum = sumOf(by === 'tenant' ? '' : (names[by] ?? ''));
      sum.requests += Number(found.requests);
      sum.tokens += Number(found.input_tokens + found.output_tokens);
      sum.pico += found.cost_pico;
    }
  }
  const firstHour = roundUp(from, HOUR_MS);
  if (firstHour > from) {
    const query = { from, to: Math.min(firstHour, now + 1), matches: () => true };
    let page = await records.events(scope, query, undefined, PAGE);
    for (;;) {
      for (const event of page.events) {
        const names = by === 'tag' ? event.tags : [nameOf(event, by)];
        for (const name of names) {
          const sum = sumOf(name);
          sum.requests += event.requests;
          sum.tokens += event.inputTokens + event.outputTokens;
          sum.pico += BigInt(event.costPico ?? 0);
        }
      }
      if (!page.next) break;
      page = await records.events(scope, query, page.next, PAGE);
    }
  }
  for (const sum of sums.values()) sum.nanoUsd = Number((sum.pico + PICO_PER_NANO - 1n) / PICO_PER_NANO);
  return sums;
}

function nameOf({ keyId, member, model }: UsageEvent, by: Exclude<SumsBy, 'tag'>): string {
  switch (by) {
    case 'tenant':
      return '';
    case 'key':
      return keyId;
    case 'user':
      return member ?? '';
    case 'model':
      return model;
  }
}

/** Splits a time into hours before the first whole day, whole days, and hours after them. */
function wholeParts(from: number, now: number): (readonly [start: number, end: number])[] {
  const firstHour = roundUp(from, HOUR_MS);
  const end = Math.floor(now / HOUR_MS) * HOUR_MS + HOUR_MS;
  const firstDay = Math.min(roundUp(from, DAY_MS), end);
  const lastDay = Math.max(firstDay, Math.floor(now / DAY_MS) * DAY_MS);
  const parts: (readonly [number, number])[] = [
    [firstHour, firstDay],
    [firstDay, lastDay],
    [lastDay, end],
  ];
  return parts.filter(([start, stop]) => start < stop);
}

function roundUp(time: number, unit: number): number {
  return Math.ceil(time / unit) * unit;
}
