import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { sha256Hex } from '../platform/hash.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { Actor } from './actor.ts';

const KEY = /^[\x21-\x7e]{1,255}$/;
const LIFETIME_MS = 24 * 3_600_000;
/** Whoever holds a key longer without an answer has died meanwhile. */
const PENDING_MS = 60_000;
const PENDING = 0;
const ANSWERED = 1;

/**
 * Answers to writes that carried an `idempotency-key`: sent a second time within a day, the same write is not done again,
 * and has the same answer. Answers may hold secrets that are shown once, so they are kept encrypted.
 */
export class IdempotentAnswers {
  constructor(
    private readonly db: Kysely<ControlTables>,
    private readonly box: SecretBox,
    private readonly clock: Clock,
  ) {}

  /**
   * @param request what the key stands for: the same key with another request is refused
   * @throws GatewayError `invalid_request` for such a key, `conflict` while the first request is not answered
   */
  async once<Answer>(
    actor: Actor,
    key: string,
    request: Readonly<Record<string, unknown>>,
    work: () => Promise<Answer>,
  ): Promise<{ readonly answer: Answer; readonly replayed: boolean }> {
    if (!KEY.test(key)) {
      throw new GatewayError(
        'invalid_request',
        'The header "idempotency-key" must have 1 to 255 visible characters.',
        { param: 'idempotency-key' },
      );
    }
    const kept = await this.#begin(actor.id, key, sha256Hex(JSON.stringify(request)));
    if (kept !== undefined) return { answer: JSON.parse(this.box.open(kept)), replayed: true };
    let answer: Answer;
    try {
      answer = await work();
    } catch (error) {
      // Nothing was done, so that it may be tried again.
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

  /** Forgets answers that nobody may ask for any more. */
  async deleteExpired(): Promise<void> {
    await this.db.deleteFrom('idempotent_answers').where('expires_at', '<=', this.clock.wallTime()).execute();
  }

  /** @returns the sealed answer, where there is one */
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
        'This "idempotency-key" was used for another request already; take a new one.',
        { param: 'idempotency-key' },
      );
    }
    if (kept.state === PENDING) {
      throw new GatewayError(
        'conflict',
        'The first request with this "idempotency-key" is not answered yet.',
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
