import type { Limit } from '../core/limit.ts';
import type { Calendar, Period } from './calendar.ts';
import { countersOf } from './counter.ts';

/** What a past request used. Times are Unix milliseconds. */
export interface PastRequest {
  readonly startedAt: number;
  readonly endedAt: number;
  /** Input and output. */
  readonly tokens: number;
  /** 10^-9 US dollars. */
  readonly nanoUsd: number;
  /** Requests that it stands for. */
  readonly count: number;
}

export interface SimulationOptions {
  readonly calendar: Calendar;
  readonly timeZone: string;
  /** What was used in the first period, before the first request: requests, tokens or 10^-9 US dollars. */
  readonly priorUse: number;
}

/**
 * Finds the requests that a limit would have rejected. A rejected request uses nothing, and is not retried. Requests take what
 * they used in the end; the limiter reserves the most that they may use, so it rejects some earlier.
 *
 * @param requests by `startedAt`
 * @returns for each request, how many of those that it stands for would have been rejected
 */
export function simulateLimit(
  limit: Limit,
  requests: readonly PastRequest[],
  { calendar, timeZone, priorUse }: SimulationOptions,
): readonly number[] {
  const subject = { scope: 'tenant' as const, id: '', name: '', limits: [limit], timeZone };
  const [counter] = countersOf(subject);
  switch (counter?.kind) {
    case 'period': {
      const { per } = counter;
      return simulatePeriods(limit, requests, priorUse, (at) => calendar.periodAt(at, per, timeZone));
    }
    case 'rate':
      return simulateRate(limit, requests, counter);
    case 'concurrency':
      return simulateConcurrency(limit, requests);
    case undefined:
      return [];
  }
}

function amountOf({ of }: Limit, { tokens, nanoUsd }: PastRequest): number {
  return of === 'tokens' ? tokens : of === 'cost' ? nanoUsd : 1;
}

/** @returns how many of equal amounts fit */
function fitting(left: number, amount: number, count: number): number {
  if (amount === 0) return left > 0 ? count : 0;
  return Math.max(0, Math.min(count, Math.floor(left / amount)));
}

function simulatePeriods(
  limit: Limit,
  requests: readonly PastRequest[],
  priorUse: number,
  periodAt: (time: number) => Period,
): number[] {
  let period: Period | undefined;
  let used = priorUse;
  return requests.map((request) => {
    if (!period || request.startedAt >= period.endsAt) {
      if (period) used = 0;
      period = periodAt(request.startedAt);
    }
    const amount = amountOf(limit, request);
    const admitted = fitting(limit.max - used, amount, request.count);
    used += admitted * amount;
    return request.count - admitted;
  });
}

function simulateRate(
  limit: Limit,
  requests: readonly PastRequest[],
  { capacity, perMs }: { readonly capacity: number; readonly perMs: number },
): number[] {
  let left = capacity;
  let at = requests[0]?.startedAt ?? 0;
  return requests.map((request) => {
    left = Math.min(capacity, left + (request.startedAt - at) * perMs);
    at = request.startedAt;
    const amount = amountOf(limit, request);
    const admitted = fitting(left, amount, request.count);
    left -= admitted * amount;
    return request.count - admitted;
  });
}

function simulateConcurrency({ max }: Limit, requests: readonly PastRequest[]): number[] {
  const ends = new EndTimes();
  return requests.map(({ startedAt, endedAt, count }) => {
    ends.dropUntil(startedAt);
    const admitted = Math.max(0, Math.min(count, max - ends.size));
    for (let index = 0; index < admitted; index += 1) ends.add(endedAt);
    return count - admitted;
  });
}

/** End times of requests in flight: a binary heap, the earliest first. */
class EndTimes {
  readonly #heap: number[] = [];

  get size(): number {
    return this.#heap.length;
  }

  add(time: number): void {
    const heap = this.#heap;
    let at = heap.push(time) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] ?? 0;
      if (above <= time) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = time;
  }

  /** Removes the times that are not after a moment. */
  dropUntil(time: number): void {
    while ((this.#heap[0] ?? Number.POSITIVE_INFINITY) <= time) this.#dropFirst();
  }

  #dropFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      const child =
        (heap[right] ?? Number.POSITIVE_INFINITY) < (heap[left] ?? Number.POSITIVE_INFINITY) ? right : left;
      const below = heap[child];
      if (below === undefined || below >= last) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

/** Sums of an hour, for ranges with more requests than can be read one by one. */
export interface PastHour {
  /** Unix milliseconds. */
  readonly start: number;
  readonly requests: number;
  readonly tokens: number;
  readonly nanoUsd: number;
}

/**
 * Estimates from sums how many requests a quota or budget would have rejected: in the hour in which it ends, the requests are
 * taken as equal.
 *
 * @param hours by `start`
 * @returns for each hour, the rejected requests
 */
export function estimatePeriodLimit(
  limit: Limit,
  hours: readonly PastHour[],
  { calendar, timeZone, priorUse }: SimulationOptions,
): readonly number[] {
  const { per } = limit;
  if (per !== 'day' && per !== 'month') return [];
  const requests = hours.map(({ start, requests: count, tokens, nanoUsd }) => ({
    ...{ startedAt: start, endedAt: start, count },
    tokens: count === 0 ? 0 : tokens / count,
    nanoUsd: count === 0 ? 0 : nanoUsd / count,
  }));
  return simulatePeriods(limit, requests, priorUse, (at) => calendar.periodAt(at, per, timeZone));
}
