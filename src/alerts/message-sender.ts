import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { parseJsonText } from '../core/json.ts';
import type { Outbox } from '../events/outbox.ts';
import type { PostOptions, PostResult } from '../platform/guarded-post.ts';
import type { Mail } from '../platform/mailer.ts';
import { dueMessages } from '../storage/sql/alert-store.ts';
import type { AlertMessageRow } from '../storage/sql/alert-tables.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { signedHeaders } from '../webhooks/signature.ts';
import { BODIES } from './formats/formats.ts';
import { PAGERDUTY_URL } from './formats/pagerduty.ts';
import { type MessageContent, messageContent, plainText, titleOf } from './message.ts';
import type { Receiver } from './receiver.ts';

export interface MessageSenderOptions {
  readonly control: Kysely<ControlTables>;
  readonly clock: Clock;
  readonly outbox: Pick<Outbox, 'publish'>;
  readonly receivers: () => Promise<readonly Receiver[]>;
  readonly noteOutcome: (receiver: string, error: string | null, now: number) => Promise<void>;
  /** Sends a request. @throws Error with the reason, when there is no response */
  readonly post: (url: string, options: PostOptions, signal: AbortSignal) => Promise<PostResult>;
  /** Sends a mail; undefined where no mail server is configured. */
  readonly mail: () => ((mail: Mail) => Promise<void>) | undefined;
  readonly allowPrivate: boolean;
  /** From 0 to 1. */
  readonly random: () => number;
  /** The database failed while messages were sent; they are sent again. */
  readonly onFailure: (error: unknown) => void;
  readonly onSent: (type: Receiver['type'], outcome: 'delivered' | 'retried' | 'failed') => void;
}

/** The result of one attempt. */
export interface SendOutcome {
  readonly status: number | null;
  /** Null after a success. Contains no secret. */
  readonly error: string | null;
  /** Whether another attempt can succeed. */
  readonly isRetryable: boolean;
  /** The header of the response, in seconds. */
  readonly retryAfter: string | undefined;
  readonly durationMs: number;
}

const SECOND = 1_000;
/** Pauses after the first failure, the second one and so on: six hours together. */
const PAUSES = [5, 15, 30, 60, 120, 300, 600, 1_200, 2_400, 3_600, 5_400, 7_200].map((each) => each * SECOND);
const JITTER = 0.2;
const MAX_RETRY_AFTER = 3_600 * SECOND;
const DEADLINE_MS = 15_000;
const MAX_RESPONSE = 512;
/** Receivers that are sent to at the same time: those that hang must not occupy the places of others. */
const MAX_RECEIVERS = 64;
const MAX_DUE = 200;
const MAX_TITLE = 200;
/** Statuses of 400 to 499 after which another attempt can succeed. */
const RETRYABLE: ReadonlySet<number> = new Set([408, 409, 421, 425, 429]);

/** Sends messages, by the gateway that evaluates alerts. */
export class MessageSender {
  readonly #end = new AbortController();
  /** By receiver: each gets one message after another. */
  readonly #sending = new Map<string, Promise<void>>();

  constructor(private readonly options: MessageSenderOptions) {}

  /** Starts to send what is due, new messages before retries. @throws the database's error */
  async run(): Promise<void> {
    const { control, clock, onFailure } = this.options;
    const due = await dueMessages(control, clock.wallTime(), MAX_DUE);
    const waiting = Map.groupBy(due, ({ receiver }) => receiver);
    for (const id of this.#sending.keys()) waiting.delete(id);
    if (waiting.size === 0 || this.#end.signal.aborted) return;
    const receivers = new Map((await this.options.receivers()).map((receiver) => [receiver.id, receiver]));
    for (const [id, messages] of waiting) {
      if (this.#sending.size >= MAX_RECEIVERS) return;
      // Another run may have begun meanwhile.
      if (this.#sending.has(id)) continue;
      const sending = this.#sendAll(receivers.get(id), messages)
        .catch(onFailure)
        .finally(() => this.#sending.delete(id));
      this.#sending.set(id, sending);
    }
  }

  /** Resolves when nothing is being sent. */
  async idle(): Promise<void> {
    await Promise.all(this.#sending.values());
  }

  /** Cancels requests under way; their messages are sent again. */
  async close(): Promise<void> {
    this.#end.abort(new Error('the gateway stops'));
    await this.idle();
  }

  /** Makes one attempt. Never rejects. @param at Unix milliseconds */
  async attempt(receiver: Receiver, content: MessageContent, at: number): Promise<SendOutcome> {
    const startedAt = this.options.clock.now();
    const done = (outcome: Omit<SendOutcome, 'durationMs'>): SendOutcome => ({
      ...outcome,
      durationMs: Math.round(this.options.clock.now() - startedAt),
    });
    try {
      if (receiver.type === 'email') {
        const send = this.options.mail();
        if (!send) {
          const error = 'no mail server is configured (`mail`)';
          return done({ status: null, error, isRetryable: true, retryAfter: undefined });
        }
        const subject = titleOf(content).slice(0, MAX_TITLE);
        await send({ to: receiver.to.join(', '), subject, text: plainText(content), id: content.id });
        return done({ status: null, error: null, isRetryable: false, retryAfter: undefined });
      }
      return done(await this.#post(receiver, BODIES[receiver.type](content, receiver, at), content, at));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return done({
        status: null,
        error: withoutSecrets(reason, receiver),
        isRetryable: true,
        retryAfter: undefined,
      });
    }
  }

  async #post(
    { type, url, secret }: Receiver,
    body: unknown,
    { id }: MessageContent,
    at: number,
  ): Promise<Omit<SendOutcome, 'durationMs'>> {
    const text = JSON.stringify(body);
    const signed = type === 'webhook' && secret !== null ? signedHeaders([secret], id, at, text) : {};
    const options = {
      headers: { 'content-type': 'application/json', 'user-agent': 'weir-alerts', ...signed },
      ...{ body: text, timeoutMs: DEADLINE_MS, maxBytes: MAX_RESPONSE },
      allowPrivate: this.options.allowPrivate,
    };
    const target = url ?? (type === 'pagerduty' ? PAGERDUTY_URL : '');
    const { status, retryAfter } = await this.options.post(target, options, this.#end.signal);
    if (status >= 200 && status < 300) return { status, error: null, isRetryable: false, retryAfter };
    const isRetryable = status < 400 || status >= 500 || RETRYABLE.has(status);
    return { status, error: `HTTP ${status}`, isRetryable, retryAfter };
  }

  /** Stops at the first failure: the others would take as long. */
  async #sendAll(receiver: Receiver | undefined, messages: readonly AlertMessageRow[]): Promise<void> {
    for (const message of messages) {
      if (this.#end.signal.aborted || !(await this.#send(receiver, message))) return;
    }
  }

  /** @returns whether it arrived */
  async #send(receiver: Receiver | undefined, message: AlertMessageRow): Promise<boolean> {
    const { control, clock, random, noteOutcome, onSent } = this.options;
    const { data: content } = messageContent.safeParse(parseJsonText(message.content));
    const update = (set: Partial<AlertMessageRow>) =>
      control.updateTable('alert_messages').set(set).where('id', '=', message.id).execute();
    if (!receiver || !content) {
      const error = 'its receiver was disabled or deleted';
      await update({ state: 'failed', error, finished_at: clock.wallTime() });
      return true;
    }
    const outcome = await this.attempt(receiver, content, clock.wallTime());
    if (this.#end.signal.aborted) return false;
    const now = clock.wallTime();
    const { error } = outcome;
    const attempts = message.attempts + 1;
    await noteOutcome(receiver.id, error, now);
    if (error === null) {
      await update({ state: 'delivered', attempts, error, finished_at: now });
      onSent(receiver.type, 'delivered');
      return true;
    }
    const pause = outcome.isRetryable ? PAUSES[attempts - 1] : undefined;
    if (pause !== undefined) {
      const wanted = /^\d{1,6}$/.test(outcome.retryAfter ?? '') ? Number(outcome.retryAfter) * SECOND : 0;
      const varied = Math.round(pause * (1 + JITTER * (2 * random() - 1)));
      const next = now + Math.max(varied, Math.min(wanted, MAX_RETRY_AFTER));
      await update({ attempts, error, next_at: next });
      onSent(receiver.type, 'retried');
      return false;
    }
    await update({ state: 'failed', attempts, error, finished_at: now });
    onSent(receiver.type, 'failed');
    const data = {
      receiver: receiver.id,
      name: receiver.name,
      message: message.id,
      rule: message.group_key,
      reason: error,
    };
    await this.options.outbox.publish([{ type: 'alert.undelivered', tenant: receiver.tenant, data }]);
    return false;
  }
}

const MAX_REASON = 300;

/** Errors of mail servers and sockets may quote what they were given. */
function withoutSecrets(reason: string, { secret, url }: Receiver): string {
  let text = reason.replaceAll('\0', '');
  for (const hidden of [secret, url]) if (hidden) text = text.replaceAll(hidden, '…');
  return text.slice(0, MAX_REASON);
}
