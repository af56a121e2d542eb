import type { z } from 'zod';
import { UsageReports, usageFilter } from '../api/admin/usage-report.ts';
import { offlineSnapshot } from '../app/offline-snapshot.ts';
import { systemClock } from '../core/clock.ts';
import { amountOfNano } from '../core/limit-schema.ts';
import { DEFAULT_TENANT } from '../core/principal.ts';
import { Calendar } from '../limits/calendar.ts';
import { sumsSince } from '../limits/period-sums.ts';
import { ModelData } from '../metering/model-data.ts';
import { SqlUsageStore } from '../storage/sql/usage-store.ts';
import { CommandError, type StoreCommand, table } from './output.ts';
import { assertTenant, withStores } from './stores.ts';

export interface UsageOptions {
  readonly tenant: string;
  readonly all: boolean;
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly interval: string;
  readonly groupBy: string | undefined;
  readonly timeZone: string | undefined;
  readonly csv: boolean;
  readonly json: boolean;
}

/** Prints usage and cost, as the admin API reports them. */
export async function usageCommand(
  { config, env, output }: StoreCommand,
  options: UsageOptions,
): Promise<void> {
  const filter = parsed(usageFilter, {
    ...(options.from === undefined ? {} : { from: options.from }),
    ...(options.to === undefined ? {} : { to: options.to }),
    ...(options.groupBy === undefined ? {} : { group_by: options.groupBy }),
    ...(options.timeZone === undefined ? {} : { time_zone: options.timeZone }),
    interval: options.interval,
    format: options.csv ? 'csv' : 'json',
  });
  await withStores(config, env, output, async ({ access, databases }) => {
    if (!options.all) assertTenant(access, options.tenant);
    const reports = new UsageReports(new SqlUsageStore(databases), systemClock);
    const zone = options.all ? 'UTC' : (access.tenant(options.tenant)?.document.time_zone ?? 'UTC');
    const request = reports.request(filter, zone);
    const ids = options.all
      ? [...access.tenants()].filter(({ status }) => status !== 'deleted').map(({ id }) => id)
      : [options.tenant];
    const rows: Awaited<ReturnType<UsageReports['rows']>> = [];
    for (const id of ids.sort())
      rows.push(...(await reports.rows(id, request, options.all ? id : undefined)));
    const { body, text } = reports.response(request, rows, options.all);
    if (text) output.out(text.body.trimEnd());
    else if (options.json) output.out(JSON.stringify(body));
    else if (rows.length === 0) output.err('There is no usage in this time.');
    else {
      // Sums that are all zero would only widen the table.
      const shown = reports
        .columns(request, options.all)
        .filter((name) => rows.some((row) => !['', '0'].includes(cellOf(row, name))));
      output.out(
        table(
          shown.map((name) => name.replaceAll('_', ' ').toUpperCase()),
          rows.map((row) => shown.map((name) => cellOf(row, name))),
        ),
      );
    }
  });
}

function cellOf(row: object, name: string): string {
  const value: unknown = Object.entries(row).find(([key]) => key === name)?.[1];
  return value === null || value === undefined ? '' : String(value);
}

export function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new CommandError(
    `--${issue?.path.join('.').replaceAll('_', '-') ?? 'option'}: ${issue?.message ?? ''}.`,
  );
}

/** Prints the limits of a tenant, its tags, users and keys, with the recorded use of the current day or month. */
export async function limitsCommand(
  { config, env, output }: StoreCommand,
  tenant: string,
  json: boolean,
): Promise<void> {
  await withStores(config, env, output, async ({ access, databases }) => {
    assertTenant(access, tenant);
    const records = new SqlUsageStore(databases);
    const calendar = new Calendar();
    const now = systemClock.wallTime();
    const rows = [];
    for (const { scope, id, name, limits, timeZone } of access.limitsIn(tenant)) {
      for (const { of, per, max, mode } of limits) {
        const isMoney = of === 'cost';
        const by =
          scope === 'tenant' || scope === 'tag' || scope === 'user' || scope === 'key' ? scope : undefined;
        let used: string | null = null;
        if ((per === 'day' || per === 'month') && by !== undefined && of !== 'concurrent_requests') {
          const { startsAt } = calendar.periodAt(now, per, timeZone);
          const sums = await sumsSince(records, { tenant }, startsAt, now, by);
          const sum = sums.get(by === 'tenant' ? '' : id.slice(tenant.length + 1));
          const amount = { requests: sum?.requests, tokens: sum?.tokens, cost: sum?.nanoUsd }[of] ?? 0;
          used = isMoney ? amountOfNano(amount) : String(amount);
        }
        const shownMax = isMoney ? amountOfNano(max) : String(max);
        rows.push({ scope, subject: name, of, per, max: shownMax, used, mode });
      }
    }
    if (json) output.out(JSON.stringify(rows));
    else if (rows.length === 0) output.err(`The tenant ${tenant} has no limits.`);
    else {
      output.out(
        table(
          ['SCOPE', 'SUBJECT', 'LIMIT', 'PER', 'MAX', 'USED', 'MODE'],
          rows.map((row) => [
            row.scope,
            row.subject,
            row.of.replaceAll('_', ' '),
            row.per ?? '',
            row.max,
            row.used ?? '',
            row.mode,
          ]),
        ),
      );
    }
  });
}

/** Prints the models of the configuration with their targets and prices. Providers are not called. */
export async function modelsCommand({ config, env, output }: StoreCommand, json: boolean): Promise<void> {
  const modelData = new ModelData(() => new Date(systemClock.wallTime()));
  await modelData.load();
  const snapshot = await offlineSnapshot(config, env, { modelData });
  try {
    const rows = snapshot.directory.list().map(({ id, ownedBy }) => {
      const targets = snapshot.directory.resolve(id)?.targets ?? [];
      const [first] = targets;
      const facts = snapshot.directory.resolve(id)?.facts;
      const info = first && modelData.of(first, facts);
      const price =
        first && snapshot.prices.of(first, facts, { at: systemClock.wallTime(), tenant: DEFAULT_TENANT });
      return {
        id,
        provider: ownedBy,
        targets: targets.map(({ provider, model }) => `${provider.id}/${model}`),
        context_window: info?.contextWindow ?? null,
        input_price: price?.input ? String(price.input.base) : null,
        output_price: price?.output ? String(price.output.base) : null,
      };
    });
    if (json) output.out(JSON.stringify(rows));
    else {
      output.out(
        table(
          ['MODEL', 'TARGETS', 'CONTEXT', '$/M INPUT', '$/M OUTPUT'],
          rows.map((row) => [
            row.id,
            row.targets.join(', '),
            row.context_window === null ? '' : String(row.context_window),
            row.input_price ?? '',
            row.output_price ?? '',
          ]),
        ),
      );
      output.err(
        'Models that providers report are not included; a running gateway lists them at /v1/models.',
      );
    }
  } finally {
    snapshot.close();
  }
}
