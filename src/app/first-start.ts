import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import { DEFAULT_TENANT } from '../core/principal.ts';
import { isHome } from '../regions/regions.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { DatabaseMissingError, MigrationFailedError } from '../storage/sql/database-errors.ts';
import { TENANT_SCHEMA_ID } from '../storage/sql/schemas.ts';
import type { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import type { AccessList, KnownTenant } from '../tenancy/access-list.ts';
import type { Actor } from '../tenancy/actor.ts';
import type { ChangeContext } from '../tenancy/change-context.ts';
import { tenantDocument } from '../tenancy/documents.ts';
import type { CreatedKey, Keys } from '../tenancy/keys.ts';
import type { Tenants } from '../tenancy/tenants.ts';

interface Services {
  readonly access: AccessList;
  readonly control: Kysely<ControlTables>;
  readonly databases: TenantDatabases;
  readonly keys: Keys;
  readonly tenants: Tenants;
}

const SECRET_SETTING = 'secret';
const CONCURRENT_MIGRATIONS = 8;
/** Tenants of one statement. */
const TENANTS_AT_ONCE = 500;
/** Tenants that an error names. */
const MAX_NAMED = 20;

/** The actor of changes that no request asked for. */
const WEIR: Actor = { id: 'weir', name: 'Weir', platform: true, roles: new Map(), member: undefined };
export const SYSTEM_ACTOR: ChangeContext = { actor: WEIR, address: '', requestId: '' };

/** @returns the secret that Weir generated for this installation; undefined before that */
export async function knownSecret(control: Kysely<ControlTables>): Promise<string | undefined> {
  const row = await control
    .selectFrom('settings')
    .select('value')
    .where('name', '=', SECRET_SETTING)
    .executeTakeFirst();
  return row?.value;
}

/**
 * The secret of this installation, created at the first start. It is stored beside the hashes that it protects, so
 * WEIR_SECRET, which is not, protects them better.
 */
export async function storedSecret(control: Kysely<ControlTables>): Promise<string> {
  await control
    .insertInto('settings')
    .values({ name: SECRET_SETTING, value: randomBytes(32).toString('hex') })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
  const row = await control
    .selectFrom('settings')
    .select('value')
    .where('name', '=', SECRET_SETTING)
    .executeTakeFirstOrThrow();
  return row.value;
}

/** Creates the default tenant if it does not exist. */
export async function ensureDefaultTenant({
  access,
  tenants,
}: Pick<Services, 'access' | 'tenants'>): Promise<void> {
  if (access.tenant(DEFAULT_TENANT)) return;
  try {
    await tenants.create(
      { id: DEFAULT_TENANT, name: 'Default', tier: null, document: tenantDocument.parse({}) },
      SYSTEM_ACTOR,
    );
  } catch (error) {
    // Another gateway that starts at the same time may have created it.
    await access.refreshNow();
    if (!access.tenant(DEFAULT_TENANT)) throw error;
  }
}

/**
 * Migrates the databases of tenants, a few at a time. Those that are known to have all migrations are not opened: with
 * many tenants, that would take most of the start. Those of other regions are left to their gateways: a start must not depend
 * on another region.
 * @param region of this gateway; null for none
 * @returns an error that names the tenants whose databases are missing; undefined when there are none
 */
export async function migrateTenants(
  { access, control, databases }: Pick<Services, 'access' | 'control' | 'databases'>,
  region: string | null = null,
): Promise<DatabaseMissingError | undefined> {
  const all = homeTenants(access, region);
  const failed = new Map<string, DatabaseMissingError>();
  const current = all.filter(({ schema }) => schema === TENANT_SCHEMA_ID);
  const missingOnes = new Set(await databases.missingOf(current.map(({ placement }) => placement)));
  for (const { id, placement } of current) {
    if (!missingOnes.has(placement)) continue;
    failed.set(id, new DatabaseMissingError(`the database ${placement.database} does not exist or is empty`));
  }
  const waiting = all.filter(({ schema }) => schema !== TENANT_SCHEMA_ID);
  const migrated: string[] = [];
  const worker = async () => {
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      try {
        await databases.migrate(next.placement);
        migrated.push(next.id);
      } catch (error) {
        if (error instanceof MigrationFailedError) throw error.of(`the tenant ${next.id}`);
        if (!(error instanceof DatabaseMissingError)) throw error;
        failed.set(next.id, error);
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_MIGRATIONS }, worker));
  for (let at = 0; at < migrated.length; at += TENANTS_AT_ONCE) {
    await control
      .updateTable('tenants')
      .set({ schema: TENANT_SCHEMA_ID })
      .where('id', 'in', migrated.slice(at, at + TENANTS_AT_ONCE))
      .execute();
  }
  if (failed.size === 0) return undefined;
  // Another gateway may have deleted the tenant meanwhile.
  await access.refreshNow();
  const missing = [...failed]
    .filter(([id]) => (access.tenant(id)?.status ?? 'deleted') !== 'deleted')
    .map(([id, { message }]) => `  ${id}: ${message}`)
    .sort();
  if (missing.length === 0) return undefined;
  const named = missing.slice(0, MAX_NAMED);
  return new DatabaseMissingError(
    [
      `The databases of ${missing.length} tenants are missing:`,
      ...named,
      ...(missing.length > named.length ? [`  and ${missing.length - named.length} more`] : []),
      'Restore a backup (`weir restore`), or delete the tenants for good (`weir tenants delete <id> --yes`).',
    ].join('\n'),
  );
}

/** @returns the tenants that exist and that gateways of a region look after; all of them where the region is null */
export function homeTenants(access: Pick<AccessList, 'tenants'>, region: string | null): KnownTenant[] {
  return [...access.tenants()].filter(
    ({ status, residency }) => status !== 'deleted' && isHome(region, residency),
  );
}

/** Creates an admin key when no valid one exists. @returns the key, to be shown once; undefined when one exists */
export async function ensureAdminKey({
  access,
  keys,
}: Pick<Services, 'access' | 'keys'>): Promise<CreatedKey | undefined> {
  if (access.hasAdmin) return undefined;
  return keys.create({ tenant: DEFAULT_TENANT }, { kind: 'admin', name: 'admin' }, SYSTEM_ACTOR);
}
