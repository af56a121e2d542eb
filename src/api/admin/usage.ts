import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { SubjectLimits } from '../../core/limit.ts';
import { amountOfNano } from '../../core/limit-schema.ts';
import { dollarsOfPico } from '../../metering/price.ts';
import { USAGE_DIMENSIONS, type UsageGroup, type UsageQuery } from '../../storage/sql/usage-store.ts';
import { limitsOf } from '../../tenancy/documents.ts';
import { time, timeInput } from './paging.ts';
import { type AdminResult, adminRoute, NO_BODY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const HOUR_MS = 3_600_000;
const MAX_HOURLY_MS = 32 * 24 * HOUR_MS;
/** Tenant databases that are queried concurrently. */
const AT_ONCE = 8;

const id = z.string().min(1).max(400).optional();

/** Filter of a usage report. Times are rounded to whole hours. */
export const usageFilter = z.object({
  from: timeInput.optional().describe('Inclusive. Default: the start of this month (UTC).'),
  to: timeInput.optional().describe('Exclusive. Default: now.'),
  interval: z.enum(['hour', 'day', 'none']).default('none').describe('One row per hour or day (UTC).'),
  group_by: z
    .string()
    .max(100)
    .optional()
    .describe(
      `Comma-separated list of ${USAGE_DIMENSIONS.join(', ')}. A request with several tags counts for each of them.`,
    ),
  key: id,
  user: id,
  model: id,
  provider: id,
  tag: id,
  format: z.enum(['json', 'csv']).default('json'),
});

const usageRow = z.object({
  start: z.string().nullable().describe('Start of the hour or day; null without an interval.'),
  tenant: z.string().optional(),
  key: z.string().optional(),
  user: z.string().optional(),
  model: z.string().optional(),
  provider: z.string().optional(),
  tag: z.string().optional(),
  requests: z.number().int(),
  attempts: z.number().int().describe('A retried request has several.'),
  failures: z.number().int(),
  input_tokens: z.number().int(),
  output_tokens: z.number().int(),
  cached_tokens: z.number().int().describe('Included in the input tokens.'),
  cache_write_tokens: z.number().int().describe('Included in the input tokens.'),
  reasoning_tokens: z.number().int().describe('Included in the output tokens.'),
  cost: z.string().describe('US dollars, as an exact decimal.'),
  unpriced_attempts: z
    .number()
    .int()
    .describe('Attempts without a known price, which the cost does not include.'),
  estimated_attempts: z
    .number()
    .int()
    .describe('Attempts whose tokens Weir counted because the upstream reported none.'),
});

export const usageReport = z
  .object({
    object: z.literal('usage'),
    from: z.string(),
    to: z.string(),
    currency: z.literal('USD'),
    data: z.array(usageRow),
  })
  .meta({ id: 'UsageReport' });

type Row = z.output<typeof usageRow>;

/** Converts a filter to a usage query. @throws GatewayError `invalid_request` */
export function usageQuery(filter: z.output<typeof usageFilter>, now: number): UsageQuery {
  const { from, to, interval, group_by, key, user, model, provider, tag } = filter;
  const today = new Date(now);
  const first = from ?? Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), 1);
  const last = to ?? now + 1;
  const start = first - (first % HOUR_MS);
  const end = last + ((HOUR_MS - (last % HOUR_MS)) % HOUR_MS);
  if (end <= start) throw invalid('to', 'it must be later than "from"');
  if (interval === 'hour' && end - start > MAX_HOURLY_MS)
    throw invalid('interval', 'by hours at most 32 days can be asked for');
  const groupBy = (group_by ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .map((one) => {
      const dimension = USAGE_DIMENSIONS.find((known) => known === one);
      if (!dimension) throw invalid('group_by', `there are: ${USAGE_DIMENSIONS.join(', ')}`);
      return dimension;
    });
  const byTag = tag !== undefined || groupBy.includes('tag');
  const other = groupBy.some((one) => one !== 'tag' && one !== 'model') || key || user || provider;
  if (byTag && other) throw invalid('group_by', 'usage by tag can be grouped by model and time only');
  return {
    ...{ from: start, to: end, groupBy, key, user, model, provider, tag },
    interval: interval === 'none' ? null : interval,
  };
}

function invalid(param: string, why: string): GatewayError {
  return new GatewayError('invalid_request', `"${param}" is not valid: ${why}.`, { param });
}

export function renderUsage({ start, by, sums }: UsageGroup, tenant?: string): Row {
  const count = (value: bigint) => Number(value);
  return {
    start: start === null ? null : time(start),
    ...(tenant === undefined ? {} : { tenant }),
    ...by,
    requests: count(sums.requests),
    attempts: count(sums.attempts),
    failures: count(sums.failures),
    input_tokens: count(sums.input_tokens),
    output_tokens: count(sums.output_tokens),
    cached_tokens: count(sums.cached_tokens),
    cache_write_tokens: count(sums.cache_write_tokens),
    reasoning_tokens: count(sums.reasoning_tokens),
    cost: dollarsOfPico(sums.cost_pico),
    unpriced_attempts: count(sums.unpriced),
    estimated_attempts: count(sums.estimated),
  };
}

/** Builds the report of a filter. */
export function usageResponse(
  { from, to }: UsageQuery,
  data: readonly Row[],
  format: 'json' | 'csv',
): AdminResult {
  if (format === 'json') {
    return { body: { object: 'usage', from: time(from), to: time(to), currency: 'USD', data } };
  }
  const columns = Object.keys(usageRow.shape).filter(
    (name) => data.some((row) => name in row) || name === 'start',
  );
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

/** Formats one CSV field (RFC 4180), escaped so that spreadsheets do not evaluate it as a formula. */
function csvField(value: unknown): string {
  const text = value === null || value === undefined ? '' : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) && !/^-?\d/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const counterStateList = z
  .object({
    object: z.literal('list'),
    data: z.array(
      z.object({
        scope: z.string(),
        subject: z.string(),
        of: z.string(),
        per: z.string().nullable(),
        mode: z.string(),
        max: z.union([z.number(), z.string()]),
        used: z.union([z.number(), z.string()]).nullable().describe('Null for rate limits.'),
        remaining: z.union([z.number(), z.string()]),
        resets_at: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'LimitStandings' });

export function usageRoutes(services: AdminServices): RegisteredRoute[] {
  const { access, usage, limiter, clock, keys, members } = services;
  const tenantFilter = usageFilter;
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/usage',
      permission: 'usage:read',
      summary: 'Get the usage and cost of a tenant',
      ...NO_BODY,
      query: tenantFilter,
      response: usageReport,
      handle: async ({ scope, query: filter }) => {
        const query = usageQuery(filter, clock.wallTime());
        const groups = await usage.summarise(scope, query);
        return usageResponse(
          query,
          groups.map((group) => renderUsage(group)),
          filter.format,
        );
      },
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/usage',
      permission: 'tenants:list',
      summary: 'Get the usage and cost of every tenant',
      ...NO_BODY,
      query: usageFilter.extend({ tenant: z.string().max(63).optional() }),
      response: usageReport,
      handle: async ({ query: { tenant, ...filter } }) => {
        const query = usageQuery(filter, clock.wallTime());
        const ids = [...access.tenants()]
          .filter(({ id: one, status }) => status !== 'deleted' && (tenant === undefined || one === tenant))
          .map(({ id: one }) => one)
          .sort();
        const rows = new Map<string, Row[]>();
        const waiting = [...ids];
        const worker = async () => {
          for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
            const name = next;
            const groups = await usage.summarise({ tenant: name }, query);
            rows.set(
              name,
              groups.map((group) => renderUsage(group, name)),
            );
          }
        };
        await Promise.all(Array.from({ length: AT_ONCE }, worker));
        return usageResponse(
          query,
          ids.flatMap((one) => rows.get(one) ?? []),
          filter.format,
        );
      },
    }),
    adminRoute({
      method: 'GET',
      path: '/admin/v1/tenants/:tenant/limits',
      permission: 'tenant:read',
      summary: 'List the limits of a tenant with their current use',
      description: 'Limits of the tenant and its tags; with `key` or `member`, also of these.',
      ...NO_BODY,
      query: z.object({ key: id, member: id }),
      response: counterStateList,
      handle: async ({ scope, query }) => {
        const known = access.tenant(scope.tenant);
        if (!known) return { body: { object: 'list', data: [] } };
        const timeZone = known.document.time_zone;
        const subject = (
          of: SubjectLimits['scope'],
          name: string,
          own: string,
          limits: SubjectLimits['limits'],
        ) => ({
          ...{ scope: of, id: `${scope.tenant}/${own}`, name, limits, timeZone },
        });
        const subjects: SubjectLimits[] = [
          subject('tenant', known.name, '', access.limitsOfTenant(known)),
          ...Object.entries(known.document.tag_limits).map(([tag, limits]) =>
            subject('tag', tag, tag, limitsOf(limits)),
          ),
        ];
        if (query.key !== undefined) {
          const key = await keys.get(scope, 'api_key', query.key);
          subjects.push(subject('key', key.name, key.id, limitsOf([...key.limits])));
        }
        if (query.member !== undefined) {
          const member = await members.get(scope, query.member);
          subjects.push(subject('user', member.name, member.id, limitsOf([...member.limits])));
        }
        const counterStates = await limiter.counterStates(subjects);
        const data = counterStates.map(({ counter, counterState, resetsAt }) => {
          const { limit } = counter;
          const amount = (value: number) => (limit.of === 'cost' ? amountOfNano(value) : value);
          const isRate = counter.kind === 'rate';
          return {
            ...{ scope: counter.subject.scope, subject: counter.subject.name },
            ...{ of: limit.of, per: limit.per, mode: limit.mode, max: amount(limit.max) },
            used: isRate ? null : amount(counterState),
            remaining: amount(
              isRate ? Math.max(0, Math.floor(counterState)) : Math.max(0, limit.max - counterState),
            ),
            resets_at: resetsAt === null ? null : time(resetsAt),
          };
        });
        return { body: { object: 'list', data } };
      },
    }),
  ];
}
