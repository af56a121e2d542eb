import type { Kysely, Selectable } from 'kysely';
import { GatewayError } from '../core/errors.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { isUnavailable } from '../storage/sql/database-errors.ts';
import { auditEntry, type ChangeContext, type Sources } from './change-context.ts';
import { newSecret, type SecretDigester } from './key-secrets.ts';

type SessionRow = Selectable<ControlTables['sessions']>;

/** Begins the `holder` of sessions that an admin key began; its digest follows. */
const KEY_PREFIX = 'key:';

/** A user or an admin key that signs in. */
export interface SessionHolder {
  /** A user's id, or the digest of an admin key behind a prefix. */
  readonly id: string;
  /** For the audit trail: `user:<id>` or `key:<id>`. */
  readonly subject: string;
}

/** A signed-in session of one user or admin key in one browser. Times are Unix milliseconds. */
export interface Session {
  readonly id: string;
  /** See {@link SessionHolder}. */
  readonly holder: string;
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

  /** @param keyId of the admin key. @returns the holder of sessions that end with this key */
  holderOfKey(secret: string, keyId: string): SessionHolder {
    return { id: `${KEY_PREFIX}${this.digester.digest(secret)}`, subject: `key:${keyId}` };
  }

  /**
   * Signs a user or an admin key in.
   * @param method how the holder proved who it is, such as `password`; for the audit trail
   * @returns the session, and its secret, of which only a digest is stored
   */
  async begin(
    holder: SessionHolder,
    method: string,
    agent: string,
    by: ChangeContext,
  ): Promise<{ readonly session: Session; readonly secret: string }> {
    const secret = newSecret('session');
    const now = this.sources.clock.wallTime();
    const row: SessionRow = {
      id: this.sources.newId('ses'),
      digest: this.digester.digest(secret),
      user_id: holder.id,
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
      await writeAudit(transaction, auditEntry(this.sources, by, 'session.create', holder.subject, details));
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

  /** @returns the holder's current sessions, newest first */
  async list(holder: string): Promise<Session[]> {
    const rows = await this.db
      .selectFrom('sessions')
      .selectAll()
      .where('user_id', '=', holder)
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

  /** @throws GatewayError `not_found` when the holder has no such session */
  async end(holder: SessionHolder, id: string, by: ChangeContext): Promise<void> {
    await this.db.transaction().execute(async (transaction) => {
      const { numUpdatedRows } = await transaction
        .updateTable('sessions')
        .set({ revoked_at: this.sources.clock.wallTime() })
        .where('id', '=', id)
        .where('user_id', '=', holder.id)
        .where('revoked_at', 'is', null)
        .executeTakeFirstOrThrow();
      if (numUpdatedRows === 0n) throw new GatewayError('not_found', 'There is no such session.');
      await writeAudit(
        transaction,
        auditEntry(this.sources, by, 'session.end', holder.subject, { session: id }),
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
    holder: row.user_id,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastSeenAt: row.last_seen_at,
    address: row.address,
    agent: row.agent,
  };
}

/** @returns the holder of a user's sessions */
export function holderOfUser(id: string): SessionHolder {
  return { id, subject: `user:${id}` };
}

/** @returns the digest of the admin key that began a session; undefined for a user's */
export function keyDigestOf({ holder }: Session): string | undefined {
  return holder.startsWith(KEY_PREFIX) ? holder.slice(KEY_PREFIX.length) : undefined;
}
