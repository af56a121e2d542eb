import type { SpanRecord } from './span.ts';

export interface ExporterSettings {
  /** Where spans are sent. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly contentType: string;
}

export interface SpanExporterOptions {
  /** Undefined while spans are not exported. */
  readonly settings: () => ExporterSettings | undefined;
  /** Encodes spans as the body of a request. */
  readonly encode: (spans: readonly SpanRecord[]) => Promise<Uint8Array>;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly sleep: (ms: number) => Promise<void>;
  readonly onExported: (spans: number) => void;
  /** Spans were lost. @param reason `queue_full`, `rejected` or `unreachable` */
  readonly onLost: (spans: number, reason: LossReason, error: Error | undefined) => void;
}

export type LossReason = 'queue_full' | 'rejected' | 'unreachable';

/** Spans that wait at most; a collector that is away for longer loses the newest. */
const MAX_WAITING = 8_192;
/** Spans of one request: encoding them blocks the process for a few milliseconds. */
const BATCH = 128;
const TIMEOUT_MS = 10_000;
/** Waits before further attempts at a batch. */
const RETRY_MS = [1_000, 4_000] as const;
const RETRYABLE = new Set([429, 502, 503, 504]);

/** Sends finished spans to a collector, in batches and in bounded memory. No request waits for it, nor fails with it. */
export class SpanExporter {
  #waiting: SpanRecord[] = [];
  #flushing: Promise<void> | undefined;
  #isClosed = false;

  constructor(private readonly options: SpanExporterOptions) {}

  /** Number of spans that are not sent yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  add(spans: readonly SpanRecord[]): void {
    const room = MAX_WAITING - this.#waiting.length;
    if (spans.length > room) this.options.onLost(spans.length - room, 'queue_full', undefined);
    for (const span of spans.slice(0, Math.max(0, room))) this.#waiting.push(span);
    if (this.#waiting.length >= BATCH && !this.#flushing) void this.flush();
  }

  /** Sends what waits; to be called every few seconds. Never rejects. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  /** Sends what waits, once and without retries. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#flushing;
    await this.flush();
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const settings = this.options.settings();
      const batch = this.#waiting.splice(0, BATCH);
      if (!settings) continue;
      await this.#send(batch, settings);
    }
  }

  async #send(batch: readonly SpanRecord[], { url, headers, contentType }: ExporterSettings): Promise<void> {
    const { encode, fetch, sleep, onExported, onLost } = this.options;
    let body: Uint8Array;
    try {
      body = await encode(batch);
    } catch (error) {
      onLost(batch.length, 'rejected', asError(error));
      return;
    }
    for (let attempt = 0; ; attempt += 1) {
      const wait = this.#isClosed ? undefined : RETRY_MS[attempt];
      let failure: { readonly reason: LossReason; readonly error: Error };
      try {
        const response = await fetch(url, {
          method: 'POST',
          headers: { ...headers, 'content-type': contentType },
          body: new Uint8Array(body),
          redirect: 'manual',
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        await response.body?.cancel();
        if (response.ok) {
          onExported(batch.length);
          return;
        }
        failure = {
          reason: 'rejected',
          error: new Error(`the collector responded with HTTP ${response.status}`),
        };
        if (!RETRYABLE.has(response.status)) {
          onLost(batch.length, failure.reason, failure.error);
          return;
        }
      } catch (error) {
        failure = { reason: 'unreachable', error: asError(error) };
      }
      if (wait === undefined) {
        onLost(batch.length, failure.reason, failure.error);
        return;
      }
      await sleep(wait);
    }
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
