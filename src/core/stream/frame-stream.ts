import type { ChatEvent, FinishReason } from '../chat/result.ts';
import { asGatewayError, GatewayError } from '../errors.ts';
import type { StreamObservation } from '../stream/observation.ts';
import type { Frame, FrameSink, FrameStream, StreamEnd, StreamMode, StreamTransform } from './frame.ts';
import { OpenParts } from './open-parts.ts';
import { type ConnectableStream, EndSignal, type FrameProducer, type FrameReader } from './stage.ts';

/** Frames that wait for their reader before the producer is paused. */
const MAX_QUEUED_FRAMES = 8;

/** The first stage of a stream: keeps what its producer sends until it is connected. */
export class SourceStream implements ConnectableStream {
  readonly #end = new EndSignal();
  #queue: Frame[] | undefined;
  #reader: FrameReader | undefined;
  #pauses = 0;
  #queueIsFull = false;

  constructor(
    readonly mode: StreamMode,
    private readonly producer: FrameProducer,
  ) {}

  get observed(): StreamObservation {
    return this.producer.observed;
  }

  get end(): StreamEnd | undefined {
    return this.#end.end;
  }

  get ended(): Promise<StreamEnd> {
    return this.#end.promise;
  }

  through(transform: StreamTransform): TransformedStream {
    return new TransformedStream(this, transform);
  }

  cancel(reason: GatewayError): void {
    if (!this.end) this.producer.cancel(reason);
  }

  renderFailure(error: GatewayError): Uint8Array | undefined {
    return this.producer.renderFailure(error);
  }

  // The producer's side.

  /** Sends a frame. Ignored after the end. */
  push(frame: Frame): void {
    if (this.end) return;
    if (this.#reader) {
      this.#reader.frame(frame);
      return;
    }
    if (this.#queue) this.#queue.push(frame);
    else this.#queue = [frame];
    if (this.#queue.length < MAX_QUEUED_FRAMES || this.#queueIsFull) return;
    this.#queueIsFull = true;
    this.pause();
  }

  /** No more frames come. The first call counts. */
  finish(end: StreamEnd): void {
    if (this.#end.set(end)) this.#reader?.end(end);
  }

  // The reader's side.

  connect(reader: FrameReader): void {
    if (this.#reader) throw new TypeError('a stream has one reader');
    this.#reader = reader;
    const queued = this.#queue;
    this.#queue = undefined;
    if (queued) for (const frame of queued) reader.frame(frame);
    if (this.#queueIsFull) {
      this.#queueIsFull = false;
      this.resume();
    }
    if (this.end) reader.end(this.end);
  }

  pause(): void {
    this.#pauses += 1;
    if (this.#pauses === 1 && !this.end) this.producer.pause();
  }

  resume(): void {
    this.#pauses -= 1;
    if (this.#pauses === 0 && !this.end) this.producer.resume();
  }
}

/** Makes an error of what a transform threw. */
type FaultHandler = (thrown: unknown) => GatewayError;

/**
 * A stream with one more transform. It connects two stages: it reads frames from `parent`, and is the sink that the
 * transform writes to.
 */
export class TransformedStream implements ConnectableStream, FrameSink {
  readonly mode: StreamMode;
  readonly #transform: StreamTransform;
  #source: ConnectableStream;
  readonly #ended = new EndSignal();
  #reader: FrameReader | undefined;
  /** By the reader and by `hold`. */
  #pauses = 0;
  #holds = 0;
  /** Frames that arrived while the stream was held. */
  #held: Frame[] | undefined;
  /** The source's end that arrived while the stream was held. */
  #heldEnd: StreamEnd | undefined;
  /** The end that the transform received and may still replace. */
  #pendingEnd: StreamEnd | undefined;
  #spliced = false;
  #cancelled = false;
  /** Set by `finish`, whose reason no upstream reported. */
  #finishReason: string | undefined;
  readonly #open: OpenParts | undefined;
  #onFault: FaultHandler | undefined;

  constructor(
    readonly parent: ConnectableStream,
    transform: StreamTransform,
  ) {
    this.mode = parent.mode;
    this.#source = parent;
    this.#transform = transform;
    this.#open = parent.mode === 'rewrite' ? new OpenParts() : undefined;
  }

  /** Sets how errors that the transform throws are reported, once. @returns whether this was the first call */
  guard(onFault: FaultHandler): boolean {
    if (this.#onFault) return false;
    this.#onFault = onFault;
    return true;
  }

  get observed(): StreamObservation {
    const { observed } = this.#source;
    return this.#finishReason === undefined ? observed : { ...observed, finishReason: this.#finishReason };
  }

  get end(): StreamEnd | undefined {
    return this.#ended.end;
  }

  get ended(): Promise<StreamEnd> {
    return this.#ended.promise;
  }

  through(transform: StreamTransform): TransformedStream {
    return new TransformedStream(this, transform);
  }

  connect(reader: FrameReader): void {
    if (this.#reader) throw new TypeError('a stream has one reader');
    this.#reader = reader;
    this.#source.connect(this.#readerOf(this.#source));
  }

  pause(): void {
    this.#pauses += 1;
    if (this.#pauses === 1) this.#source.pause();
  }

  resume(): void {
    this.#pauses -= 1;
    if (this.#pauses === 0) this.#source.resume();
  }

  cancel(reason: GatewayError): void {
    if (this.end) return;
    this.#cancelled = true;
    this.#source.cancel(reason);
    // A source that has ended reports nothing more: the transform was about to replace its end.
    if (this.#source.end) this.#finish({ kind: 'cancelled', reason });
  }

  renderFailure(error: GatewayError): Uint8Array | undefined {
    return this.#source.renderFailure(error);
  }

  // The source's side.

  #sourceFrame(frame: Frame): void {
    if (this.end || this.#spliced) return;
    if (this.#holds === 0 && !this.#held) {
      this.#process(frame);
    } else if (this.mode !== 'bytes' && frame.events.length === 0) {
      this.#reader?.frame(frame);
    } else if (this.#held) {
      this.#held.push(frame);
    } else {
      this.#held = [frame];
    }
  }

  #sourceEnded(end: StreamEnd): void {
    if (this.end || this.#spliced) return;
    if (this.#cancelled) this.#held = undefined;
    if (this.#held || (this.#holds > 0 && !this.#cancelled)) this.#heldEnd = end;
    else this.#processEnd(end);
  }

  #readerOf(source: ConnectableStream): FrameReader {
    return {
      frame: (frame) => this.#sourceFrame(frame),
      end: (end) => {
        if (source === this.#source) this.#sourceEnded(end);
      },
    };
  }

  #process(frame: Frame): void {
    try {
      this.#transform.frame(frame, this);
    } catch (thrown) {
      this.fail((this.#onFault ?? asGatewayError)(thrown));
    }
  }

  #processEnd(end: StreamEnd): void {
    this.#pendingEnd = end;
    try {
      this.#transform.end(end, this);
    } catch (thrown) {
      this.fail((this.#onFault ?? asGatewayError)(thrown));
    }
    this.#settleEnd();
  }

  /** Passes the pending end on, unless the transform holds the stream to decide later. */
  #settleEnd(): void {
    const end = this.#pendingEnd;
    if (!end || this.end || (this.#holds > 0 && !this.#cancelled)) return;
    this.#finish(end);
  }

  #finish(end: StreamEnd): void {
    this.#pendingEnd = undefined;
    this.#held = undefined;
    if (this.#ended.set(end)) this.#reader?.end(end);
  }

  // The transform's side.

  write(frame: Frame): void {
    if (this.end) return;
    if (frame.bytes === undefined && this.mode !== 'rewrite' && frame.events.length > 0) {
      throw new TypeError('a frame without bytes needs the stream mode "rewrite"');
    }
    if (this.#open) for (const event of frame.events) this.#open.follow(event);
    this.#reader?.frame(frame);
  }

  insert(...events: ChatEvent[]): void {
    this.write({ events });
  }

  hold(): () => void {
    this.#holds += 1;
    if (this.#holds === 1) this.pause();
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#holds -= 1;
      if (this.#holds === 0) this.#released();
    };
  }

  #released(): void {
    const held = this.#held ?? [];
    while (held.length > 0 && this.#holds === 0 && !this.end && !this.#spliced) {
      const frame = held.shift();
      if (frame) this.#process(frame);
    }
    if (this.#holds > 0) return;
    this.#held = undefined;
    const end = this.#heldEnd;
    this.#heldEnd = undefined;
    this.resume();
    if (this.end) return;
    if (end && !this.#spliced) this.#processEnd(end);
    else this.#settleEnd();
  }

  splice(next: FrameStream): void {
    if (!isConnectable(next)) throw new TypeError('only a stream of this gateway can be spliced');
    if (this.end || this.#cancelled) {
      next.cancel(this.#cancelReason());
      return;
    }
    const before = this.#source;
    this.#source = next;
    this.#spliced = true;
    this.#pendingEnd = undefined;
    this.#heldEnd = undefined;
    this.#held = undefined;
    if (!before.end) before.cancel(new GatewayError('client_closed_request', 'Another stream took over.'));
    if (this.#pauses > 0) next.pause();
    next.connect({ frame: (frame) => this.write(frame), end: (end) => this.#finish(end) });
  }

  finish(reason: FinishReason): void {
    if (this.end) return;
    if (!this.#open) throw new TypeError('finish needs the stream mode "rewrite"');
    const events = this.#open.close(reason);
    if (events.length > 0) this.write({ events });
    this.#finishReason = reason.raw ?? reason.unified;
    this.#stop(
      { kind: 'done' },
      new GatewayError('client_closed_request', 'The response was finished early.'),
    );
  }

  fail(error: GatewayError): void {
    if (!this.end) this.#stop({ kind: 'failed', error }, error);
  }

  #stop(end: StreamEnd, reason: GatewayError): void {
    const source = this.#source;
    this.#finish(end);
    source.cancel(reason);
  }

  #cancelReason(): GatewayError {
    const end = this.end;
    if (end?.kind === 'cancelled') return end.reason;
    return new GatewayError('client_closed_request', 'The response has ended.');
  }
}

/** Whether this gateway made the stream, so that it can be connected. */
export function isConnectable(stream: FrameStream): stream is ConnectableStream {
  return 'connect' in stream && 'pause' in stream && 'mode' in stream;
}
