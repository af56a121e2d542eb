import type { Kysely, Selectable } from 'kysely';
import { GatewayError } from '../core/errors.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { Sources } from './change-context.ts';
import { newSecret, type SecretDigester } from './key-secrets.ts';

type SessionRow = Selectable<ControlTables['sessions']>;

/** Somebody's being signed in, in one browser. Times are Unix milliseconds. */
export interface Session {
  readonly id: string;
  readonly user: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly lastSeenAt: number;
  readonly address: string;
  readonly agent: string;
}

/** A session is noted as seen no more often. */
const LAST_SEEN_INTERVAL_MS = 60_000;
const MAX_AGENT_LENGTH = 200;

/** Who is signed in. Looked up each time, so that one that was ended is ended everywhere at once. */
export class Sessions {
  constructor(
    private readonly db: Kysely<ControlTables>,
    private readonly digester: SecretDigester,
    private readonly sources: Sources,
    /** How long somebody stays signed in. */
    private readonly lifetimeMs: () => number,
  ) {}

  async begin(
    user: string,
    address: string,
    agent: string,
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
      address,
      agent: agent.slice(0, MAX_AGENT_LENGTH),
    };
    await this.db.insertInto('sessions').values(row).execute();
    return { session: sessionOf(row), secret };
  }

  /** The session that a secret belongs to, if it is going on. */
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
      await this.db.updateTable('sessions').set({ last_seen_at: now }).where('id', '=', row.id).execute();
    }
    return sessionOf(row);
  }

  /** Those of a person that are going on, the newest first. */
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

  /** @throws GatewayError `not_found` when that person has no such session */
  async end(user: string, id: string): Promise<void> {
    const { numUpdatedRows } = await this.db
      .updateTable('sessions')
      .set({ revoked_at: this.sources.clock.wallTime() })
      .where('id', '=', id)
      .where('user_id', '=', user)
      .where('revoked_at', 'is', null)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows === 0n) throw new GatewayError('not_found', 'There is no such session.');
  }

  /** Forgets those that are over. */
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
