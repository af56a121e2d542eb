import type { GatewayError } from '../errors.ts';
import type { StreamObservation } from '../stream/observation.ts';
import type { Frame, FrameStream, StreamEnd, StreamMode } from './frame.ts';

/** Receives what leaves a stage. */
export interface FrameReader {
  frame(frame: Frame): void;
  /** Called once, after the last frame. */
  end(end: StreamEnd): void;
}

/** A stream that can be connected: all streams that this gateway makes. */
export interface ConnectableStream extends FrameStream {
  readonly mode: StreamMode;
  /** Whether this stage, or one that it reads, has a reader: then no other reader gets its frames. */
  readonly isConnected: boolean;
  /** The end, once no more frames leave this stage. */
  readonly end: StreamEnd | undefined;
  /** Lets frames flow, beginning with those that arrived so far. Called once, by the handler or by the next stage. */
  connect(reader: FrameReader): void;
  /** Stops the flow until `resume` was called as often. */
  pause(): void;
  resume(): void;
  /** The error event of a decoder that knows what its client has read; undefined where any error event will do. */
  renderFailure(error: GatewayError): Uint8Array | undefined;
}

/** The end of a stage, as a value and as a promise that is created only on request. */
export class EndSignal {
  #end: StreamEnd | undefined;
  #promise: Promise<StreamEnd> | undefined;
  #resolve: ((end: StreamEnd) => void) | undefined;

  get end(): StreamEnd | undefined {
    return this.#end;
  }

  get promise(): Promise<StreamEnd> {
    if (!this.#promise) {
      const { promise, resolve } = Promise.withResolvers<StreamEnd>();
      this.#promise = promise;
      this.#resolve = resolve;
      if (this.#end) resolve(this.#end);
    }
    return this.#promise;
  }

  /** The first end counts. @returns whether this was the first */
  set(end: StreamEnd): boolean {
    if (this.#end) return false;
    this.#end = end;
    this.#resolve?.(end);
    return true;
  }
}

/** Who added a stage to a stream, for errors and logs. */
export interface StageOwner {
  readonly name: string;
  /** Makes an error of what the owner's transform threw. */
  fault(thrown: unknown): GatewayError;
}

/** Where the frames of a stream come from: an attempt, or a stored response that is replayed. */
export interface FrameProducer {
  readonly observed: StreamObservation;
  /** No more frames are wanted for now; a few that are under way may still come. */
  pause(): void;
  resume(): void;
  /** Stops producing. Leads to `SourceStream.finish`, at once or later. */
  cancel(reason: GatewayError): void;
  renderFailure(error: GatewayError): Uint8Array | undefined;
}
