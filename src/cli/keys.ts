import type { Stores } from '../app/stores.ts';
import type { Config } from '../config/schema.ts';
import { systemClock } from '../core/clock.ts';
import { DEFAULT_TENANT } from '../core/principal.ts';
import type { ApiKey, Keys } from '../tenancy/keys.ts';
import { BY_OPERATOR } from './operator.ts';
import { CommandError, type Output, table } from './output.ts';
import { withStores } from './stores.ts';

export interface KeyCommand {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly output: Output;
}

const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._@-]{0,99}$/u;
const KINDS = ['admin', 'api_key'] as const;
/** The most keys that the command lists; the API has pages. */
const MAX_LISTED = 10_000;

export interface CreateOptions {
  readonly name: string;
  readonly tenant: string;
  readonly admin: boolean;
  readonly json: boolean;
}

/** Creates a key and prints its secret once. */
export async function createKeyCommand(
  { config, env, output }: KeyCommand,
  options: CreateOptions,
): Promise<void> {
  if (!NAME.test(options.name)) {
    throw new CommandError(
      'A key name has 1 to 100 letters, digits, spaces and ". _ @ -", and starts with a letter or digit.',
    );
  }
  const { tenant } = options;
  if (options.admin && tenant !== DEFAULT_TENANT) {
    throw new CommandError('An admin key belongs to no tenant: omit --tenant or --admin.');
  }
  await withStores(config, env, output, async ({ access, keys }) => {
    assertTenant(access, tenant);
    const kind = options.admin ? 'admin' : 'api_key';
    const { key, secret } = await keys.create({ tenant }, { kind, name: options.name }, BY_OPERATOR);
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

export async function listKeysCommand(
  { config, env, output }: KeyCommand,
  tenant: string,
  json: boolean,
): Promise<void> {
  await withStores(config, env, output, async ({ access, keys }) => {
    assertTenant(access, tenant);
    const all = await allKeys(keys, tenant);
    if (json) {
      output.out(JSON.stringify(all));
      return;
    }
    if (all.length === 0) {
      output.err('There are no keys yet. Create one: `weir keys create --name my-app`.');
      return;
    }
    const date = (time: number) => new Date(time).toISOString().slice(0, 16).replace('T', ' ');
    output.out(
      table(
        ['ID', 'NAME', 'KIND', 'KEY', 'CREATED (UTC)', 'LAST USED (UTC)', 'STATE'],
        all.map((key) => [
          key.id,
          key.name,
          key.kind === 'admin' ? 'admin' : 'api',
          key.hint,
          date(key.createdAt),
          key.lastUsedAt === null ? 'never' : date(key.lastUsedAt),
          stateOf(key, date),
        ]),
      ),
    );
  });
}

function stateOf({ revokedAt, expiresAt }: ApiKey, date: (time: number) => string): string {
  if (revokedAt !== null) return `revoked ${date(revokedAt)}`;
  if (expiresAt === null) return 'active';
  return expiresAt <= systemClock.wallTime() ? `expired ${date(expiresAt)}` : `until ${date(expiresAt)}`;
}

/** Revokes a key. Running gateways reject it within a second. */
export async function revokeKeyCommand(
  { config, env, output }: KeyCommand,
  tenant: string,
  idOrName: string,
  json: boolean,
): Promise<void> {
  await withStores(config, env, output, async ({ access, keys }) => {
    assertTenant(access, tenant);
    const key = findKey(await allKeys(keys, tenant), idOrName);
    await keys.revoke({ tenant }, key.kind, key.id, undefined, BY_OPERATOR);
    if (json) output.out(JSON.stringify({ id: key.id, name: key.name, revoked: true }));
    else output.out(`Revoked "${key.name}" (${key.id}). Running gateways reject it within a second.`);
  });
}

async function allKeys(keys: Keys, tenant: string): Promise<ApiKey[]> {
  const found: ApiKey[] = [];
  for (const kind of KINDS) found.push(...(await keys.list({ tenant }, { kind, limit: MAX_LISTED })));
  return found.sort((a, b) => a.createdAt - b.createdAt);
}

function assertTenant(access: Stores['access'], tenant: string): void {
  const known = access.tenant(tenant);
  if (known && known.status !== 'deleted') return;
  throw new CommandError(
    `Unknown tenant ${JSON.stringify(tenant)}. Create it: \`weir tenants create ${JSON.stringify(tenant)}\`. List all: \`weir tenants list\`.`,
  );
}

/** The key with this id or, if only one has it, this name. */
export function findKey(keys: readonly ApiKey[], idOrName: string): ApiKey {
  const byId = keys.find(({ id }) => id === idOrName);
  if (byId) return byId;
  const named = keys.filter(({ name, revokedAt }) => name === idOrName && revokedAt === null);
  const [only] = named;
  if (!only) throw new CommandError(`No key has the id or name ${JSON.stringify(idOrName)}.`);
  if (named.length === 1) return only;
  const ids = named.map(({ id }) => id).join(', ');
  throw new CommandError(`Several keys have the name ${JSON.stringify(idOrName)}. Use an id: ${ids}.`);
}
