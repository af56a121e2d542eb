import { createHash, randomBytes } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import {
  asyncById,
  asyncByIdempotency,
  changeAsync,
  contentById,
  countAsync,
  deleteContents,
  deleteOldAsync,
  insertAsync,
  insertContent,
  overdueAsync,
} from '../storage/sql/async-store.ts';
import type { AsyncRequestRow } from '../storage/sql/async-tables.ts';
import { lockQuota } from '../storage/sql/quota-lock.ts';
import { ASYNC_JOB, type AsyncParts, endedEvent, jobIdOf } from './async-parts.ts';
import {
  type AsyncCaller,
  type AsyncOwner,
  type AsyncRequest,
  asyncRequestOf,
  hasEnded,
  type KeptResponse,
  responseIn,
} from './async-request.ts';

/** A request to queue, which has been checked. */
export interface NewAsyncRequest {
  readonly endpoint: string;
  readonly model: string;
  readonly caller: AsyncCaller;
  /** JSON text. */
  readonly body: string;
  /** By lower-case name: those that decide how it runs. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the header `idempotency-key`; null without one. */
  readonly idempotencyKey: string | null;
}

/** Older contents belong to no request: each ends within 24 days, and is kept for at most 24 days. */
const ORPHAN_MS = 60 * 86_400_000;

/** Queued requests of tenants. Methods reject with GatewayError or the database's error. */
export class AsyncRequests {
  constructor(private readonly parts: AsyncParts) {}

  /**
   * Queues a request; a repetition with its idempotency key is the same request.
   * @throws GatewayError `request_too_large`, `quota_exceeded` where the tenant has too many, `idempotency_key_reused`
   */
  async add(owner: AsyncOwner, given: NewAsyncRequest): Promise<AsyncRequest> {
    const { control, databases, queue, onOutcome } = this.parts;
    const row = this.#rowOf(owner, given);
    const { id, tenant, idempotency, created_at } = row;
    const first = await this.#queuedBefore(row);
    if (first) return first;
    this.#assertSize(given.body);
    await this.#assertCount(control, tenant, 0);
    const scope = { tenant };
    await databases.use(scope, (db) =>
      insertContent(db, {
        ...{ id, request: given.body, request_headers: JSON.stringify(given.headers), created_at },
        ...{ response: null, response_headers: '{}', http_status: null, error_code: null, cost_pico: null },
      }),
    );
    const adding = control.transaction().execute(async (transaction) => {
      await lockQuota(transaction, 'async_requests', tenant);
      if (!(await insertAsync(transaction, row))) return false;
      await this.#assertCount(transaction, tenant, 1);
      const payload = JSON.stringify({ id });
      await queue.add([{ id: jobIdOf(id), kind: ASYNC_JOB, tenant, payload }], transaction);
      return true;
    });
    let isAdded = false;
    try {
      isAdded = await adding;
    } finally {
      if (!isAdded) await databases.use(scope, (db) => deleteContents(db, [id], 0));
    }
    if (!isAdded) {
      // Another request with the key was faster.
      const other = await this.#queuedBefore(row);
      if (other) return other;
      throw new GatewayError('conflict', 'The first request with this "idempotency-key" was deleted.', {
        ...{ param: 'idempotency-key', retryAfterSeconds: 1 },
      });
    }
    onOutcome('accepted');
    queue.wake(ASYNC_JOB);
    return asyncRequestOf({ ...row, idempotency });
  }

  /** @param isVisible whether the caller may see a request of its tenant @throws GatewayError `not_found` */
  async get(
    tenant: string,
    id: string,
    isVisible: (request: AsyncRequest) => boolean,
  ): Promise<AsyncRequest> {
    // PostgreSQL rejects texts with NUL.
    const row = id.includes('\0') ? undefined : await asyncById(this.parts.control, id, tenant);
    const request = row && asyncRequestOf(row);
    const isGone = request?.deleteAt != null && request.deleteAt <= this.parts.clock.wallTime();
    if (request && !isGone && isVisible(request)) return request;
    throw new GatewayError('not_found', `There is no such queued request: ${id.slice(0, 200)}`, {
      param: 'id',
    });
  }

  /** @returns the response; undefined until there is one, and where it was deleted */
  async responseOf(request: AsyncRequest): Promise<KeptResponse | undefined> {
    if (!hasEnded(request) || request.httpStatus === null) return undefined;
    const { tenant, id } = request;
    return responseIn(await this.parts.databases.use({ tenant }, (db) => contentById(db, id)));
  }

  /** @returns what was sent, as JSON text, and the response; undefined where both were deleted */
  async contentOf({
    id,
    tenant,
  }: Pick<AsyncRequest, 'id' | 'tenant'>): Promise<
    { readonly request: string; readonly response: KeptResponse | undefined } | undefined
  > {
    const content = await this.parts.databases.use({ tenant }, (db) => contentById(db, id));
    return content && { request: content.request, response: responseIn(content) };
  }

  /** Cancels a request that has not ended, and deletes its content and response. A repetition changes nothing. */
  async cancel({ id, tenant }: AsyncRequest): Promise<AsyncRequest | undefined> {
    const { control, databases, queue, clock, bounds, running, onOutcome } = this.parts;
    const now = clock.wallTime();
    const cancelled = await changeAsync(control, id, {
      ...{ status: 'cancelled', ended_at: now, delete_at: now + bounds().keepMs },
    });
    if (cancelled) {
      await queue.cancel([jobIdOf(id)]);
      running.get(id)?.abort(new Error('the request was cancelled'));
      onOutcome('cancelled');
    }
    await databases.use({ tenant }, (db) => deleteContents(db, [id], 0));
    const row = cancelled ?? (await asyncById(control, id, tenant));
    return row && asyncRequestOf(row);
  }

  /** Ends requests that did not run in time, and deletes old ones; to be called every minute. */
  async sweep(): Promise<void> {
    const { control, databases, clock } = this.parts;
    const now = clock.wallTime();
    for (const row of await overdueAsync(control, now))
      await this.fail(row.id, row.tenant, 'request_timeout');
    const byTenant = Map.groupBy(await deleteOldAsync(control, now), ({ tenant }) => tenant);
    for (const [tenant, rows] of byTenant) {
      const ids = rows.map(({ id }) => id);
      // The database of a deleted tenant is gone with its contents.
      await databases
        .use({ tenant }, (db) => deleteContents(db, ids, now - ORPHAN_MS))
        .catch(() => undefined);
    }
  }

  /** Ends a request without a response. */
  async fail(id: string, tenant: string, code: 'request_timeout' | 'internal_error'): Promise<void> {
    const { control, queue, outbox, clock, bounds, onOutcome } = this.parts;
    const now = clock.wallTime();
    const isFailed = await control.transaction().execute(async (transaction) => {
      const ended = await changeAsync(transaction, id, {
        ...{ status: 'failed', error_code: code, ended_at: now, delete_at: now + bounds().keepMs },
      });
      if (ended) await outbox.append(transaction, [endedEvent(id, tenant, 0, code)]);
      return ended !== undefined;
    });
    if (!isFailed) return;
    await queue.cancel([jobIdOf(id)]);
    outbox.wake();
    onOutcome('failed');
  }

  #rowOf({ tenant, keyId, member }: AsyncOwner, given: NewAsyncRequest): AsyncRequestRow {
    const { endpoint, model, caller, body, headers, idempotencyKey } = given;
    const now = this.parts.clock.wallTime();
    return {
      id: `async_${randomBytes(16).toString('hex')}`,
      ...{
        tenant,
        key_id: keyId,
        member,
        caller: JSON.stringify(caller),
        endpoint,
        model,
        status: 'pending',
      },
      // Of the key: others of the tenant may be allowed less.
      idempotency: idempotencyKey === null ? null : hashOf([tenant, keyId, idempotencyKey]),
      fingerprint: hashOf([endpoint, JSON.stringify(headers), body]),
      ...{ runs: 0, http_status: null, error_code: null, cost_pico: '0' },
      ...{ created_at: now, started_at: null, ended_at: null, delete_at: null },
      deadline_at: now + this.parts.bounds().runWithinMs,
    };
  }

  /** @returns the first request with an idempotency key @throws GatewayError `idempotency_key_reused` for another one */
  async #queuedBefore({ idempotency, fingerprint }: AsyncRequestRow): Promise<AsyncRequest | undefined> {
    if (idempotency === null) return undefined;
    const first = await asyncByIdempotency(this.parts.control, idempotency);
    if (!first) return undefined;
    if (first.fingerprint === fingerprint) return asyncRequestOf(first);
    throw new GatewayError(
      'idempotency_key_reused',
      'This "idempotency-key" was already used for another request. Use a new one.',
      { param: 'idempotency-key' },
    );
  }

  #assertSize(body: string): void {
    const { maxSize } = this.parts.bounds();
    if (Buffer.byteLength(body) > maxSize) {
      throw new GatewayError(
        'request_too_large',
        `The body of a queued request may have ${maxSize} bytes (async.max_size). Send it without "Prefer: respond-async".`,
      );
    }
  }

  /** @param own requests of the transaction itself */
  async #assertCount(db: AsyncParts['control'], tenant: string, own: number): Promise<void> {
    const { maxActive, maxStored } = this.parts.bounds();
    const { open, all } = await countAsync(db, tenant);
    if (open - own >= maxActive) {
      throw new GatewayError(
        'quota_exceeded',
        `The tenant has ${maxActive} queued requests that have not ended, which is the maximum (async.max_active). Retry when one has ended.`,
        { retryAfterSeconds: 5 },
      );
    }
    if (all - own >= maxStored) {
      throw new GatewayError(
        'quota_exceeded',
        `The tenant has ${maxStored} queued requests and responses, which is the maximum (async.max_stored). Retry when the oldest has expired.`,
        { retryAfterSeconds: 60 },
      );
    }
  }
}

function hashOf(texts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('hex');
}
