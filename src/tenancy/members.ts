import { GatewayError } from '../core/errors.ts';
import type { LimitDocument } from '../core/limit-schema.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import { containsText } from '../storage/sql/contains-text.ts';
import type { TenantDatabase, TenantDatabases } from '../storage/sql/tenant-databases.ts';
import type { TenantScope } from '../storage/tenant-scope.ts';
import { assertAllowed } from './actor.ts';
import { auditEntry, type ChangeContext, differences, type Sources } from './change-context.ts';
import { limitDocuments, memberDocument, parseDocument } from './documents.ts';
import type { MemberRow } from './index-rows.ts';
import type { Role } from './permissions.ts';
import type { TenantTransaction, TenantWriter } from './tenant-writer.ts';
import { assertVersion, type SeenVersion } from './versions.ts';

export type MemberKind = 'user' | 'service_account';

/** A user or service account within a tenant. Times are Unix milliseconds. */
export interface Member {
  /** For a user, the same in all tenants. */
  readonly id: string;
  readonly kind: MemberKind;
  readonly email: string | null;
  readonly name: string;
  readonly role: Role;
  readonly status: 'active' | 'suspended';
  readonly limits: readonly LimitDocument[];
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface NewMember {
  readonly id: string;
  readonly kind: MemberKind;
  readonly email: string | null;
  readonly name: string;
  readonly role: Role;
  readonly limits?: readonly LimitDocument[];
}

export type MemberChange = Partial<Pick<Member, 'name' | 'role' | 'status' | 'limits'>>;

export interface MemberFilter {
  readonly kind?: MemberKind | undefined;
  readonly role?: string | undefined;
  readonly status?: string | undefined;
  /** Part of the id, name or e-mail address; case is ignored. */
  readonly search?: string | undefined;
  readonly limit: number;
  /** The last id of the previous page. */
  readonly after?: string | undefined;
}

/** Manages the members of tenants. Methods reject with GatewayError, UnknownTenantError or the database's error. */
export class Members {
  constructor(
    private readonly databases: TenantDatabases,
    private readonly writer: TenantWriter,
    private readonly sources: Sources,
  ) {}

  /** @returns members by id */
  list(scope: TenantScope, { kind, role, status, search, limit, after }: MemberFilter): Promise<Member[]> {
    return this.databases.use(scope, async (db) => {
      let query = db
        .selectFrom('members')
        .selectAll()
        .where('status', '<>', 'removed')
        .orderBy('id')
        .limit(limit);
      if (kind !== undefined) query = query.where('kind', '=', kind);
      if (role !== undefined) query = query.where('role', '=', role);
      if (status !== undefined) query = query.where('status', '=', status);
      if (search !== undefined) query = query.where(containsText(search, ['id', 'name', 'email']));
      if (after !== undefined) query = query.where('id', '>', after);
      return (await query.execute()).map(memberOf);
    });
  }

  /** @throws GatewayError `not_found` */
  get(scope: TenantScope, id: string): Promise<Member> {
    return this.databases.use(scope, async (db) => memberOf(await memberRow(db, id)));
  }

  /** @throws GatewayError `conflict` for an existing member, `permission_denied` to add an owner without `owners:write` */
  add(scope: TenantScope, wanted: NewMember, by: ChangeContext): Promise<Member> {
    return this.writer.write(scope, async (transaction, change) => {
      const member = await this.insert(transaction, scope, wanted, by);
      change.touched('member', member.id);
      const { id, kind, role } = member;
      change.emit('member.added', by, { member: id, kind, role });
      return member;
    });
  }

  /** Adds a member within a larger change. The caller calls `touched` and `emit`. @throws like `add` */
  async insert(
    transaction: TenantTransaction,
    { tenant }: TenantScope,
    { id, kind, email, name, role, limits = [] }: NewMember,
    by: ChangeContext,
  ): Promise<Member> {
    if (role === 'owner') assertAllowed(by.actor, 'owners:write', tenant);
    const before = await transaction
      .selectFrom('members')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    if (before && before.status !== 'removed') {
      throw new GatewayError('conflict', `${email ?? name} is already a member of this tenant.`);
    }
    const now = this.sources.clock.wallTime();
    const row: MemberRow = {
      ...{ id, kind, email, name, role, status: 'active', limits: JSON.stringify(limits) },
      ...{ version: (before?.version ?? 0) + 1, created_at: now, updated_at: now },
    };
    await transaction
      .insertInto('members')
      .values(row)
      .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
      .execute();
    await writeAudit(
      transaction,
      auditEntry(this.sources, by, 'member.add', `member:${id}`, { kind, email, name, role, limits }),
    );
    return memberOf(row);
  }

  /**
   * @throws GatewayError `not_found`, `precondition_failed`, `conflict` when no owner would be left, or
   *   `permission_denied` to change an owner or its limits, or the role owner, without `owners:write`
   */
  update(
    scope: TenantScope,
    id: string,
    wanted: MemberChange,
    seen: SeenVersion,
    by: ChangeContext,
  ): Promise<Member> {
    return this.writer.write(scope, async (transaction, change) => {
      const row = await memberRow(transaction, id);
      assertVersion(seen, row.version);
      const before = memberOf(row);
      const after = { ...before, ...wanted };
      const owner = before.role === 'owner' || after.role === 'owner';
      // A limit of 0 locks an owner out as a suspension does.
      const limited = JSON.stringify(before.limits) !== JSON.stringify(after.limits);
      const privileged = before.role !== after.role || before.status !== after.status || limited;
      if (limited) assertAllowed(by.actor, 'limits:write', scope.tenant);
      if (owner && privileged) assertAllowed(by.actor, 'owners:write', scope.tenant);
      if (before.role === 'owner' && before.status === 'active')
        if (after.role !== 'owner' || after.status !== 'active') await assertAnotherOwner(transaction, id);
      const set = {
        name: after.name,
        role: after.role,
        status: after.status,
        limits: JSON.stringify(after.limits),
        version: row.version + 1,
        updated_at: this.sources.clock.wallTime(),
      };
      await transaction.updateTable('members').set(set).where('id', '=', id).execute();
      await writeAudit(
        transaction,
        auditEntry(
          this.sources,
          by,
          'member.update',
          `member:${id}`,
          differences(fields(before), fields(after)),
        ),
      );
      change.touched('member', id);
      const updated = memberOf({ ...row, ...set });
      change.emit('member.updated', by, { member: id, role: updated.role, status: updated.status });
      return updated;
    });
  }

  /**
   * Removes a member and revokes its keys. Its usage stays under its id; its name and address are deleted.
   *
   * @throws GatewayError like `update`
   */
  remove(scope: TenantScope, id: string, seen: SeenVersion, by: ChangeContext): Promise<void> {
    return this.writer.write(scope, async (transaction, change) => {
      const row = await memberRow(transaction, id);
      assertVersion(seen, row.version);
      if (row.role === 'owner') {
        assertAllowed(by.actor, 'owners:write', scope.tenant);
        if (row.status === 'active') await assertAnotherOwner(transaction, id);
      }
      const now = this.sources.clock.wallTime();
      await transaction
        .updateTable('members')
        .set({ status: 'removed', email: null, name: 'removed', version: row.version + 1, updated_at: now })
        .where('id', '=', id)
        .execute();
      await writeAudit(
        transaction,
        auditEntry(this.sources, by, 'member.remove', `member:${id}`, { role: row.role }),
      );
      change.touched('member', id);
      change.emit('member.removed', by, { member: id });
      const keys = await transaction
        .selectFrom('api_keys')
        .select(['id', 'name'])
        .where('member', '=', id)
        .where('revoked_at', 'is', null)
        .execute();
      for (const key of keys) {
        await transaction
          .updateTable('api_keys')
          .set(({ eb }) => ({ revoked_at: now, updated_at: now, version: eb('version', '+', 1) }))
          .where('id', '=', key.id)
          .execute();
        await writeAudit(
          transaction,
          auditEntry(this.sources, by, 'key.revoke', `key:${key.id}`, {
            because: `member:${id} was removed`,
          }),
        );
        change.touched('key', key.id);
        change.emit('api_key.revoked', by, { key: key.id, name: key.name });
      }
    });
  }
}

async function memberRow(db: TenantDatabase, id: string): Promise<MemberRow> {
  const row = await db
    .selectFrom('members')
    .selectAll()
    .where('id', '=', id)
    .where('status', '<>', 'removed')
    .executeTakeFirst();
  if (!row) throw new GatewayError('not_found', 'There is no such member.');
  return row;
}

/** A tenant keeps at least one owner, because only owners appoint owners. @throws GatewayError `conflict` */
async function assertAnotherOwner(transaction: TenantTransaction, id: string): Promise<void> {
  const other = await transaction
    .selectFrom('members')
    .select('id')
    .where('role', '=', 'owner')
    .where('status', '=', 'active')
    .where('id', '<>', id)
    .executeTakeFirst();
  if (other) return;
  throw new GatewayError('conflict', 'This is the last owner of the tenant: appoint another owner first.');
}

function fields({ name, role, status, limits }: Member) {
  return { name, role, status, limits };
}

function memberOf(row: MemberRow): Member {
  const limits = parseDocument(limitDocuments, row.limits, `the limits of member ${row.id}`);
  const { kind, name, role, status } = memberDocument.parse({
    kind: row.kind,
    name: row.name,
    role: row.role,
    status: row.status,
    limits,
  });
  return {
    ...{ id: row.id, kind, email: row.email, name, role, limits },
    status: status === 'suspended' ? 'suspended' : 'active',
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
