import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createBilling } from '../../src/app/billing.ts';
import { CONFIG_CATALOG } from '../../src/app/config-catalog.ts';
import { openStores, type Stores } from '../../src/app/stores.ts';
import type { Billing } from '../../src/billing/services.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';
import { systemClock } from '../../src/core/clock.ts';
import { EventBus } from '../../src/events/event-bus.ts';
import { openPostgresUsage } from '../../src/storage/sql/postgres-usage-database.ts';
import { sqlitePath } from '../../src/storage/sql/sqlite-path.ts';
import { openSqliteUsage } from '../../src/storage/sql/sqlite-usage-database.ts';
import { storeUsage } from '../../src/storage/sql/store-usage.ts';
import { batchOf } from '../../src/storage/usage-batch.ts';
import type { UsageEvent } from '../../src/storage/usage-event.ts';
import type { ChangeContext } from '../../src/tenancy/change-context.ts';
import { hasPostgres, sharedPostgres } from './services/postgres.ts';

/** An installation with tenants, usage and billing, at a time that the test sets. */
export interface BillingInstallation {
  readonly stores: Stores;
  readonly billing: Billing;
  /** @returns types and invoices of the stored events, in order */
  events(): Promise<readonly (readonly [type: string, invoice: string])[]>;
  /** Unix milliseconds. */
  setTime(now: number): void;
  addTenant(id: string, timeZone?: string): Promise<void>;
  /** Stores events of a tenant; members that are absent have plain values. */
  use(tenant: string, events: readonly Partial<UsageEvent>[]): Promise<void>;
  readonly config: Config;
  /** The environment of commands on its databases. */
  readonly env: Readonly<Record<string, string>>;
  /** Stores as another process has them, with connections of its own. */
  anotherStores(): Promise<Stores>;
  /** Billing as another process has it, with connections of its own. */
  anotherProcess(): Promise<Billing>;
  dispose(): Promise<void>;
}

export const BY_TEST: ChangeContext = {
  actor: { id: 'user:test', name: 'Test', platform: true, roles: new Map(), member: undefined },
  address: '127.0.0.1',
  requestId: 'req_test',
};

/** The databases that installations can have. */
export const INSTALLATION_DATABASES = [
  { name: 'SQLite', available: true, url: async (folder: string) => `sqlite:${folder}` },
  { name: 'PostgreSQL', available: hasPostgres, url: async () => (await sharedPostgres()).freshUrl() },
] as const;

let batches = 0;

export async function billingInstallation(
  database: (typeof INSTALLATION_DATABASES)[number],
  settings: Readonly<Record<string, unknown>>,
  others: Readonly<Record<string, unknown>> = {},
): Promise<BillingInstallation> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-billing-'));
  const url = await database.url(join(folder, 'databases'));
  const env = {
    ...{ WEIR_DATA_DIR: folder, DATABASE_URL: url, WEIR_CONFIG: join(folder, 'weir.yaml') },
    ...{ WEIR_ADMIN_KEY: 'wr-admin-billing-0123456789abcdef', WEIR_SECRET: 'x'.repeat(32) },
  };
  const yaml = new TextEncoder().encode(stringify({ billing: settings, ...others }));
  writeFileSync(env.WEIR_CONFIG, yaml);
  const { config } = loadConfig({ env, cwd: folder, catalog: CONFIG_CATALOG, readFile: () => yaml });
  let now = Date.parse('2026-11-01T00:00:00Z');
  const clock = { ...systemClock, wallTime: () => now };
  const opened: Stores[] = [];
  const process = async (): Promise<{ stores: Stores; billing: Billing }> => {
    const stores = await openStores({
      ...{ config: () => config, env, clock, connectTimeoutMs: 0, publishEvents: false },
      events: new EventBus({ validate: false, onSubscriberError: () => undefined }),
      onMissing: (error) => {
        throw error;
      },
    });
    opened.push(stores);
    const billing = createBilling(stores, () => config);
    return { stores, billing };
  };
  const { stores, billing } = await process();
  return {
    ...{ stores, billing, env, config },
    events: async () => {
      const rows = await stores.control
        .selectFrom('event_log')
        .select(['type', 'subject'])
        .orderBy('sequence')
        .execute();
      return rows
        .filter(({ subject }) => subject.startsWith('invoice:'))
        .map(({ type, subject }) => [type, subject.slice('invoice:'.length)] as const);
    },
    setTime: (time) => {
      now = time;
    },
    addTenant: async (id, timeZone = 'UTC') => {
      const document = { time_zone: timeZone, weight: 1, limits: [], tag_limits: {} };
      await stores.tenants.create({ id, name: `Tenant ${id}`, tier: null, document }, BY_TEST);
    },
    use: async (tenant, used) => {
      const placement = stores.placementOf({ tenant });
      if (!placement) throw new Error(`no tenant ${tenant}`);
      const usage = url.startsWith('sqlite:')
        ? openSqliteUsage(sqlitePath(url.slice('sqlite:'.length), placement.database))
        : await openPostgresUsage(url, placement.database);
      batches += 1;
      const complete = used.map(
        (event, index): UsageEvent => ({
          ...{ id: `${batches}-${index}`, tenant, requestId: `r${index}`, at: now, keyId: 'key_1' },
          ...{ member: null, model: 'm', provider: 'p', upstreamModel: 'u', operation: 'chat', tags: [] },
          ...{ status: 200, outcome: 'done', requests: 1, inputTokens: 0, outputTokens: 0, cachedTokens: 0 },
          ...{ cacheWriteTokens: 0, reasoningTokens: 0, costPico: 0, estimated: false, durationMs: 10 },
          ...{ firstEventMs: null, ...event },
        }),
      );
      try {
        await storeUsage(usage, [batchOf(`batch-${batches}`, complete)]);
      } finally {
        await usage.close();
      }
    },
    anotherStores: async () => (await process()).stores,
    anotherProcess: async () => (await process()).billing,
    dispose: async () => {
      for (const one of opened) await one.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
