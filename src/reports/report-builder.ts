import type { Kysely } from 'kysely';
import type { Calendar } from '../limits/calendar.ts';
import { forecast } from '../metering/forecast.ts';
import { dollarsOfPico } from '../metering/price.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import { summariseTenants, type TenantUsageGroup } from '../storage/sql/usage-copies.ts';
import type { SqlUsageStore, UsageDimension, UsageGroup } from '../storage/sql/usage-store.ts';
import {
  cacheCandidates,
  cheaperModels,
  idleEngines,
  type KeyUse,
  type ModelUse,
  promptCacheUse,
  unusedKeys,
} from './hints.ts';
import type { ReportDimension, ReportDocument, ReportHint } from './report-document.ts';
import { periodBefore, type ReportPeriod, type ReportPeriodName, weekdayOf } from './report-period.ts';

const HOUR_MS = 3_600_000;
/** Days that a forecast reads. */
const PAST_DAYS = 28;
const MAX_ROWS = 1_000;
const MAX_CHANGES = 10;
const MAX_UNUSED_KEYS = 100;

const TENANT_DIMENSIONS = ['key', 'user', 'model', 'provider', 'tag', 'client'] as const;
const PLATFORM_DIMENSIONS = ['tenant', 'model', 'provider'] as const;

export interface ReportBuilderOptions {
  readonly control: Kysely<ControlTables>;
  readonly databases: TenantDatabases;
  readonly usage: SqlUsageStore;
  readonly calendar: Calendar;
  /** Names of tenants by id. */
  readonly tenantNames: () => ReadonlyMap<string, string>;
  /** Ids of providers that are engines of the installation. */
  readonly engines: () => readonly string[];
}

/** The sums that both sources have. */
type Sums = TenantUsageGroup['sums'];

interface Group {
  readonly id: string;
  readonly sums: Sums;
}

/** Makes reports from sums of usage. */
export class ReportBuilder {
  constructor(private readonly options: ReportBuilderOptions) {}

  /** @param tenant null for all tenants, whose sums are up to an hour old */
  async build(tenant: string | null, name: ReportPeriodName, period: ReportPeriod): Promise<ReportDocument> {
    const { calendar } = this.options;
    const previous = periodBefore(calendar, period, name);
    const dimensions: readonly ReportDimension[] = tenant === null ? PLATFORM_DIMENSIONS : TENANT_DIMENSIONS;
    const read = (by: ReportDimension | undefined, of: ReportPeriod) => this.#read(tenant, by, of);
    const [totals] = await read(undefined, period);
    const [before] = await read(undefined, previous);
    const groups: ReportDocument['groups'] = [];
    const changes: { readonly change: bigint; readonly shown: ReportDocument['changes'][number] }[] = [];
    for (const by of dimensions) {
      const now = await read(by, period);
      const then = new Map((await read(by, previous)).map(({ id, sums }) => [id, sums.cost_pico]));
      const names = await this.#namesOf(tenant, by, [...now.map(({ id }) => id), ...then.keys()]);
      const rows = now
        .toSorted((a, b) => (a.sums.cost_pico > b.sums.cost_pico ? -1 : 1))
        .map(({ id, sums }) => ({
          ...{ id, name: names.get(id) ?? null },
          ...shownSums(sums),
          previous_cost: dollarsOfPico(then.get(id) ?? 0n),
        }));
      groups.push({ by, rows: rows.slice(0, MAX_ROWS), more: Math.max(0, rows.length - MAX_ROWS) });
      const costs = new Map(now.map(({ id, sums }) => [id, sums.cost_pico]));
      for (const id of new Set([...costs.keys(), ...then.keys()])) {
        const [cost, previousCost] = [costs.get(id) ?? 0n, then.get(id) ?? 0n];
        const change = cost - previousCost;
        if (change === 0n) continue;
        const amounts = {
          ...{ cost: dollarsOfPico(cost), previous_cost: dollarsOfPico(previousCost) },
          change: dollarsOfPico(change),
        };
        changes.push({ change, shown: { by, id, name: names.get(id) ?? null, ...amounts } });
      }
    }
    return {
      ...{ period: name, label: period.id, time_zone: period.timeZone, currency: 'USD' },
      ...{ from: new Date(period.from).toISOString(), to: new Date(period.to).toISOString() },
      totals: {
        ...shownSums(totals?.sums),
        unpriced_attempts: Number(totals?.sums.unpriced ?? 0n),
        cache_hits: Number(totals?.sums.cache_hits ?? 0n),
        cache_saved: dollarsOfPico(totals?.sums.saved_pico ?? 0n),
      },
      previous: shownSums(before?.sums),
      groups,
      changes: changes
        .toSorted((a, b) => (magnitude(a.change) > magnitude(b.change) ? -1 : 1))
        .slice(0, MAX_CHANGES)
        .map(({ shown }) => shown),
      forecast: tenant === null ? null : await this.#forecast(tenant, period),
      hints: tenant === null ? await this.#platformHints(period) : await this.#hints(tenant, period),
    };
  }

  async #read(
    tenant: string | null,
    by: ReportDimension | undefined,
    { from, to }: ReportPeriod,
  ): Promise<Group[]> {
    const { control, usage } = this.options;
    if (tenant === null) {
      const dimension = PLATFORM_DIMENSIONS.find((one) => one === by);
      const found = await summariseTenants(control, { from, to, groupBy: dimension ? [dimension] : [] });
      return found.map((group) => ({ id: dimension ? (group.by[dimension] ?? '') : '', sums: group.sums }));
    }
    const dimension = TENANT_DIMENSIONS.find((one) => one === by);
    const groupBy = dimension ? [dimension] : [];
    const found = await usage.summarise({ tenant }, { from, to, interval: null, groupBy });
    return found.map((group) => ({ id: dimension ? (group.by[dimension] ?? '') : '', sums: group.sums }));
  }

  async #namesOf(
    tenant: string | null,
    by: ReportDimension,
    ids: readonly string[],
  ): Promise<ReadonlyMap<string, string>> {
    if (by === 'tenant') return this.options.tenantNames();
    if (tenant === null || (by !== 'key' && by !== 'user')) return new Map();
    const wanted = [...new Set(ids)].filter((id) => id !== '');
    return this.options.usage.namesOf(
      { tenant },
      by === 'key' ? { keys: wanted, members: [] } : { keys: [], members: wanted },
    );
  }

  /** Of the month that contains the end of the period; null where the period ends with it. */
  async #forecast(tenant: string, period: ReportPeriod): Promise<ReportDocument['forecast']> {
    const { calendar, usage } = this.options;
    const at = period.to;
    const month = calendar.periodAt(at, 'month', period.timeZone);
    const days = [];
    for (let end = at, count = 0; count < PAST_DAYS; count += 1) {
      const day = calendar.periodAt(end - 1, 'day', period.timeZone);
      days.unshift({ id: day.id, start: Math.ceil(day.startsAt / HOUR_MS) * HOUR_MS });
      end = day.startsAt;
    }
    const first = days[0]?.start ?? at;
    const groups = await usage.summarise(
      { tenant },
      { from: first, to: at, interval: null, buckets: days.map(({ start }) => start), groupBy: [] },
    );
    const costs = new Map(groups.map(({ start, sums }) => [start, sums.cost_pico]));
    const used = days.reduce(
      (sum, { start }) => (start >= month.startsAt ? sum + (costs.get(start) ?? 0n) : sum),
      0n,
    );
    const weekdaysLeft: number[] = [];
    for (let from = at; from < month.endsAt; ) {
      const day = calendar.periodAt(from, 'day', period.timeZone);
      weekdaysLeft.push(weekdayOf(day.id));
      from = day.endsAt;
    }
    // In 10^-9 dollars: pico exceeds exact numbers.
    const found = forecast({
      days: days.map(({ id, start }) => ({
        weekday: weekdayOf(id),
        amount: Number((costs.get(start) ?? 0n) / 1_000n),
      })),
      ...{ used: Number(used / 1_000n), today: 0, todayShare: 0, weekdaysLeft },
    });
    const dollars = (nano: number) => dollarsOfPico(BigInt(Math.round(nano)) * 1_000n);
    return {
      ...{ month: month.id, used: dollarsOfPico(used), expected: dollars(found.expected), estimated: true },
      low: found.low === undefined ? null : dollars(found.low),
      high: found.high === undefined ? null : dollars(found.high),
    };
  }

  async #hints(tenant: string, { from, to }: ReportPeriod): Promise<ReportHint[]> {
    const { usage } = this.options;
    const read = (groupBy: readonly UsageDimension[]) =>
      usage.summarise({ tenant }, { from, to, interval: null, groupBy });
    const models = (await read(['model'])).map(useOf);
    const groups = await read(['key', 'model']);
    const ids = [...new Set(groups.map(({ by }) => by.key ?? ''))];
    const names = await usage.namesOf({ tenant }, { keys: ids, members: [] });
    const keys = groups.map(
      (group): KeyUse => ({
        ...useOf(group),
        key: group.by.key ?? '',
        name: names.get(group.by.key ?? '') ?? null,
      }),
    );
    return [
      ...cheaperModels(models),
      ...cacheCandidates(models),
      ...promptCacheUse(keys),
      ...unusedKeys(await this.#unusedKeys(tenant, from, to)),
    ].toSorted((a, b) => Number(b.saves ?? 0) - Number(a.saves ?? 0));
  }

  #unusedKeys(tenant: string, from: number, to: number) {
    return this.options.databases.read({ tenant }, async (db) => {
      const rows = await db
        .selectFrom('api_keys')
        .select(['id', 'name', 'last_used_at'])
        .where('kind', '=', 'api_key')
        .where('revoked_at', 'is', null)
        .where('created_at', '<', from)
        .where(({ eb, or }) => or([eb('expires_at', 'is', null), eb('expires_at', '>', to)]))
        .where(({ eb, or }) => or([eb('last_used_at', 'is', null), eb('last_used_at', '<', from)]))
        .orderBy('created_at')
        .limit(MAX_UNUSED_KEYS)
        .execute();
      return rows.map(({ id, name, last_used_at: at }) => ({
        ...{ id, name },
        lastUsedAt: at === null ? null : Number(at),
      }));
    });
  }

  async #platformHints({ from, to }: ReportPeriod): Promise<ReportHint[]> {
    const used = await summariseTenants(this.options.control, { from, to, groupBy: ['provider'] });
    const busy = new Set(used.map(({ by }) => by.provider));
    const idle = this.options.engines().filter((provider) => !busy.has(provider));
    return idleEngines(
      idle.map((provider) => ({ provider, hourlyPico: undefined })),
      Math.round((to - from) / HOUR_MS),
    );
  }
}

function useOf({ by, sums }: UsageGroup): ModelUse {
  return {
    ...{ model: by.model ?? '', requests: sums.requests, attempts: sums.attempts, failures: sums.failures },
    ...{ inputTokens: sums.input_tokens, outputTokens: sums.output_tokens, cachedTokens: sums.cached_tokens },
    ...{ costPico: sums.cost_pico, outputCostPico: sums.output_cost_pico, cacheHits: sums.cache_hits },
    promptSavedPico: sums.prompt_saved_pico,
  };
}

function shownSums(sums: Sums | undefined): ReportDocument['previous'] {
  return {
    requests: Number(sums?.requests ?? 0n),
    failures: Number(sums?.failures ?? 0n),
    input_tokens: Number(sums?.input_tokens ?? 0n),
    output_tokens: Number(sums?.output_tokens ?? 0n),
    cost: dollarsOfPico(sums?.cost_pico ?? 0n),
  };
}

const magnitude = (value: bigint) => (value < 0n ? -value : value);
