import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { sha256Hex } from '../platform/hash.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { Actor } from './actor.ts';

const KEY = /^[\x21-\x7e]{1,255}$/;
const LIFETIME_MS = 24 * 3_600_000;
/** A write that takes longer is assumed to have crashed; another one may start. */
const PENDING_MS = 60_000;
/** Rows that one statement deletes. */
const DELETED_AT_ONCE = 1_000;
const PENDING = 0;
const ANSWERED = 1;

/**
 * Responses to writes with the header `idempotency-key`. A repeated request with the same key within 24 hours is not
 * executed again and gets the same response. Responses are stored encrypted, because they may contain secrets that are
 * shown once.
 *
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 */
export class IdempotentResponses {
  constructor(
    private readonly db: Kysely<ControlTables>,
    private readonly box: SecretBox,
    private readonly clock: Clock,
  ) {}

  /**
   * Runs a write once for each actor and key.
   *
   * @param request identifies the write: the same key with another request is rejected
   * @param work executes the write; when it throws, the key may be used again
   * @returns the response of `work`, or the stored one with `replayed`
   * @throws GatewayError `invalid_request` for an invalid key or another request, `conflict` while the first is running;
   *   otherwise what `work` throws
   */
  async once<Result>(
    actor: Actor,
    key: string,
    request: Readonly<Record<string, unknown>>,
    work: () => Promise<Result>,
  ): Promise<{ readonly answer: Result; readonly replayed: boolean }> {
    if (!KEY.test(key)) {
      throw new GatewayError(
        'invalid_request',
        'The header "idempotency-key" must have 1 to 255 visible characters.',
        { param: 'idempotency-key' },
      );
    }
    const kept = await this.#begin(actor.id, key, sha256Hex(JSON.stringify(request)));
    if (kept !== undefined) return { answer: JSON.parse(this.box.open(kept)), replayed: true };
    let answer: Result;
    try {
      answer = await work();
    } catch (error) {
      // The write failed, so the key may be used again.
      await this.#forget(actor.id, key);
      throw error;
    }
    await this.db
      .updateTable('idempotent_answers')
      .set({
        state: ANSWERED,
        answer: this.box.seal(JSON.stringify(answer)),
        expires_at: this.clock.wallTime() + LIFETIME_MS,
      })
      .where('scope', '=', actor.id)
      .where('key', '=', key)
      .execute();
    return { answer, replayed: false };
  }

  /** Deletes expired responses, in portions that hold the database only briefly. */
  async deleteExpired(): Promise<void> {
    const now = this.clock.wallTime();
    let deleted: bigint;
    do {
      const result = await this.db
        .deleteFrom('idempotent_answers')
        .where(({ eb, refTuple, selectFrom }) =>
          eb(
            refTuple('scope', 'key'),
            'in',
            selectFrom('idempotent_answers')
              .select(['scope', 'key'])
              .where('expires_at', '<=', now)
              .limit(DELETED_AT_ONCE)
              .$asTuple('scope', 'key'),
          ),
        )
        .executeTakeFirstOrThrow();
      deleted = result.numDeletedRows;
    } while (deleted === BigInt(DELETED_AT_ONCE));
  }

  /** @returns the stored response, encrypted; undefined when the caller has to execute the write */
  async #begin(scope: string, key: string, request: string): Promise<string | undefined> {
    const now = this.clock.wallTime();
    const row = { scope, key, request, state: PENDING, answer: '', expires_at: now + PENDING_MS };
    const { numInsertedOrUpdatedRows } = await this.db
      .insertInto('idempotent_answers')
      .values(row)
      .onConflict((conflict) =>
        conflict.columns(['scope', 'key']).doUpdateSet(row).where('idempotent_answers.expires_at', '<=', now),
      )
      .executeTakeFirstOrThrow();
    if (numInsertedOrUpdatedRows === 1n) return undefined;
    const kept = await this.db
      .selectFrom('idempotent_answers')
      .selectAll()
      .where('scope', '=', scope)
      .where('key', '=', key)
      .executeTakeFirstOrThrow();
    if (kept.request !== request) {
      throw new GatewayError(
        'invalid_request',
        'This "idempotency-key" was already used for another request. Use a new one.',
        { param: 'idempotency-key' },
      );
    }
    if (kept.state === PENDING) {
      throw new GatewayError(
        'conflict',
        'The first request with this "idempotency-key" is still running. Retry in 1 s.',
        {
          retryAfterSeconds: 1,
        },
      );
    }
    return kept.answer;
  }

  async #forget(scope: string, key: string): Promise<void> {
    await this.db
      .deleteFrom('idempotent_answers')
      .where('scope', '=', scope)
      .where('key', '=', key)
      .execute();
  }
}
