import type { ChatEvent, FinishReason } from '../chat/result.ts';
import { asGatewayError, type GatewayError, stoppedByGateway } from '../errors.ts';
import type { StreamObservation } from '../stream/observation.ts';
import {
  type Frame,
  type FrameSink,
  type FrameStream,
  isLastFrame,
  type StreamEnd,
  type StreamMode,
  type StreamTransform,
} from './frame.ts';
import { OpenParts } from './open-parts.ts';
import {
  type ConnectableStream,
  EndSignal,
  type FrameProducer,
  type FrameReader,
  type StageOwner,
} from './stage.ts';

/** Frames that wait for their reader before the producer is paused. */
const MAX_QUEUED_FRAMES = 8;

/** The first stage of a stream: keeps what its producer sends until it is connected. */
export class SourceStream implements ConnectableStream {
  readonly #end = new EndSignal();
  /** Frames that arrived before the reader, until it has received them. */
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

  get isConnected(): boolean {
    return this.#reader !== undefined;
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
    if (this.#reader && !this.#queue) {
      this.#reader.frame(frame);
      return;
    }
    if (this.#queue) this.#queue.push(frame);
    else this.#queue = [frame];
    if (this.#reader) return;
    if (this.#queue.length < MAX_QUEUED_FRAMES || this.#queueIsFull) return;
    this.#queueIsFull = true;
    this.pause();
  }

  /** No more frames come. The first call counts. */
  finish(end: StreamEnd): void {
    // A reader that is still receiving queued frames gets the end after them.
    if (this.#end.set(end) && !this.#queue) this.#reader?.end(end);
  }

  // The reader's side.

  connect(reader: FrameReader): void {
    if (this.#reader) throw new TypeError('a stream has one reader');
    this.#reader = reader;
    // Frames that arrive meanwhile join the queue, and are read in this loop.
    for (const frame of this.#queue ?? []) reader.frame(frame);
    this.#queue = undefined;
    const { end } = this;
    if (end) reader.end(end);
    if (!this.#queueIsFull) return;
    this.#queueIsFull = false;
    this.resume();
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
  #releasing = false;
  #cancelReason: GatewayError | undefined;
  /** Set by `finish`, whose reason no upstream reported. */
  #finishReason: string | undefined;
  readonly #open: OpenParts | undefined;
  #owner: StageOwner | undefined;
  /** Bytes that came and that went; counted where frames may not be changed. */
  #bytesIn = 0;
  #bytesOut = 0;
  /** The source sent the last frame of a complete response. */
  #sourceIsComplete = false;
  #isComplete = false;

  constructor(
    readonly parent: ConnectableStream,
    transform: StreamTransform,
  ) {
    this.mode = parent.mode;
    this.#source = parent;
    this.#transform = transform;
    this.#open = parent.mode === 'rewrite' ? new OpenParts() : undefined;
  }

  /** Sets who answers for the transform, once. @returns whether this was the first call */
  setOwner(owner: StageOwner): boolean {
    if (this.#owner) return false;
    this.#owner = owner;
    return true;
  }

  /** The owner's name, while the transform holds the stream. */
  get heldBy(): string | undefined {
    return this.#holds > 0 && !this.end ? this.#owner?.name : undefined;
  }

  get isConnected(): boolean {
    return this.#reader !== undefined || this.#source.isConnected;
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
    if (this.isConnected) throw new TypeError('a stream has one reader');
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
    this.#cancelReason ??= reason;
    const source = this.#source;
    source.cancel(reason);
    // A source that has ended reports nothing more: its end waits here, or the transform was about to replace it.
    if (this.end || !this.#reader || !source.end || source !== this.#source) return;
    if (this.#heldEnd) this.#sourceEnded(this.#heldEnd);
    else if (this.#pendingEnd || this.#spliced) this.#finish({ kind: 'cancelled', reason });
  }

  renderFailure(error: GatewayError): Uint8Array | undefined {
    return this.#source.renderFailure(error);
  }

  // The source's side.

  #sourceFrame(frame: Frame): void {
    if (this.end || this.#spliced || this.#cancelReason) return;
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
    // The rest of a cancelled stream has no reader: a hold does not delay its end.
    if (end.kind === 'cancelled') this.#cancelReason ??= end.reason;
    const reason = this.#cancelReason;
    if (reason) {
      this.#held = undefined;
      this.#heldEnd = undefined;
      this.#processEnd({ kind: 'cancelled', reason });
    } else if (this.#held || this.#holds > 0) {
      this.#heldEnd = end;
    } else {
      this.#processEnd(end);
    }
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
    this.#sourceIsComplete ||= isLastFrame(frame);
    this.#bytesIn += frame.bytes?.length ?? 0;
    try {
      this.#transform.frame(frame, this);
    } catch (thrown) {
      this.#fault(thrown);
    }
  }

  #processEnd(end: StreamEnd): void {
    this.#pendingEnd = end;
    try {
      this.#transform.end(end, this);
    } catch (thrown) {
      this.#fault(thrown);
    }
    this.#settleEnd();
  }

  #fault(thrown: unknown): void {
    this.fail(this.#owner ? this.#owner.fault(thrown) : asGatewayError(thrown));
  }

  /** Passes the pending end on, unless the transform holds the stream to decide later. */
  #settleEnd(): void {
    const end = this.#pendingEnd;
    if (!end || this.end || (this.#holds > 0 && !this.#cancelReason)) return;
    this.#finishTruthfully(end);
  }

  /** A response that lost its last frame on the way never ends well. */
  #finishTruthfully(end: StreamEnd): void {
    const isLost = this.#sourceIsComplete && !this.#isComplete;
    if (end.kind === 'done' && isLost) this.#fault(framesLost());
    else this.#finish(end);
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
    this.#bytesOut += frame.bytes?.length ?? 0;
    if (isLastFrame(frame)) {
      if (!this.#open && this.#bytesOut < this.#bytesIn) {
        this.#fault(framesLost());
        return;
      }
      this.#isComplete = true;
    }
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
    this.resume();
    // A transform that holds and releases within `frame`: the outer call continues with the queued frames.
    if (this.#releasing) return;
    this.#releasing = true;
    while (this.#held && this.#holds === 0 && !this.end && !this.#spliced) {
      const frame = this.#held.shift();
      if (frame) this.#process(frame);
      else this.#held = undefined;
    }
    this.#releasing = false;
    if (this.#holds > 0 || this.end) return;
    const end = this.#heldEnd;
    this.#heldEnd = undefined;
    if (end && !this.#spliced) this.#processEnd(end);
    else this.#settleEnd();
  }

  splice(next: FrameStream): void {
    if (!isConnectable(next)) {
      this.#fault(new TypeError('only a stream of this gateway can be spliced'));
      return;
    }
    if (this.end || this.#cancelReason) {
      next.cancel(this.#cancelReason ?? stoppedByGateway('The response has ended.'));
      return;
    }
    if (next === this || next.isConnected) {
      this.#fault(new TypeError('a stream that is read already cannot be spliced'));
      return;
    }
    if (next.mode === 'rewrite' && this.mode !== 'rewrite') {
      next.cancel(stoppedByGateway('The response cannot be continued.'));
      this.#fault(new TypeError('a stream of mode "rewrite" cannot be spliced into one of a weaker mode'));
      return;
    }
    if (this.#owner) setStageOwner(next, this.#owner);
    const before = this.#source;
    this.#source = next;
    this.#spliced = true;
    this.#pendingEnd = undefined;
    this.#heldEnd = undefined;
    this.#held = undefined;
    this.#bytesIn = 0;
    this.#sourceIsComplete = false;
    if (!before.end) before.cancel(stoppedByGateway('Another stream took over.'));
    if (this.#pauses > 0) next.pause();
    // Another stream may be spliced after this one, which then says nothing more.
    next.connect({
      frame: (frame) => {
        if (next === this.#source && !this.#cancelReason) this.write(frame);
      },
      end: (end) => {
        if (next !== this.#source) return;
        const reason = this.#cancelReason;
        this.#finish(reason ? { kind: 'cancelled', reason } : end);
      },
    });
  }

  finish(reason: FinishReason): void {
    if (this.end) return;
    if (!this.#open) throw new TypeError('finish needs the stream mode "rewrite"');
    const events = this.#open.close(reason);
    if (events.length > 0) this.write({ events });
    this.#finishReason = reason.raw ?? reason.unified;
    this.#stop({ kind: 'done' });
  }

  fail(error: GatewayError): void {
    if (!this.end) this.#stop({ kind: 'failed', error });
  }

  /** The upstream is not to blame for it: it is cancelled as if the client had left. */
  #stop(end: StreamEnd): void {
    const source = this.#source;
    this.#finish(end);
    source.cancel(stoppedByGateway('The gateway ended the response.'));
  }
}

function framesLost(): TypeError {
  return new TypeError('not all frames of the response were written');
}

/** Makes an owner answer for the stages that no one answers for yet: those that it added. */
export function setStageOwner(stream: FrameStream, owner: StageOwner): void {
  for (let stage: FrameStream = stream; stage instanceof TransformedStream; stage = stage.parent) {
    if (!stage.setOwner(owner)) return;
  }
}

/** Whether this gateway made the stream, so that it can be connected. */
export function isConnectable(stream: FrameStream): stream is ConnectableStream {
  return 'connect' in stream && 'pause' in stream && 'mode' in stream;
}
