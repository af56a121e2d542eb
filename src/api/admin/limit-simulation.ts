import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { Limit } from '../../core/limit.ts';
import { amountOfNano, limitList, limitOf } from '../../core/limit-schema.ts';
import { Calendar } from '../../limits/calendar.ts';
import {
  estimatePeriodLimit,
  type PastHour,
  type PastRequest,
  simulateLimit,
} from '../../limits/simulate-limit.ts';
import { durationOf, type RequestFilter } from '../../storage/kept-request.ts';
import type { TenantScope } from '../../storage/tenant-scope.ts';
import { time } from './paging.ts';
import { adminRoute, NO_QUERY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const PICO_PER_NANO = 1_000;
/** Events that one simulation reads, about 5 us each. */
const MAX_EVENTS = 100_000;

const body = z
  .strictObject({
    scope: z.enum(['tenant', 'user', 'key', 'tag']).describe('Whose limits they would be.'),
    id: z.string().min(1).max(400).optional().describe('Id of the user or key, or the tag.'),
    limits: limitList.min(1),
    days: z.int().min(1).max(31).default(7).describe('Days of the tenant’s time zone, with today.'),
  })
  .meta({
    id: 'LimitSimulation',
    example: { scope: 'tenant', limits: [{ of: 'cost', per: 'day', max: '5' }], days: 7 },
  });

const dayObject = z.object({
  day: z.string().describe('In the time zone of the tenant.'),
  requests: z.int().nullable().describe('Null for a day whose requests were not read.'),
  rejected: z.int().nullable(),
  rejected_cost: z.string().nullable().describe('US dollars that the rejected requests cost.'),
});

const resultObject = z
  .object({
    object: z.literal('limit_simulation'),
    from: z.string(),
    to: z.string(),
    time_zone: z.string(),
    limits: z.array(
      z.object({
        of: z.string(),
        per: z.string().nullable(),
        mode: z.string().describe('Only `enforce` rejects; the others count the same requests.'),
        max: z.union([z.number(), z.string()]),
        requests: z.int(),
        rejected: z.int(),
        rejected_cost: z.string().describe('US dollars that the rejected requests cost.'),
        first_rejected_at: z.string().nullable(),
        exact: z.boolean(),
        notes: z.array(z.string()).describe('Why it is an estimate.'),
        days: z.array(dayObject),
      }),
    ),
  })
  .meta({ id: 'LimitSimulationResult' });
type Result = z.output<typeof resultObject>['limits'][number];

const RESERVED =
  'Requests are taken with what they used. Weir reserves the most that a request may use, so it rejects some requests earlier.';
const SUMMED = 'There were too many requests to read: computed from sums by hour.';

interface Past {
  readonly requests: readonly PastRequest[];
  /** Unix milliseconds since when `requests` has all of them. */
  readonly since: number;
  readonly from: number;
  readonly now: number;
  readonly timeZone: string;
  readonly filter: RequestFilter;
  /** Starts of the days in the range. */
  readonly days: readonly { readonly id: string; readonly startsAt: number; readonly endsAt: number }[];
}

/** What limits would have rejected, before they are set. */
export function limitSimulationRoutes(services: AdminServices): RegisteredRoute[] {
  return [
    adminRoute({
      method: 'POST',
      path: '/admin/v1/tenants/:tenant/limits/simulate',
      permission: 'usage:read',
      summary: 'Compute which past requests a limit would have rejected',
      description:
        'For each limit alone, from the requests of the last days that reached a target. Nothing is stored. Counts of requests and of requests at once are exact; tokens and cost are estimates, because Weir reserves before it knows the use.',
      body,
      ...NO_QUERY,
      response: resultObject,
      handle: async ({ scope, body: { scope: of, id, limits, days } }) => {
        if ((of === 'tenant') !== (id === undefined)) {
          throw new GatewayError(
            'invalid_request',
            of === 'tenant' ? '"id" is not for the scope "tenant".' : `"id" is missing: name the ${of}.`,
            { param: 'id' },
          );
        }
        const timeZone = services.access.tenant(scope.tenant)?.document.time_zone ?? 'UTC';
        const ifOf = (wanted: typeof of) => (of === wanted ? id : undefined);
        const filter = { key: ifOf('key'), user: ifOf('user'), tag: ifOf('tag') };
        const simulation = new Simulation(services, scope);
        const past = await simulation.past(filter, days, timeZone);
        const results: Result[] = [];
        for (const document of limits) results.push(await simulation.run(limitOf(document), past));
        const range = { from: time(past.from), to: time(past.now), time_zone: timeZone };
        return { body: { object: 'limit_simulation', ...range, limits: results } };
      },
    }),
  ];
}

class Simulation {
  readonly #calendar = new Calendar();

  constructor(
    private readonly services: Pick<AdminServices, 'requests' | 'usage' | 'clock'>,
    private readonly scope: TenantScope,
  ) {}

  async past(filter: RequestFilter, count: number, timeZone: string): Promise<Past> {
    const now = this.services.clock.wallTime();
    const days: Past['days'][number][] = [];
    let day = this.#calendar.periodAt(now, 'day', timeZone);
    for (let index = 0; index < count; index += 1) {
      days.unshift(day);
      day = this.#calendar.periodAt(day.startsAt - 1, 'day', timeZone);
    }
    const from = days[0]?.startsAt ?? now;
    const requests: PastRequest[] = [];
    const range = { from, to: now + 1, filter };
    const since = await this.services.requests.scan(this.scope, range, MAX_EVENTS, (found) => {
      for (const request of found) {
        const { main, attempts, costPico } = request;
        requests.push({
          startedAt: Math.max(from, main.at - durationOf(request)),
          endedAt: main.at,
          tokens: attempts.reduce((sum, one) => sum + one.inputTokens + one.outputTokens, 0),
          nanoUsd: Math.ceil((costPico ?? 0) / PICO_PER_NANO),
          count: main.requests,
        });
      }
    });
    requests.sort((a, b) => a.startedAt - b.startedAt);
    return { requests, since, from, now, timeZone, filter, days };
  }

  async run(limit: Limit, past: Past): Promise<Result> {
    const { of, per } = limit;
    const isPeriod = per === 'day' || per === 'month';
    const isCut = past.since > past.from;
    const notes: string[] = [];
    if (of === 'tokens' || of === 'cost') notes.push(RESERVED);
    const options = {
      ...{ calendar: this.#calendar, timeZone: past.timeZone },
      priorUse: isPeriod ? await this.#priorUse(limit, past) : 0,
    };
    if (isPeriod && isCut) {
      notes.push(SUMMED);
      const hours = await this.#hours(past);
      const rejected = estimatePeriodLimit(limit, hours, options);
      const rows = hours.map(({ start, requests, nanoUsd }, index) => ({
        ...{ at: start, requests, rejected: rejected[index] ?? 0 },
        nanoUsd: requests === 0 ? 0 : nanoUsd / requests,
      }));
      return resultOf(limit, past.days, rows, past.from, notes);
    }
    if (isCut) {
      notes.push(`There were too many requests to read: computed from those since ${time(past.since)}.`);
    }
    const rejected = simulateLimit(limit, past.requests, options);
    const rows = past.requests.map(({ startedAt, count, nanoUsd }, index) => ({
      ...{ at: startedAt, requests: count, rejected: rejected[index] ?? 0, nanoUsd },
    }));
    return resultOf(limit, past.days, rows, past.since, notes);
  }

  /** What was used in the month before the range. */
  async #priorUse(limit: Limit, { from, timeZone, filter }: Past): Promise<number> {
    if (limit.per !== 'month') return 0;
    const { startsAt } = this.#calendar.periodAt(from, 'month', timeZone);
    const range = { from: startsAt, to: Math.floor(from / HOUR_MS) * HOUR_MS };
    if (range.to <= range.from) return 0;
    const [sum] = await this.services.usage.summarise(this.scope, {
      ...{ ...range, interval: null, groupBy: [], ...filterOf(filter) },
    });
    if (!sum) return 0;
    const { requests, input_tokens: input, output_tokens: output, cost_pico: pico } = sum.sums;
    if (limit.of === 'requests') return Number(requests);
    return limit.of === 'tokens' ? Number(input + output) : Math.ceil(Number(pico) / PICO_PER_NANO);
  }

  async #hours({ from, now, filter }: Past): Promise<PastHour[]> {
    const groups = await this.services.usage.summarise(this.scope, {
      ...{ from: Math.floor(from / HOUR_MS) * HOUR_MS, to: now + DAY_MS, interval: 'hour' },
      ...{ groupBy: [], ...filterOf(filter) },
    });
    return groups.map(({ start, sums }) => ({
      start: Math.max(from, start ?? 0),
      requests: Number(sums.requests),
      tokens: Number(sums.input_tokens + sums.output_tokens),
      nanoUsd: Number(sums.cost_pico) / PICO_PER_NANO,
    }));
  }
}

const filterOf = ({ key, user, tag }: RequestFilter) => ({ key, user, tag });

interface Row {
  readonly at: number;
  readonly requests: number;
  readonly rejected: number;
  /** Of one request. */
  readonly nanoUsd: number;
}

function resultOf(
  limit: Limit,
  days: Past['days'],
  rows: readonly Row[],
  since: number,
  notes: readonly string[],
): Result {
  const tallies = days.map((day) => ({ day, requests: 0, rejected: 0, nanoUsd: 0 }));
  let at = 0;
  for (const row of rows) {
    while (at < tallies.length - 1 && row.at >= (tallies[at]?.day.endsAt ?? 0)) at += 1;
    const tally = tallies[at];
    if (!tally) continue;
    tally.requests += row.requests;
    tally.rejected += row.rejected;
    tally.nanoUsd += row.rejected * row.nanoUsd;
  }
  const sum = (of: (tally: (typeof tallies)[number]) => number) =>
    tallies.reduce((total, tally) => total + of(tally), 0);
  const dollars = (nano: number) => amountOfNano(Math.round(nano));
  const first = rows.find(({ rejected }) => rejected > 0);
  return {
    ...{ of: limit.of, per: limit.per, mode: limit.mode },
    max: limit.of === 'cost' ? amountOfNano(limit.max) : limit.max,
    requests: sum(({ requests }) => requests),
    rejected: sum(({ rejected }) => rejected),
    rejected_cost: dollars(sum(({ nanoUsd }) => nanoUsd)),
    first_rejected_at: first ? time(first.at) : null,
    exact: notes.length === 0,
    notes: [...notes],
    days: tallies.map(({ day, requests, rejected, nanoUsd }) => {
      const isKnown = day.startsAt >= since;
      return {
        day: day.id,
        requests: isKnown ? requests : null,
        rejected: isKnown ? rejected : null,
        rejected_cost: isKnown ? dollars(nanoUsd) : null,
      };
    }),
  };
}
