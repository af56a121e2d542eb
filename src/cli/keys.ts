import { renderKey } from '../api/admin/keys.ts';
import { systemClock } from '../core/clock.ts';
import { DEFAULT_TENANT } from '../core/principal.ts';
import type { ScopesDocument } from '../tenancy/documents.ts';
import type { ApiKey, KeyChange, Keys } from '../tenancy/keys.ts';
import { findMember } from './members.ts';
import { BY_OPERATOR } from './operator.ts';
import { CommandError, type StoreCommand, table } from './output.ts';
import { assertTenant, withStores } from './stores.ts';
import { describeLimit, durationFrom, limitsFrom, listFrom, parseExpiry, shortTime } from './values.ts';

const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._@-]{0,99}$/u;
const NAME_FAULT =
  'A key name has 1 to 100 letters, digits, spaces and ". _ @ -", and starts with a letter or digit.';
const KINDS = ['admin', 'api_key'] as const;
/** The most keys that the command lists; the API has pages. */
const MAX_LISTED = 10_000;

export interface CreateOptions extends KeySettings {
  readonly name: string;
  readonly tenant: string;
  readonly admin: boolean;
  /** The id or e-mail address of the member that owns the key. */
  readonly member: string | undefined;
  readonly json: boolean;
}

/** What may be set at the creation of a key and later. Undefined leaves it as it is. */
export interface KeySettings {
  readonly expires: string | undefined;
  /** Names and patterns, separated by commas; an empty text for all models. */
  readonly models: string | undefined;
  readonly limit: readonly string[];
  readonly budget: readonly string[];
}

function settingsOf({ expires, models, limit, budget }: KeySettings, scopes: ScopesDocument) {
  const limits = limitsFrom(limit, budget);
  return {
    ...(expires === undefined ? {} : { expiresAt: parseExpiry(expires) }),
    ...(models === undefined
      ? {}
      : { scopes: { ...scopes, models: models === '' ? undefined : listFrom(models) } }),
    ...(limits === undefined ? {} : { limits }),
  };
}

/** Creates a key and prints its secret once. */
export async function createKeyCommand(
  { config, env, output }: StoreCommand,
  options: CreateOptions,
): Promise<void> {
  if (!NAME.test(options.name)) throw new CommandError(NAME_FAULT);
  const { tenant } = options;
  if (options.admin && tenant !== DEFAULT_TENANT) {
    throw new CommandError('An admin key belongs to no tenant: omit --tenant or --admin.');
  }
  await withStores(config, env, output, async ({ access, keys, members }) => {
    assertTenant(access, tenant);
    const kind = options.admin ? 'admin' : 'api_key';
    const member =
      options.member === undefined ? null : (await findMember(members, tenant, options.member)).id;
    const { key, secret } = await keys.create(
      { tenant },
      { kind, name: options.name, member, ...settingsOf(options, {}) },
      BY_OPERATOR,
    );
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
  { config, env, output }: StoreCommand,
  tenant: string,
  json: boolean,
): Promise<void> {
  await withStores(config, env, output, async ({ access, keys }) => {
    assertTenant(access, tenant);
    const all = await allKeys(keys, tenant);
    if (json) {
      const now = systemClock.wallTime();
      // The names of earlier versions stay next to those of the API.
      output.out(JSON.stringify(all.map((key) => ({ ...key, ...renderKey(key, now) }))));
      return;
    }
    if (all.length === 0) {
      output.err('There are no keys yet. Create one: `weir keys create --name my-app`.');
      return;
    }
    output.out(
      table(
        ['ID', 'NAME', 'KIND', 'KEY', 'CREATED (UTC)', 'LAST USED (UTC)', 'STATE', 'LIMITS'],
        all.map((key) => [
          key.id,
          key.name,
          key.kind === 'admin' ? 'admin' : 'api',
          key.hint,
          shortTime(key.createdAt),
          key.lastUsedAt === null ? 'never' : shortTime(key.lastUsedAt),
          stateOf(key),
          key.limits.map(describeLimit).join(', '),
        ]),
      ),
    );
  });
}

function stateOf({ revokedAt, expiresAt, pausedAt }: ApiKey): string {
  if (revokedAt !== null) return `revoked ${shortTime(revokedAt)}`;
  if (expiresAt !== null && expiresAt <= systemClock.wallTime()) return `expired ${shortTime(expiresAt)}`;
  if (pausedAt !== null) return `paused ${shortTime(pausedAt)}`;
  return expiresAt === null ? 'active' : `until ${shortTime(expiresAt)}`;
}

/** Revokes a key. Running gateways reject it within a second. */
export async function revokeKeyCommand(
  { config, env, output }: StoreCommand,
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

export interface OneKey {
  readonly tenant: string;
  readonly idOrName: string;
  readonly json: boolean;
}

/** Changes a key: its name, expiry, models and limits. */
export async function updateKeyCommand(
  command: StoreCommand,
  { name, ...options }: OneKey & KeySettings & { readonly name: string | undefined },
): Promise<void> {
  if (name !== undefined && !NAME.test(name)) throw new CommandError(NAME_FAULT);
  await changeKey(command, options, ({ scopes }) => ({
    change: { ...(name === undefined ? {} : { name }), ...settingsOf(options, scopes) },
    done: 'Changed',
  }));
}

/** Pauses a key, or resumes it. Running gateways follow within a second. */
export async function pauseKeyCommand(command: StoreCommand, one: OneKey, paused: boolean): Promise<void> {
  await changeKey(command, one, () => ({ change: { paused }, done: paused ? 'Paused' : 'Resumed' }));
}

async function changeKey(
  { config, env, output }: StoreCommand,
  { tenant, idOrName, json }: OneKey,
  decide: (key: ApiKey) => { readonly change: KeyChange; readonly done: string },
): Promise<void> {
  await withStores(config, env, output, async ({ access, keys }) => {
    assertTenant(access, tenant);
    const key = findKey(await allKeys(keys, tenant), idOrName);
    const { change, done } = decide(key);
    if (Object.keys(change).length === 0)
      throw new CommandError('Nothing to change: give at least one option.');
    const changed = await keys.update({ tenant }, key.kind, key.id, change, undefined, BY_OPERATOR);
    if (json) output.out(JSON.stringify(renderKey(changed, systemClock.wallTime())));
    else output.out(`${done} "${changed.name}" (${changed.id}): ${stateOf(changed)}.`);
  });
}

/** Gives a key a new secret and prints it once. @param grace how long the old secret stays valid */
export async function rotateKeyCommand(
  { config, env, output }: StoreCommand,
  { tenant, idOrName, json }: OneKey,
  grace: string,
): Promise<void> {
  const graceMs = durationFrom(grace, '--grace');
  await withStores(config, env, output, async ({ access, keys }) => {
    assertTenant(access, tenant);
    const { kind, id } = findKey(await allKeys(keys, tenant), idOrName);
    const { key, secret } = await keys.rotate({ tenant }, kind, id, graceMs, undefined, BY_OPERATOR);
    if (json) {
      output.out(JSON.stringify({ ...renderKey(key, systemClock.wallTime()), key: secret }));
      return;
    }
    const old = graceMs === 0 ? 'The old secret is invalid now.' : `The old secret stays valid for ${grace}.`;
    output.err(`Rotated "${key.name}" (${key.id}). ${old} The new secret is shown only this once:`);
    output.out(secret);
  });
}

async function allKeys(keys: Keys, tenant: string): Promise<ApiKey[]> {
  const found: ApiKey[] = [];
  for (const kind of KINDS) found.push(...(await keys.list({ tenant }, { kind, limit: MAX_LISTED })));
  return found.sort((a, b) => a.createdAt - b.createdAt);
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
