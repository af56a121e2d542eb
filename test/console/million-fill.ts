// Fills a data folder with a million usage events, for `npm run bench:console`: `bun test/console/million-fill.ts <folder>`.
import { CONFIG_CATALOG } from '../../src/app/config-catalog.ts';
import { sqliteFolders } from '../../src/app/database-servers.ts';
import { BY_OPERATOR } from '../../src/cli/operator.ts';
import { withStores } from '../../src/cli/stores.ts';
import { limitsFrom } from '../../src/cli/values.ts';
import { loadConfig } from '../../src/config/load.ts';
import { sqlitePath } from '../../src/storage/sql/sqlite-path.ts';
import { openSqliteUsage } from '../../src/storage/sql/sqlite-usage-database.ts';
import { storeUsage } from '../../src/storage/sql/store-usage.ts';
import type { UsageDatabase } from '../../src/storage/sql/usage-database.ts';
import { batchOf } from '../../src/storage/usage-batch.ts';
import type { UsageEvent } from '../../src/storage/usage-event.ts';
import { tenantDocument } from '../../src/tenancy/documents.ts';

const EVENTS = 1_000_000;
const DAYS = 30;
const HOUR_MS = 3_600_000;
const KEYS = 200;
/** Keys with a budget. */
const BUDGETS = 20;
const MODELS = Array.from({ length: 10 }, (_, index) => `model-${index}`);
const PROVIDERS = ['east', 'west', 'north'];
const TAGS = Array.from({ length: 20 }, (_, index) => `team:${index}`);

const TENANTS = { utc: 'UTC', zurich: 'Europe/Zurich' } as const;

const [, , folder = ''] = process.argv;
const env = { WEIR_DATA_DIR: folder, WEIR_DETECT_ENGINES: '0' };
const { config } = loadConfig({ env, cwd: folder, catalog: CONFIG_CATALOG });
const output = { out: console.log, err: console.error, colour: false };

let seed = 1;
/** A number in [0, 1): Park and Miller's generator, so that two runs fill the same. */
const random = () => {
  seed = (seed * 48_271) % 2_147_483_647;
  return seed / 2_147_483_647;
};
const pick = <T>(items: readonly T[]): T => {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new RangeError('nothing to pick from');
  return item;
};

function eventOf(tenant: string, keyId: string, number: number, at: number): UsageEvent {
  const inputTokens = 200 + Math.floor(random() * 2_000);
  const outputTokens = 20 + Math.floor(random() * 400);
  const durationMs = 200 + Math.floor(random() * 4_000);
  const status = random() < 0.01 ? 502 : 200;
  return {
    ...{ id: `${tenant}-${number}`, tenant, requestId: `req_${number}`, at, keyId, member: null },
    ...{ model: pick(MODELS), provider: pick(PROVIDERS), upstreamModel: 'large', operation: 'chat' },
    ...{ tags: [pick(TAGS)], status, outcome: status === 200 ? 'done' : 'failed', requests: 1 },
    ...{ inputTokens, outputTokens, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
    ...{ costPico: (inputTokens * 3 + outputTokens * 15) * 1_000_000, estimated: false, durationMs },
    firstEventMs: Math.floor(durationMs / 4),
    request: { durationMs, firstEventMs: Math.floor(durationMs / 4), error: null, traceId: null, count: 1 },
  };
}

const hours = DAYS * 24;
const end = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;

async function fill(tenant: string, usage: UsageDatabase, keys: readonly string[]): Promise<void> {
  let number = 0;
  for (let hour = 0; hour < hours; hour += 1) {
    const count = Math.round(((hour + 1) * EVENTS) / hours) - Math.round((hour * EVENTS) / hours);
    const from = end - (hours - hour) * HOUR_MS;
    const events = Array.from({ length: count }, () => {
      number += 1;
      return eventOf(tenant, pick(keys), number, from + Math.floor(random() * HOUR_MS));
    }).sort((a, b) => a.at - b.at);
    await storeUsage(usage, [batchOf(`fill-${tenant}-${hour}`, events)]);
  }
}

await withStores(config, env, output, async ({ tenants, keys, access }) => {
  const [databases = ''] = sqliteFolders(config);
  for (const [id, time_zone] of Object.entries(TENANTS)) {
    const document = tenantDocument.parse({ time_zone });
    await tenants.create({ id, name: id, tier: null, document }, BY_OPERATOR);
    const ids: string[] = [];
    for (let index = 0; index < KEYS; index += 1) {
      const limits = index < BUDGETS ? (limitsFrom([], ['20000']) ?? []) : [];
      const wanted = { kind: 'api_key' as const, name: `key ${index}`, member: null, limits };
      ids.push((await keys.create({ tenant: id }, wanted, BY_OPERATOR)).key.id);
    }
    const placement = access.tenant(id)?.placement;
    if (!placement) throw new Error(`the tenant ${id} has no database`);
    const usage = openSqliteUsage(sqlitePath(databases, placement.database));
    await fill(id, usage, ids);
    await usage.close();
  }
});
console.log(`${EVENTS.toLocaleString('en')} events of ${DAYS} days in each of two tenants`);
