import { randomBytes, randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import { type Config, DEFAULT_DATA_DIR } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { limitOf } from '../core/limit-schema.ts';
import { DEFAULT_TENANT } from '../core/principal.ts';
import { hashPassword, verifyPassword } from '../platform/password.ts';
import { SecretBox } from '../platform/secret-box.ts';
import { AccessFeed } from '../storage/sql/access-feed.ts';
import { type ControlDatabase, openControlDatabase } from '../storage/sql/control-database.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { DatabaseServer } from '../storage/sql/database-server.ts';
import { PostgresServer } from '../storage/sql/postgres-server.ts';
import { SqliteServer } from '../storage/sql/sqlite-server.ts';
import { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import { AccessList, type Tiers } from '../tenancy/access-list.ts';
import type { Actor } from '../tenancy/actor.ts';
import type { ChangeContext, Sources } from '../tenancy/change-context.ts';
import { tenantDocument } from '../tenancy/documents.ts';
import { type IdentityProviderSettings, IdentityProviders } from '../tenancy/identity-providers.ts';
import { Invitations } from '../tenancy/invitations.ts';
import { SecretDigester } from '../tenancy/key-secrets.ts';
import { Keys } from '../tenancy/keys.ts';
import { Members } from '../tenancy/members.ts';
import { importOldKeys } from '../tenancy/old-keys.ts';
import { Sessions } from '../tenancy/sessions.ts';
import { TenantWriter } from '../tenancy/tenant-writer.ts';
import { Tenants } from '../tenancy/tenants.ts';
import { Tokens, type TrustedIssuer } from '../tenancy/tokens.ts';
import { Users } from '../tenancy/users.ts';

/** Everything that is kept in databases, and who keeps it. */
export interface Stores {
  readonly control: Kysely<ControlTables>;
  readonly databases: TenantDatabases;
  readonly digester: SecretDigester;
  readonly box: SecretBox;
  readonly tokens: Tokens;
  readonly identityProviders: IdentityProviders;
  readonly sources: Sources;
  readonly access: AccessList;
  readonly writer: TenantWriter;
  readonly tenants: Tenants;
  readonly keys: Keys;
  readonly members: Members;
  readonly invitations: Invitations;
  readonly users: Users;
  readonly sessions: Sessions;
  close(): Promise<void>;
}

export interface StoreOptions {
  /** The configuration in force. */
  readonly config: () => Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly onWarning: (message: string, error: unknown) => void;
}

const ADMIN_KEY_VARIABLE = 'WEIR_ADMIN_KEY';
const SECRET_VARIABLE = 'WEIR_SECRET';
const SECRET_SETTING = 'secret';

/** What this process itself does, without anybody asking. */
const WEIR: Actor = { id: 'weir', name: 'Weir', platform: true, roles: new Map(), member: undefined };
export const SYSTEM_ACTOR: ChangeContext = { actor: WEIR, address: '', requestId: '' };

/** Folder of what is kept on this machine: the embedded databases, spools and ledgers. */
export function dataFolder({ storage }: Config): string {
  if (storage.data_dir !== null) return storage.data_dir;
  return isSqlite(storage.database_url) ? sqliteFolder(storage.database_url) : DEFAULT_DATA_DIR;
}

function isSqlite(url: string): boolean {
  return /^sqlite:/i.test(url);
}

function sqliteFolder(url: string): string {
  return url.slice('sqlite:'.length);
}

/** The configured database servers by id; the default one is ''. */
export function databaseServers(
  config: Config,
  onWarning: StoreOptions['onWarning'],
): Map<string, DatabaseServer> {
  const { storage } = config;
  const open = (url: string, replicaUrl?: string | null): DatabaseServer =>
    isSqlite(url)
      ? new SqliteServer(sqliteFolder(url))
      : new PostgresServer({
          url,
          replicaUrl: replicaUrl ?? undefined,
          onIdleError: (error) => onWarning('a connection to the database broke', error),
        });
  const servers = new Map([['', open(storage.database_url, storage.replica_url)]]);
  for (const { id, database_url, replica_url } of storage.servers) {
    servers.set(id, open(database_url, replica_url));
  }
  return servers;
}

/** Opens the databases, brings the control database up to date, and learns who may do what. */
export async function openStores(options: StoreOptions): Promise<Stores> {
  const { env, clock, onWarning } = options;
  const config = options.config();
  const servers = databaseServers(config, onWarning);
  const main = servers.get('');
  if (!main) throw new Error('no default database server');
  const database = await openControlDatabase(main);
  try {
    return await assemble(database, servers);
  } catch (error) {
    await database.close();
    throw error;
  }

  async function assemble(
    { db: control, close }: ControlDatabase,
    all: ReadonlyMap<string, DatabaseServer>,
  ): Promise<Stores> {
    const sources: Sources = {
      clock,
      newId: (prefix) => `${prefix}_${randomUUID().replaceAll('-', '').slice(0, 20)}`,
    };
    const secret = env[SECRET_VARIABLE] || (await keptSecret(control));
    const digester = new SecretDigester(secret);
    const access = new AccessList({
      source: new AccessFeed(control),
      digester,
      now: () => clock.wallTime(),
      tiers: () => tiersOf(options.config()),
      adminKey: env[ADMIN_KEY_VARIABLE] || undefined,
      onDamaged: (error) => onWarning('something in the database can not be read', error),
    });
    const databases = new TenantDatabases({
      servers: all,
      placementOf: ({ tenant }) => {
        const known = access.tenant(tenant);
        return known && known.status !== 'deleted' ? known.placement : undefined;
      },
      maxConnections: config.storage.max_connections,
    });
    const refreshed = () => access.refreshNow();
    const writer = new TenantWriter(control, databases, sources, refreshed);
    const members = new Members(databases, writer, sources);
    const users = new Users(control, { hash: hashPassword, verify: verifyPassword }, sources);
    const stores: Stores = {
      box: new SecretBox(secret, 'answers'),
      tokens: new Tokens(
        secret,
        () => options.config().auth.jwt.map(trustedIssuer),
        () => clock.wallTime(),
      ),
      identityProviders: new IdentityProviders(
        () => options.config().auth.oidc.map(identityProvider),
        () => clock.wallTime(),
      ),
      ...{ control, databases, digester, sources, access, writer, members, users },
      tenants: new Tenants(control, databases, sources, refreshed),
      keys: new Keys(databases, writer, digester, sources),
      invitations: new Invitations(databases, writer, members, users, digester, sources),
      sessions: new Sessions(control, digester, sources, () => options.config().auth.session),
      close: async () => {
        await databases.close();
        await close();
      },
    };
    await access.refresh();
    await ensureDefaultTenant(stores);
    await migrateTenants(stores);
    await importOldKeys(stores);
    return stores;
  }
}

function trustedIssuer(config: Config['auth']['jwt'][number]): TrustedIssuer {
  return {
    issuer: config.issuer,
    jwksUrl: config.jwks_url,
    audience: config.audience,
    tenantClaim: config.tenant_claim,
    tenant: config.tenant,
  };
}

function identityProvider(config: Config['auth']['oidc'][number]): IdentityProviderSettings {
  return {
    ...{ id: config.id, name: config.name ?? config.id, kind: config.kind, issuer: config.issuer },
    ...{ clientId: config.client_id, clientSecret: config.client_secret, scopes: config.scopes },
    allowedDomains: config.allowed_domains.map((domain) => domain.toLowerCase()),
    signUp: config.sign_up,
  };
}

/** The limits of each tier. */
function tiersOf({ limits }: Config): Tiers {
  return new Map(Object.entries(limits.tiers).map(([name, documents]) => [name, documents.map(limitOf)]));
}

/** The installation's secret, made when it is first needed. Beside the hashes it protects less than one from the environment. */
async function keptSecret(control: Kysely<ControlTables>): Promise<string> {
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

async function ensureDefaultTenant({ access, tenants }: Stores): Promise<void> {
  if (access.tenant(DEFAULT_TENANT)) return;
  try {
    await tenants.create(
      { id: DEFAULT_TENANT, name: 'Default', tier: null, document: tenantDocument.parse({}) },
      SYSTEM_ACTOR,
    );
  } catch (error) {
    // Another gateway that starts at the same time may have been faster.
    await access.refreshNow();
    if (!access.tenant(DEFAULT_TENANT)) throw error;
  }
}

/** Brings the databases of all tenants up to date, some at a time. */
async function migrateTenants({ access, databases }: Stores): Promise<void> {
  const waiting = [...access.tenants()].filter(({ status }) => status !== 'deleted');
  const worker = async () => {
    for (let next = waiting.pop(); next; next = waiting.pop()) await databases.migrate(next.placement);
  };
  await Promise.all(Array.from({ length: MIGRATED_AT_ONCE }, worker));
}

const MIGRATED_AT_ONCE = 8;
