import { openKeyStore } from '../app.ts';
import type { Config } from '../config/schema.ts';
import { systemClock } from '../core/clock.ts';
import { DEFAULT_TENANT } from '../core/principal.ts';
import type { SqlKeyStore } from '../storage/sql/sql-key-store.ts';
import { createKey, findKey } from '../tenancy/key-admin.ts';
import { CommandError, type Output, table } from './output.ts';

async function withKeys<T>(config: Config, work: (keys: SqlKeyStore) => Promise<T>): Promise<T> {
  const { db, keys } = await openKeyStore(config);
  try {
    return await work(keys);
  } finally {
    await db.destroy();
  }
}

const TENANT = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._@-]{0,99}$/u;

export interface CreateOptions {
  readonly name: string;
  readonly tenant: string;
  readonly admin: boolean;
  readonly json: boolean;
}

/** Makes a key and prints its secret, this once. */
export async function createKeyCommand(
  config: Config,
  output: Output,
  options: CreateOptions,
): Promise<void> {
  if (!NAME.test(options.name)) {
    throw new CommandError(
      'A key\'s name has 1 to 100 letters, digits, spaces and ". _ @ -", and begins with a letter or digit.',
    );
  }
  const { tenant } = options;
  if (!TENANT.test(tenant)) {
    throw new CommandError(
      'A tenant has 1 to 63 small letters, digits, "-" and "_", and begins with a letter or digit.',
    );
  }
  if (options.admin && tenant !== DEFAULT_TENANT) {
    throw new CommandError('An admin key belongs to no tenant: leave out --tenant or --admin.');
  }
  await withKeys(config, async (store) => {
    const kind = options.admin ? 'admin' : 'api_key';
    const { key, secret } = await createKey(store, { kind, name: options.name, tenant }, systemClock);
    if (options.json) {
      output.out(JSON.stringify({ id: key.id, name: key.name, kind: key.kind, tenant, key: secret }));
      return;
    }
    output.err(
      `Created ${options.admin ? 'admin' : 'API'} key "${key.name}" (${key.id}). It is shown only this once:`,
    );
    output.out(secret);
  });
}

export async function listKeysCommand(config: Config, output: Output, json: boolean): Promise<void> {
  await withKeys(config, async (store) => {
    const keys = await store.list();
    if (json) {
      output.out(JSON.stringify(keys.map(({ digest: _, ...key }) => key)));
      return;
    }
    if (keys.length === 0) {
      output.err('There are no keys yet. `weir keys create --name my-app` makes one.');
      return;
    }
    const date = (time: number) => new Date(time).toISOString().slice(0, 16).replace('T', ' ');
    output.out(
      table(
        ['ID', 'NAME', 'TENANT', 'KIND', 'KEY', 'CREATED (UTC)', 'STATE'],
        keys.map((key) => [
          key.id,
          key.name,
          key.tenant,
          key.kind === 'admin' ? 'admin' : 'api',
          key.hint,
          date(key.createdAt),
          key.revokedAt === null ? 'active' : `revoked ${date(key.revokedAt)}`,
        ]),
      ),
    );
  });
}

/** Revokes a key. A running gateway refuses it within a second. */
export async function revokeKeyCommand(
  config: Config,
  output: Output,
  idOrName: string,
  json: boolean,
): Promise<void> {
  await withKeys(config, async (store) => {
    let key: Awaited<ReturnType<typeof findKey>>;
    try {
      key = await findKey(store, idOrName);
    } catch (error) {
      throw new CommandError(error instanceof Error ? error.message : String(error));
    }
    await store.revoke(key.id, systemClock.wallTime());
    if (json) output.out(JSON.stringify({ id: key.id, name: key.name, revoked: true }));
    else output.out(`Revoked "${key.name}" (${key.id}). A running gateway refuses it within a second.`);
  });
}
