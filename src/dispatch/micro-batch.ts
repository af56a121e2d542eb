import { asGatewayError, type ErrorCode, type GatewayError, stoppedByGateway } from '../core/errors.ts';
import type { EmbeddingCall } from '../core/inference.ts';
import type { UpstreamHeaders } from '../core/transport.ts';
import { addWarning, type Warning } from '../core/warning.ts';
import type { InlineMedia } from '../providers/types.ts';
import type { MicroBatchSettings } from '../routing/directory.ts';
import { Attempt } from './attempt.ts';
import { invalidUpstreamResponse, unsupportedByTarget } from './dispatch-errors.ts';
import type { InferenceResponse } from './inference-response.ts';
import type { JoinedAttempt, JoinedBatch } from './joined-attempt.ts';
import { JoinedCall } from './joined-call.ts';

const NO_MEDIA: ReadonlyMap<string, InlineMedia> = new Map();
const NO_HEADERS: UpstreamHeaders = { get: () => null };
const NOT_NEEDED = stoppedByGateway('No request waits for this call any more.');

/** Errors with which an upstream rejects an input and does no work: each call is sent again alone. */
const REJECTIONS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'upstream_rejected',
  'context_length_exceeded',
  'content_policy_violation',
  'unsupported_by_target',
]);

/** How an upstream call for several requests ended. `rejected`: each of them was sent again alone. */
export type JoinedCallResult = 'done' | 'rejected' | 'failed' | 'cancelled';

export interface MicroBatchOptions {
  readonly settings: MicroBatchSettings;
  /** Requests that a target cannot express all of are rejected. */
  readonly isStrict: boolean;
  /** Called once, when no more calls can be added. */
  readonly onClosed: (batch: MicroBatch) => void;
  /** Called once for a call for several requests. */
  readonly onEnded: (requests: number, result: JoinedCallResult) => void;
}

/** Calls that wait to be sent as one, and then the upstream call for all of them. */
export class MicroBatch implements JoinedBatch {
  #attempts: JoinedAttempt[] = [];
  #inputs = 0;
  #bytes = 0;
  #isClosed = false;
  #isClaimed = false;
  /** Attempts without an end. */
  #waiting = 0;
  #running: Attempt | undefined;
  #wasSent = false;
  #headers = NO_HEADERS;
  readonly #warnings: Warning[] = [];

  constructor(private readonly options: MicroBatchOptions) {}

  /** Whether another call's inputs can be added. */
  fits({ embedding, text }: EmbeddingCall): boolean {
    const { maxInputs, maxBytes } = this.options.settings;
    return (
      !this.#isClosed &&
      this.#inputs + embedding.inputs.length <= maxInputs &&
      this.#bytes + Buffer.byteLength(text) <= maxBytes
    );
  }

  add(attempt: JoinedAttempt): void {
    this.#attempts.push(attempt);
    this.#waiting += 1;
    this.#inputs += attempt.call.embedding.inputs.length;
    this.#bytes += Buffer.byteLength(attempt.call.text);
    if (this.#inputs >= this.options.settings.maxInputs) this.send();
  }

  leave(attempt: JoinedAttempt): void {
    this.#waiting -= 1;
    if (this.#isClosed) {
      if (this.#waiting === 0) this.#running?.cancel(NOT_NEEDED);
      return;
    }
    this.#attempts = this.#attempts.filter((other) => other !== attempt);
    this.#inputs -= attempt.call.embedding.inputs.length;
    this.#bytes -= Buffer.byteLength(attempt.call.text);
    if (this.#waiting === 0) this.#close();
  }

  claim(): boolean {
    const isFirst = !this.#isClaimed;
    this.#isClaimed = true;
    return isFirst;
  }

  /** Sends what has been added so far; later calls have no effect. */
  send(): void {
    if (this.#isClosed) return;
    this.#close();
    const [first, ...others] = this.#attempts;
    if (!first) return;
    if (others.length === 0) {
      first.sendAlone();
      return;
    }
    try {
      this.#sendJoined(first, others);
    } catch (error) {
      // No caller waits for a window that ends.
      this.#fail(asGatewayError(error));
    }
  }

  #close(): void {
    this.#isClosed = true;
    this.options.onClosed(this);
  }

  #sendJoined(first: JoinedAttempt, others: readonly JoinedAttempt[]): void {
    const joined = new JoinedCall(
      first.call,
      others.map(({ call }) => call),
    );
    const { inputs, shares } = joined;
    const requests = this.#attempts.length;
    for (const [index, attempt] of this.#attempts.entries()) {
      attempt.sentWith({ requests, inputs, share: shares[index] ?? 0 });
    }
    const { target, context, now, deadlines, firstTokenMs, streamIdleMs } = first.options;
    const running = new Attempt({
      ...{ target, now, deadlines, firstTokenMs, streamIdleMs, call: joined.call, streamMode: 'bytes' },
      maxResponseBytes: first.options.maxResponseBytes,
      // An upstream sees one request: the first one's.
      traceHeaders: first.options.traceHeaders,
      context: {
        ...{ requestId: context.requestId, createdSeconds: context.createdSeconds, media: NO_MEDIA },
        warn: (warning) => addWarning(this.#warnings, warning),
      },
      // Each attempt has a deadline of its own. When all have passed, no one waits.
      deadlineAt: Number.POSITIVE_INFINITY,
      onBuilt: () => {
        if (this.options.isStrict && this.#warnings.length > 0) {
          throw unsupportedByTarget(target, this.#warnings);
        }
        this.#wasSent = true;
      },
      onFirstEvent: (headers) => {
        this.#headers = headers;
      },
      onEnd: () => undefined,
    });
    this.#running = running;
    running.response
      .then((response) => this.#respond(joined, response))
      .catch((error: unknown) => this.#fail(asGatewayError(error)));
    try {
      running.start();
    } catch (error) {
      running.cancel(asGatewayError(error));
    }
  }

  #respond(joined: JoinedCall, { body, source }: InferenceResponse): void {
    const parts = body.kind === 'complete' ? joined.split(body.result) : undefined;
    if (!parts && source.kind === 'target') {
      const error = invalidUpstreamResponse(source.target, 'sent another number of embeddings than inputs.');
      // It has computed a response and charges for it.
      this.#fail(error.with({ isFinal: true }));
      return;
    }
    this.options.onEnded(this.#attempts.length, 'done');
    for (const [index, attempt] of this.#attempts.entries()) {
      const part = parts?.[index];
      if (part) attempt.succeed(part, this.#headers, this.#warnings);
    }
  }

  #fail(error: GatewayError): void {
    const { onEnded } = this.options;
    const requests = this.#attempts.length;
    if (error.code === 'client_closed_request') {
      // All attempts have ended before. A claim is that of a timeout.
      onEnded(requests, this.#isClaimed ? 'failed' : 'cancelled');
      return;
    }
    const isRejected = !this.#wasSent || REJECTIONS.has(error.code);
    onEnded(requests, isRejected ? 'rejected' : 'failed');
    for (const attempt of this.#attempts) {
      if (isRejected) attempt.sendAlone();
      else attempt.fail(error);
    }
  }
}
