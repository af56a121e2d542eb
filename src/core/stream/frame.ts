import type { ChatEvent, FinishReason } from '../chat/result.ts';
import type { GatewayError } from '../errors.ts';
import type { StreamObservation } from '../stream/observation.ts';

/**
 * How much of a stream an interceptor needs.
 * - `bytes`: nothing is decoded; frames carry bytes and no events
 * - `observe`: frames carry bytes and the events in them; the bytes go to the client
 * - `rewrite`: frames may be changed; changed ones are rendered by the client's dialect
 */
export type StreamMode = 'bytes' | 'observe' | 'rewrite';

const STRENGTH: Readonly<Record<StreamMode, number>> = { bytes: 0, observe: 1, rewrite: 2 };

/** @returns the mode that serves both */
export function strongerMode(one: StreamMode, other: StreamMode): StreamMode {
  return STRENGTH[other] > STRENGTH[one] ? other : one;
}

/** A piece of a streamed response. A frame with neither bytes nor events means nothing. */
export interface Frame {
  /** What the client receives, in its dialect; absent where only the events are known. */
  readonly bytes?: Uint8Array;
  /** The canonical events in `bytes`; empty for comments and keep-alives, and in mode `bytes`. */
  readonly events: readonly ChatEvent[];
  /** The response is complete with these bytes. */
  readonly isLast?: boolean;
}

/** Whether a response is complete with a frame, as the client receives it. */
export function isLastFrame({ bytes, events, isLast }: Frame): boolean {
  return isLast === true || (bytes === undefined && events.at(-1)?.type === 'end');
}

/** How a stream ended, at the place where it is observed. */
export type StreamEnd =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly error: GatewayError }
  /** The rest is not needed: the client disconnected, or another attempt was faster. */
  | { readonly kind: 'cancelled'; readonly reason: GatewayError };

/**
 * One stage of a stream. Synchronous and fused with the other stages: no promise per frame. A stage that throws ends the
 * stream with `internal_error`.
 */
export interface StreamTransform {
  /** Called for each frame, in order. Writing the same frame keeps its bytes. */
  frame(frame: Frame, out: FrameSink): void;
  /**
   * Called once, when no more frames come. May write what was held back. Afterwards the stream ends the same way, unless
   * the transform called `splice`, `finish` or `fail`, or holds the stream and decides later.
   */
  end(end: StreamEnd, out: FrameSink): void;
}

/** Where a transform writes. After the end of its stream, calls have no effect. */
export interface FrameSink {
  write(frame: Frame): void;
  /** Writes events that no upstream sent. Only in mode `rewrite`. */
  insert(...events: ChatEvent[]): void;
  /**
   * Pauses the upstream and its idle deadline. Frames that still arrive wait, except those without events, such as
   * keep-alives. Bounded by the request's deadline.
   * @returns the release; calling it again has no effect
   */
  hold(): () => void;
  /** Continues with another stream in place of the end that this stage received. */
  splice(next: FrameStream): void;
  /** Ends the response early and well: closes the open part, writes the finish reason, and cancels the upstream. */
  finish(reason: FinishReason): void;
  /** Ends the response with an error in the client's dialect, and cancels the upstream. */
  fail(error: GatewayError): void;
}

/** A streamed response. Frames flow once the inference handler connects it, after all interceptors returned. */
export interface FrameStream {
  /** What the gateway knows of the response so far: usage, finish reason, text. */
  readonly observed: StreamObservation;
  /** Resolves when no more frames leave this stage; never rejects. */
  readonly ended: Promise<StreamEnd>;
  /** @returns the stream behind one more stage. A stream has one reader: connect or transform it once. */
  through(transform: StreamTransform): FrameStream;
  /** Stops the upstream. The stream ends as `cancelled`. */
  cancel(reason: GatewayError): void;
}

/** The events of a frame without any; shared, so that such frames cost one object. */
export const NO_EVENTS: readonly ChatEvent[] = [];
