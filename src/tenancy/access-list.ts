import { GatewayError } from '../core/errors.ts';
import type { Limit, SubjectLimits } from '../core/limit.ts';
import { type LimitPortion, portionOf } from '../core/limit-portion.ts';
import { NestedMap } from '../core/nested-map.ts';
import { DEFAULT_TENANT, type Principal } from '../core/principal.ts';
import { RecentMap } from '../core/recent-map.ts';
import type { TenantResidency } from '../core/region.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { AccessSource, KeyIndexRow, MemberIndexRow, TenantRow } from '../storage/sql/access-feed.ts';
import type { Placement } from '../storage/sql/tenant-databases.ts';
import { isAddressAllowed } from './address-scope.ts';
import { cachePolicyOf } from './cache-policy-document.ts';
import {
  type KeyDocument,
  keyDocument,
  limitsOf,
  type MemberDocument,
  memberDocument,
  parseDocument,
  type TenantDocument,
  tenantDocument,
} from './documents.ts';
import type { KeyRestrictions } from './key-restrictions.ts';
import { type SecretDigester, sameDigest } from './key-secrets.ts';
import { guardrailsOf, isAlive, outputLimitOf, tagLimitsOf } from './principal-parts.ts';
import { residencyOf } from './residency-document.ts';

/** A tenant, as every gateway holds it in memory. */
export interface KnownTenant {
  readonly id: string;
  readonly name: string;
  readonly status: 'active' | 'suspended' | 'deleted';
  /** Name of a configured tier; null for none. */
  readonly tier: string | null;
  readonly placement: Placement;
  /** Which migrations its database had when the row was read; see `ControlTables`. */
  readonly schema: string;
  readonly document: TenantDocument;
  /** Undefined where every region may serve it. */
  readonly residency: TenantResidency | undefined;
}

interface KnownKey {
  readonly digest: string;
  readonly tenant: string;
  readonly document: KeyDocument;
  /** False after its row was changed or deleted. */
  isCurrent: boolean;
  /** Built on first use, and again after a change of tenants, members, keys or tiers. */
  principal: Principal | undefined;
  /** Of the list when `principal` was built. */
  generation: number;
}

/** Limits that many principals have in common. They share the object, so that counters of it exist once. */
interface SharedLimits {
  /** Of the list when they were made. */
  readonly generation: number;
  /** Undefined for none. */
  readonly own: SubjectLimits | undefined;
  readonly tags: ReadonlyMap<string, SubjectLimits> | undefined;
}

/** Limits of each configured tier, by its name; '' for tenants without a tier. A tenant's own limits override them. */
export type Tiers = ReadonlyMap<string, readonly Limit[]>;

/** Bounds the cache of valid secrets. */
const MAX_SEEN = 100_000;

export interface AccessListOptions {
  readonly source: AccessSource;
  readonly digester: SecretDigester;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly tiers: () => Tiers;
  /** The part of a tenant's limits that this gateway enforces; all of them when absent or undefined. */
  readonly portionOf?: ((residency: TenantResidency | undefined) => LimitPortion | undefined) | undefined;
  /** An admin key from the environment, valid in addition to the stored ones. */
  readonly adminKey?: string | undefined;
  readonly events: EventSink;
  /** Called after a refresh with the tenants whose keys or members changed, whichever process changed them. */
  readonly onChanged?: (tenants: ReadonlySet<string>) => void;
}

/**
 * All tenants, keys and members, in memory, so that no request waits for a database or fails with it. A key takes 0.5 KB
 * and a check 1 µs. Missing, unknown and revoked keys take the same work: a digest, a lookup and a comparison in constant
 * time.
 */
export class AccessList {
  readonly #keys = new Map<string, KnownKey>();
  /** Cache of valid keys by the plain digest of their secret, which saves the keyed digest. */
  readonly #seen = new RecentMap<string, KnownKey>(MAX_SEEN);
  /** By tenant and id; for a rotated key, the entry of its new secret. */
  readonly #keysById = new NestedMap<KnownKey>();
  readonly #tenants = new Map<string, KnownTenant>();
  /** By tenant and id. */
  readonly #members = new NestedMap<MemberDocument>();
  readonly #tenantsOfMember = new Map<string, Set<string>>();
  /** Of tenants and of members. */
  readonly #shared = new WeakMap<KnownTenant | MemberDocument, SharedLimits>();
  readonly #unknownKey: KnownKey;
  readonly #fromEnvironment: KnownKey | undefined;
  readonly #listeners: ((tenants: ReadonlySet<string>) => void)[] = [];
  #revision = 0;
  #generation = 0;
  #refreshing: Promise<void> | undefined;

  constructor(private readonly options: AccessListOptions) {
    const { digester, adminKey } = options;
    const document: KeyDocument = {
      id: 'key_environment',
      kind: 'admin',
      name: 'admin',
      member: null,
      scopes: {},
      limits: [],
      expires_at: null,
      revoked_at: null,
    };
    this.#unknownKey = newKey('0'.repeat(64), DEFAULT_TENANT, { ...document, revoked_at: 0 });
    this.#fromEnvironment = adminKey
      ? newKey(digester.digest(adminKey), DEFAULT_TENANT, document)
      : undefined;
    this.#addFromEnvironment();
  }

  /** Revision of the last change that was read; 0 before the first refresh. */
  get revision(): number {
    return this.#revision;
  }

  /**
   * Reads changes since the last refresh. Concurrent calls share one read.
   *
   * @throws the database's error; the list stays as it was
   */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** Like `refresh`, but always starts a new read, so that it includes every change made before the call. */
  async refreshNow(): Promise<void> {
    await this.#refreshing?.catch(() => undefined);
    await this.refresh();
  }

  /** Calls back after a refresh with the tenants that changed, or whose keys or members changed: so may have their limits. */
  onLimitsChanged(listener: (tenants: ReadonlySet<string>) => void): void {
    this.#listeners.push(listener);
  }

  /** Call it when tiers or parts of limits have changed: principals are built again. */
  clearLimits(): void {
    this.#generation += 1;
  }

  /** True when at least one admin key is valid. */
  get hasAdmin(): boolean {
    for (const { document } of this.#keys.values()) {
      if (document.kind === 'admin' && isAlive(document, this.options.now)) return true;
    }
    return false;
  }

  /** @returns undefined when the tenant never existed; deleted ones are returned with their status */
  tenant(id: string): KnownTenant | undefined {
    return this.#tenants.get(id);
  }

  tenants(): Iterable<KnownTenant> {
    return this.#tenants.values();
  }

  member(tenant: string, id: string): MemberDocument | undefined {
    return this.#members.get(tenant, id);
  }

  /** @returns the member's role by tenant, of memberships that are active, in tenants that are not deleted */
  rolesOf(member: string): Map<string, MemberDocument['role']> {
    const roles = new Map<string, MemberDocument['role']>();
    for (const tenant of this.#tenantsOfMember.get(member) ?? []) {
      const document = this.member(tenant, member);
      const known = this.#tenants.get(tenant);
      if (document?.status === 'active' && known && known.status !== 'deleted')
        roles.set(tenant, document.role);
    }
    return roles;
  }

  /**
   * Recognises an API key that was checked before.
   *
   * @param address returns the client's IP address; called only for keys that are restricted to some addresses
   * @returns undefined for a key that must be checked
   * @throws GatewayError `invalid_api_key` or `permission_denied` for a valid key that may not be used
   */
  known(secret: string, address: () => string): Principal | undefined {
    const seen = this.#seen.get(this.options.digester.plainDigest(secret));
    if (!seen?.isCurrent || !isAlive(seen.document, this.options.now)) return undefined;
    return this.#principal(seen, address);
  }

  /**
   * Checks an API key.
   *
   * @param secret the key that the client sent; undefined for none
   * @param address returns the client's IP address; called only for keys that are restricted to some addresses
   * @throws GatewayError `missing_api_key`, `invalid_api_key` or `permission_denied`
   */
  authenticate(secret: string | undefined, address: () => string): Principal {
    const { digester } = this.options;
    const plain = digester.plainDigest(secret ?? '');
    const digest = digester.ofPlainDigest(plain);
    const key = this.#keys.get(digest) ?? this.#unknownKey;
    const matches = sameDigest(digest, key.digest);
    if (secret === undefined) {
      throw new GatewayError(
        'missing_api_key',
        'No API key was sent. Send it as "Authorization: Bearer <key>", "x-api-key" or "api-key".',
      );
    }
    const { document } = key;
    if (!matches || !isAlive(document, this.options.now)) {
      throw new GatewayError(
        'invalid_api_key',
        'The API key is not valid: it is unknown, has expired or has been revoked.',
      );
    }
    this.#seen.set(plain, key);
    return this.#principal(key, address);
  }

  /**
   * The principal of a key that was authenticated otherwise, such as by a token issued for it.
   *
   * @throws GatewayError like `authenticate`
   */
  principalOf(tenant: string, keyId: string, address: () => string): Principal {
    const key = this.#keysById.get(tenant, keyId);
    if (key && isAlive(key.document, this.options.now)) return this.#principal(key, address);
    throw new GatewayError(
      'invalid_api_key',
      'The API key for which this token was issued is no longer valid.',
    );
  }

  /**
   * The admin key with this digest, for a session that began with it.
   * @param address as for `authenticate`
   * @returns undefined when there is none, or when it has expired or has been revoked
   */
  adminWithDigest(digest: string, address: () => string): Principal | undefined {
    const key = this.#keys.get(digest);
    if (key?.document.kind !== 'admin' || !isAlive(key.document, this.options.now)) return undefined;
    return this.#principal(key, address);
  }

  /** @returns the name of a key; undefined for one that does not exist */
  keyName(tenant: string, keyId: string): string | undefined {
    return this.#keysById.get(tenant, keyId)?.document.name;
  }

  /** @returns what a key may not do; undefined for one that does not exist */
  restrictionsOf(tenant: string, keyId: string): KeyRestrictions | undefined {
    const document = this.#keysById.get(tenant, keyId)?.document;
    return document && { scopes: document.scopes, limits: document.limits, expiresAt: document.expires_at };
  }

  /**
   * The principal of a caller who was authenticated without an API key. It belongs to the tenant and has the tenant's limits.
   *
   * @param keyId stable id of the caller, for usage and limits
   * @param member whose limits apply, too; null for none
   * @throws GatewayError `invalid_api_key` or `permission_denied`, as for the tenant's own keys
   */
  principalOfTenant(tenant: string, keyId: string, keyName: string, member: string | null = null): Principal {
    const document: KeyDocument = {
      ...{ id: keyId, kind: 'api_key', name: keyName, member, scopes: {}, limits: [] },
      ...{ expires_at: null, revoked_at: null },
    };
    return this.#make(newKey('', tenant, document));
  }

  #principal(key: KnownKey, address: () => string): Principal {
    if (key.document.paused) {
      throw new GatewayError(
        'permission_denied',
        'This API key is paused. Its owner or an administrator can resume it.',
      );
    }
    const { addresses } = key.document.scopes;
    if (addresses && !isAddressAllowed(addresses, address())) {
      throw new GatewayError('permission_denied', 'This API key may not be used from your address.');
    }
    if (key.principal && key.generation === this.#generation) return key.principal;
    const principal = this.#make(key);
    key.principal = principal;
    key.generation = this.#generation;
    return principal;
  }

  #make({ tenant: id, document }: KnownKey): Principal {
    const tenant = this.#tenants.get(id);
    if (document.kind === 'api_key') {
      if (!tenant || tenant.status === 'deleted') {
        throw new GatewayError('invalid_api_key', 'The API key is not valid: its tenant was deleted.');
      }
      if (tenant.status === 'suspended') {
        throw new GatewayError('permission_denied', 'The tenant of this API key is suspended.');
      }
    }
    const member = document.member === null ? undefined : this.member(id, document.member);
    if (document.member !== null && member?.status !== 'active') {
      throw new GatewayError(
        'permission_denied',
        'The owner of this API key is not an active member of the tenant.',
      );
    }
    const timeZone = tenant?.document.time_zone ?? 'UTC';
    const portion = this.options.portionOf?.(tenant?.residency);
    const subject = (scope: SubjectLimits['scope'], of: string, name: string, limits: readonly Limit[]) =>
      limits.length > 0
        ? { scope, id: `${id}/${of}`, name, limits: portionOf(limits, portion), timeZone }
        : undefined;
    const ofMember =
      member &&
      this.#sharedBy(member, () => ({
        own: subject('user', document.member ?? '', member.name, limitsOf(member.limits)),
        tags: undefined,
      }));
    const ofTenant =
      tenant &&
      this.#sharedBy(tenant, () => ({
        own: subject('tenant', '', tenant.name, this.limitsOfTenant(tenant)),
        tags: tagLimitsOf(tenant, portion),
      }));
    const ofKey = subject('key', document.id, document.name, limitsOf(document.limits));
    return {
      kind: document.kind,
      tenant: id,
      keyId: document.id,
      keyName: document.name,
      member: document.member ?? undefined,
      tier: tenant?.tier ?? 'none',
      scopes: document.scopes,
      limits: [ofKey, ofMember?.own, ofTenant?.own].filter((limits) => limits !== undefined),
      weight: tenant?.document.weight ?? 1,
      outputLimit: outputLimitOf(document.scopes.max_output_tokens, tenant?.document.max_output_tokens),
      wantsMetadata: tenant?.document.response_metadata ?? false,
      auditsRequests: tenant?.document.audit_requests ?? false,
      logsRequests: tenant?.document.request_log !== undefined,
      residency: tenant?.residency,
      cache: cachePolicyOf(tenant?.document.cache),
      guardrails: guardrailsOf(tenant?.document.guardrails, document.scopes.guardrails),
      tagLimits: ofTenant?.tags,
    };
  }

  #sharedBy(owner: KnownTenant | MemberDocument, make: () => Omit<SharedLimits, 'generation'>): SharedLimits {
    const known = this.#shared.get(owner);
    if (known?.generation === this.#generation) return known;
    const made = { ...make(), generation: this.#generation };
    this.#shared.set(owner, made);
    return made;
  }

  /** @returns the limits of a tenant, its tags, members and keys; none for a tenant that is deleted or unknown */
  limitsIn(tenant: string): readonly SubjectLimits[] {
    const known = this.#tenants.get(tenant);
    if (!known || known.status === 'deleted') return [];
    const timeZone = known.document.time_zone;
    const subjects: SubjectLimits[] = [...(tagLimitsOf(known)?.values() ?? [])];
    const add = (scope: SubjectLimits['scope'], of: string, name: string, limits: readonly Limit[]) => {
      if (limits.length > 0) subjects.push({ scope, id: `${tenant}/${of}`, name, limits, timeZone });
    };
    add('tenant', '', known.name, this.limitsOfTenant(known));
    for (const [member, { name, limits }] of this.#members.of(tenant))
      add('user', member, name, limitsOf(limits));
    for (const { document } of this.#keysById.of(tenant).values()) {
      add('key', document.id, document.name, limitsOf(document.limits));
    }
    return subjects;
  }

  /** @returns the tenant's own limits, and those limits of its tier that none of its own replaces */
  limitsOfTenant({ tier, document }: KnownTenant): readonly Limit[] {
    const own = limitsOf(document.limits);
    const tiers = this.options.tiers();
    const ofTier = tiers.get(tier ?? '') ?? tiers.get('') ?? [];
    const replaced = new Set(own.map(({ of, per }) => `${of}/${per}`));
    return [...own, ...ofTier.filter(({ of, per }) => !replaced.has(`${of}/${per}`))];
  }

  async #refresh(): Promise<void> {
    const { source } = this.options;
    if (this.#revision > 0 && (await source.revision()) === this.#revision) return;
    const changes = await source.since(this.#revision);
    for (const row of changes.tenants) this.#guarded(() => this.#addTenant(row));
    for (const row of changes.members) this.#guarded(() => this.#addMember(row));
    for (const row of changes.keys) this.#guarded(() => this.#addKey(row));
    this.#addFromEnvironment();
    const isFirst = this.#revision === 0;
    this.#revision = changes.revision;
    this.#generation += 1;
    const changed = new Set([...changes.keys, ...changes.members].map(({ tenant }) => tenant));
    if (!isFirst && changed.size > 0) this.options.onChanged?.(changed);
    if (isFirst || this.#listeners.length === 0) return;
    const all = new Set([...changed, ...changes.tenants.map(({ id }) => id)]);
    for (const listener of this.#listeners) listener(all);
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.options.events.emit('database.row_unreadable', { error });
    }
  }

  #addTenant(row: TenantRow): void {
    const document = parseDocument(tenantDocument, row.document, `tenant ${row.id}`);
    this.#tenants.set(row.id, {
      id: row.id,
      name: row.name,
      status: row.deleted_at !== null ? 'deleted' : row.status === 'suspended' ? 'suspended' : 'active',
      tier: row.tier,
      placement: { server: row.server, database: row.database },
      schema: row.schema,
      document,
      residency: residencyOf(document.residency),
    });
  }

  #addMember({ tenant, member, document, deleted }: MemberIndexRow): void {
    const tenants = this.#tenantsOfMember.get(member) ?? new Set();
    if (deleted) {
      this.#members.delete(tenant, member);
      tenants.delete(tenant);
    } else {
      this.#members.set(
        tenant,
        member,
        parseDocument(memberDocument, document, `member ${member} of ${tenant}`),
      );
      tenants.add(tenant);
    }
    this.#tenantsOfMember.set(member, tenants);
  }

  #addKey({ digest, tenant, id, document, deleted }: KeyIndexRow): void {
    // Removed before parsing: a key whose new document is damaged must not stay valid.
    const old = this.#keys.get(digest);
    if (old) old.isCurrent = false;
    this.#keys.delete(digest);
    if (this.#keysById.get(tenant, id)?.digest === digest) this.#keysById.delete(tenant, id);
    if (deleted) return;
    const parsed = parseDocument(keyDocument, document, `a key of ${tenant}`);
    const key = newKey(digest, tenant, parsed);
    this.#keys.set(digest, key);
    const other = this.#keysById.get(tenant, id)?.document.expires_at;
    // After a rotation, the secret that expires later represents the key.
    if (other === undefined || parsed.expires_at === null || (other !== null && other <= parsed.expires_at))
      this.#keysById.set(tenant, id, key);
  }

  #addFromEnvironment(): void {
    const key = this.#fromEnvironment;
    if (!key) return;
    this.#keys.set(key.digest, key);
    this.#keysById.set(key.tenant, key.document.id, key);
  }
}

function newKey(digest: string, tenant: string, document: KeyDocument): KnownKey {
  return { digest, tenant, document, isCurrent: true, principal: undefined, generation: -1 };
}
