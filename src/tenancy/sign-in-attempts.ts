import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { sha256Hex } from '../platform/hash.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';

/** How long an attempt counts. */
const WINDOW_MS = 15 * 60_000;
/** Failures for one account; its owner cannot sign in by password either once they are used up. */
const PER_ACCOUNT = 10;
/** Failures from one client address: many people may share it. */
const PER_ADDRESS = 100;
/** Rows that one statement deletes, so that none holds the database for long. */
const DELETED_AT_ONCE = 1_000;

/** An attempt that is counted as a failure until it has succeeded. */
export interface SignInAttempt {
  /** Takes the attempt back. */
  succeeded(): Promise<void>;
}

/**
 * Counts attempts to sign in across all gateways of an installation, in the control database, which signing in needs anyway.
 * An attempt counts before the password is checked: no number of parallel guesses passes the limit. Rejects with the
 * database's error.
 */
export class SignInAttempts {
  constructor(
    private readonly db: Kysely<ControlTables>,
    private readonly clock: Clock,
  ) {}

  /**
   * Counts an attempt to prove a password.
   * @param account the e-mail address, in lower case
   * @param client the client's key (`core/client-identity.ts`)
   * @throws GatewayError `rate_limit_exceeded` after 10 failures for the account, or 100 from the client, in 15 minutes
   */
  async begin(account: string, client: string): Promise<SignInAttempt> {
    // The address first: an address that is refused must not lock out accounts.
    const subjects = [
      { subject: `address:${client}`, max: PER_ADDRESS },
      { subject: `account:${sha256Hex(account)}`, max: PER_ACCOUNT },
    ];
    for (const { subject, max } of subjects) {
      const { count, expiresAt } = await this.#count(subject, this.clock.wallTime() + WINDOW_MS);
      if (count > max) throw this.#tooMany(expiresAt);
    }
    return {
      succeeded: async () => {
        for (const { subject } of subjects) await this.#takeBack(subject);
      },
    };
  }

  /**
   * Uses up something that is valid once, such as the state of an attempt at an identity provider.
   * @param expiresAt when it is no longer valid anyway; Unix milliseconds
   * @returns false where any gateway has used it before
   */
  async useOnce(secret: string, expiresAt: number): Promise<boolean> {
    const { count } = await this.#count(`once:${sha256Hex(secret)}`, expiresAt);
    return count === 1;
  }

  /** Deletes what no longer counts. */
  async deleteExpired(): Promise<void> {
    const now = this.clock.wallTime();
    let deleted: bigint;
    do {
      const expired = this.db
        .selectFrom('sign_in_attempts')
        .select('subject')
        .where('expires_at', '<=', now)
        .limit(DELETED_AT_ONCE);
      const result = await this.db
        .deleteFrom('sign_in_attempts')
        .where('subject', 'in', expired)
        .executeTakeFirstOrThrow();
      deleted = result.numDeletedRows;
    } while (deleted === BigInt(DELETED_AT_ONCE));
  }

  /** Adds one in one statement: two gateways never count the same attempt number. */
  async #count(
    subject: string,
    until: number,
  ): Promise<{ readonly count: number; readonly expiresAt: number }> {
    const now = this.clock.wallTime();
    const { count, expires_at } = await this.db
      .insertInto('sign_in_attempts')
      .values({ subject, count: 1, expires_at: until })
      .onConflict((conflict) =>
        conflict.column('subject').doUpdateSet(({ eb }) => ({
          count: eb
            .case()
            .when('sign_in_attempts.expires_at', '<=', now)
            .then(1)
            .else(eb('sign_in_attempts.count', '+', 1))
            .end(),
          expires_at: eb
            .case()
            .when('sign_in_attempts.expires_at', '<=', now)
            .then(until)
            .else(eb.ref('sign_in_attempts.expires_at'))
            .end(),
        })),
      )
      .returning(['count', 'expires_at'])
      .executeTakeFirstOrThrow();
    return { count, expiresAt: expires_at };
  }

  async #takeBack(subject: string): Promise<void> {
    await this.db
      .updateTable('sign_in_attempts')
      .set(({ eb }) => ({ count: eb('count', '-', 1) }))
      .where('subject', '=', subject)
      .where('count', '>', 0)
      .execute();
  }

  #tooMany(expiresAt: number): GatewayError {
    const seconds = Math.max(1, Math.ceil((expiresAt - this.clock.wallTime()) / 1000));
    return new GatewayError(
      'rate_limit_exceeded',
      `Too many failed attempts to sign in. Try again in ${seconds} s.`,
      { retryAfterSeconds: seconds },
    );
  }
}
