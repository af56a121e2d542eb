import { GatewayError } from '../../core/errors.ts';
import {
  type MetricDimension,
  type MetricGroup,
  type MetricQuery,
  type MetricTimes,
  type SqlMetricStore,
  TooManyRowsError,
} from '../../storage/sql/metric-store.ts';
import { addPoint, addTimes, type MetricName, Series } from './metric-values.ts';
import type { VisibleTenant } from './visible-tenants.ts';

/** Tenant databases that are queried concurrently. */
const AT_ONCE = 8;
/** Groups of one tenant that are compared for the largest. */
const MAX_RANKED = 1_000;

/** Sums that groups are ranked by. */
export const RANKS = ['requests', 'errors', 'tokens', 'cost'] as const;
export type Rank = (typeof RANKS)[number];

export type SeriesDimension = MetricDimension | 'tenant';
export type SeriesGroup = MetricGroup & { readonly tenant?: string };

export interface SeriesRequest {
  readonly tenants: readonly VisibleTenant[];
  readonly query: MetricQuery;
  readonly groupBy: readonly SeriesDimension[];
  readonly metrics: readonly MetricName[];
  readonly maxSeries: number;
  readonly rank: Rank;
}

export interface SeriesResult {
  /** Of everything that the query matches. */
  readonly total: Series;
  /** The largest groups, the largest first. */
  readonly groups: readonly { readonly group: SeriesGroup; readonly series: Series }[];
  /** Of all other groups; undefined where there are none. */
  readonly other: Series | undefined;
  /** Rows of sums that were read. */
  readonly rowsRead: number;
}

/** Reads metrics of several tenants as series. */
export class MetricSeries {
  constructor(private readonly store: SqlMetricStore) {}

  /** @throws GatewayError `invalid_request` for quantiles of too many rows */
  async read(request: SeriesRequest): Promise<SeriesResult> {
    const { tenants, query, groupBy, metrics, maxSeries } = request;
    const within = groupBy.filter((one) => one !== 'tenant');
    const ranked = groupBy.length === 0 ? [] : await this.#ranked(request, within);
    const shown = ranked.slice(0, maxSeries);
    const total = new Series(query);
    const groups = new Map(shown.map((group) => [keyOf(group), { group, series: new Series(query) }]));
    const needsTimes = metrics.some((name) => name.startsWith('latency') || name.startsWith('ttft'));
    // Sums of all keys together are fewer than those of each.
    const whole = within.filter((one) => one === 'tag');
    let rowsRead = 0;
    await eachAtOnce(tenants, async ({ tenant, user }) => {
      const own = { ...query, filter: user === undefined ? query.filter : { ...query.filter, user } };
      const scope = { tenant };
      const name = groupBy.includes('tenant') ? { tenant } : {};
      const wanted = shown.filter((group) => group.tenant === undefined || group.tenant === tenant);
      for (const point of await this.store.sums(scope, own, whole, undefined)) {
        rowsRead += point.rows;
        addPoint(total, point);
      }
      const seriesOf = (group: MetricGroup) => groups.get(keyOf({ ...name, ...group }))?.series;
      if (wanted.length > 0) {
        for (const point of await this.store.sums(scope, own, within, wanted)) {
          const series = seriesOf(point.group);
          if (series) addPoint(series, point);
        }
      }
      if (!needsTimes) return;
      for (const times of await this.#times(scope, own, whole, undefined)) addTimes(total, times);
      if (wanted.length === 0) return;
      for (const times of await this.#times(scope, own, within, wanted)) {
        const series = seriesOf(times.group);
        if (series) addTimes(series, times);
      }
    });
    const all = [...groups.values()];
    const rest = groupBy.length === 0 ? undefined : total.without(all.map(({ series }) => series));
    // Tags overlap: what is left of their total means nothing.
    const other = rest && !within.includes('tag') && !rest.isEmpty ? rest : undefined;
    return { total, groups: all, other, rowsRead };
  }

  async #ranked(
    { tenants, query, groupBy, rank, maxSeries }: SeriesRequest,
    within: readonly MetricDimension[],
  ): Promise<SeriesGroup[]> {
    const amounts = new Map<string, { readonly group: SeriesGroup; amount: bigint }>();
    await eachAtOnce(tenants, async ({ tenant, user }) => {
      const own = { ...query, filter: user === undefined ? query.filter : { ...query.filter, user } };
      for (const { group, amount } of await this.store.rank({ tenant }, own, within, rank, MAX_RANKED)) {
        const named = groupBy.includes('tenant') ? { tenant, ...group } : group;
        const key = keyOf(named);
        const known = amounts.get(key);
        if (known) known.amount += amount;
        else amounts.set(key, { group: named, amount });
      }
    });
    return [...amounts.values()]
      .sort((a, b) => (a.amount === b.amount ? 0 : a.amount < b.amount ? 1 : -1))
      .slice(0, maxSeries + 1)
      .map(({ group }) => group);
  }

  async #times(...query: Parameters<SqlMetricStore['times']>): Promise<MetricTimes[]> {
    try {
      return await this.store.times(...query);
    } catch (error) {
      if (!(error instanceof TooManyRowsError)) throw error;
      throw new GatewayError(
        'invalid_request',
        '"metrics" asks for quantiles over too many sums. Use a shorter range, a longer step, or fewer keys.',
        { param: 'metrics', cause: error },
      );
    }
  }
}

/** Names a group, whatever the order of its dimensions. */
function keyOf(group: SeriesGroup): string {
  const { tenant, model, provider, key, user, tag } = group;
  return JSON.stringify([tenant, model, provider, key, user, tag]);
}

async function eachAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const next = items.values();
  const worker = async () => {
    for (const item of next) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
}
