import { ByteCollector } from '../core/byte-collector.ts';
import type { CompleteResult } from '../core/complete-result.ts';
import { type ContentCoding, ContentDecoder, contentCodings } from '../core/content-coding.ts';
import { asGatewayError, GatewayError, stoppedByGateway } from '../core/errors.ts';
import type { StreamDecoder } from '../core/inference.ts';
import type { Frame } from '../core/stream/frame.ts';
import { SourceStream } from '../core/stream/frame-stream.ts';
import type { StreamObservation } from '../core/stream/observation.ts';
import type { FrameProducer } from '../core/stream/stage.ts';
import type { TransportError, UpstreamCall, UpstreamHandler, UpstreamHeaders } from '../core/transport.ts';
import type { ResponseCollector } from '../providers/types.ts';
import type { AttemptOptions } from './attempt-options.ts';
import type { Watched } from './deadlines.ts';
import { invalidUpstreamResponse, transportFailure } from './dispatch-errors.ts';
import type { InferenceResponse } from './inference-response.ts';
import { type BodyForm, BodyOpening, errorBodyOf, isStreamForm, startsAsObject } from './response-form.ts';

const MAX_ERROR_BODY = 256 * 1024;
const MAX_RESPONSE_BYTES = 256_000_000;
/**
 * Bytes of frames before the first event, beyond eight times the request: comments, pings, and events that announce a response
 * and may repeat the request.
 */
const MAX_EARLY_BYTES = 128 * 1024;
/** What an object in memory counts as, in bytes. */
const OBJECT_BYTES = 100;
/** Milliseconds that an upstream may take to end its body after its last event, so that its connection can be reused. */
const LINGER_MS = 1_000;

const EVENT_STREAM = 'text/event-stream';
/** The first byte of gzip. */
const GZIP_BYTE = 0x1f;

const NO_HEADERS: UpstreamHeaders = { get: () => null };
const NOTHING = new Uint8Array(0);
const NO_OBSERVATION: StreamObservation = { usage: undefined, finishReason: undefined, chunks: 0 };

/**
 * One try of one target. Until the first event a failure rejects `response`, and another target can be tried; afterwards it
 * ends the stream as failed.
 */
export class Attempt implements UpstreamHandler, FrameProducer, Watched {
  readonly response: Promise<InferenceResponse>;
  expiresAt: number;
  slot = -1;

  readonly #options: AttemptOptions;
  readonly #resolve: (response: InferenceResponse) => void;
  readonly #reject: (error: GatewayError) => void;
  #upstreamCall: UpstreamCall | undefined;
  #status = 0;
  #headers: UpstreamHeaders = NO_HEADERS;
  /** Decompresses the body, where the upstream has compressed it. */
  #inflater: ContentDecoder | undefined;
  /** The beginning of a body whose form is not known yet. */
  #opening: BodyOpening | undefined;
  #decoder: StreamDecoder | undefined;
  /** Reads an event stream for a request without "stream". */
  #collector: ResponseCollector | undefined;
  /** The bytes of a response that is read as a whole. */
  #received: ByteCollector | undefined;
  /** Bytes of the body so far. */
  #receivedLength = 0;
  /** Frames that arrived before the first event. */
  #pending: Frame[] | undefined;
  #pendingBytes = 0;
  #stream: SourceStream | undefined;
  #paused = false;
  /** The response is complete or failed. The upstream may still be lingering. */
  #ended = false;
  #closed = false;
  readonly #emit = (received: Frame) => {
    const frame = this.#decoder?.finished ? { ...received, isLast: true } : received;
    if (this.#stream) {
      this.#stream.push(frame);
      return;
    }
    this.#pendingBytes += (frame.bytes?.length ?? 0) + OBJECT_BYTES * (1 + frame.events.length);
    if (this.#pending) this.#pending.push(frame);
    else this.#pending = [frame];
  };

  /** @param startedAt by the clock of the options */
  constructor(options: AttemptOptions, startedAt = options.now()) {
    this.#options = options;
    this.expiresAt = Math.min(startedAt + options.firstTokenMs, options.deadlineAt);
    const { promise, resolve, reject } = Promise.withResolvers<InferenceResponse>();
    this.response = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** The stream that goes to the client, once its first event arrived. */
  get stream(): SourceStream | undefined {
    return this.#stream;
  }

  get observed(): StreamObservation {
    return this.#decoder?.observed ?? NO_OBSERVATION;
  }

  /** Sends the request. @throws GatewayError when the adapter cannot express it */
  start(): void {
    if (this.#ended) return;
    const options = this.#options;
    const { call, target } = options;
    const { adapter, transport } = target.provider;
    const built = adapter.buildRequest(call, target, options.context);
    options.onBuilt?.();
    const { traceHeaders } = options;
    const traced = traceHeaders ? { ...built, headers: { ...built.headers, ...traceHeaders } } : built;
    const request = adapter.authorize(traced, target.provider);
    options.deadlines.watch(this);
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
      this.#fail(new GatewayError('deadline_exceeded', 'The request exceeded its deadline.', { provider }));
      return;
    }
    const what = this.#stream ? 'sent nothing more in mid-stream' : 'did not respond in time';
    this.#fail(new GatewayError('upstream_timeout', `Provider "${provider}" ${what}.`, { provider }));
  }

  // The transport's side.

  onHead(status: number, headers: UpstreamHeaders): void {
    this.#status = status;
    this.#headers = headers;
    const { call, target } = this.#options;
    const { adapter } = target.provider;
    const encoding = headers.get('content-encoding');
    if (encoding !== null) this.#readCodings(encoding);
    if (!call.stream || !this.#succeeded()) return;
    const contentType = (headers.get('content-type') ?? '').toLowerCase();
    if (contentType.startsWith(adapter.streamMediaType ?? EVENT_STREAM)) this.#decoder = this.#newDecoder();
  }

  onData(bytes: Uint8Array): void {
    if (this.#ended) return;
    if (this.#inflater) this.#inflater.push(bytes);
    else this.#body(bytes);
  }

  #readCodings(encoding: string): void {
    const codings = contentCodings(encoding);
    if (codings === undefined) {
      this.#failInvalid(`sent a body with the unknown content encoding "${encoding.slice(0, 100)}".`);
    } else if (codings.length > 0) this.#inflate(codings);
  }

  /** The request asked for no coding; some servers and proxies apply one nevertheless. */
  #inflate(codings: readonly ContentCoding[]): void {
    this.#inflater = new ContentDecoder(codings, this.#maxBytes, {
      data: (bytes) => this.#body(bytes),
      end: () => this.#bodyEnded(),
      fail: (fault, coding) =>
        fault === 'too_large'
          ? this.#failTooLong()
          : this.#failInvalid(`sent a body that is not valid ${coding}.`),
    });
  }

  get #maxBytes(): number {
    return this.#options.maxResponseBytes ?? MAX_RESPONSE_BYTES;
  }

  #failTooLong(): void {
    this.#failInvalid(`sent more than ${this.#maxBytes} bytes ("upstream.max_response").`);
  }

  /** @param what the sentence after the provider's name */
  #failInvalid(what: string): void {
    this.#fail(invalidUpstreamResponse(this.#options.target, what));
  }

  #newDecoder(): StreamDecoder | undefined {
    const { call, target, context, streamMode } = this.#options;
    return call.stream ? target.provider.adapter.streamDecoder(call, target, context, streamMode) : undefined;
  }

  /** Whether the form of a body may not be the one that its head or the request promises. */
  #isUnexpected(first: Uint8Array): boolean {
    const isObject = startsAsObject(first);
    if (!this.#succeeded()) return first[0] === GZIP_BYTE;
    if (!this.#decoder) return this.#options.call.stream || !isObject;
    return (
      this.#options.target.provider.adapter.streamMediaType === undefined &&
      (isObject || first[0] === GZIP_BYTE)
    );
  }

  /** Reads the beginning of a body by its form, whatever its content type says. */
  #opened(form: BodyForm, bytes: Uint8Array): void {
    const { call, target, context } = this.#options;
    const { adapter } = target.provider;
    if (form === 'gzip') {
      this.#receivedLength = 0;
      this.#inflate(['gzip']);
      this.#inflater?.push(bytes);
      return;
    }
    if (this.#succeeded()) {
      const isStream = isStreamForm(form, adapter.streamMediaType);
      if (!call.stream) {
        const isChat = call.operation === 'chat' || call.operation === 'completion';
        if (isStream && isChat) this.#collector = adapter.streamCollector?.(call, target, context);
      } else if (isStream) this.#decoder ??= this.#newDecoder();
      else if (form === 'object') this.#decoder = undefined;
    }
    this.#read(bytes);
  }

  /** Reads decompressed bytes. */
  #body(bytes: Uint8Array): void {
    if (this.#ended) return;
    const isFirst = this.#receivedLength === 0;
    this.#receivedLength += bytes.length;
    if (this.#receivedLength > this.#maxBytes) {
      this.#failTooLong();
      return;
    }
    if (isFirst && this.#isUnexpected(bytes)) this.#opening = new BodyOpening();
    if (!this.#opening) {
      this.#read(bytes);
      return;
    }
    const opened = this.#opening.push(bytes);
    if (!opened) return;
    this.#opening = undefined;
    this.#opened(opened.form, opened.bytes);
  }

  #read(bytes: Uint8Array): void {
    const decoder = this.#decoder;
    if (this.#collector) {
      this.#collect(this.#collector, bytes);
      return;
    }
    if (!decoder) {
      this.#buffer(bytes);
      return;
    }
    if (this.#stream && !this.#paused) this.#touch();
    decoder.push(bytes, this.#emit);
    this.#advance(decoder);
  }

  onEnd(): void {
    this.#close();
    if (this.#inflater) this.#inflater.end();
    else this.#bodyEnded();
  }

  #bodyEnded(): void {
    if (this.#ended) return;
    const rest = this.#opening?.end();
    this.#opening = undefined;
    if (rest && rest.length > 0) this.#read(rest);
    const decoder = this.#decoder;
    if (decoder) {
      decoder.end(this.#emit);
      this.#advance(decoder);
      return;
    }
    try {
      this.#finishComplete();
    } catch (error) {
      this.#fail(this.#afterResponse(asGatewayError(error)));
    }
  }

  /** The upstream has computed a whole response and charges for it: it is not asked for another one. */
  #afterResponse(error: GatewayError): GatewayError {
    return error.code === 'upstream_invalid_response' && this.#succeeded()
      ? error.with({ isFinal: true })
      : error;
  }

  #collect(collector: ResponseCollector, bytes: Uint8Array): void {
    try {
      collector.push(bytes);
      if (!collector.isComplete) return;
      this.expiresAt = this.#options.now() + LINGER_MS;
      this.#commitComplete(collector.result());
    } catch (error) {
      this.#fail(asGatewayError(error));
    }
  }

  onError(error: TransportError): void {
    this.#close();
    this.#fail(transportFailure(this.#options.target, error));
  }

  #succeeded(): boolean {
    return this.#status >= 200 && this.#status < 300;
  }

  #touch(): void {
    this.expiresAt = Math.min(this.#options.now() + this.#options.streamIdleMs, this.#options.deadlineAt);
  }

  #buffer(bytes: Uint8Array): void {
    this.#received ??= new ByteCollector();
    this.#received.add(bytes);
    const { target } = this.#options;
    if (!this.#succeeded() && this.#receivedLength > MAX_ERROR_BODY) {
      this.#fail(target.provider.adapter.mapError(this.#upstreamResponse(), target));
    }
  }

  #upstreamResponse() {
    const body = this.#received?.take() ?? NOTHING;
    return {
      status: this.#status,
      headers: this.#headers,
      body: this.#succeeded() ? body : errorBodyOf(body),
    };
  }

  #finishComplete(): void {
    const { call, target, context, streamMode } = this.#options;
    const { adapter } = target.provider;
    if (this.#collector) {
      this.#collector.end();
      this.#commitComplete(this.#collector.result());
      return;
    }
    const response = this.#upstreamResponse();
    if (!this.#succeeded()) this.#fail(adapter.mapError(response, target));
    else if (!call.stream) this.#commitComplete(adapter.parseResponse(response, call, target, context));
    else {
      const decoder = adapter.replayDecoder?.(response, call, target, context, streamMode);
      if (!decoder) {
        throw invalidUpstreamResponse(target, 'sent no event stream for a request with "stream".');
      }
      this.#decoder = decoder;
      decoder.end(this.#emit);
      this.#advance(decoder);
    }
  }

  #commitComplete(result: CompleteResult): void {
    const { target } = this.#options;
    if (!this.#mayCommit()) return;
    this.#options.onFirstEvent(this.#headers);
    this.#ended = true;
    this.#resolve({ source: { kind: 'target', target }, body: { kind: 'complete', result } });
    this.#options.onEnd({
      kind: 'done',
      observed: { usage: result.usage, finishReason: result.finishReason, chunks: 1 },
    });
  }

  /** Acts on what the decoder has seen: respond at the first event, end at the last, fail where it failed. */
  #advance(decoder: StreamDecoder): void {
    // A failure beside the first event still leaves the way to another target open.
    if (!this.#stream && decoder.started && !decoder.failure && !this.#ended) {
      if (!this.#mayCommit()) return;
      this.#respond();
    }
    if (decoder.failure) this.#fail(decoder.failure);
    else if (decoder.finished) this.#finishStream();
    else if (!this.#stream && this.#pendingBytes > this.#maxEarlyBytes) {
      this.#failInvalid(`sent more than ${this.#maxEarlyBytes} bytes before its first event.`);
    }
  }

  get #maxEarlyBytes(): number {
    return MAX_EARLY_BYTES + 8 * this.#options.call.text.length;
  }

  #mayCommit(): boolean {
    if (this.#options.mayCommit?.() ?? true) return true;
    this.#fail(anotherWasFaster());
    return false;
  }

  #respond(): void {
    const { target, streamMode, onFirstEvent } = this.#options;
    onFirstEvent.call(this.#options, this.#headers);
    const stream = new SourceStream(streamMode, this);
    this.#stream = stream;
    for (const frame of this.#pending ?? []) stream.push(frame);
    this.#pending = undefined;
    if (!this.#paused) this.#touch();
    this.#resolve({ source: { kind: 'target', target }, body: { kind: 'stream', stream } });
  }

  #finishStream(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.expiresAt = this.#options.now() + LINGER_MS;
    if (this.#paused) {
      this.#paused = false;
      this.#upstreamCall?.resume();
    }
    this.#inflater?.destroy();
    this.#options.onEnd({ kind: 'done', observed: this.#decoder?.observed });
    this.#stream?.finish({ kind: 'done' });
  }

  #fail(error: GatewayError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#pending = undefined;
    this.#received = undefined;
    this.#inflater?.destroy();
    this.#abortUpstream();
    const observed = this.#decoder?.observed;
    const isCancelled = error.code === 'client_closed_request';
    if (!this.#stream) this.#reject(error);
    if (!isCancelled) this.#options.onEnd({ kind: 'failed', error, observed });
    else this.#options.onEnd({ kind: error.details.byGateway ? 'stopped' : 'client_gone', observed });
    this.#stream?.finish(isCancelled ? { kind: 'cancelled', reason: error } : { kind: 'failed', error });
  }

  // The stream's side.

  pause(): void {
    if (this.#paused || (this.#closed && !this.#inflater) || this.#ended) return;
    this.#paused = true;
    this.#inflater?.pause();
    // A client that reads slowly is not an idle upstream: only the request's deadline counts.
    this.expiresAt = this.#options.deadlineAt;
    this.#upstreamCall?.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#touch();
    this.#inflater?.resume();
    this.#upstreamCall?.resume();
  }

  renderFailure(error: GatewayError): Uint8Array | undefined {
    return this.#decoder?.failureEvent?.(error);
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
}

/** Ends the slower of two attempts. It counts as nobody's failure, like a client that leaves. */
export function anotherWasFaster(): GatewayError {
  return stoppedByGateway('Another attempt was faster.');
}
