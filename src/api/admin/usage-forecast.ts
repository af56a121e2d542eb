import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { Calendar, type Period } from '../../limits/calendar.ts';
import { forecast } from '../../metering/forecast.ts';
import { dollarsOfPico } from '../../metering/price.ts';
import { METRIC_DIMENSIONS, type MetricPoint, metricTable } from '../../storage/sql/metric-store.ts';
import { time } from './paging.ts';
import { adminRoute, NO_BODY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Complete days that a forecast is computed from. */
const PAST_DAYS = 28;
/** Tenant databases that are queried concurrently. */
const AT_ONCE = 8;

const id = z.string().min(1).max(400).optional();
const filter = z.object({ key: id, user: id, model: id, provider: id, tag: id });

const amount = (of: z.ZodType<number | string>) =>
  z.object({
    used: of.describe('Since the start of the month.'),
    expected: of.describe('At the end of the month.'),
    low: of.nullable().describe('Four of five months end between `low` and `high`; null for too few days.'),
    high: of.nullable(),
    last_month: of.describe('The whole month before.'),
  });

const forecastObject = z
  .object({
    object: z.literal('usage_forecast'),
    month: z.string().describe('In the time zone: `2026-11`.'),
    from: z.string(),
    to: z.string().describe('End of the month.'),
    time_zone: z.string(),
    currency: z.literal('USD'),
    method: z
      .enum(['weekday', 'pace', 'today'])
      .describe(
        'How days that are left are expected: as their weekday was in the last four weeks, as the mean of the last seven days, or as today.',
      ),
    cost: amount(z.string()),
    requests: amount(z.number()),
    tokens: amount(z.number()),
    days: z
      .array(
        z.object({
          day: z.string(),
          start: z.string(),
          cost: z.string(),
          requests: z.number().int(),
          tokens: z.number().int(),
        }),
      )
      .describe('Days of the month up to today.'),
    ahead: z
      .array(
        z.object({
          day: z.string(),
          end: z.string(),
          cost: z.string(),
          requests: z.number().int(),
          tokens: z.number().int(),
        }),
      )
      .describe(
        'Days that are left, today first: what is expected to be used since the start of the month at the end of each.',
      ),
  })
  .meta({ id: 'UsageForecast' });

interface Sums {
  readonly pico: bigint;
  readonly requests: number;
  readonly tokens: number;
}

/** What the month will have cost at its end. */
export function usageForecastRoutes(services: AdminServices): RegisteredRoute[] {
  const { access, metrics, clock } = services;
  const calendar = new Calendar();

  const read = async (
    tenants: readonly string[],
    timeZone: string,
    wanted: z.output<typeof filter>,
  ): Promise<z.output<typeof forecastObject>> => {
    const dimensions = METRIC_DIMENSIONS.filter((one) => wanted[one] !== undefined);
    if (!metricTable(dimensions)) {
      throw new GatewayError(
        'invalid_request',
        '"tag" is not valid with "key", "user" and "provider": usage is not kept by both.',
        { param: 'tag' },
      );
    }
    const now = clock.wallTime();
    const month = calendar.periodAt(now, 'month', timeZone);
    const before = new Calendar().periodAt(month.startsAt - 1, 'month', timeZone);
    const days = daysSince(Math.min(before.startsAt, now - (PAST_DAYS + 1) * DAY_MS), now, timeZone);
    // Sums of all keys together are by hour; those of each are many, and a UTC day has one.
    const isDaily = days.every(({ startsAt }) => startsAt % DAY_MS === 0);
    const step = isDaily ? DAY_MS : HOUR_MS;
    const query = {
      from: Math.ceil((days[0]?.startsAt ?? now) / step) * step,
      to: (Math.floor(now / step) + 1) * step,
      ...{ step, filter: wanted },
    };
    const sums = new Map<Period, Sums>();
    const waiting = [...tenants];
    const worker = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        for (const point of await metrics.sums({ tenant: next }, query, [], undefined))
          add(sums, days, point);
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, tenants.length) }, worker));
    const past = days.map((day) => ({ day, sums: sums.get(day) ?? NOTHING }));
    return render(past, month, before, now, timeZone);
  };

  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/usage/forecast',
      permission: 'tenants:list',
      summary: 'Forecast the usage and cost of every tenant at the end of this month',
      description: 'By the pace of the days before; months and days are those of UTC.',
      ...NO_BODY,
      query: filter,
      response: forecastObject,
      handle: async ({ query }) => {
        const ids = [...access.tenants()].filter(({ status }) => status !== 'deleted').map((one) => one.id);
        return { body: await read(ids, 'UTC', query) };
      },
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/usage/forecast',
      permission: 'usage:read',
      summary: 'Forecast the usage and cost of a tenant at the end of this month',
      description: 'By the pace of the days before; months and days are those of the tenant’s time zone.',
      ...NO_BODY,
      query: filter,
      response: forecastObject,
      handle: async ({ scope, query }) => {
        const timeZone = access.tenant(scope.tenant)?.document.time_zone ?? 'UTC';
        return { body: await read([scope.tenant], timeZone, query) };
      },
    }),
  ];
}

const NOTHING: Sums = { pico: 0n, requests: 0, tokens: 0 };

function daysSince(from: number, now: number, timeZone: string): Period[] {
  const calendar = new Calendar();
  const days: Period[] = [];
  for (let at = from; at <= now; at = days.at(-1)?.endsAt ?? now + 1) {
    days.push(calendar.periodAt(at, 'day', timeZone));
  }
  return days;
}

/** An hour in which a day begins counts for the day before. */
function add(sums: Map<Period, Sums>, days: readonly Period[], { start, sums: found }: MetricPoint): void {
  const day = days.findLast(({ startsAt }) => startsAt <= start);
  if (!day) return;
  const before = sums.get(day) ?? NOTHING;
  sums.set(day, {
    pico: before.pico + found.cost_pico,
    requests: before.requests + Number(found.requests),
    tokens: before.tokens + Number(found.input_tokens + found.output_tokens),
  });
}

function render(
  past: readonly { readonly day: Period; readonly sums: Sums }[],
  month: Period,
  before: Period,
  now: number,
  timeZone: string,
): z.output<typeof forecastObject> {
  const inMonth = past.filter(({ day }) => day.startsAt >= month.startsAt);
  const lastMonth = past.filter(
    ({ day }) => day.startsAt >= before.startsAt && day.startsAt < month.startsAt,
  );
  const today = past.at(-1);
  const complete = past.slice(0, -1).slice(-PAST_DAYS);
  const length = today ? today.day.endsAt - today.day.startsAt : DAY_MS;
  const todayShare = today ? Math.min(1, (now - today.day.startsAt) / length) : 0;
  const left = daysSince(now, month.endsAt - 1, timeZone);
  const weekdaysLeft = left.map(({ id: day }) => weekdayOf(day));
  const of = (amountOf: (sums: Sums) => number) => {
    const sum = (days: typeof past) => days.reduce((total, { sums }) => total + amountOf(sums), 0);
    const used = sum(inMonth);
    const found = forecast({
      days: complete.map(({ day, sums }) => ({ weekday: weekdayOf(day.id), amount: amountOf(sums) })),
      ...{ used, today: today ? amountOf(today.sums) : 0, todayShare, weekdaysLeft },
    });
    return { ...found, used, lastMonth: sum(lastMonth) };
  };
  const whole = (found: ReturnType<typeof of>) => ({
    used: found.used,
    expected: Math.round(found.expected),
    low: found.low === undefined ? null : Math.round(found.low),
    high: found.high === undefined ? null : Math.round(found.high),
    last_month: found.lastMonth,
  });
  // Sums of money of a month are below 2^53 pico for 9,007 dollars only: nano suffices for a forecast.
  const cost = of(({ pico }) => Number(pico) / 1_000);
  const dollars = (nano: number) => dollarsOfPico(BigInt(Math.round(nano)) * 1_000n);
  const requests = of((sums) => sums.requests);
  const tokens = of((sums) => sums.tokens);
  return {
    ...{ object: 'usage_forecast', month: month.id, from: time(month.startsAt), to: time(month.endsAt) },
    ...{ time_zone: timeZone, currency: 'USD', method: cost.method },
    cost: {
      used: dollarsOfPico(inMonth.reduce((total, { sums }) => total + sums.pico, 0n)),
      expected: dollars(cost.expected),
      low: cost.low === undefined ? null : dollars(cost.low),
      high: cost.high === undefined ? null : dollars(cost.high),
      last_month: dollarsOfPico(lastMonth.reduce((total, { sums }) => total + sums.pico, 0n)),
    },
    requests: whole(requests),
    tokens: whole(tokens),
    days: inMonth.map(({ day, sums }) => ({
      ...{ day: day.id, start: time(day.startsAt), cost: dollarsOfPico(sums.pico) },
      ...{ requests: sums.requests, tokens: sums.tokens },
    })),
    ahead: left.map(({ id: day, endsAt }, index) => ({
      ...{ day, end: time(endsAt), cost: dollars(cost.ahead[index] ?? cost.expected) },
      requests: Math.round(requests.ahead[index] ?? requests.expected),
      tokens: Math.round(tokens.ahead[index] ?? tokens.expected),
    })),
  };
}

/** @param day as `2026-11-21` */
function weekdayOf(day: string): number {
  return new Date(`${day}T00:00:00Z`).getUTCDay();
}
