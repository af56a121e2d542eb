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
import { redactedValue } from './redacted-value.ts';
import type { CapturedRequest } from './request-capture.ts';
import { costOf, summaryOf } from './request-summary.ts';

export interface RequestLogWriterOptions {
  readonly store: Pick<SqlRequestLogStore, 'put'>;
  readonly keys: Pick<RequestLogKeys, 'all'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly prices: () => Pick<Prices, 'of'>;
  readonly redact: (text: string) => string;
  readonly newId: () => string;
  /** Called with the number of requests that are lost, and why. */
  readonly onLost: (count: number, reason: unknown) => void;
  /** Bytes that wait at most; 32 MiB when absent. */
  readonly maxBytes?: number;
}

const MAX_BYTES = 32 * 1024 * 1024;
/** Requests of one transaction. */
const BATCH = 50;
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
    for (;;) {
      const batch = this.#waiting.get(tenant)?.slice(0, BATCH) ?? [];
      if (batch.length === 0) {
        this.#waiting.delete(tenant);
        return;
      }
      const [key] = (await keys.all({ tenant })).values();
      if (!key) throw new Error(`the tenant "${tenant}" has no key for its request log`);
      const rows: LoggedRow[] = [];
      let startedAt = this.options.clock.now();
      for (const captured of batch) {
        rows.push(this.#row(captured, key));
        if (this.options.clock.now() - startedAt < PIECE_MS) continue;
        await nextTurn();
        startedAt = this.options.clock.now();
      }
      await store.put({ tenant }, rows);
      this.#take(tenant, batch.length);
    }
  }

  #take(tenant: string, count: number): void {
    const waiting = this.#waiting.get(tenant) ?? [];
    for (const { size } of waiting.splice(0, Math.min(count, waiting.length))) this.#bytes -= size;
  }

  #row(captured: CapturedRequest, key: LogKey): LoggedRow {
    const { redact, prices, newId } = this.options;
    const { record, request, response, truncated } = captured;
    const id = newId();
    const costPico = costOf(captured);
    const summary = summaryOf(captured, costPico);
    const content: LoggedContent = {
      ...{ row: id, summary, truncated },
      request: redactedValue(parseJsonText(request) ?? request, redact),
      response: redactedValue(
        typeof response === 'string' ? (parseJsonText(response) ?? response) : (response ?? null),
        redact,
      ),
      explanation: explain(record, prices()),
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
      ...{ keyVersion: key.version, sealed: sealContent(content, key) },
    };
  }
}
