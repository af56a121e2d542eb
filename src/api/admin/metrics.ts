import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { SKETCH_ERROR } from '../../storage/quantile-sketch.ts';
import { hasTimes, METRIC_DIMENSIONS, metricTable, shortestStep } from '../../storage/sql/metric-store.ts';
import { MetricSeries, RANKS, type SeriesDimension, type SeriesGroup } from './metric-series.ts';
import {
  type MetricName,
  metricsNamed,
  QUANTILE_NAMES,
  type Series,
  SUM_NAMES,
  timesOf,
} from './metric-values.ts';
import { time, timeInput, wholeNumber } from './paging.ts';
import { adminRoute, NO_BODY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';
import { visibleTenants } from './visible-tenants.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const STEPS = {
  ...{ '1m': MINUTE_MS, '5m': 5 * MINUTE_MS, '15m': 15 * MINUTE_MS, '1h': HOUR_MS },
  ...{ '6h': 6 * HOUR_MS, '1d': DAY_MS },
} as const;
type StepName = keyof typeof STEPS;
const STEP_NAMES = ['1m', '5m', '15m', '1h', '6h', '1d'] as const satisfies readonly StepName[];

/** Steps that are chosen where the client names none. */
const USUAL_POINTS = 200;
const MAX_POINTS = 4_000;
const MAX_SERIES = 100;
/** Sums by minute are deleted later than this. */
const MINUTES_MS = 2 * DAY_MS;
/** Longest range of sums by hour that are for each key. */
const KEY_HOURS_MS = 4 * DAY_MS;
const DIMENSIONS: readonly SeriesDimension[] = ['tenant', ...METRIC_DIMENSIONS];

const list = z.union([z.string().max(500), z.array(z.string().max(100)).max(40)]).optional();
const text = z.string().min(1).max(400).optional();

const metricsQuery = z.object({
  from: timeInput.optional().describe('Inclusive; rounded down to a whole step. Default: a day ago.'),
  to: timeInput.optional().describe('Exclusive; rounded up to a whole step. Default: now.'),
  step: z
    .enum(STEP_NAMES)
    .optional()
    .describe(
      `Time between two values. Default: the shortest with at most ${USUAL_POINTS} of them. Steps below 1h are available for the last two days, without keys, users and tags; with those, a range of more than 4 days has steps of 1d. The response says which step it has.`,
    ),
  metrics: list.describe(
    `Comma-separated: ${[...SUM_NAMES, ...QUANTILE_NAMES].join(', ')}; \`latency\` and \`ttft\` mean all three of their quantiles. Default: all but the quantiles.`,
  ),
  group_by: list.describe(
    `Comma-separated: ${DIMENSIONS.join(', ')}. A request with several tags counts for each of them; tags are available with \`model\` and \`tenant\` only. Quantiles are kept by model and provider, and by key and user, not by both or by tag.`,
  ),
  ...{ tenant: z.string().max(63).optional(), model: text, provider: text, key: text, user: text, tag: text },
  rank_by: z.enum(RANKS).default('requests').describe('Sum that decides which groups are the largest.'),
  series: wholeNumber(1, MAX_SERIES)
    .default(10)
    .describe(`Number of groups that are shown; the rest is \`other\`. Default: 10; maximum: ${MAX_SERIES}.`),
});
type MetricsFilter = z.output<typeof metricsQuery>;

const values = z.record(z.string(), z.union([z.number(), z.string(), z.null()]));
const seriesObject = z.object({
  by: z.record(z.string(), z.string()).describe('The group, by dimension.'),
  names: z
    .record(z.string(), z.string())
    .optional()
    .describe('Names of the key and the user of the group, where they still exist.'),
  totals: values.describe('Values of the whole range, by metric.'),
  values: z
    .record(z.string(), z.array(z.union([z.number(), z.string(), z.null()])))
    .describe('Values by metric, one for each of `times`.'),
});

const metricsObject = z
  .object({
    object: z.literal('metrics'),
    from: z.string(),
    to: z.string(),
    step: z.string(),
    step_seconds: z.number().int(),
    currency: z.literal('USD'),
    quantile_error: z
      .number()
      .describe(
        'Largest relative error of quantiles, which are estimates. Counts and money are exact; `cost` and `saved` are decimals.',
      ),
    times: z.array(z.number().int()).describe('Start of each step, in Unix milliseconds.'),
    total: seriesObject.omit({ by: true, names: true }),
    series: z.array(seriesObject).describe('The largest groups, the largest first.'),
    other: seriesObject
      .omit({ by: true, names: true })
      .nullable()
      .describe('All other groups together, without quantiles; null where there are none.'),
    rows_read: z.number().int().describe('Sums that the totals were computed from.'),
  })
  .meta({ id: 'MetricSeries' });

/** Series for dashboards. */
export function metricRoutes({ access, clock, metrics, usage }: AdminServices): RegisteredRoute[] {
  const reader = new MetricSeries(metrics);

  /** Names of keys and users are of one tenant; series of several tenants show ids. */
  const namesOf = async (tenants: readonly string[], groups: readonly SeriesGroup[]) => {
    const [tenant] = tenants;
    const keys = groups.flatMap(({ key }) => (key === undefined || key === '' ? [] : [key]));
    const members = groups.flatMap(({ user }) => (user === undefined || user === '' ? [] : [user]));
    if (tenant === undefined || tenants.length > 1 || keys.length + members.length === 0) return new Map();
    return usage.namesOf({ tenant }, { keys, members });
  };

  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/metrics/query',
      permission: null,
      summary: 'Get series of requests, tokens, cost and latency',
      description:
        'For dashboards: computed from sums, so that a long range with many requests is as fast as a short one. Platform administrators see every tenant; owners, administrators and billing see their tenants; other members see their own requests.',
      ...NO_BODY,
      query: metricsQuery,
      response: metricsObject,
      handle: async ({ actor, query }) => {
        const tenants = visibleTenants(actor, access, 'billing:read', query);
        const names = metricsOf(query.metrics);
        const groupBy = dimensionsOf(query.group_by);
        const byUser = tenants.some(({ user }) => user !== undefined);
        const { range, step } = rangeOf(query, groupBy, names, byUser, clock.wallTime());
        const { model, provider, key, tag } = query;
        const result = await reader.read({
          tenants,
          query: { ...range, filter: { model, provider, key, tag } },
          ...{ groupBy, metrics: names, maxSeries: query.series, rank: query.rank_by },
        });
        const shown = await namesOf(
          tenants.map(({ tenant }) => tenant),
          result.groups.map(({ group }) => group),
        );
        const sums = names.filter((name) => SUM_NAMES.includes(name));
        return {
          body: {
            object: 'metrics',
            ...{ from: time(range.from), to: time(range.to), step, step_seconds: range.step / 1_000 },
            ...{ currency: 'USD', quantile_error: Math.round(SKETCH_ERROR * 1_000) / 1_000 },
            times: timesOf({ ...range, filter: {} }),
            total: renderSeries(result.total, names),
            series: result.groups.map(({ group, series }) => ({
              by: group,
              ...named(group, shown),
              ...renderSeries(series, names),
            })),
            other: result.other ? renderSeries(result.other, sums) : null,
            rows_read: result.rowsRead,
          },
        };
      },
    }),
  ];
}

function named({ key, user }: SeriesGroup, names: ReadonlyMap<string, string>) {
  const found: Record<string, string> = {};
  const [keyName, userName] = [names.get(key ?? ''), names.get(user ?? '')];
  if (keyName !== undefined) found.key = keyName;
  if (userName !== undefined) found.user = userName;
  return Object.keys(found).length === 0 ? {} : { names: found };
}

function renderSeries(series: Series, names: readonly MetricName[]) {
  const { whole } = series;
  return {
    totals: Object.fromEntries(names.map((name) => [name, whole.value(name)])),
    values: Object.fromEntries(names.map((name) => [name, series.values(name)])),
  };
}

function rangeOf(
  query: MetricsFilter,
  groupBy: readonly SeriesDimension[],
  metrics: readonly MetricName[],
  byUser: boolean,
  now: number,
) {
  const filtered = METRIC_DIMENSIONS.filter((one) => query[one] !== undefined);
  const within = groupBy.filter((one) => one !== 'tenant');
  const dimensions = [...within, ...filtered, ...(byUser ? (['user'] as const) : [])];
  const table = metricTable(dimensions);
  if (!table) throw invalid('group_by', 'tags cannot be combined with key, user and provider');
  if (!hasTimes(dimensions) && metrics.some((name) => QUANTILE_NAMES.includes(name))) {
    throw invalid(
      'metrics',
      'quantiles are kept by model and provider, or by key and user, not by both or by tag',
    );
  }
  const to = query.to ?? now + 1;
  const from = query.from ?? to - DAY_MS;
  if (to <= from) throw invalid('to', 'it must be later than "from"');
  const shortest = shortestOf(table, from, to, now);
  const usable = STEP_NAMES.filter((name) => STEPS[name] >= shortest);
  const fits = (name: StepName, points: number) => (to - from) / STEPS[name] <= points;
  const step = query.step
    ? (usable.find((name) => STEPS[name] >= STEPS[query.step ?? '1d']) ?? '1d')
    : (usable.find((name) => fits(name, USUAL_POINTS)) ?? '1d');
  if (!fits(step, MAX_POINTS))
    throw invalid('step', `at most ${MAX_POINTS} steps are possible; use a longer one`);
  const length = STEPS[step];
  return {
    step,
    range: { from: Math.floor(from / length) * length, to: Math.ceil(to / length) * length, step: length },
  };
}

/** Longer ranges have longer steps, so that no query reads too many rows. */
function shortestOf(
  table: NonNullable<ReturnType<typeof metricTable>>,
  from: number,
  to: number,
  now: number,
) {
  if (table !== 'usage_metrics') return to - from > KEY_HOURS_MS ? DAY_MS : HOUR_MS;
  return now - from > MINUTES_MS ? HOUR_MS : shortestStep(table);
}

function metricsOf(wanted: MetricsFilter['metrics']): MetricName[] {
  const names = listed(wanted);
  if (names.length === 0) return [...SUM_NAMES];
  const found = names.flatMap((name) => {
    const metrics = metricsNamed(name);
    if (!metrics) throw invalid('metrics', `use a list of: ${[...SUM_NAMES, 'latency', 'ttft'].join(', ')}`);
    return metrics;
  });
  return [...new Set(found)];
}

function dimensionsOf(wanted: MetricsFilter['group_by']): SeriesDimension[] {
  const found = listed(wanted).map((name) => {
    const dimension = DIMENSIONS.find((one) => one === name);
    if (!dimension) throw invalid('group_by', `use a list of: ${DIMENSIONS.join(', ')}`);
    return dimension;
  });
  return [...new Set(found)];
}

function listed(wanted: string | readonly string[] | undefined): string[] {
  const names = [wanted ?? []].flat().flatMap((one) => one.split(','));
  return names.map((one) => one.trim()).filter((one) => one !== '');
}

function invalid(param: string, why: string): GatewayError {
  return new GatewayError('invalid_request', `"${param}" is not valid: ${why}.`, { param });
}
