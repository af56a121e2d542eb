import { GatewayError } from '../core/errors.ts';
import { BodyError, type HttpRequest, type ResponseHeaders } from '../core/http.ts';
import { decodedBody } from '../http/decoded-body.ts';
import type { ConnectionMemory } from '../server/connection-memory.ts';
import { ProgressClock } from '../server/progress-clock.ts';
import { requestHeaders, responseMetadata } from './call-headers.ts';
import { failureOf, GrpcFailure, timeoutOf } from './grpc-failure.ts';
import type { GrpcLimits } from './grpc-limits.ts';
import type { Http2Stream, StreamHandler } from './http2/http2-stream.ts';
import { framed, type IncomingMessage, MessageError, MessageReader } from './message-reader.ts';
import { decodeMessage } from './protobuf/decode.ts';
import { encodeMessage } from './protobuf/encode.ts';
import type { Method } from './protobuf/schema.ts';
import { ProtobufError } from './protobuf/wire.ts';

export interface GrpcCallOptions {
  readonly stream: Http2Stream;
  readonly memory: ConnectionMemory;
  readonly method: Method;
  readonly limits: () => GrpcLimits;
  /** Of one message. Read when it begins. */
  readonly maxMessageBytes: () => number;
  /** Receives defects. Must not throw. */
  readonly onError: (error: unknown) => void;
}

/** How far behind `min_rate` the sender of a message may be. Seconds. */
const MAX_SECONDS_BEHIND = 20;
/** The pipeline ends a request at its deadline with more to say; the call itself ends this much later. Milliseconds. */
const DEADLINE_GRACE = 100;
const MAX_TIMER = 2_147_483_647;
/** Bytes that a message that waits takes beside its content: empty ones are not free. */
const MESSAGE_BYTES = 128;

/** One call of a method: the messages of both sides, its metadata, and its end, which happens once. */
export class GrpcCall implements StreamHandler {
  readonly method: Method;
  readonly signal: AbortSignal;
  readonly #options: GrpcCallOptions;
  readonly #stream: Http2Stream;
  readonly #reader: MessageReader;
  readonly #abort = new AbortController();
  readonly #clock = new ProgressClock();
  #listeners: (() => void)[] = [];
  #messages: IncomingMessage[] = [];
  #waiting: PromiseWithResolvers<IncomingMessage | undefined> | undefined;
  #failure: unknown;
  #hasEnded = false;
  #isOver = false;
  /** Bytes that count as kept: of messages, and of what handlers have made of them. */
  #kept = 0;
  /** Those of messages that wait for the handler. */
  #queued = 0;
  #isAsked = false;
  /** Bytes that the client may send again once the handler wants more. */
  #ungranted = 0;
  #count = 0;
  #idleSeconds = 0;
  #onDrain: (() => void) | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #timeoutMs: number | undefined;
  #requestId: string | undefined;
  /** Called once a second while the call runs. */
  onTick: (() => void) | undefined;

  constructor(options: GrpcCallOptions) {
    this.#options = options;
    this.#stream = options.stream;
    this.method = options.method;
    this.signal = this.#abort.signal;
    this.#reader = new MessageReader(options.maxMessageBytes);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Runs a handler, whose failure ends the call. */
  run(handler: (call: GrpcCall) => void | Promise<void>): void {
    const failed = (error: unknown) => this.fail(this.failureOf(error));
    try {
      this.#timeoutMs = timeoutOf(this.#stream.head.headers);
      if (this.#timeoutMs !== undefined) this.#startDeadline(this.#timeoutMs);
      handler(this)?.catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  /** @param thrown by what a handler has called */
  failureOf(thrown: unknown): GrpcFailure {
    return failureOf(thrown, this.#options.onError);
  }

  /** Calls a listener once when the call ends before its response is complete; at once when it has. */
  onLost(listener: () => void): void {
    if (this.signal.aborted) listener();
    else if (!this.#isOver) this.#listeners.push(listener);
  }

  // Messages of the client.

  /**
   * Reads the only message.
   * @throws GatewayError `invalid_request` where it is no message of the method's type; BodyError
   */
  async request(): Promise<unknown> {
    const message = await this.#next();
    if (!message) throw invalid('The call has no request message.');
    const bytes = await this.#uncompressed(message);
    // Its bytes count until the end of the call: the request is in memory until then.
    return this.#decoded(bytes);
  }

  /** @returns the next message of a stream; undefined at its end */
  async next(): Promise<unknown> {
    const message = await this.#next();
    if (!message) return undefined;
    this.#queued -= message.bytes.length + MESSAGE_BYTES;
    return this.#decoded(await this.#uncompressed(message));
  }

  /** A request of a stream has its response: nothing of it is kept for the rest of the call. */
  requestEnded(): void {
    this.#listeners = [];
    this.#release(this.#kept - this.#queued - this.#reader.partialBytes);
  }

  // The response.

  /** Sends metadata before the first message. */
  sendMetadata(headers: ResponseHeaders): void {
    this.#requestId = textOf(headers.get('x-request-id'));
    this.#stream.sendHeaders([[':status', '200'], CONTENT_TYPE, ...responseMetadata(headers)]);
  }

  /** @returns false when the caller should wait for `onDrain` */
  send(message: unknown): boolean {
    if (this.#isOver) return true;
    this.#idleSeconds = 0;
    this.#stream.sendHeaders([[':status', '200'], CONTENT_TYPE]);
    return this.#stream.write(framed(encodeMessage(this.method.output, message)));
  }

  /** Calls back once when the client takes more, or the call has ended. */
  onDrain(callback: () => void): void {
    this.#onDrain = callback;
  }

  /** Ends the call with `OK`. */
  finish(): void {
    if (this.#isOver) return;
    this.#stream.sendHeaders([[':status', '200'], CONTENT_TYPE]);
    this.#end([['grpc-status', '0']]);
  }

  fail(failure: GrpcFailure): void {
    if (this.#isOver) return;
    const requestId = textOf(failure.headers.get('x-request-id')) ?? this.#requestId;
    const status = [...failure.statusHeaders(requestId), ...responseMetadata(failure.headers)];
    // Without messages, status and metadata are one header list (Trailers-Only).
    const head: (readonly [string, string])[] = this.#stream.hasHeaders
      ? []
      : [[':status', '200'], CONTENT_TYPE];
    this.#end([...head, ...status]);
  }

  // The request that the router handles in the name of this call.

  /** @param readBody returns the body; absent for requests without one */
  httpRequest(method: 'GET' | 'POST', target: string, readBody?: () => Promise<Uint8Array>): HttpRequest {
    const { head, remoteAddress, secure } = this.#stream;
    const { authority } = head;
    return {
      ...{ method, target, remoteAddress, signal: this.signal },
      url: `${secure ? 'https' : 'http'}://${authority === '' ? 'localhost' : authority}${target}`,
      headers: requestHeaders(head.headers, this.#timeoutMs, authority),
      onDisconnect: (listener) => this.onLost(listener),
      readBody: () => readBody?.() ?? NO_BYTES,
      // The reader of messages has its own limit, which holds before the route is known.
      limitBody: () => undefined,
      keepBytes: (bytes) => this.#keepMore(bytes),
      chargeTo: (account) => this.#stream.chargeTo(account),
    };
  }

  // Events of the stream.

  received(bytes: Uint8Array): void {
    if (this.#isOver || this.#failure) return;
    this.#clock.moved(bytes.length);
    this.#idleSeconds = 0;
    try {
      this.#keepMore(bytes.length);
      this.#reader.push(bytes, (message) => this.#received(message));
    } catch (error) {
      this.#refuse(error);
      return;
    }
    this.#ungranted += bytes.length;
    if (this.#waiting) this.#grant();
  }

  ended(): void {
    this.#hasEnded = true;
    if (this.#reader.isPartial) this.#refuse(new MessageError('malformed'));
    else this.#waiting?.resolve(undefined);
  }

  drained(): void {
    const callback = this.#onDrain;
    this.#onDrain = undefined;
    callback?.();
  }

  lost(): void {
    if (this.#isOver) return;
    this.#close();
    this.#lose();
  }

  tick(): void {
    this.onTick?.();
    if (this.#isOver) return;
    this.#idleSeconds += 1;
    const { bodyTimeoutMs, minRate, grpcIdleMs } = this.#options.limits();
    const { clientStreams } = this.method;
    if (clientStreams && this.#waiting && !this.#reader.isPartial && this.#idleSeconds * 1000 >= grpcIdleMs) {
      this.#refuse(new BodyError('timed_out', 'The stream was idle (limits.grpc_idle).'));
      return;
    }
    const isArriving = this.#waiting && (this.#reader.isPartial || !clientStreams);
    if (!isArriving) {
      this.#clock.restart();
      return;
    }
    const behind = this.#clock.tick(minRate);
    const isLate = this.#clock.seconds * 1000 >= bodyTimeoutMs;
    if (isLate || (minRate !== null && behind >= MAX_SECONDS_BEHIND))
      this.#refuse(new BodyError('timed_out'));
  }

  #startDeadline(timeoutMs: number): void {
    const end = () =>
      this.#abandon(
        GrpcFailure.of(new GatewayError('deadline_exceeded', 'The deadline of the call has passed.')),
      );
    this.#deadline = setTimeout(end, Math.min(timeoutMs + DEADLINE_GRACE, MAX_TIMER));
  }

  #received(message: IncomingMessage): void {
    this.#keepMore(MESSAGE_BYTES);
    this.#queued += message.bytes.length + MESSAGE_BYTES;
    this.#count += 1;
    if (this.#count > 1 && !this.method.clientStreams) throw invalid('The method takes one message.');
    this.#clock.restart();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) waiting.resolve(message);
    else this.#messages.push(message);
  }

  #next(): Promise<IncomingMessage | undefined> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (!this.#isAsked) {
      this.#isAsked = true;
      this.#options.memory.bodyAsked(this.#kept);
      this.#stream.startReading();
    }
    this.#grant();
    const message = this.#messages.shift();
    if (message || this.#hasEnded) return Promise.resolve(message);
    if (this.#isOver) return Promise.reject(new BodyError('ended_early'));
    this.#idleSeconds = 0;
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  #grant(): void {
    const bytes = this.#ungranted;
    this.#ungranted = 0;
    this.#stream.grant(bytes);
  }

  async #uncompressed({ bytes, isCompressed }: IncomingMessage): Promise<Uint8Array> {
    if (!isCompressed) return bytes;
    const encoding = this.#stream.head.headers.get('grpc-encoding') ?? 'identity';
    if (encoding !== 'gzip') {
      throw new GatewayError(
        'unsupported_media_type',
        `The compression "${encoding.slice(0, 50)}" is not supported; send messages uncompressed or with gzip.`,
        { headers: { 'grpc-accept-encoding': 'identity,gzip' } },
      );
    }
    const request = {
      keepBytes: (more: number) => this.#keepMore(more),
      onDisconnect: (listener: () => void) => this.onLost(listener),
    };
    return decodedBody(request, bytes, ['gzip'], this.#options.maxMessageBytes());
  }

  #decoded(bytes: Uint8Array): unknown {
    try {
      return decodeMessage(this.method.input, bytes);
    } catch (error) {
      if (!(error instanceof ProtobufError)) throw error;
      throw invalid(`The message is not a valid ${this.method.input.name}: ${error.message}.`);
    }
  }

  /** @throws BodyError `no_memory` or `ended_early` */
  #keepMore(bytes: number): void {
    if (this.#isOver) throw new BodyError('ended_early');
    if (!this.#options.memory.keepBody(bytes, this.#kept + bytes, !this.#isAsked))
      throw new BodyError('no_memory');
    this.#kept += bytes;
  }

  #release(bytes: number): void {
    const released = Math.min(bytes, this.#kept);
    this.#kept -= released;
    this.#options.memory.releaseBody(released, !this.#isAsked);
  }

  /** No more messages are read: the handler learns why, or the call ends. */
  #refuse(error: unknown): void {
    this.#failure = messageFailure(error, this.#options.maxMessageBytes());
    this.#messages = [];
    const waiting = this.#waiting;
    this.#waiting = undefined;
    // A handler that waits for the message knows the request id and the caller; it fails the call.
    if (waiting) waiting.reject(this.#failure);
    else if (!this.#isAsked) this.#abandon(this.failureOf(this.#failure));
  }

  /** Ends the call while its handler runs. */
  #abandon(failure: GrpcFailure): void {
    if (this.#isOver) return;
    this.fail(failure);
    this.#lose();
  }

  #end(trailers: readonly (readonly [string, string])[]): void {
    this.#close();
    this.#stream.end(trailers);
  }

  #close(): void {
    this.#isOver = true;
    clearTimeout(this.#deadline);
    this.#release(this.#kept);
    this.#reader.release();
    this.#messages = [];
    this.#waiting?.reject(new BodyError('ended_early'));
    this.#waiting = undefined;
    this.onTick = undefined;
  }

  /** Tells the handler that no client waits for its response. */
  #lose(): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    try {
      for (const listener of listeners) listener();
    } finally {
      this.#abort.abort();
      this.drained();
    }
  }
}

const NO_BYTES = new Uint8Array(0);
const CONTENT_TYPE: readonly [string, string] = ['content-type', 'application/grpc'];

function textOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function messageFailure(error: unknown, maxBytes: number): unknown {
  if (!(error instanceof MessageError)) return error;
  return error.reason === 'too_large'
    ? BodyError.tooLarge(maxBytes)
    : invalid('The data of the stream is not a gRPC message.');
}

function invalid(message: string): GatewayError {
  return new GatewayError('invalid_request', message);
}
