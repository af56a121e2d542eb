import type { Kysely, Selectable } from 'kysely';
import { GatewayError } from '../core/errors.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { isUnavailable } from '../storage/sql/database-errors.ts';
import { auditEntry, type ChangeContext, type Sources } from './change-context.ts';
import { newSecret, type SecretDigester } from './key-secrets.ts';

type SessionRow = Selectable<ControlTables['sessions']>;

/** A signed-in session of one user in one browser. Times are Unix milliseconds. */
export interface Session {
  readonly id: string;
  readonly user: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly lastSeenAt: number;
  /** IP address at sign-in. */
  readonly address: string;
  /** User-Agent header at sign-in, at most 200 characters. */
  readonly agent: string;
}

/** Minimum interval between updates of `lastSeenAt`. */
const LAST_SEEN_INTERVAL_MS = 60_000;
const MAX_AGENT_LENGTH = 200;

/**
 * Sessions in the control database. Each request reads its session, so that an ended session is invalid on all gateways
 * at once. Fails closed with the database's error.
 */
export class Sessions {
  constructor(
    private readonly db: Kysely<ControlTables>,
    private readonly digester: SecretDigester,
    private readonly sources: Sources,
    /** Lifetime of new sessions. */
    private readonly lifetimeMs: () => number,
  ) {}

  /**
   * Signs a user in.
   * @param method how the user proved who it is, such as `password`; for the audit trail
   * @returns the session, and its secret, of which only a digest is stored
   */
  async begin(
    user: string,
    method: string,
    agent: string,
    by: ChangeContext,
  ): Promise<{ readonly session: Session; readonly secret: string }> {
    const secret = newSecret('session');
    const now = this.sources.clock.wallTime();
    const row: SessionRow = {
      id: this.sources.newId('ses'),
      digest: this.digester.digest(secret),
      user_id: user,
      created_at: now,
      expires_at: now + this.lifetimeMs(),
      last_seen_at: now,
      revoked_at: null,
      address: by.address,
      agent: agent.slice(0, MAX_AGENT_LENGTH),
    };
    const details = { session: row.id, method, agent: row.agent };
    await this.db.transaction().execute(async (transaction) => {
      await transaction.insertInto('sessions').values(row).execute();
      await writeAudit(transaction, auditEntry(this.sources, by, 'session.create', `user:${user}`, details));
    });
    return { session: sessionOf(row), secret };
  }

  /** @returns the session of a secret; undefined when it is unknown, ended or expired */
  async find(secret: string): Promise<Session | undefined> {
    const now = this.sources.clock.wallTime();
    const row = await this.db
      .selectFrom('sessions')
      .selectAll()
      .where('digest', '=', this.digester.digest(secret))
      .where('revoked_at', 'is', null)
      .where('expires_at', '>', now)
      .executeTakeFirst();
    if (!row) return undefined;
    if (now - row.last_seen_at > LAST_SEEN_INTERVAL_MS) {
      try {
        await this.db.updateTable('sessions').set({ last_seen_at: now }).where('id', '=', row.id).execute();
      } catch (error) {
        // The session is valid; a database that cannot be written must not prevent reads.
        if (!isUnavailable(error)) throw error;
      }
    }
    return sessionOf(row);
  }

  /** @returns the user's current sessions, newest first */
  async list(user: string): Promise<Session[]> {
    const rows = await this.db
      .selectFrom('sessions')
      .selectAll()
      .where('user_id', '=', user)
      .where('revoked_at', 'is', null)
      .where('expires_at', '>', this.sources.clock.wallTime())
      .orderBy('created_at', 'desc')
      .execute();
    return rows.map(sessionOf);
  }

  /**
   * Records a sign-in that failed. The limits of wrong credentials bound the number of records.
   * @param subject such as `email:<address>`; nothing proves that it exists
   */
  async recordRejection(subject: string, method: string, reason: string, by: ChangeContext): Promise<void> {
    const entry = auditEntry(this.sources, by, 'session.reject', subject, { method, reason });
    await this.db.transaction().execute((transaction) => writeAudit(transaction, entry));
  }

  /** @throws GatewayError `not_found` when the user has no such session */
  async end(user: string, id: string, by: ChangeContext): Promise<void> {
    await this.db.transaction().execute(async (transaction) => {
      const { numUpdatedRows } = await transaction
        .updateTable('sessions')
        .set({ revoked_at: this.sources.clock.wallTime() })
        .where('id', '=', id)
        .where('user_id', '=', user)
        .where('revoked_at', 'is', null)
        .executeTakeFirstOrThrow();
      if (numUpdatedRows === 0n) throw new GatewayError('not_found', 'There is no such session.');
      await writeAudit(
        transaction,
        auditEntry(this.sources, by, 'session.end', `user:${user}`, { session: id }),
      );
    });
  }

  /** Deletes expired sessions. @returns their number */
  async deleteExpired(): Promise<number> {
    const now = this.sources.clock.wallTime();
    const { numDeletedRows } = await this.db
      .deleteFrom('sessions')
      .where('expires_at', '<=', now)
      .executeTakeFirstOrThrow();
    return Number(numDeletedRows);
  }
}

function sessionOf(row: SessionRow): Session {
  return {
    id: row.id,
    user: row.user_id,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastSeenAt: row.last_seen_at,
    address: row.address,
    agent: row.agent,
  };
}
