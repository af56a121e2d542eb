import { partOf } from '../core/bytes.ts';
import type { ChatEvent, ChatEventReader } from '../core/chat/result.ts';
import type { Clock } from '../core/clock.ts';
import { asGatewayError, type GatewayError } from '../core/errors.ts';
import { SseFramer } from '../core/sse.ts';
import { type Frame, NO_EVENTS, type StreamMode } from '../core/stream/frame.ts';
import { SourceStream } from '../core/stream/frame-stream.ts';
import type { StreamObservation } from '../core/stream/observation.ts';
import type { FrameProducer } from '../core/stream/stage.ts';

/** A gap in a stored stream is not replayed longer. Milliseconds. */
const MAX_GAP_MS = 2_000;

/** A frame, and when it is due. */
interface TimedFrame {
  readonly frame: Frame;
  /** Milliseconds after the start. */
  readonly at: number;
}

export interface ReplayOptions {
  readonly mode: StreamMode;
  readonly observed: StreamObservation;
  readonly clock: Clock;
  readonly frames: readonly TimedFrame[];
}

/** Sends stored frames, at once or when they are due. */
export class ReplayedStream implements FrameProducer {
  readonly observed: StreamObservation;
  readonly stream: SourceStream;
  #next = 0;
  #pauses = false;
  #isOver = false;
  #isRunning = false;
  /** While the next frame is not due. */
  #waiting: AbortController | undefined;
  /** The gap before the next frame has passed. */
  #isDue = false;

  constructor(private readonly options: ReplayOptions) {
    this.observed = options.observed;
    this.stream = new SourceStream(options.mode, this);
    this.#run();
  }

  pause(): void {
    this.#pauses = true;
  }

  resume(): void {
    this.#pauses = false;
    this.#run();
  }

  cancel(reason: GatewayError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#waiting?.abort();
    this.stream.finish({ kind: 'cancelled', reason });
  }

  renderFailure(): undefined {
    return undefined;
  }

  #run(): void {
    if (this.#isRunning || this.#waiting) return;
    this.#isRunning = true;
    while (!this.#pauses && !this.#isOver) {
      const due = this.options.frames[this.#next];
      if (!due) {
        this.#isOver = true;
        this.stream.finish({ kind: 'done' });
        break;
      }
      const before = this.options.frames[this.#next - 1]?.at ?? 0;
      const gap = Math.min(due.at - before, MAX_GAP_MS);
      if (gap > 0 && !this.#isDue) {
        this.#wait(gap);
        break;
      }
      this.#isDue = false;
      this.#next += 1;
      this.stream.push(due.frame);
    }
    this.#isRunning = false;
  }

  #wait(ms: number): void {
    const waiting = new AbortController();
    this.#waiting = waiting;
    this.options.clock.sleep(ms, waiting.signal).then(
      () => {
        this.#waiting = undefined;
        this.#isDue = true;
        this.#run();
      },
      () => undefined,
    );
  }
}

/** @returns frames of bytes that are not decoded, in one piece or in the pieces in which they came */
export function byteFrames(bytes: Uint8Array, pace: readonly number[] | undefined): TimedFrame[] {
  if (!pace || pace.length < 4) return [{ frame: { bytes, events: NO_EVENTS, isLast: true }, at: 0 }];
  const frames: TimedFrame[] = [];
  let start = 0;
  for (let index = 0; index + 1 < pace.length; index += 2) {
    const end = pace[index] ?? start;
    const isLast = end >= bytes.length ? { isLast: true } : {};
    frames.push({
      frame: { bytes: partOf(bytes, start, end), events: NO_EVENTS, ...isLast },
      at: pace[index + 1] ?? 0,
    });
    start = end;
  }
  return frames;
}

/**
 * Decodes the bytes of a whole stream.
 * @returns a frame for each server-sent event, with its canonical events
 * @throws GatewayError when the bytes are not a whole stream
 */
export function decodedFrames(bytes: Uint8Array, reader: ChatEventReader): TimedFrame[] {
  const blocks: Uint8Array[] = [];
  const framer = new SseFramer();
  framer.push(bytes, (block) => blocks.push(block));
  const rest = framer.end();
  if (rest.length > 0) blocks.push(rest);
  const frames: { frame: Frame; at: number }[] = [];
  const read = (step: (emit: (event: ChatEvent) => void) => void) => {
    const events: ChatEvent[] = [];
    step((event) => events.push(event));
    return events;
  };
  try {
    for (const [index, block] of blocks.entries()) {
      const isLast = index === blocks.length - 1;
      const events = read((emit) => {
        reader.push(block, emit);
        if (isLast) reader.end(emit);
      });
      frames.push({ frame: { bytes: block, events, ...(isLast ? { isLast } : {}) }, at: 0 });
    }
  } catch (error) {
    throw asGatewayError(error);
  }
  return frames;
}
