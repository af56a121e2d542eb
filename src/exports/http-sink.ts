import type { PostOptions, PostResult } from '../platform/guarded-post.ts';
import type { ExportBatch, ExportSink, SinkOutcome } from './sink.ts';

/** The request of a batch. */
export interface ExportRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What one API expects, and how it reports the records that it does not take. */
export interface ExportFormat {
  requestOf(batch: ExportBatch): ExportRequest;
  /** @param text the body of a response with a status of 2xx */
  outcomeOf(text: string, batch: ExportBatch): SinkOutcome;
}

export interface HttpSinkOptions {
  readonly format: ExportFormat;
  /** Sends a request. @throws Error with the reason, when there is no response */
  readonly post: (url: string, options: PostOptions, signal: AbortSignal) => Promise<PostResult>;
  readonly allowPrivate: boolean;
}

const DEADLINE_MS = 15_000;
/** Responses list each record of a batch. */
const MAX_RESPONSE = 1_048_576;
/** Characters of a response that are shown. */
const MAX_DETAIL = 500;
/** These depend on the records; all others on the configuration, or on the state of the receiver. */
const NEVER = new Set([400, 413, 415, 422]);

/** Sends batches by HTTP, in the format of one API. */
export class HttpSink implements ExportSink {
  constructor(private readonly options: HttpSinkOptions) {}

  async send(batch: ExportBatch, signal: AbortSignal): Promise<SinkOutcome> {
    const { format, post, allowPrivate } = this.options;
    const { url, headers, body } = format.requestOf(batch);
    try {
      const { status, text, retryAfter } = await post(
        url,
        {
          headers: { 'user-agent': 'weir-exports', ...headers },
          ...{ body, allowPrivate, timeoutMs: DEADLINE_MS, maxBytes: MAX_RESPONSE },
        },
        signal,
      );
      if (status >= 200 && status < 300) return format.outcomeOf(text, batch);
      const reason = `HTTP ${status}`;
      const detail = text.slice(0, MAX_DETAIL);
      return NEVER.has(status)
        ? { kind: 'rejected', reason, detail }
        : { kind: 'failed', reason, detail, retryAfter };
    } catch (error) {
      return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
    }
  }
}
