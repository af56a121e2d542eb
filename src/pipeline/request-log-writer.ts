import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';
import { parseJsonText } from '../core/json.ts';
import type { Prices } from '../metering/prices.ts';
import type { LoggedContent, LoggedRow } from '../storage/logged-request.ts';
import type { SqlRequestLogStore } from '../storage/sql/request-log-store.ts';
import { UnknownTenantError } from '../storage/sql/tenant-databases.ts';
import type { LogKey, RequestLogKeys } from '../tenancy/request-log-keys.ts';
import { sealContent } from '../tenancy/sealed-content.ts';
import { explain } from './explain.ts';
import { longTexts, redactedValue } from './redacted-value.ts';
import type { CapturedRequest } from './request-capture.ts';
import type { RequestRecord } from './request-record.ts';
import { costOf, summaryOf } from './request-summary.ts';

export interface RequestLogWriterOptions {
  readonly store: Pick<SqlRequestLogStore, 'put'>;
  readonly keys: Pick<RequestLogKeys, 'current'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly prices: () => Pick<Prices, 'of'>;
  readonly redact: (text: string) => string;
  /** Redacts one text that is given in pieces. */
  readonly redactStream: () => TextRedaction;
  readonly newId: () => string;
  /** Called with the number of requests that are lost, and why. */
  readonly onLost: (count: number, reason: unknown) => void;
  /** Bytes that wait at most; 32 MiB when absent. */
  readonly maxBytes?: number;
}

/** Redacts a text piece by piece, with the same result as for the whole. */
export interface TextRedaction {
  push(piece: string): { readonly text: string };
  end(): { readonly text: string };
}

const MAX_BYTES = 32 * 1024 * 1024;
/** Requests of one transaction, and characters of them; one request more. With SQLite, it blocks the event loop. */
const BATCH = 50;
const BATCH_CHARACTERS = 512 * 1024;
/** Characters that are redacted in one piece. */
const PIECE = 8 * 1024;
/** Milliseconds of one piece of work: redaction and encryption of a long prompt take one or two. */
const PIECE_MS = 2;

/**
 * Redacts, seals and stores captured requests, away from the requests. While a tenant's database is away its requests wait,
 * up to a bound for all tenants together; beyond it, new ones are lost and counted.
 */
export class RequestLogWriter {
  readonly #waiting = new Map<string, CapturedRequest[]>();
  #bytes = 0;
  #flushing: Promise<void> | undefined;

  constructor(private readonly options: RequestLogWriterOptions) {}

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  add(captured: CapturedRequest): void {
    const { maxBytes = MAX_BYTES, onLost } = this.options;
    if (this.#bytes + captured.size > maxBytes) {
      onLost(
        1,
        new Error(`${this.#bytes} bytes of logged requests wait for a database; further ones are dropped`),
      );
      return;
    }
    this.#bytes += captured.size;
    const { tenant } = captured.record;
    const waiting = this.#waiting.get(tenant);
    if (waiting) waiting.push(captured);
    else this.#waiting.set(tenant, [captured]);
  }

  /** Stores what waits. Concurrent calls share one run. Never rejects: what cannot be stored waits for the next call. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  /** Stores what can be stored; the rest is lost. */
  async close(): Promise<void> {
    await this.#flushing;
    await this.flush();
    const left = [...this.#waiting.values()].reduce((count, { length }) => count + length, 0);
    if (left > 0) this.options.onLost(left, new Error('the process ended before they were stored'));
  }

  async #flush(): Promise<void> {
    for (const tenant of [...this.#waiting.keys()]) {
      try {
        await this.#store(tenant);
      } catch (error) {
        if (error instanceof UnknownTenantError) this.#take(tenant, Number.POSITIVE_INFINITY);
      }
    }
  }

  /** @throws the database's error; what is not stored waits */
  async #store(tenant: string): Promise<void> {
    const { store, keys } = this.options;
    while ((this.#waiting.get(tenant)?.length ?? 0) > 0) {
      const key = await keys.current({ tenant });
      const { rows, taken } = await this.#rows(this.#waiting.get(tenant)?.slice(0, BATCH) ?? [], key);
      await store.put({ tenant }, rows);
      this.#take(tenant, taken);
    }
    this.#waiting.delete(tenant);
  }

  /** @returns the rows of the first requests, as many as fit into a transaction, and the number of these requests */
  async #rows(
    batch: readonly CapturedRequest[],
    key: LogKey,
  ): Promise<{ readonly rows: LoggedRow[]; readonly taken: number }> {
    const { clock, onLost } = this.options;
    const rows: LoggedRow[] = [];
    let taken = 0;
    let characters = 0;
    let startedAt = clock.now();
    for (const captured of batch) {
      taken += 1;
      try {
        const row = await this.#row(captured, key);
        rows.push(row);
        characters += row.sealed.length;
      } catch (error) {
        // One that cannot be made into a row must not keep the others from being stored.
        onLost(1, error);
      }
      if (characters > BATCH_CHARACTERS) break;
      if (clock.now() - startedAt < PIECE_MS) continue;
      await nextTurn();
      startedAt = clock.now();
    }
    return { rows, taken };
  }

  #take(tenant: string, count: number): void {
    const waiting = this.#waiting.get(tenant) ?? [];
    for (const { size } of waiting.splice(0, Math.min(count, waiting.length))) this.#bytes -= size;
  }

  async #row(captured: CapturedRequest, key: LogKey): Promise<LoggedRow> {
    const { newId } = this.options;
    const { record, truncated } = captured;
    const id = newId();
    const costPico = costOf(captured);
    const summary = summaryOf(captured, costPico);
    const content: LoggedContent = {
      ...{ row: id, summary, truncated },
      request: await this.#redacted(captured.request),
      response: await this.#redacted(captured.response ?? null),
      explanation: this.#explanation(record),
    };
    return {
      ...{ id, requestId: record.id, at: Date.parse(summary.at), keyId: record.keyId },
      ...{
        member: record.member ?? null,
        model: captured.model,
        status: summary.status,
        error: summary.error,
      },
      ...{ costPico: costPico ?? null, durationMs: summary.duration_ms },
      ...{ keyVersion: key.version, sealed: await sealContent(content, key) },
    };
  }

  /** Messages of providers may quote the prompt. */
  #explanation(record: RequestRecord): LoggedContent['explanation'] {
    const { redact, prices } = this.options;
    const explanation = explain(record, prices());
    const redacted = <T extends { readonly reason?: string }>(one: T): T =>
      one.reason === undefined ? one : { ...one, reason: redact(one.reason) };
    return { ...redacted(explanation), attempts: explanation.attempts.map(redacted) };
  }

  /** @param content JSON as a text, another text, or a value. @returns the JSON's value, redacted */
  async #redacted(content: unknown): Promise<unknown> {
    const value = typeof content === 'string' ? (parseJsonText(content) ?? content) : content;
    const known = new Map<string, string>();
    for (const text of longTexts(value)) known.set(text, await this.#redactedLong(text));
    return redactedValue(value, (text) => known.get(text) ?? this.options.redact(text));
  }

  async #redactedLong(text: string): Promise<string> {
    const stream = this.options.redactStream();
    let redacted = '';
    for (let at = 0; at < text.length; at += PIECE) {
      redacted += stream.push(text.slice(at, at + PIECE)).text;
      await nextTurn();
    }
    return redacted + stream.end().text;
  }
}
