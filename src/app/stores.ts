import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { limitOf } from '../core/limit-schema.ts';
import type { EventSink } from '../events/event-bus.ts';
import { Outbox } from '../events/outbox.ts';
import { hasCurrentParameters, hashPassword, verifyPassword } from '../platform/password.ts';
import { SecretBox } from '../platform/secret-box.ts';
import { isHome } from '../regions/regions.ts';
import { AccessFeed } from '../storage/sql/access-feed.ts';
import { type ControlDatabase, openControlDatabase } from '../storage/sql/control-database.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { DatabaseMissingError } from '../storage/sql/database-errors.ts';
import type { DatabaseServer } from '../storage/sql/database-server.ts';
import type { RemoteSql } from '../storage/sql/remote-server.ts';
import { type Placement, TenantDatabases } from '../storage/sql/tenant-databases.ts';
import type { TenantScope } from '../storage/tenant-scope.ts';
import { WriteHealth } from '../storage/write-health.ts';
import type { AccessListOptions } from '../tenancy/access-list.ts';
import { AccessList, type Tiers } from '../tenancy/access-list.ts';
import type { Sources } from '../tenancy/change-context.ts';
import { IdempotentResponses } from '../tenancy/idempotency.ts';
import { type IdentityProviderSettings, IdentityProviders } from '../tenancy/identity-providers.ts';
import { Invitations } from '../tenancy/invitations.ts';
import { assertKnownSecret, KeyRing, recordSecretId } from '../tenancy/key-ring.ts';
import { SecretDigester } from '../tenancy/key-secrets.ts';
import { Keys } from '../tenancy/keys.ts';
import { Members } from '../tenancy/members.ts';
import { importOldKeys } from '../tenancy/old-keys.ts';
import { PasswordQueue } from '../tenancy/password-queue.ts';
import { Prompts } from '../tenancy/prompts.ts';
import { type Retention, retentionOf } from '../tenancy/retention.ts';
import { Sessions } from '../tenancy/sessions.ts';
import { SignInAttempts } from '../tenancy/sign-in-attempts.ts';
import type { TenantEventSink } from '../tenancy/tenant-events.ts';
import { TenantWriter } from '../tenancy/tenant-writer.ts';
import { Tenants } from '../tenancy/tenants.ts';
import { Tokens, type TrustedIssuer } from '../tenancy/tokens.ts';
import { Users } from '../tenancy/users.ts';
import { awaitDatabases } from './await-databases.ts';
import { databaseServers, type StorageObserver, usageConnections } from './database-servers.ts';
import { ensureDefaultTenant, knownSecret, migrateTenants, storedSecret } from './first-start.ts';

/** The databases, and the services that read and write them. */
export interface Stores {
  readonly control: Kysely<ControlTables>;
  readonly databases: TenantDatabases;
  /** @returns undefined when the tenant does not exist */
  readonly placementOf: (scope: TenantScope) => Placement | undefined;
  readonly digester: SecretDigester;
  /** The keys of all boxes. */
  readonly keyRing: KeyRing;
  readonly box: SecretBox;
  /** Of the parts of the configuration that the admin API writes. */
  readonly configBox: SecretBox;
  /** Seals entries of the cache that leave the process. */
  readonly cacheBox: SecretBox;
  /** Seals secrets of webhooks. */
  readonly webhookBox: SecretBox;
  /** Seals secrets of receivers of alerts. */
  readonly alertBox: SecretBox;
  /** Seals the keys of request logs. */
  readonly logBox: SecretBox;
  readonly tokens: Tokens;
  readonly identityProviders: IdentityProviders;
  readonly sources: Sources;
  readonly access: AccessList;
  readonly writer: TenantWriter;
  /** Stores durable events with changes of the control database. */
  readonly outbox: Outbox;
  readonly tenants: Tenants;
  readonly keys: Keys;
  readonly members: Members;
  readonly invitations: Invitations;
  readonly prompts: Prompts;
  readonly users: Users;
  readonly sessions: Sessions;
  /** Whether the local disk accepts writes. */
  readonly writes: WriteHealth;
  /** How long a tenant's data is kept. */
  readonly retentionOf: (tenant: string) => Retention;
  readonly signInAttempts: SignInAttempts;
  readonly idempotency: IdempotentResponses;
  close(): Promise<void>;
}

export interface StoreOptions {
  /** The active configuration. */
  readonly config: () => Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly events: EventSink;
  /** How long the start waits for database servers that are unreachable. Milliseconds. */
  readonly connectTimeoutMs: number;
  /** The part of a tenant's limits that this gateway enforces; all of them when absent. */
  readonly portionOf?: AccessListOptions['portionOf'];
  /** False in commands: a running gateway publishes the events of their changes. */
  readonly publishEvents: boolean;
  /** Called after the commit of a change to a tenant, its keys or its members. */
  readonly publishChange?: ((tenant: string) => void) | undefined;
  /** Receives the time of each statement. */
  readonly onQuery?: StorageObserver;
  /** Processes of this machine that share `storage.max_connections`; 1 when absent. */
  readonly processes?: number | undefined;
  /** The process that has the SQLite files of a server open, where that is not this one. */
  readonly remote?: ((server: string) => RemoteSql) | undefined;
  /** Called when databases of tenants are missing. A gateway throws the error: it must not start without their data. */
  readonly onMissing: (error: DatabaseMissingError) => void;
}

const ADMIN_KEY_VARIABLE = 'WEIR_ADMIN_KEY';
const SECRET_VARIABLE = 'WEIR_SECRET';

/**
 * Opens and migrates the databases, and loads tenants, keys and members into memory.
 * @throws DatabaseUnavailableError when a database is unreachable for too long, other errors of databases, and what `onMissing` throws
 */
export async function openStores(options: StoreOptions): Promise<Stores> {
  const { env, clock, events } = options;
  const config = options.config();
  const writes = new WriteHealth({
    now: () => clock.now(),
    onFailed: (fault) => events.emit('storage.write_failed', fault),
    onRestored: (area) => events.emit('storage.write_restored', { area }),
  });
  const servers = databaseServers(
    config,
    (error) => events.emit('database.connection_lost', { error }),
    writes,
    options.onQuery,
    options.remote,
  );
  const main = servers.get('');
  if (!main) throw new Error('no default database server');
  const reachable = awaitDatabases({
    clock,
    timeoutMs: options.connectTimeoutMs,
    onWait: (error, retry_ms, left_ms) => events.emit('database.unreachable', { error, retry_ms, left_ms }),
  });
  const database = await reachable(() => openControlDatabase(main));
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
    const given = env[SECRET_VARIABLE] || undefined;
    await assertKnownSecret(control, given ?? (await knownSecret(control)) ?? '');
    const secret = given ?? (await storedSecret(control));
    const keyRing = new KeyRing(control, secret);
    await keyRing.refresh();
    if (options.publishEvents) await recordSecretId(control, secret);
    const digester = new SecretDigester(keyRing.base);
    const access = new AccessList({
      source: new AccessFeed(control),
      digester,
      now: () => clock.wallTime(),
      tiers: () => tiersOf(options.config()),
      portionOf: options.portionOf,
      adminKey: env[ADMIN_KEY_VARIABLE] || undefined,
      events,
      // A command, or a gateway that has crashed since, may have left the events of this change.
      onChanged: (tenants) => {
        for (const tenant of tenants) {
          if (isHome(config.region, access.tenant(tenant)?.residency)) void writer.deliverEvents({ tenant });
        }
      },
    });
    const placementOf = ({ tenant }: TenantScope) => {
      const known = access.tenant(tenant);
      return known && known.status !== 'deleted' ? known.placement : undefined;
    };
    const databases = new TenantDatabases({
      servers: all,
      placementOf,
      maxConnections: Math.max(
        1,
        Math.floor((config.storage.max_connections - usageConnections(config)) / (options.processes ?? 1)),
      ),
    });
    const refreshed = (tenant: string) => {
      options.publishChange?.(tenant);
      return access.refreshNow();
    };
    const outbox = new Outbox(control, sources, () => events.emit('events.appended', {}));
    const writer = new TenantWriter({
      ...{ control, databases, sources },
      onPublished: refreshed,
      events: options.publishEvents ? tenantEventSink(outbox, events) : undefined,
    });
    const members = new Members(databases, writer, sources);
    const passwords = { hash: hashPassword, verify: verifyPassword, isCurrent: hasCurrentParameters };
    const users = new Users(control, new PasswordQueue(passwords), sources);
    const box = new SecretBox(keyRing, 'answers');
    const idempotency = new IdempotentResponses(control, box, clock);
    const stores: Stores = {
      ...{ keyRing, box },
      configBox: new SecretBox(keyRing, 'configuration'),
      cacheBox: new SecretBox(keyRing, 'cache'),
      logBox: new SecretBox(keyRing, 'request log keys'),
      webhookBox: new SecretBox(keyRing, 'webhooks'),
      alertBox: new SecretBox(keyRing, 'alert receivers'),
      tokens: new Tokens(
        keyRing,
        trustedIssuers(() => options.config().auth.jwt),
        () => clock.wallTime(),
      ),
      identityProviders: new IdentityProviders(
        () => options.config().auth.oidc.map(identityProvider),
        () => clock.wallTime(),
      ),
      ...{
        control,
        databases,
        placementOf,
        digester,
        sources,
        access,
        writer,
        outbox,
        members,
        users,
        writes,
      },
      idempotency,
      signInAttempts: new SignInAttempts(control, clock),
      tenants: new Tenants(control, databases, sources, outbox, refreshed),
      retentionOf: (tenant) =>
        retentionOf(options.config().storage.retention, access.tenant(tenant)?.document.retention),
      keys: new Keys(databases, writer, digester, sources),
      invitations: new Invitations(databases, writer, members, users, digester, sources),
      prompts: new Prompts(databases, writer, new SecretBox(keyRing, 'saved prompts'), sources),
      sessions: new Sessions(control, digester, sources, () => options.config().auth.session),
      close: async () => {
        await writer.idle();
        await databases.close();
        await close();
      },
    };
    await access.refresh();
    await ensureDefaultTenant(stores);
    const missing = await reachable(() => migrateTenants(stores, config.region));
    if (missing) options.onMissing(missing);
    await importOldKeys(stores);
    return stores;
  }
}

/** Moves committed events of tenants to the log. */
function tenantEventSink(outbox: Outbox, events: EventSink): TenantEventSink {
  return {
    deliver: (committed) => outbox.publishRows(committed),
    failed: (tenant, error) => events.emit('tenant_events.delivery_failed', { tenant, error }),
  };
}

/** @returns the issuers of a configuration: the same list until the configuration changes */
function trustedIssuers(current: () => Config['auth']['jwt']): () => readonly TrustedIssuer[] {
  let from: Config['auth']['jwt'] | undefined;
  let made: readonly TrustedIssuer[] = [];
  return () => {
    const jwt = current();
    if (jwt !== from) {
      from = jwt;
      made = jwt.map(({ issuer, jwks_url, audience, tenant_claim, tenant }) => ({
        ...{ issuer, audience, tenant, jwksUrl: jwks_url, tenantClaim: tenant_claim },
      }));
    }
    return made;
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

/** The limits of each tier, with those of every tenant that the tier does not replace; '' for tenants without a tier. */
function tiersOf({ limits }: Config): Tiers {
  const common = limits.per_tenant.map(limitOf);
  return new Map(
    Object.entries({ '': [], ...limits.tiers }).map(([tier, documents]) => {
      const own = documents.map((document) => ({ ...limitOf(document), tier }));
      const replaced = new Set(own.map(({ of, per }) => `${of}/${per}`));
      return [tier, [...own, ...common.filter(({ of, per }) => !replaced.has(`${of}/${per}`))]];
    }),
  );
}
