import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { Outbox } from '../events/outbox.ts';
import type { PostOptions, PostResult } from '../platform/guarded-post.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import {
  dueDeliveries,
  dueWebhooks,
  extendWebhookLease,
  leaseWebhook,
} from '../storage/sql/webhook-deliveries.ts';
import type { WebhookDeliveryRow, WebhookRow } from '../storage/sql/webhook-tables.ts';
import { type DeliveryAttempt, deliveryOf } from './delivery.ts';
import { retryPause } from './retry-schedule.ts';
import { signedHeaders } from './signature.ts';
import type { WebhookEndpoint } from './webhooks.ts';

export interface WebhookSenderOptions {
  readonly control: Kysely<ControlTables>;
  readonly clock: Clock;
  readonly events: EventSink;
  readonly outbox: Outbox;
  readonly box: SecretBox;
  /** Names this process, and no other. */
  readonly owner: string;
  /** Sends a request. @throws Error with the reason, when there is no response */
  readonly post: (url: string, options: PostOptions, signal: AbortSignal) => Promise<PostResult>;
  readonly allowPrivate: boolean;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** Requests to one endpoint at the same time. */
const CONCURRENCY = 4;
/** Endpoints that a gateway sends to at the same time. */
const MAX_ENDPOINTS = 64;
/** Endpoints that are due and considered. */
const MAX_DUE = 1_000;
/** Pause of an endpoint after requests that all failed; doubled with each further time. */
const FIRST_PAUSE_MS = 5_000;
const LAST_PAUSE_MS = 5 * 60_000;
/** An endpoint that has failed for so long is disabled when the retries of a delivery end. */
const DISABLE_AFTER_MS = 36 * 3_600_000;
const DEADLINE_MS = 15_000;
const MAX_RESPONSE = 1_024;
const LEASE_MS = 8_000;
const RENEW_MS = 2_500;
/** Attempts that the log of a delivery keeps. */
const MAX_LOG = 20;
const GONE = 410;

/**
 * Sends deliveries. A gateway leases an endpoint while it sends to it, so deliveries of one subject keep their order, and
 * the endpoint never gets more than four requests at a time. Events of a subject wait for the one before them, until it is
 * delivered or its retries have ended.
 */
export class WebhookSender {
  readonly #sending = new Map<string, Promise<void>>();
  readonly #end = new AbortController();
  /** Endpoints that fail, so that those that hang do not occupy the places of others. */
  readonly #pauses = new Map<string, { count: number; until: number }>();
  #looking: Promise<void> | undefined;
  #again = false;
  #isFailing = false;

  constructor(private readonly options: WebhookSenderOptions) {}

  /**
   * Sends what is due, in the background; to be called when deliveries were added, and once a second.
   * @param repaired an endpoint that does not wait for the end of its pause: a person expects that it works again
   */
  wake(repaired?: string): void {
    if (repaired !== undefined) this.#pauses.delete(repaired);
    if (this.#end.signal.aborted) return;
    this.#again = true;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
  }

  /** Resolves when nothing is being sent. */
  async idle(): Promise<void> {
    while (this.#looking || this.#sending.size > 0) {
      await this.#looking;
      await Promise.all(this.#sending.values());
    }
  }

  /** Cancels requests under way, whose deliveries are sent again, and ends. */
  async close(): Promise<void> {
    this.#end.abort(new Error('the gateway stops'));
    await this.idle();
  }

  /** Makes one attempt at a delivery now, out of order. @returns the delivery after it */
  async sendNow(webhook: WebhookRow, row: WebhookDeliveryRow) {
    const { attempt, retryAfter } = await this.#attempt(webhook, row);
    return deliveryOf(await this.#record(webhook, row, attempt, retryAfter));
  }

  /** Disables an endpoint, and reports it as an event. */
  async disable(
    { id, tenant, url }: Pick<WebhookEndpoint, 'id' | 'tenant' | 'url'>,
    reason: string,
    failingSince: number,
  ): Promise<void> {
    const { control, clock, outbox } = this.options;
    const now = clock.wallTime();
    await control.transaction().execute(async (transaction) => {
      const { numUpdatedRows } = await transaction
        .updateTable('webhooks')
        .set(({ eb }) => ({
          ...{ status: 'disabled', disabled_reason: reason, updated_at: now },
          version: eb('version', '+', 1),
        }))
        .where('id', '=', id)
        .where('status', '=', 'enabled')
        .executeTakeFirst();
      if (numUpdatedRows !== 1n) return;
      const data = { webhook: id, url, reason, failing_since: failingSince };
      await outbox.append(transaction, [{ type: 'webhook.disabled', tenant, data }]);
    });
    outbox.wake();
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { control, clock } = this.options;
    while (this.#again && !this.#end.signal.aborted) {
      this.#again = false;
      try {
        const due = await dueWebhooks(control, clock.wallTime(), MAX_DUE);
        const free = due.filter((id) => !this.#sending.has(id) && !this.#isPaused(id));
        for (const id of shuffled(free, this.options.random)) {
          if (this.#sending.size < MAX_ENDPOINTS) this.#start(id);
        }
        this.#isFailing = false;
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  #start(id: string): void {
    const sending = this.#sendAll(id)
      .catch((error: unknown) => this.#failed(error))
      .finally(() => this.#sending.delete(id));
    this.#sending.set(id, sending);
  }

  async #sendAll(id: string): Promise<void> {
    const { control, clock, owner } = this.options;
    const leased = await leaseWebhook(control, id, owner, clock.wallTime(), LEASE_MS);
    if (!leased) return;
    const lease = { webhook: leased, isHeld: true };
    const renewal = new AbortController();
    const renew = async () => {
      while (!renewal.signal.aborted) {
        await clock.sleep(RENEW_MS, renewal.signal);
        await this.#renew(lease);
      }
    };
    renew().catch((error: unknown) => {
      if (!renewal.signal.aborted) this.#failed(error);
    });
    try {
      while (lease.isHeld && !this.#end.signal.aborted) {
        const due = await dueDeliveries(control, id, clock.wallTime(), 10 * CONCURRENCY);
        if (due.length === 0) return;
        const isReachable = await this.#sendSome(lease, due);
        if (!isReachable) {
          this.#pause(id);
          return;
        }
        this.#pauses.delete(id);
        await this.#renew(lease);
      }
    } finally {
      renewal.abort();
      await extendWebhookLease(control, id, owner, clock.wallTime(), 0);
    }
  }

  /** The endpoint may have been changed, disabled or deleted meanwhile. */
  async #renew(lease: { webhook: WebhookRow; isHeld: boolean }): Promise<void> {
    const { control, clock, owner } = this.options;
    const row = await extendWebhookLease(control, lease.webhook.id, owner, clock.wallTime(), LEASE_MS);
    lease.webhook = row ?? lease.webhook;
    lease.isHeld = row?.status === 'enabled';
  }

  /**
   * @param due one delivery of each subject
   * @returns false when all attempts failed; then the rest is left for later
   */
  async #sendSome(
    lease: { readonly webhook: WebhookRow; readonly isHeld: boolean },
    due: readonly WebhookDeliveryRow[],
  ): Promise<boolean> {
    const waiting = [...due];
    let [failures, successes] = [0, 0];
    const worker = async () => {
      for (let row = waiting.shift(); row; row = waiting.shift()) {
        if (!lease.isHeld || this.#end.signal.aborted) return;
        if (successes === 0 && failures >= CONCURRENCY) return;
        const { attempt, retryAfter } = await this.#attempt(lease.webhook, row);
        if (this.#end.signal.aborted) return;
        if (attempt.error === null) successes += 1;
        else failures += 1;
        await this.#record(lease.webhook, row, attempt, retryAfter);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    return successes > 0 || failures === 0;
  }

  #isPaused(id: string): boolean {
    return (this.#pauses.get(id)?.until ?? 0) > this.options.clock.now();
  }

  #pause(id: string): void {
    const now = this.options.clock.now();
    for (const [other, { until }] of this.#pauses) {
      if (until < now - LAST_PAUSE_MS) this.#pauses.delete(other);
    }
    const count = (this.#pauses.get(id)?.count ?? 0) + 1;
    const pause = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(count - 1, 10));
    this.#pauses.set(id, { count, until: now + pause });
  }

  async #attempt(
    webhook: WebhookRow,
    { event, payload }: WebhookDeliveryRow,
  ): Promise<{ attempt: DeliveryAttempt; retryAfter: string | undefined }> {
    const { clock, post, allowPrivate } = this.options;
    const at = clock.wallTime();
    const startedAt = clock.now();
    const outcome = (status: number | null, error: string | null, response: string) => ({
      ...{ at, duration_ms: Math.round(clock.now() - startedAt), status, error, response },
    });
    try {
      const headers = {
        ...{ 'content-type': 'application/json', 'user-agent': 'weir-webhooks' },
        ...signedHeaders(this.#secretsOf(webhook, at), event, at, payload),
      };
      const options = {
        headers,
        body: payload,
        timeoutMs: DEADLINE_MS,
        maxBytes: MAX_RESPONSE,
        allowPrivate,
      };
      const { status, text, retryAfter } = await post(webhook.url, options, this.#end.signal);
      const isSuccess = status >= 200 && status < 300;
      return { attempt: outcome(status, isSuccess ? null : `HTTP ${status}`, storable(text)), retryAfter };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { attempt: outcome(null, reason, ''), retryAfter: undefined };
    }
  }

  #secretsOf({ secret, previous_secret, previous_expires_at }: WebhookRow, now: number): string[] {
    const { box } = this.options;
    const previous = previous_secret !== null && (previous_expires_at ?? 0) > now ? [previous_secret] : [];
    return [secret, ...previous].map((sealed) => box.open(sealed));
  }

  async #record(
    webhook: WebhookRow,
    row: WebhookDeliveryRow,
    attempt: DeliveryAttempt,
    retryAfter: string | undefined,
  ): Promise<WebhookDeliveryRow> {
    const { control, clock, random } = this.options;
    const now = clock.wallTime();
    const attempts = row.attempts + 1;
    const isDelivered = attempt.error === null;
    const isGone = attempt.status === GONE;
    const pause = isDelivered || isGone ? undefined : retryPause(attempts, random(), retryAfter);
    const log = [...deliveryOf(row).log, attempt].slice(-MAX_LOG);
    const set = {
      ...{ attempts, log: JSON.stringify(log) },
      ...(pause === undefined
        ? { state: isDelivered ? 'delivered' : 'failed', finished_at: now }
        : { next_at: now + pause }),
    };
    await control.updateTable('webhook_deliveries').set(set).where('id', '=', row.id).execute();
    const failingSince = await this.#noteOutcome(webhook.id, isDelivered, now);
    if (pause === undefined && !isDelivered && failingSince !== null) {
      // Otherwise something was delivered while this one was retried: the endpoint works, and rejects this event.
      if (isGone || failingSince <= now - DISABLE_AFTER_MS) {
        const { id, tenant, url } = webhook;
        const reason = isGone ? 'its server says that it is gone (HTTP 410)' : (attempt.error ?? '');
        await this.disable({ id, tenant: tenant === '' ? null : tenant, url }, reason, failingSince);
      }
    }
    return { ...row, ...set };
  }

  /** @returns since when the endpoint fails; null when it does not */
  async #noteOutcome(id: string, isDelivered: boolean, now: number): Promise<number | null> {
    const { control } = this.options;
    const change = control.updateTable('webhooks').where('id', '=', id);
    if (isDelivered) {
      await change.set({ failing_since: null }).where('failing_since', 'is not', null).execute();
      return null;
    }
    await change.set({ failing_since: now }).where('failing_since', 'is', null).execute();
    const row = await control
      .selectFrom('webhooks')
      .select('failing_since')
      .where('id', '=', id)
      .executeTakeFirst();
    return row?.failing_since ?? null;
  }

  /** Reported once for each run of failures. */
  #failed(error: unknown): void {
    if (!this.#isFailing)
      this.options.events.emit('events.delivery_failed', { consumer: 'webhook sender', error });
    this.#isFailing = true;
  }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** PostgreSQL stores no NUL. */
function storable(text: string): string {
  return text.replaceAll('\0', '');
}
