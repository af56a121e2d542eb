import { concatBytes } from '../core/bytes.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import type { InferenceCall, InferenceResult, StreamDecoder, StreamObservation } from '../core/inference.ts';
import { PushStream, type StreamBody, type StreamSource } from '../core/push-stream.ts';
import type { TransportError, UpstreamCall, UpstreamHandler, UpstreamHeaders } from '../core/transport.ts';
import type { AttemptContext, Target } from '../providers/types.ts';
import type { DeadlineMonitor, Watched } from './deadlines.ts';

const MAX_ERROR_BODY = 256 * 1024;
const MAX_ANSWER_BODY = 256 * 1024 * 1024;
/** How long an upstream may take to end its body after its last event, for its connection to be reused. */
const LINGER_MS = 1_000;

const NO_HEADERS: UpstreamHeaders = { get: () => null };

export type Answer =
  | { readonly kind: 'buffered'; readonly target: Target; readonly result: InferenceResult }
  | { readonly kind: 'stream'; readonly target: Target; readonly body: StreamBody };

export type AttemptEnd =
  | { readonly kind: 'done'; readonly observed: StreamObservation | undefined }
  | { readonly kind: 'client_gone'; readonly observed: StreamObservation | undefined }
  | {
      readonly kind: 'failed';
      readonly error: GatewayError;
      readonly observed: StreamObservation | undefined;
    };

export interface AttemptOptions {
  readonly call: InferenceCall;
  readonly target: Target;
  /** What the adapter is told; its warnings are complete when `start` has returned. */
  readonly context: AttemptContext;
  /** Called when the request has been built. @throws GatewayError to give the attempt up before it is sent */
  readonly onBuilt?: () => void;
  readonly now: () => number;
  readonly deadlines: DeadlineMonitor;
  /** Milliseconds until the first event of a stream, or until a plain answer, which is silent until it is whole. */
  readonly firstTokenMs: number;
  /** Milliseconds between two reads from the upstream. */
  readonly streamIdleMs: number;
  /** The request's own deadline, monotonic. */
  readonly deadlineAt: number;
  /** Bytes that tell the client, in its dialect, that a stream which it is reading has failed. */
  readonly renderStreamError: (error: GatewayError) => Uint8Array;
  /** Whether the answer may go to the client; no, when another attempt was faster. */
  readonly mayCommit?: () => boolean;
  /** First bytes with a meaning have come from the upstream. */
  readonly onFirstEvent: () => void;
  /** Called exactly once, when nothing more will happen. Never before `answer` has settled. */
  readonly onEnd: (end: AttemptEnd) => void;
}

/**
 * One try of one target. Until the answer is committed a failure rejects `answer`, and another target may be tried;
 * afterwards it becomes an error event in the stream.
 */
export class Attempt implements UpstreamHandler, StreamSource, Watched {
  readonly answer: Promise<Answer>;
  expiresAt: number;
  slot = -1;

  readonly #options: AttemptOptions;
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (error: GatewayError) => void;
  #upstreamCall: UpstreamCall | undefined;
  #status = 0;
  #headers: UpstreamHeaders = NO_HEADERS;
  #decoder: StreamDecoder | undefined;
  /** What has come of an answer that is read as a whole. */
  #received: Uint8Array[] | undefined;
  #receivedLength = 0;
  /** What the client gets of a stream, as long as it is not committed. */
  #pending: Uint8Array[] | undefined;
  #stream: PushStream | undefined;
  #paused = false;
  /** The client's side is settled. The upstream may still be lingering. */
  #ended = false;
  #closed = false;

  /** @param startedAt by the clock of the options */
  constructor(options: AttemptOptions, startedAt = options.now()) {
    this.#options = options;
    this.expiresAt = Math.min(startedAt + options.firstTokenMs, options.deadlineAt);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.answer = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Sends the request. @throws GatewayError when the adapter can't express it */
  start(): void {
    if (this.#ended) return;
    const { call, target } = this.#options;
    const { adapter, transport } = target.provider;
    const built = adapter.buildRequest(call, target, this.#options.context);
    this.#options.onBuilt?.();
    const request = adapter.authorize(built, target.provider);
    this.#options.deadlines.watch(this);
    if (!(request instanceof Promise)) {
      this.#upstreamCall = transport.send(request, this);
      return;
    }
    request.then(
      (authorized) => {
        if (!this.#ended) this.#upstreamCall = transport.send(authorized, this);
      },
      (error: unknown) => this.#fail(asGatewayError(error)),
    );
  }

  /** Ends the attempt from outside: client gone, deadline, shutdown, or another attempt was faster. */
  cancel(reason: GatewayError): void {
    if (this.#ended) return;
    this.#fail(reason);
  }

  expire(now: number): void {
    if (this.#ended) {
      this.#abortUpstream();
      return;
    }
    const { target, deadlineAt } = this.#options;
    const provider = target.provider.id;
    if (now >= deadlineAt) {
      this.#fail(
        new GatewayError('deadline_exceeded', 'The request took longer than its deadline allows.', {
          provider,
        }),
      );
    } else if (this.#stream) {
      this.#fail(
        new GatewayError('upstream_timeout', `Provider "${provider}" fell silent in mid-stream.`, {
          provider,
        }),
      );
    } else {
      this.#fail(
        new GatewayError('upstream_timeout', `Provider "${provider}" did not answer in time.`, { provider }),
      );
    }
  }

  onHead(status: number, headers: UpstreamHeaders): void {
    this.#status = status;
    this.#headers = headers;
    const { call, target, context } = this.#options;
    const { adapter } = target.provider;
    const contentType = (headers.get('content-type') ?? '').toLowerCase();
    const isStream = contentType.startsWith(adapter.streamMediaType ?? 'text/event-stream');
    if (call.stream && this.#succeeded() && isStream) {
      this.#decoder = adapter.streamDecoder(call, target, context);
    } else if (!call.stream && isStream) {
      this.#fail(this.#invalid('answered with an event stream to a request for a plain answer.'));
    }
  }

  onData(bytes: Uint8Array): void {
    if (this.#ended) return;
    const decoder = this.#decoder;
    if (!decoder) {
      this.#buffer(bytes);
      return;
    }
    if (this.#stream) this.#touch();
    const out = decoder.push(bytes);
    if (out) this.#emit(out);
    this.#advance(decoder);
  }

  onEnd(): void {
    this.#close();
    if (this.#ended) return;
    const decoder = this.#decoder;
    if (decoder) {
      const out = decoder.end();
      if (out) this.#emit(out);
      this.#advance(decoder);
      return;
    }
    try {
      this.#finishBuffered();
    } catch (error) {
      this.#fail(asGatewayError(error));
    }
  }

  onError(error: TransportError): void {
    this.#close();
    if (this.#ended) return;
    this.#fail(this.#transportFailure(error));
  }

  #succeeded(): boolean {
    return this.#status >= 200 && this.#status < 300;
  }

  #touch(): void {
    this.expiresAt = Math.min(this.#options.now() + this.#options.streamIdleMs, this.#options.deadlineAt);
  }

  #buffer(bytes: Uint8Array): void {
    if (this.#received) this.#received.push(bytes);
    else this.#received = [bytes];
    this.#receivedLength += bytes.length;
    if (!this.#succeeded() && this.#receivedLength > MAX_ERROR_BODY) {
      this.#fail(this.#options.target.provider.adapter.mapError(this.#response(), this.#options.target));
    } else if (this.#receivedLength > MAX_ANSWER_BODY) {
      this.#fail(this.#invalid(`sent more than ${MAX_ANSWER_BODY} bytes.`));
    }
  }

  #response() {
    return { status: this.#status, headers: this.#headers, body: concatBytes(this.#received ?? []) };
  }

  #finishBuffered(): void {
    const { call, target, context } = this.#options;
    const { adapter } = target.provider;
    const response = this.#response();
    if (!this.#succeeded()) {
      this.#fail(adapter.mapError(response, target));
      return;
    }
    const result = adapter.parseResponse(response, call, target, context);
    if (call.stream) {
      this.#fail(this.#invalid('answered without an event stream to a request for one.'));
      return;
    }
    if (!this.#mayCommit()) return;
    this.#options.onFirstEvent();
    this.#ended = true;
    this.#resolve({ kind: 'buffered', target, result });
    this.#options.onEnd({
      kind: 'done',
      observed: { usage: result.usage, finishReason: result.finishReason, chunks: 1 },
    });
  }

  /** Moves on after the decoder has seen more: commit at the first event, close at the last, fail where it fails. */
  #advance(decoder: StreamDecoder): void {
    // A failure before the commit still leaves the way to another target open, even if an event came first.
    if (!this.#stream && decoder.started && !decoder.failure && !this.#ended) {
      if (!this.#mayCommit()) return;
      this.#commit();
    }
    if (decoder.failure) this.#fail(decoder.failure);
    else if (decoder.finished) this.#finishStream(decoder);
  }

  #mayCommit(): boolean {
    if (this.#options.mayCommit?.() ?? true) return true;
    this.#fail(anotherWasFaster());
    return false;
  }

  #commit(): void {
    this.#options.onFirstEvent();
    const stream = new PushStream(this);
    this.#stream = stream;
    for (const pieces of this.#pending ?? []) stream.push(pieces);
    this.#pending = undefined;
    this.#touch();
    this.#resolve({ kind: 'stream', target: this.#options.target, body: stream });
  }

  #emit(pieces: Uint8Array): void {
    const stream = this.#stream;
    if (!stream) {
      if (this.#pending) this.#pending.push(pieces);
      else this.#pending = [pieces];
      return;
    }
    const room = stream.push(pieces);
    if (!room && !this.#paused && !this.#closed) {
      this.#paused = true;
      // A client that reads slowly is not an upstream that has fallen silent; only the request's deadline runs on.
      this.expiresAt = this.#options.deadlineAt;
      this.#upstreamCall?.pause();
    }
  }

  #finishStream(decoder: StreamDecoder): void {
    this.#ended = true;
    this.expiresAt = this.#options.now() + LINGER_MS;
    if (this.#paused) {
      this.#paused = false;
      this.#upstreamCall?.resume();
    }
    this.#stream?.close();
    this.#options.onEnd({ kind: 'done', observed: decoder.observed });
  }

  #fail(error: GatewayError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#abortUpstream();
    const observed = this.#decoder?.observed;
    if (this.#stream) {
      if (error.code !== 'client_closed_request') {
        const event = this.#decoder?.failureEvent?.(error) ?? this.#options.renderStreamError(error);
        if (event.length > 0) this.#stream.push(event);
      }
      this.#stream.close();
    } else {
      this.#reject(error);
    }
    this.#options.onEnd(
      error.code === 'client_closed_request'
        ? { kind: 'client_gone', observed }
        : { kind: 'failed', error, observed },
    );
  }

  // Events of the stream's reader.

  onDrain(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#touch();
    this.#upstreamCall?.resume();
  }

  onCancel(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#abortUpstream();
    this.#options.onEnd({ kind: 'client_gone', observed: this.#decoder?.observed });
  }

  #abortUpstream(): void {
    if (this.#closed) return;
    this.#close();
    this.#upstreamCall?.abort();
  }

  #close(): void {
    this.#closed = true;
    this.#options.deadlines.unwatch(this);
  }

  #invalid(what: string): GatewayError {
    const provider = this.#options.target.provider.id;
    return new GatewayError('upstream_invalid_response', `Provider "${provider}" ${what}`, { provider });
  }

  #transportFailure(error: TransportError): GatewayError {
    const provider = this.#options.target.provider.id;
    const details = { provider, cause: error };
    switch (error.failure) {
      case 'connect':
        return new GatewayError(
          'upstream_unreachable',
          `Provider "${provider}" could not be reached: ${error.message}`,
          details,
        );
      case 'connect_timeout':
        return new GatewayError(
          'upstream_timeout',
          `Provider "${provider}" did not accept a connection in time.`,
          details,
        );
      case 'closed_before_response':
        return new GatewayError(
          'upstream_closed',
          `Provider "${provider}" closed the connection without an answer.`,
          details,
        );
      case 'closed_mid_body':
        return new GatewayError(
          'upstream_closed',
          `Provider "${provider}" closed the connection in mid-answer.`,
          details,
        );
      case 'protocol':
        return new GatewayError(
          'upstream_invalid_response',
          `Provider "${provider}" sent what is not HTTP: ${error.message}`,
          details,
        );
    }
  }
}

/** Ends the slower of two attempts: nobody is to blame, as when a client goes. */
export function anotherWasFaster(): GatewayError {
  return new GatewayError('client_closed_request', 'Another attempt was faster.');
}
