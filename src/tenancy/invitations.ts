import type { Kysely } from 'kysely';
import { GatewayError } from '../core/errors.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import type { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import type { TenantTables } from '../storage/sql/tenant-tables.ts';
import type { TenantScope } from '../storage/tenant-scope.ts';
import { type Actor, assertAllowed } from './actor.ts';
import { auditEntry, type ChangeContext, type Sources } from './change-context.ts';
import { newSecret, type SecretDigester } from './key-secrets.ts';
import type { Member, Members } from './members.ts';
import { ROLES, type Role } from './permissions.ts';
import type { TenantWriter } from './tenant-writer.ts';
import type { User, Users } from './users.ts';

type InvitationRow = TenantTables['invitations'];

/** An invitation to a tenant. Times are Unix milliseconds. */
export interface Invitation {
  readonly id: string;
  readonly email: string;
  readonly role: Role;
  readonly state: 'open' | 'accepted' | 'revoked' | 'expired';
  /** Id of the actor. */
  readonly invitedBy: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** The accepting user: one who is signed in, or a new one with a name and password. */
export type Invitee =
  | { readonly kind: 'user'; readonly user: User }
  | { readonly kind: 'new'; readonly name: string; readonly password: string };

const LIFETIME_MS = 7 * 86_400_000;

/**
 * Invitations to become a member of a tenant. A token is valid once and for 7 days; it ends with the tenant's id, so that
 * the invitation is found without a search over all tenants.
 */
export class Invitations {
  constructor(
    private readonly databases: TenantDatabases,
    private readonly writer: TenantWriter,
    private readonly members: Members,
    private readonly users: Users,
    private readonly digester: SecretDigester,
    private readonly sources: Sources,
  ) {}

  /** @returns invitations by id. @param after the last id of the previous page */
  list(scope: TenantScope, limit: number, after: string | undefined): Promise<Invitation[]> {
    const now = this.sources.clock.wallTime();
    return this.databases.use(scope, async (db) => {
      let query = db.selectFrom('invitations').selectAll().orderBy('id').limit(limit);
      if (after !== undefined) query = query.where('id', '>', after);
      return (await query.execute()).map((row) => invitationOf(row, now));
    });
  }

  /** @returns the token, of which only a digest is stored. @throws GatewayError `permission_denied` to invite an owner */
  async create(
    scope: TenantScope,
    { email, role }: { readonly email: string; readonly role: Role },
    by: ChangeContext,
  ): Promise<{ readonly invitation: Invitation; readonly token: string }> {
    if (role === 'owner') assertAllowed(by.actor, 'owners:write', scope.tenant);
    const secret = newSecret('invitation');
    const now = this.sources.clock.wallTime();
    const row: InvitationRow = {
      ...{ id: this.sources.newId('inv'), email, role, digest: this.digester.digest(secret) },
      ...{ invited_by: by.actor.id, created_at: now, expires_at: now + LIFETIME_MS },
      ...{ accepted_at: null, revoked_at: null },
    };
    await this.writer.write(scope, async (transaction, change) => {
      await transaction.insertInto('invitations').values(row).execute();
      await writeAudit(
        transaction,
        auditEntry(this.sources, by, 'invitation.create', `invitation:${row.id}`, { email, role }),
      );
      change.emit('invitation.created', by, { invitation: row.id, email, role });
    });
    return { invitation: invitationOf(row, now), token: `${secret}.${scope.tenant}` };
  }

  /** @throws GatewayError `not_found` when it is not open */
  async revoke(scope: TenantScope, id: string, by: ChangeContext): Promise<void> {
    const now = this.sources.clock.wallTime();
    await this.writer.write(scope, async (transaction, change) => {
      const { numUpdatedRows } = await transaction
        .updateTable('invitations')
        .set({ revoked_at: now })
        .where('id', '=', id)
        .where('accepted_at', 'is', null)
        .where('revoked_at', 'is', null)
        .executeTakeFirstOrThrow();
      if (numUpdatedRows === 0n) throw new GatewayError('not_found', 'There is no such open invitation.');
      await writeAudit(transaction, auditEntry(this.sources, by, 'invitation.revoke', `invitation:${id}`));
      change.emit('invitation.revoked', by, { invitation: id });
    });
  }

  /**
   * Adds the accepting user to the tenant, and creates the user if necessary.
   *
   * @throws GatewayError `not_found` for a token that is unknown, used, revoked or expired; `conflict` when the address is
   *   another one, a user with it exists, or the user is already a member
   */
  async accept(
    token: string,
    invitee: Invitee,
    by: Omit<ChangeContext, 'actor'>,
  ): Promise<{ readonly tenant: string; readonly member: Member; readonly user: User }> {
    const at = token.lastIndexOf('.');
    const scope = { tenant: token.slice(at + 1) };
    const digest = this.digester.digest(token.slice(0, Math.max(0, at)));
    const row = await this.#open(scope, digest);
    const user = await this.#user(row, invitee, by);
    const role = ROLES.find((one) => one === row.role) ?? 'viewer';
    // The inviter had the permission to add a member; accepting needs none.
    const actor: Actor = { ...actorOf(user), roles: new Map([[scope.tenant, 'owner']]) };
    const context = { ...by, actor };
    const member = await this.writer.write(scope, async (transaction, change) => {
      await this.#take(transaction, digest);
      const { id, email, name } = user;
      const added = await this.members.insert(
        transaction,
        scope,
        { id, kind: 'user', email, name, role },
        context,
      );
      await writeAudit(
        transaction,
        auditEntry(this.sources, context, 'invitation.accept', `invitation:${row.id}`),
      );
      change.touched('member', id);
      change.emit('invitation.accepted', context, { invitation: row.id, member: id });
      change.emit('member.added', context, { member: id, kind: 'user', role });
      return added;
    });
    return { tenant: scope.tenant, member, user };
  }

  async #open(scope: TenantScope, digest: string): Promise<InvitationRow> {
    const row = await this.databases
      .use(scope, (db) =>
        db.selectFrom('invitations').selectAll().where('digest', '=', digest).executeTakeFirst(),
      )
      .catch(notFoundWithoutTenant);
    if (!row || invitationOf(row, this.sources.clock.wallTime()).state !== 'open') throw unknown();
    return row;
  }

  async #take(db: Kysely<TenantTables>, digest: string): Promise<void> {
    const { numUpdatedRows } = await db
      .updateTable('invitations')
      .set({ accepted_at: this.sources.clock.wallTime() })
      .where('digest', '=', digest)
      .where('accepted_at', 'is', null)
      .where('revoked_at', 'is', null)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows === 0n) throw unknown();
  }

  async #user(row: InvitationRow, invitee: Invitee, by: Omit<ChangeContext, 'actor'>): Promise<User> {
    if (invitee.kind === 'user') {
      if (invitee.user.email === row.email) return invitee.user;
      throw new GatewayError(
        'conflict',
        'This invitation is for another e-mail address. Sign in with that address.',
      );
    }
    const { name, password } = invitee;
    if (await this.users.findByEmail(row.email)) {
      throw new GatewayError('conflict', 'A user with this address already exists: sign in, then accept.');
    }
    const actor = { id: 'invitee', name, platform: false, roles: new Map(), member: undefined };
    return this.users.create({ email: row.email, name, password }, { ...by, actor });
  }
}

function actorOf({ id, name }: User): Actor {
  return { id: `user:${id}`, name, platform: false, roles: new Map(), member: id };
}

function notFoundWithoutTenant(error: unknown): undefined {
  if (error instanceof Error && error.name === 'UnknownTenantError') return undefined;
  throw error;
}

function unknown(): GatewayError {
  return new GatewayError(
    'not_found',
    'There is no such invitation: it is unknown, used, revoked or expired.',
  );
}

function invitationOf(row: InvitationRow, now: number): Invitation {
  const state =
    row.accepted_at !== null
      ? 'accepted'
      : row.revoked_at !== null
        ? 'revoked'
        : row.expires_at <= now
          ? 'expired'
          : 'open';
  return {
    id: row.id,
    email: row.email,
    role: ROLES.find((one) => one === row.role) ?? 'viewer',
    state,
    invitedBy: row.invited_by,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  };
}
