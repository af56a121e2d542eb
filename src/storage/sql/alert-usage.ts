import { type Kysely, sql } from 'kysely';
import type { TenantScope } from '../tenant-scope.ts';
import type { ControlTables } from './control-tables.ts';
import type { TenantDatabases } from './tenant-databases.ts';

/** Sums of one minute of a model at a provider. */
export interface MinuteUse {
  /** Unix milliseconds. */
  readonly start: number;
  readonly model: string;
  readonly provider: string;
  readonly requests: number;
  readonly rejected: number;
  /** Texts of `QuantileSketch`. */
  readonly latency: string;
  readonly firstEvent: string;
}

/** Use of one hour of a key. */
export interface HourUse {
  /** Unix milliseconds. */
  readonly start: number;
  readonly key: string;
  readonly requests: number;
  readonly tokens: number;
  /** US dollars. */
  readonly cost: number;
}

/** Sums of one step of time of a model. */
export interface ModelStep {
  /** Unix milliseconds. */
  readonly start: number;
  readonly model: string;
  readonly requests: number;
  readonly rejected: number;
}

/** Requests of a tenant that failed with a status of 500 or higher. */
export interface FailureCount {
  /** Unix milliseconds. */
  readonly at: number;
  readonly model: string;
  readonly count: number;
}

/** Rows of one query: more keys or models than these are not compared. */
const MAX_ROWS = 5_000;
const MAX_STEPS = 50_000;
const PICO = 1e12;

/**
 * Reads what alerts are evaluated from, each with one statement. Fails closed with `UnknownTenantError` or the database's
 * error.
 */
export class SqlAlertUsage {
  constructor(
    private readonly databases: TenantDatabases,
    private readonly control: Kysely<ControlTables>,
  ) {}

  /** @param from Unix milliseconds, inclusive @param to exclusive */
  minutes(scope: TenantScope, from: number, to: number): Promise<MinuteUse[]> {
    return this.databases.read(scope, async (db) => {
      const rows = await db
        .selectFrom('usage_metrics')
        .select(['start', 'model', 'provider', 'requests', 'rejected', 'latency', 'first_event'])
        .where('period', '=', 'minute')
        .where('start', '>=', from)
        .where('start', '<', to)
        .orderBy('start', 'desc')
        .limit(MAX_ROWS)
        .execute();
      return rows.map(({ first_event, requests, rejected, start, ...row }) => ({
        ...row,
        ...{ start: Number(start), requests: Number(requests), rejected: Number(rejected) },
        firstEvent: first_event,
      }));
    });
  }

  /** @param hours starts of hours @returns use by hour and key */
  hours(scope: TenantScope, hours: readonly number[]): Promise<HourUse[]> {
    return this.databases.read(scope, async (db) => {
      const { rows } = await sql<Record<string, string | number>>`
        SELECT start, key_id, sum(requests) AS requests, sum(input_tokens + output_tokens) AS tokens,
          sum(cost_pico) AS cost FROM usage_rollups
        WHERE period = 'hour' AND start IN (${sql.join([...hours])}) GROUP BY start, key_id
        LIMIT ${sql.lit(MAX_ROWS)}`.execute(db);
      return rows.map((row) => ({
        ...{ start: Number(row.start), key: String(row.key_id), requests: Number(row.requests) },
        ...{ tokens: Number(row.tokens), cost: Number(row.cost) / PICO },
      }));
    });
  }

  /** @returns the start of the first hour with use, in Unix milliseconds; undefined without any */
  firstHour(scope: TenantScope): Promise<number | undefined> {
    return this.databases.read(scope, async (db) => {
      const row = await db
        .selectFrom('usage_rollups')
        .select('start')
        .where('period', '=', 'hour')
        .orderBy('start')
        .limit(1)
        .executeTakeFirst();
      return row === undefined ? undefined : Number(row.start);
    });
  }

  /** @returns tenants with failed requests since a moment: one look into an index for each tenant, however many failed */
  async failingTenants(since: number, limit: number): Promise<string[]> {
    const rows = await this.control
      .selectFrom('tenants')
      .select('tenants.id')
      .where('tenants.deleted_at', 'is', null)
      .where(({ exists, selectFrom }) =>
        exists(
          selectFrom('event_log as log')
            .select('log.sequence')
            .where('log.type', '=', 'request.failed')
            .whereRef('log.tenant', '=', 'tenants.id')
            .where('log.created_at', '>=', since)
            .where('log.test', '=', 0),
        ),
      )
      .limit(limit)
      .execute();
    return rows.map(({ id }) => id);
  }

  /** @returns failed requests of a tenant, from the events that are stored with its usage */
  async failures(tenant: string, from: number, to: number): Promise<FailureCount[]> {
    const rows = await this.control
      .selectFrom('event_log')
      .select(['data', 'created_at'])
      .where('type', '=', 'request.failed')
      .where('created_at', '>=', from)
      .where('created_at', '<', to)
      .where('tenant', '=', tenant)
      .where('test', '=', 0)
      .limit(MAX_ROWS)
      .execute();
    return rows.flatMap(({ data, created_at }) => {
      const { model, count }: { model?: unknown; count?: unknown } = JSON.parse(data);
      return typeof model === 'string' && typeof count === 'number' ? [{ at: created_at, model, count }] : [];
    });
  }

  /**
   * Sums of a longer time, for dry runs.
   * @param step milliseconds, whole minutes
   * @returns requests by model, in the order of time
   */
  steps(scope: TenantScope, from: number, to: number, step: number): Promise<ModelStep[]> {
    return this.databases.read(scope, async (db) => {
      const start = sql`start - start % ${sql.lit(step)}`;
      const { rows } = await sql<Record<string, string | number>>`
        SELECT ${start} AS step, model, sum(requests) AS requests, sum(rejected) AS rejected FROM usage_metrics
        WHERE period = 'minute' AND start >= ${from} AND start < ${to}
        GROUP BY ${start}, model ORDER BY 1 LIMIT ${sql.lit(MAX_STEPS)}`.execute(db);
      return rows.map((row) => ({
        ...{ start: Number(row.step), model: String(row.model) },
        ...{ requests: Number(row.requests), rejected: Number(row.rejected) },
      }));
    });
  }

  /** As `minutes`, by hour. */
  hourlyTimes(scope: TenantScope, from: number, to: number): Promise<MinuteUse[]> {
    return this.databases.read(scope, async (db) => {
      const rows = await db
        .selectFrom('usage_metrics')
        .select(['start', 'model', 'provider', 'requests', 'rejected', 'latency', 'first_event'])
        .where('period', '=', 'hour')
        .where('start', '>=', from)
        .where('start', '<', to)
        .orderBy('start')
        .limit(MAX_ROWS)
        .execute();
      return rows.map(({ first_event, requests, rejected, start, ...row }) => ({
        ...row,
        ...{ start: Number(start), requests: Number(requests), rejected: Number(rejected) },
        firstEvent: first_event,
      }));
    });
  }

  /** @returns use by hour, of all keys together: `key` is empty */
  hourlyUse(scope: TenantScope, from: number, to: number): Promise<HourUse[]> {
    return this.databases.read(scope, async (db) => {
      const { rows } = await sql<Record<string, string | number>>`
        SELECT start, sum(requests) AS requests, sum(input_tokens + output_tokens) AS tokens, sum(cost_pico) AS cost
        FROM usage_metrics WHERE period = 'hour' AND start >= ${from} AND start < ${to}
        GROUP BY start LIMIT ${sql.lit(MAX_ROWS)}`.execute(db);
      return rows.map((row) => ({
        ...{ start: Number(row.start), key: '', requests: Number(row.requests) },
        ...{ tokens: Number(row.tokens), cost: Number(row.cost) / PICO },
      }));
    });
  }
}
