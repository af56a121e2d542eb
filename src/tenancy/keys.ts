import { GatewayError } from '../core/errors.ts';
import type { LimitDocument } from '../core/limit-schema.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import { containsText } from '../storage/sql/contains-text.ts';
import type { TenantDatabase, TenantDatabases } from '../storage/sql/tenant-databases.ts';
import type { TenantScope } from '../storage/tenant-scope.ts';
import { isAllowed } from './actor.ts';
import { auditEntry, type ChangeContext, differences, type Sources } from './change-context.ts';
import { limitDocuments, parseDocument, type ScopesDocument, scopesDocument } from './documents.ts';
import type { KeyRow } from './index-rows.ts';
import { assertNotLoosened, assertWithinCreator } from './key-restrictions.ts';
import { hintOf, newSecret, type SecretDigester } from './key-secrets.ts';
import type { EmitTenantEvent } from './tenant-events.ts';
import type { TenantTransaction, TenantWriter } from './tenant-writer.ts';
import { assertVersion, type SeenVersion } from './versions.ts';

/** An API key without its secret. Times are Unix milliseconds. */
export interface ApiKey {
  readonly id: string;
  readonly kind: 'admin' | 'api_key';
  readonly name: string;
  /** The first characters of the secret. */
  readonly hint: string;
  /** Id of the owner; null for a key of the tenant itself. */
  readonly member: string | null;
  readonly scopes: ScopesDocument;
  readonly limits: readonly LimitDocument[];
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  /** Null unless it is paused. */
  readonly pausedAt: number | null;
  /** Id of the actor; null unless it is paused. */
  readonly pausedBy: string | null;
  /** The secret before the last rotation, while it is valid. */
  readonly previous: { readonly hint: string; readonly expiresAt: number } | null;
  readonly lastUsedAt: number | null;
  readonly version: number;
  /** Id of the actor. */
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** A new key, or one with a new secret. */
export interface CreatedKey {
  readonly key: ApiKey;
  /** Shown once: only its digest is stored. */
  readonly secret: string;
}

export interface NewKey {
  readonly kind: 'admin' | 'api_key';
  readonly name: string;
  readonly member?: string | null;
  readonly scopes?: ScopesDocument;
  readonly limits?: readonly LimitDocument[];
  readonly expiresAt?: number | null;
}

export type KeyChange = Partial<Pick<ApiKey, 'name' | 'scopes' | 'limits' | 'expiresAt'>> & {
  /** A paused key is rejected until it is resumed. */
  readonly paused?: boolean;
};

export interface KeyFilter {
  readonly kind: 'admin' | 'api_key';
  readonly member?: string | undefined;
  /** `active`: neither revoked nor expired nor paused. */
  readonly state?: 'active' | 'paused' | 'revoked' | 'expired' | undefined;
  /** Part of the id, name or hint; case is ignored. */
  readonly search?: string | undefined;
  readonly limit: number;
  /** The last key of the previous page. */
  readonly after?: { readonly at: number; readonly id: string } | undefined;
}

/** The effects of a change of one key. */
interface KeyDecision {
  readonly set: Partial<KeyRow>;
  /** For the audit trail. */
  readonly details: Readonly<Record<string, unknown>>;
  readonly emit: (emit: EmitTenantEvent) => void;
}

/** Manages the API keys of tenants. Methods reject with GatewayError, UnknownTenantError or the database's error. */
export class Keys {
  constructor(
    private readonly databases: TenantDatabases,
    private readonly writer: TenantWriter,
    private readonly digester: SecretDigester,
    private readonly sources: Sources,
  ) {}

  /** @returns keys, newest first */
  list(scope: TenantScope, { kind, member, state, search, limit, after }: KeyFilter): Promise<ApiKey[]> {
    const now = this.sources.clock.wallTime();
    return this.databases.use(scope, async (db) => {
      let query = db
        .selectFrom('api_keys')
        .selectAll()
        .where('kind', '=', kind)
        .orderBy('created_at', 'desc')
        .orderBy('id', 'desc')
        .limit(limit);
      if (member !== undefined) query = query.where('member', '=', member);
      if (search !== undefined) query = query.where(containsText(search, ['id', 'name', 'hint']));
      if (state === 'revoked') query = query.where('revoked_at', 'is not', null);
      if (state === 'expired') query = query.where('revoked_at', 'is', null).where('expires_at', '<=', now);
      if (state === 'active' || state === 'paused') {
        query = query
          .where('revoked_at', 'is', null)
          .where('paused_at', state === 'paused' ? 'is not' : 'is', null)
          .where(({ eb, or }) => or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]));
      }
      if (after) {
        query = query.where(({ eb, or, and }) =>
          or([
            eb('created_at', '<', after.at),
            and([eb('created_at', '=', after.at), eb('id', '<', after.id)]),
          ]),
        );
      }
      return (await query.execute()).map((row) => keyOf(row, now));
    });
  }

  /** @throws GatewayError `not_found` */
  get(scope: TenantScope, kind: ApiKey['kind'], id: string): Promise<ApiKey> {
    return this.databases.use(scope, async (db) =>
      keyOf(await keyRow(db, kind, id), this.sources.clock.wallTime()),
    );
  }

  /**
   * @throws GatewayError `invalid_request` when the owner is not an active member, `permission_denied` when the caller is a
   *   key without `limits:write` that may do less
   */
  async create(scope: TenantScope, wanted: NewKey, by: ChangeContext): Promise<CreatedKey> {
    const { kind, name, member = null, scopes = {}, limits = [], expiresAt = null } = wanted;
    const { restrictions } = by.actor;
    if (restrictions && !isAllowed(by.actor, 'limits:write', scope.tenant)) {
      assertWithinCreator(restrictions, { scopes, limits, expiresAt });
    }
    const secret = newSecret(kind);
    const now = this.sources.clock.wallTime();
    const row: KeyRow = {
      ...{ id: this.sources.newId('key'), kind, name, member },
      hint: hintOf(secret),
      digest: this.digester.digest(secret),
      scopes: JSON.stringify(scopes),
      limits: JSON.stringify(limits),
      expires_at: expiresAt,
      ...{ revoked_at: null, paused_at: null, paused_by: null },
      ...{ previous_digest: null, previous_hint: null, previous_expires_at: null, last_used_at: null },
      ...{ version: 1, created_by: by.actor.id, created_at: now, updated_at: now },
    };
    const key = keyOf(row, now);
    await this.writer.write(scope, async (transaction, change) => {
      if (member !== null) await assertMember(transaction, member);
      await transaction.insertInto('api_keys').values(row).execute();
      const details = { name, kind, member, scopes, limits, expires_at: expiresAt };
      await writeAudit(transaction, auditEntry(this.sources, by, 'key.create', `key:${row.id}`, details));
      change.touched('key', row.id);
      change.emit('api_key.created', by, { key: row.id, name, kind, member });
    });
    return { key, secret };
  }

  /**
   * @throws GatewayError `not_found`, `conflict` for a revoked key, `precondition_failed`, or `permission_denied` where a caller
   *   without `limits:write` loosens limits, scopes or expiry, or one without `keys:write` resumes a key that another paused
   */
  update(
    scope: TenantScope,
    kind: ApiKey['kind'],
    id: string,
    wanted: KeyChange,
    seen: SeenVersion,
    by: ChangeContext,
  ): Promise<ApiKey> {
    const now = this.sources.clock.wallTime();
    return this.#change(scope, kind, id, seen, by, 'key.update', (before) => {
      if (before.revokedAt !== null) throw revoked();
      const after = { ...before, ...wanted };
      const isPaused = before.pausedAt !== null;
      const { paused = isPaused } = wanted;
      if (isPaused && !paused) assertMayResume(before, scope, by);
      if (!isAllowed(by.actor, 'limits:write', scope.tenant)) assertNotLoosened(before, after);
      return {
        set: {
          name: after.name,
          scopes: JSON.stringify(after.scopes),
          limits: JSON.stringify(after.limits),
          expires_at: after.expiresAt,
          ...(paused === isPaused
            ? {}
            : { paused_at: paused ? now : null, paused_by: paused ? by.actor.id : null }),
        },
        details: differences(detailsOf(before, isPaused), detailsOf(after, paused)),
        emit: (emit) => emit('api_key.updated', by, { key: id, name: after.name }),
      };
    });
  }

  /** Revokes a key; a revoked key stays unchanged. @throws GatewayError `not_found` or `precondition_failed` */
  revoke(
    scope: TenantScope,
    kind: ApiKey['kind'],
    id: string,
    seen: SeenVersion,
    by: ChangeContext,
  ): Promise<ApiKey> {
    const now = this.sources.clock.wallTime();
    return this.#change(scope, kind, id, seen, by, 'key.revoke', ({ name, revokedAt }) =>
      revokedAt === null
        ? {
            set: { revoked_at: now },
            details: { name },
            emit: (emit) => emit('api_key.revoked', by, { key: id, name }),
          }
        : undefined,
    );
  }

  /**
   * Gives the key a new secret. The old one stays valid for the grace period; an even older one ends at once.
   *
   * @param graceMs milliseconds; 0 ends the old secret at once
   * @throws GatewayError `not_found`, `conflict` for a revoked key, or `precondition_failed`
   */
  async rotate(
    scope: TenantScope,
    kind: ApiKey['kind'],
    id: string,
    graceMs: number,
    seen: SeenVersion,
    by: ChangeContext,
  ): Promise<CreatedKey> {
    const secret = newSecret(kind);
    const until = this.sources.clock.wallTime() + graceMs;
    const key = await this.#change(scope, kind, id, seen, by, 'key.rotate', (before, row) => {
      if (before.revokedAt !== null) throw revoked();
      const old = graceMs > 0;
      return {
        set: {
          digest: this.digester.digest(secret),
          hint: hintOf(secret),
          previous_digest: old ? row.digest : null,
          previous_hint: old ? row.hint : null,
          previous_expires_at: old ? until : null,
        },
        details: { name: before.name, old_works_until: old ? until : null },
        emit: (emit) =>
          emit('api_key.rotated', by, {
            key: id,
            name: before.name,
            old_secret_expires_at: old ? until : null,
          }),
      };
    });
    return { key, secret };
  }

  async #change(
    scope: TenantScope,
    kind: ApiKey['kind'],
    id: string,
    seen: SeenVersion,
    by: ChangeContext,
    action: string,
    decide: (before: ApiKey, row: KeyRow) => KeyDecision | undefined,
  ): Promise<ApiKey> {
    const now = this.sources.clock.wallTime();
    return this.writer.write(scope, async (transaction, change) => {
      const row = await keyRow(transaction, kind, id);
      assertVersion(seen, row.version);
      const before = keyOf(row, now);
      const decision = decide(before, row);
      if (!decision) return before;
      const set = { ...decision.set, version: row.version + 1, updated_at: now };
      await transaction.updateTable('api_keys').set(set).where('id', '=', id).execute();
      await writeAudit(transaction, auditEntry(this.sources, by, action, `key:${id}`, decision.details));
      change.touched('key', id);
      decision.emit(change.emit);
      return keyOf({ ...row, ...set }, now);
    });
  }
}

async function keyRow(db: TenantDatabase, kind: ApiKey['kind'], id: string): Promise<KeyRow> {
  const row = await db
    .selectFrom('api_keys')
    .selectAll()
    .where('id', '=', id)
    .where('kind', '=', kind)
    .executeTakeFirst();
  if (!row) throw new GatewayError('not_found', 'There is no such API key.');
  return row;
}

async function assertMember(transaction: TenantTransaction, id: string): Promise<void> {
  const row = await transaction
    .selectFrom('members')
    .select('id')
    .where('id', '=', id)
    .where('status', '=', 'active')
    .executeTakeFirst();
  if (row) return;
  throw new GatewayError('invalid_request', '"member" is not valid: there is no such active member.', {
    param: 'member',
  });
}

/** What the audit trail compares. */
function detailsOf({ name, scopes, limits, expiresAt }: ApiKey, paused: boolean) {
  return { name, scopes, limits, expires_at: expiresAt, paused };
}

/** A key that an administrator paused must not be resumed by its owner. */
function assertMayResume({ pausedBy }: ApiKey, { tenant }: TenantScope, { actor }: ChangeContext): void {
  if (pausedBy === actor.id || isAllowed(actor, 'keys:write', tenant)) return;
  throw new GatewayError(
    'permission_denied',
    '"paused" is not valid: another user paused this key, so resuming it needs the permission "keys:write".',
    { param: 'paused' },
  );
}

function revoked(): GatewayError {
  return new GatewayError('conflict', 'This API key is revoked. Create a new one.');
}

function keyOf(row: KeyRow, now: number): ApiKey {
  const { previous_hint: hint, previous_expires_at: expiresAt } = row;
  return {
    id: row.id,
    kind: row.kind === 'admin' ? 'admin' : 'api_key',
    name: row.name,
    hint: row.hint,
    member: row.member,
    scopes: parseDocument(scopesDocument, row.scopes, `the scopes of key ${row.id}`),
    limits: parseDocument(limitDocuments, row.limits, `the limits of key ${row.id}`),
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    pausedAt: row.paused_at,
    pausedBy: row.paused_by,
    previous: hint !== null && expiresAt !== null && expiresAt > now ? { hint, expiresAt } : null,
    lastUsedAt: row.last_used_at,
    version: row.version,
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
