import { ByteCollector } from '../core/byte-collector.ts';
import { copyBytes } from '../core/bytes.ts';
import type { ChatEvent } from '../core/chat/result.ts';
import {
  type Frame,
  type FrameSink,
  isLastFrame,
  type StreamEnd,
  type StreamTransform,
} from '../core/stream/frame.ts';

/** What was recorded of a whole stream. */
export interface Recording {
  /** Absent where a frame had no bytes. */
  readonly frames: Uint8Array | undefined;
  readonly pace: readonly number[] | undefined;
  /** Absent where frames carried none. */
  readonly events: readonly ChatEvent[] | undefined;
}

export interface RecorderOptions {
  /** A longer stream is not recorded. */
  readonly maxBytes: number;
  readonly keepsPace: boolean;
  readonly keepsEvents: boolean;
  readonly now: () => number;
  /** Called once with a stream that ended well, and with all of its content. */
  readonly onRecorded: (recording: Recording) => void;
}

/** What an event counts as, in bytes. */
const EVENT_BYTES = 150;

/** Records a stream on its way. A stream that is cut, fails, or grows too long is forgotten. */
export class StreamRecorder implements StreamTransform {
  #parts: ByteCollector | undefined = new ByteCollector();
  #events: ChatEvent[] | undefined;
  readonly #pace: number[] = [];
  readonly #startedAt: number;
  #bytes = 0;
  #size = 0;
  #isOff = false;
  #isComplete = false;

  constructor(private readonly options: RecorderOptions) {
    this.#startedAt = options.now();
    this.#events = options.keepsEvents ? [] : undefined;
  }

  frame(frame: Frame, out: FrameSink): void {
    if (!this.#isOff) this.#record(frame);
    out.write(frame);
  }

  end({ kind }: StreamEnd): void {
    if (kind !== 'done' || this.#isOff || !this.#isComplete) return;
    const { keepsPace, onRecorded } = this.options;
    const frames = this.#parts && owned(this.#parts.take());
    onRecorded({ frames, pace: keepsPace ? this.#pace : undefined, events: this.#events });
  }

  #record(frame: Frame): void {
    const { bytes, events } = frame;
    this.#isComplete ||= isLastFrame(frame);
    this.#size += (bytes?.length ?? 0) + EVENT_BYTES * events.length;
    if (this.#size > this.options.maxBytes) {
      this.#isOff = true;
      this.#parts = undefined;
      this.#events = undefined;
      return;
    }
    if (this.#events) for (const event of events) this.#events.push(event);
    if (!this.#parts) return;
    // A changed frame has events only: then the events are what is stored.
    if (bytes === undefined) {
      if (events.length > 0) this.#parts = undefined;
      return;
    }
    this.#parts.add(bytes);
    this.#bytes += bytes.length;
    if (this.options.keepsPace) {
      this.#pace.push(this.#bytes, Math.round(this.options.now() - this.#startedAt));
    }
  }
}

/** @returns the same bytes without the rest of a larger buffer, which would stay in memory with them */
function owned(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength > 2 * bytes.length ? copyBytes(bytes) : bytes;
}
