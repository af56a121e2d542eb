import type { Kysely, Selectable } from 'kysely';
import { GatewayError } from '../core/errors.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { auditEntry, type ChangeContext, differences, type Sources } from './change-context.ts';
import { assertVersion, type SeenVersion } from './versions.ts';

type UserRow = Selectable<ControlTables['users']>;

/** A user, who can sign in. Times are Unix milliseconds. */
export interface User {
  readonly id: string;
  /** In lower case. */
  readonly email: string;
  readonly name: string;
  readonly hasPassword: boolean;
  /** Has every permission in every tenant. */
  readonly platformAdmin: boolean;
  readonly status: 'active' | 'suspended';
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface NewUser {
  readonly email: string;
  readonly name: string;
  readonly password?: string | undefined;
  readonly platformAdmin?: boolean;
}

export type UserChange = Partial<Pick<User, 'name' | 'status' | 'platformAdmin'>> & {
  readonly password?: string | undefined;
};

/** Hashes passwords with argon2id. */
export interface Passwords {
  hash(password: string): Promise<string>;
  verify(password: string, hash: string): Promise<boolean>;
  /** @returns false for a hash that is to be replaced when the password is known */
  isCurrent(hash: string): boolean;
}

/** Manages users of all tenants, in the control database. Methods reject with GatewayError or the database's error. */
export class Users {
  constructor(
    private readonly db: Kysely<ControlTables>,
    private readonly passwords: Passwords,
    private readonly sources: Sources,
  ) {}

  /** @returns users by id. @param filter `search` matches part of the address; `after` is the last id of the previous page */
  async list(filter: {
    readonly search?: string | undefined;
    readonly limit: number;
    readonly after?: string | undefined;
  }): Promise<User[]> {
    let query = this.db.selectFrom('users').selectAll().orderBy('id').limit(filter.limit);
    if (filter.after !== undefined) query = query.where('id', '>', filter.after);
    if (filter.search !== undefined) {
      query = query.where('email', 'like', `%${filter.search.toLowerCase().replaceAll(/[\\%_]/g, '')}%`);
    }
    return (await query.execute()).map(userOf);
  }

  /** @throws GatewayError `not_found` */
  async get(id: string): Promise<User> {
    return userOf(await this.#row(this.db, id));
  }

  /** @param email in lower case */
  async findByEmail(email: string): Promise<User | undefined> {
    const row = await this.db.selectFrom('users').selectAll().where('email', '=', email).executeTakeFirst();
    return row && userOf(row);
  }

  /** @throws GatewayError `not_found` */
  async requireByEmail(email: string): Promise<User> {
    const user = await this.findByEmail(email);
    if (!user)
      throw new GatewayError(
        'not_found',
        `There is no user with the address ${email}. Send an invitation instead.`,
      );
    return user;
  }

  /** @throws GatewayError `conflict` when the address is in use */
  async create({ email, name, password, platformAdmin = false }: NewUser, by: ChangeContext): Promise<User> {
    const now = this.sources.clock.wallTime();
    const row: UserRow = {
      ...{ id: this.sources.newId('usr'), email, name },
      password: password === undefined ? null : await this.passwords.hash(password),
      platform_admin: platformAdmin ? 1 : 0,
      ...{ status: 'active', version: 1, created_at: now, updated_at: now },
    };
    await this.db.transaction().execute(async (transaction) => {
      const { numInsertedOrUpdatedRows } = await transaction
        .insertInto('users')
        .values(row)
        .onConflict((conflict) => conflict.column('email').doNothing())
        .executeTakeFirstOrThrow();
      if (numInsertedOrUpdatedRows === 0n) {
        throw new GatewayError('conflict', `A user with the address ${email} already exists.`, {
          param: 'email',
        });
      }
      await writeAudit(
        transaction,
        auditEntry(this.sources, by, 'user.create', `user:${row.id}`, {
          email,
          name,
          platform_admin: platformAdmin,
        }),
      );
    });
    return userOf(row);
  }

  /** A new password or a suspension ends the user's sessions. @throws GatewayError `not_found` or `precondition_failed` */
  async update(id: string, wanted: UserChange, seen: SeenVersion, by: ChangeContext): Promise<User> {
    const password = wanted.password === undefined ? undefined : await this.passwords.hash(wanted.password);
    return this.db.transaction().execute(async (transaction) => {
      const row = await this.#row(transaction, id);
      assertVersion(seen, row.version);
      const before = userOf(row);
      const after = { ...before, ...wanted };
      const set = {
        name: after.name,
        status: after.status,
        platform_admin: after.platformAdmin ? 1 : 0,
        password: password ?? row.password,
        version: row.version + 1,
        updated_at: this.sources.clock.wallTime(),
      };
      const { numUpdatedRows } = await transaction
        .updateTable('users')
        .set(set)
        .where('id', '=', id)
        .where('version', '=', row.version)
        .executeTakeFirstOrThrow();
      // Another change was committed in between.
      if (numUpdatedRows === 0n) assertVersion(row.version, row.version + 1);
      if (password !== undefined || after.status === 'suspended') await this.#endSessions(transaction, id);
      await writeAudit(
        transaction,
        auditEntry(this.sources, by, 'user.update', `user:${id}`, {
          ...differences(fields(before), fields(after)),
          ...(password === undefined ? {} : { password: 'changed' }),
        }),
      );
      return userOf({ ...row, ...set });
    });
  }

  /** Deletes a user. The caller removes memberships first. @throws GatewayError `not_found` or `precondition_failed` */
  async remove(id: string, seen: SeenVersion, by: ChangeContext): Promise<void> {
    await this.db.transaction().execute(async (transaction) => {
      const row = await this.#row(transaction, id);
      assertVersion(seen, row.version);
      await transaction.deleteFrom('federated_identities').where('user_id', '=', id).execute();
      await transaction.deleteFrom('sessions').where('user_id', '=', id).execute();
      await transaction.deleteFrom('users').where('id', '=', id).execute();
      await writeAudit(transaction, auditEntry(this.sources, by, 'user.delete', `user:${id}`));
    });
  }

  /** @returns the active user with this address and password; takes the same time for an unknown address */
  async withPassword(email: string, password: string): Promise<User | undefined> {
    const row = await this.db.selectFrom('users').selectAll().where('email', '=', email).executeTakeFirst();
    this.#dummyHash ??= this.passwords.hash('no user has this password');
    const matches = await this.passwords.verify(password, row?.password ?? (await this.#dummyHash));
    if (!row || row.password === null || !matches || row.status !== 'active') return undefined;
    if (!this.passwords.isCurrent(row.password)) await this.#rehash(row.id, row.password, password);
    return userOf(row);
  }
  #dummyHash: Promise<string> | undefined;

  /** @returns the user to whom an identity is linked */
  async withIdentity(issuer: string, subject: string): Promise<User | undefined> {
    const row = await this.db
      .selectFrom('federated_identities')
      .innerJoin('users', 'users.id', 'federated_identities.user_id')
      .selectAll('users')
      .where('issuer', '=', issuer)
      .where('subject', '=', subject)
      .executeTakeFirst();
    if (!row) return undefined;
    await this.db
      .updateTable('federated_identities')
      .set({ last_used_at: this.sources.clock.wallTime() })
      .where('issuer', '=', issuer)
      .where('subject', '=', subject)
      .execute();
    return userOf(row);
  }

  /** Links an identity to a user, who can then sign in with it. */
  async linkIdentity(id: string, issuer: string, subject: string, email: string | null): Promise<void> {
    const now = this.sources.clock.wallTime();
    await this.db
      .insertInto('federated_identities')
      .values({ issuer, subject, user_id: id, email, created_at: now, last_used_at: now })
      .execute();
  }

  /** Replaces a hash with old parameters, unless the password was changed meanwhile. */
  async #rehash(id: string, old: string, password: string): Promise<void> {
    await this.db
      .updateTable('users')
      .set({ password: await this.passwords.hash(password) })
      .where('id', '=', id)
      .where('password', '=', old)
      .execute();
  }

  async #endSessions(db: Kysely<ControlTables>, id: string): Promise<void> {
    await db
      .updateTable('sessions')
      .set({ revoked_at: this.sources.clock.wallTime() })
      .where('user_id', '=', id)
      .where('revoked_at', 'is', null)
      .execute();
  }

  async #row(db: Kysely<ControlTables>, id: string): Promise<UserRow> {
    const row = await db.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
    if (!row) throw new GatewayError('not_found', 'There is no such user.');
    return row;
  }
}

function fields({ name, status, platformAdmin }: User) {
  return { name, status, platform_admin: platformAdmin };
}

function userOf(row: UserRow): User {
  return {
    id: row.id,
    email: row.email,
    name: row.name,
    hasPassword: row.password !== null,
    platformAdmin: row.platform_admin === 1,
    status: row.status === 'suspended' ? 'suspended' : 'active',
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
