import { z } from 'zod';
import type { Clock } from '../../core/clock.ts';
import { csvField } from '../../core/csv.ts';
import { GatewayError } from '../../core/errors.ts';
import { dollarsOfPico } from '../../metering/price.ts';
import {
  type SqlUsageStore,
  USAGE_DIMENSIONS,
  type UsageDimension,
  type UsageGroup,
  type UsageQuery,
} from '../../storage/sql/usage-store.ts';
import { time } from './paging.ts';
import type { AdminResult } from './route.ts';
import { type PeriodFilter, periodParameters, type ReportPeriod, ReportPeriods } from './usage-period.ts';

const id = z.string().min(1).max(400).optional();

/** Filter of a usage report. Times are rounded to whole hours. */
export const usageFilter = z.object({
  ...periodParameters,
  group_by: z
    .union([z.string().max(100), z.array(z.string().max(100)).max(USAGE_DIMENSIONS.length)])
    .optional()
    .describe(
      `Comma-separated list of ${USAGE_DIMENSIONS.join(', ')}; may be repeated. A request with several tags counts for each of them. Tags and clients can be combined with \`model\` only.`,
    ),
  key: id,
  user: id,
  model: id,
  provider: id,
  tag: id,
  client: id.describe('Application that sent the requests, such as `OpenAI/Python`.'),
  format: z.enum(['json', 'csv']).default('json'),
});
type UsageFilter = z.output<typeof usageFilter>;

const usageRow = z.object({
  start: z.string().nullable().describe('Start of the hour, day or month; null without an interval.'),
  period: z
    .string()
    .optional()
    .describe(
      'The hour, day or month in the time zone of the report: `2026-11-21T13:00`, `2026-11-21`, `2026-11`.',
    ),
  tenant: z.string().optional(),
  key: z.string().optional(),
  key_name: z.string().nullable().optional().describe('With `key`; null for a key that no longer exists.'),
  user: z.string().optional(),
  user_name: z.string().nullable().optional().describe('With `user`; null for usage without a member.'),
  model: z.string().optional(),
  provider: z.string().optional(),
  tag: z.string().optional(),
  client: z
    .string()
    .optional()
    .describe('Application, by its `user-agent`; requests before this was stored are missing.'),
  requests: z.number().int(),
  attempts: z.number().int().describe('A retried request has several.'),
  failures: z.number().int(),
  input_tokens: z.number().int(),
  output_tokens: z.number().int(),
  cached_tokens: z.number().int().describe('Included in the input tokens.'),
  cache_write_tokens: z.number().int().describe('Included in the input tokens.'),
  reasoning_tokens: z.number().int().describe('Included in the output tokens.'),
  cost: z.string().describe('US dollars, as an exact decimal.'),
  input_cost: z
    .string()
    .describe('The part of it that is not of output tokens; all of it for usage before this was stored.'),
  output_cost: z.string().describe('The part of output tokens, reasoning included.'),
  unpriced_attempts: z
    .number()
    .int()
    .describe('Attempts without a known price, which the cost does not include.'),
  estimated_attempts: z
    .number()
    .int()
    .describe('Attempts whose tokens Weir counted because the upstream reported none.'),
  cache: z
    .object({
      hits: z.number().int(),
      hit_rate_percent: z.number().describe('Of all requests.'),
      saved: z.string().describe('US dollars that the hits would have cost, as an exact decimal.'),
      saved_seconds: z.number(),
    })
    .optional()
    .describe('What the cache served; absent without hits.'),
  prompt_cache: z
    .object({
      read_tokens: z.number().int(),
      write_tokens: z.number().int(),
      saved: z
        .string()
        .describe('US dollars that reading saved, less what writing cost, as an exact decimal.'),
    })
    .optional()
    .describe("What the providers' prompt caches were used for; absent where they were not."),
});
type Row = z.output<typeof usageRow>;

const usageTotals = z.object({
  total_requests: z.number().int(),
  total_tokens: z.number().int().describe('Input and output.'),
  total_cost_usd: z.number().describe('US dollars. `cost` in `data` is exact.'),
  average_latency_ms: z
    .number()
    .nullable()
    .describe('Milliseconds that the attempts of a request took; null without requests.'),
});

export const usageReport = z
  .object({
    object: z.literal('usage'),
    from: z.string(),
    to: z.string(),
    time_zone: z.string().describe('Time zone of days and months.'),
    currency: z.literal('USD'),
    data: z.array(usageRow),
  })
  .meta({ id: 'UsageReport' });

/** A report of one key or user, with its totals. */
export const ownUsageReport = usageReport.extend(usageTotals.shape).meta({ id: 'OwnUsageReport' });

/** What a report is about. */
interface ReportRequest {
  readonly period: ReportPeriod;
  readonly query: UsageQuery;
  readonly format: 'json' | 'csv';
}

/** Makes usage reports of tenants. */
export class UsageReports {
  readonly #periods = new ReportPeriods();

  constructor(
    private readonly usage: SqlUsageStore,
    private readonly clock: Clock,
  ) {}

  /**
   * Reads a filter.
   * @param timeZone used when the filter names none
   * @throws GatewayError `invalid_request`
   */
  request(filter: UsageFilter, timeZone: string): ReportRequest {
    const period = this.#periods.resolve(filter satisfies PeriodFilter, this.clock.wallTime(), timeZone);
    const { key, user, model, provider, tag, client, format } = filter;
    const groupBy = dimensionsOf(filter.group_by);
    for (const [name, value] of [
      ['tag', tag],
      ['client', client],
    ] as const) {
      if (value === undefined && !groupBy.includes(name)) continue;
      const other = groupBy.some((one) => one !== name && one !== 'model') || key || user || provider;
      if (other || (tag !== undefined && client !== undefined))
        throw invalid(`usage by ${name} can be grouped by model and time only`);
    }
    const { from, to, buckets, interval } = period;
    const query: UsageQuery = {
      ...{ from, to, buckets, groupBy, key, user, model, provider, tag, client },
      interval: interval === 'hour' ? 'hour' : null,
    };
    return { period, query, format };
  }

  /** @param shown the tenant's id, for reports of several tenants */
  async rows(tenant: string, { period, query }: ReportRequest, shown?: string): Promise<Row[]> {
    const groups = await this.usage.summarise({ tenant }, query);
    const idsOf = (dimension: UsageDimension) => [
      ...new Set(groups.flatMap(({ by }) => by[dimension] || [])),
    ];
    const ids = { keys: idsOf('key'), members: idsOf('user') };
    const isNamed = ids.keys.length + ids.members.length > 0;
    const names: ReadonlyMap<string, string> = isNamed
      ? await this.usage.namesOf({ tenant }, ids)
      : new Map();
    return groups.map((group) => this.#render(group, period, names, shown));
  }

  /** Sums of all that the filter matches, in the words of other platforms. */
  async totals(tenant: string, { query }: ReportRequest): Promise<z.output<typeof usageTotals>> {
    const [all] = await this.usage.summarise(
      { tenant },
      { ...query, groupBy: [], interval: null, buckets: undefined },
    );
    const sums = all?.sums;
    const requests = sums?.requests ?? 0n;
    return {
      total_requests: Number(requests),
      total_tokens: sums ? Number(sums.input_tokens + sums.output_tokens) : 0,
      total_cost_usd: Number(dollarsOfPico(sums?.cost_pico ?? 0n)),
      average_latency_ms:
        sums && requests > 0n ? Math.round(Number(sums.duration_ms) / Number(requests)) : null,
    };
  }

  /** @returns the columns of a table, in their order. @param several whether the report is about several tenants */
  columns({ period, query }: ReportRequest, several: boolean): string[] {
    return columnsOf(period, query.groupBy, several);
  }

  response(request: ReportRequest, data: readonly Row[], several = false): AdminResult {
    const { period, format } = request;
    if (format === 'json') {
      const { from, to, timeZone } = period;
      const range = { from: time(from), to: time(to), time_zone: timeZone };
      return { body: { object: 'usage', ...range, currency: 'USD', data } };
    }
    const columns = this.columns(request, several);
    const lines = [
      columns,
      ...data.map((row) => columns.map((name) => Object.entries(row).find(([key]) => key === name)?.[1])),
    ];
    return {
      text: {
        type: 'text/csv; charset=utf-8',
        body: `${lines.map((line) => line.map(csvField).join(',')).join('\r\n')}\r\n`,
      },
      headers: { 'content-disposition': 'attachment; filename="usage.csv"' },
    };
  }

  #render(
    { start, by, sums }: UsageGroup,
    period: ReportPeriod,
    names: ReadonlyMap<string, string>,
    tenant: string | undefined,
  ): Row {
    const count = (value: bigint) => Number(value);
    const named = (dimension: 'key' | 'user') => {
      const of = by[dimension];
      return of === undefined ? {} : { [dimension]: of, [`${dimension}_name`]: names.get(of) ?? null };
    };
    return {
      start: start === null ? null : time(start),
      ...(start === null ? {} : { period: this.#periods.labelOf(start, period) }),
      ...(tenant === undefined ? {} : { tenant }),
      ...by,
      ...named('key'),
      ...named('user'),
      requests: count(sums.requests),
      attempts: count(sums.attempts),
      failures: count(sums.failures),
      input_tokens: count(sums.input_tokens),
      output_tokens: count(sums.output_tokens),
      cached_tokens: count(sums.cached_tokens),
      cache_write_tokens: count(sums.cache_write_tokens),
      reasoning_tokens: count(sums.reasoning_tokens),
      cost: dollarsOfPico(sums.cost_pico),
      input_cost: dollarsOfPico(sums.cost_pico - sums.output_cost_pico),
      output_cost: dollarsOfPico(sums.output_cost_pico),
      unpriced_attempts: count(sums.unpriced),
      estimated_attempts: count(sums.estimated),
      ...(sums.cache_hits === 0n && sums.saved_pico === 0n ? {} : { cache: cacheOf(sums) }),
      ...(sums.cached_tokens === 0n && sums.cache_write_tokens === 0n
        ? {}
        : { prompt_cache: promptCacheOf(sums) }),
    };
  }
}

function cacheOf({
  cache_hits,
  requests,
  saved_pico,
  saved_ms,
}: UsageGroup['sums']): NonNullable<Row['cache']> {
  return {
    hits: Number(cache_hits),
    hit_rate_percent: Number((cache_hits * 10_000n) / (requests === 0n ? 1n : requests)) / 100,
    saved: dollarsOfPico(saved_pico),
    saved_seconds: Number(saved_ms) / 1_000,
  };
}

function promptCacheOf({
  cached_tokens,
  cache_write_tokens,
  prompt_saved_pico,
}: UsageGroup['sums']): NonNullable<Row['prompt_cache']> {
  return {
    read_tokens: Number(cached_tokens),
    write_tokens: Number(cache_write_tokens),
    saved: dollarsOfPico(prompt_saved_pico),
  };
}

/** Reads `group_by`, which may be a list and may be repeated. @throws GatewayError `invalid_request` */
export function dimensionsOf(groupBy: string | readonly string[] | undefined): UsageDimension[] {
  const names = [groupBy ?? []].flat().flatMap((one) => one.split(','));
  const dimensions = names
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .map((one) => {
      const dimension = USAGE_DIMENSIONS.find((known) => known === one);
      if (!dimension) throw invalid(`use a list of: ${USAGE_DIMENSIONS.join(', ')}`);
      return dimension;
    });
  return [...new Set(dimensions)];
}

function invalid(why: string): GatewayError {
  return new GatewayError('invalid_request', `"group_by" is not valid: ${why}.`, { param: 'group_by' });
}

/** The columns of a table, which are the same for every result, an empty one included. */
function columnsOf(
  { interval }: ReportPeriod,
  groupBy: readonly UsageDimension[],
  several: boolean,
): string[] {
  const grouped = new Set<string>([
    'start',
    ...(interval === 'none' ? [] : ['period']),
    ...(several ? ['tenant'] : []),
    ...groupBy.flatMap((one) => (one === 'key' || one === 'user' ? [one, `${one}_name`] : [one])),
  ]);
  // Of caches there is more than one number.
  const columns = Object.keys(usageRow.omit({ cache: true, prompt_cache: true }).shape);
  const firstSum = columns.indexOf('requests');
  return columns.filter((name, index) => index >= firstSum || grouped.has(name));
}
