import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { dataFolder, redisTls } from '../../app/database-servers.ts';
import { inspectStores, type StoreInspection } from '../../app/store-inspection.ts';
import type { Config } from '../../config/schema.ts';
import { systemClock } from '../../core/clock.ts';
import type { RedisTls } from '../../platform/redis-client.ts';
import { connectIoredis } from '../../storage/kv/ioredis-client.ts';
import { type Finding, messageOf } from './finding.ts';

/** Reads the databases; creates, changes and migrates nothing. */
export async function checkStores(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Finding[]> {
  const isSqlite = /^sqlite:/i.test(config.storage.database_url);
  const folder = resolve(dataFolder(config));
  const where = isSqlite ? `SQLite in ${folder}` : 'PostgreSQL';
  const findings: Finding[] = [];
  const fault = writeFault(folder);
  if (fault !== undefined) {
    findings.push({
      check: isSqlite ? 'store' : 'data folder',
      level: 'problem',
      message: `${isSqlite ? where : folder}: ${fault}`,
      advice: 'The folder must be writable by this user and on a local disk. WEIR_DATA_DIR selects another.',
    });
    if (isSqlite) return findings;
  }
  try {
    findings.push(...storeFindings(await inspectStores(config, () => undefined), where));
  } catch (error) {
    findings.push({
      check: 'store',
      level: 'problem',
      message: `${where}: ${messageOf(error)}`,
      advice: isSqlite
        ? 'Restore the file from a backup (docs/operations.md), or set WEIR_DATA_DIR to another folder.'
        : 'Correct DATABASE_URL, or the server.',
    });
  }
  if (!isSqlite && !env.WEIR_SECRET) {
    findings.push({
      check: 'secret',
      level: 'warning',
      message:
        'WEIR_SECRET is not set: the secret that hashes keys is stored in the same database as the hashes',
      advice:
        'Set it before you create keys, the same for all replicas: `openssl rand -hex 32` generates one.',
    });
  }
  return findings;
}

function storeFindings(inspection: StoreInspection, where: string): Finding[] {
  const { isInitialised, tenants, pending, missing, mayCreateDatabases, mayCreateTables } = inspection;
  const findings: Finding[] = [];
  if (!isInitialised) {
    findings.push({ check: 'store', level: 'ok', message: `${where}, empty: the first start creates it` });
  } else {
    const migrations = pending.reduce((sum, one) => sum + one.migrations.length, 0);
    const state =
      migrations === 0
        ? ''
        : `; the next start applies ${migrations} migration${migrations === 1 ? '' : 's'} (\`weir migrate --plan\` lists them)`;
    const count = `${tenants} tenant${tenants === 1 ? '' : 's'}`;
    findings.push({ check: 'store', level: 'ok', message: `${where}, ${count}${state}` });
  }
  if (missing.length > 0) {
    findings.push({
      check: 'tenants',
      level: 'problem',
      message: `the databases of these tenants are missing: ${missing.join(', ')}`,
      advice: 'Restore them from the same backup as the control database (docs/operations.md).',
    });
  }
  if (!mayCreateDatabases) {
    findings.push({
      check: 'permissions',
      level: 'problem',
      message: 'the PostgreSQL user may not create databases, and each tenant has its own',
      advice: 'As a superuser: ALTER ROLE <user> CREATEDB;',
    });
  }
  if (!mayCreateTables) {
    findings.push({
      check: 'permissions',
      level: 'problem',
      message: 'the PostgreSQL user may not create tables in the control database',
      advice: 'As a superuser: ALTER DATABASE <database> OWNER TO <user>;',
    });
  }
  return findings;
}

/** Why files cannot be created in a folder, or in the folder in which it would be created; undefined when they can. */
function writeFault(folder: string): string | undefined {
  let existing = folder;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  if (!statSync(existing).isDirectory()) return `${existing} is not a folder`;
  try {
    accessSync(existing, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : messageOf(error);
    return `${existing} is not writable (${code})`;
  }
}

/** How long a first connection may take. */
const REDIS_CONNECT_MS = 3_000;

export async function checkRedis({ storage }: Config, url: string): Promise<Finding> {
  let reason = 'no response';
  let tls: RedisTls;
  try {
    tls = redisTls(storage);
  } catch (error) {
    return {
      check: 'redis',
      level: 'problem',
      message: messageOf(error),
      advice: 'Correct the path, or remove it to use the authorities of the system.',
    };
  }
  const client = connectIoredis({
    url,
    ...tls,
    timeoutMs: storage.redis_timeout,
    onError: (error) => {
      reason = error.message;
    },
  });
  const over = new AbortController();
  const late = systemClock.sleep(REDIS_CONNECT_MS, over.signal).then(
    () => false,
    () => false,
  );
  const connected = await Promise.race([client.connected().then(() => true), late]);
  over.abort();
  const memory = connected ? await client.call('INFO', ['memory']).catch(() => '') : '';
  client.disconnect();
  if (connected) return evictionFinding(String(memory));
  return {
    check: 'redis',
    level: 'problem',
    message: `unreachable: ${reason}`,
    advice: 'Check REDIS_URL. Until Redis is reachable, each gateway counts limits separately.',
  };
}

/**
 * Whether a Redis that runs full drops what it should: cached responses, and no counters of limits.
 * @param memory the reply to `INFO memory`; empty where it is not known
 */
export function evictionFinding(memory: string): Finding {
  const reachable = 'reachable; gateways share limits through it';
  const [, policy = ''] = /^maxmemory_policy:([\w-]+)/m.exec(memory) ?? [];
  const isLimited = /^maxmemory:[1-9]/m.test(memory);
  const advice =
    'Set "maxmemory-policy volatile-lru": cached responses go first, those not used for longest.';
  if (isLimited && policy.startsWith('allkeys-')) {
    const message = `${reachable}; its policy "${policy}" may evict counters of limits when its memory is full`;
    return { check: 'redis', level: 'warning', message, advice };
  }
  if (isLimited && policy === 'noeviction') {
    const message = `${reachable}; its policy "noeviction" rejects writes when its memory is full, those of limits included`;
    return { check: 'redis', level: 'warning', message, advice };
  }
  return { check: 'redis', level: 'ok', message: reachable };
}
