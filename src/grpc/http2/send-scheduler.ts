import type { ClientBudget } from './client-budget.ts';
import {
  ConnectionError,
  DEFAULT_WINDOW,
  ERROR,
  FRAME,
  frameHead,
  MAX_FRAME_SIZE,
  MAX_WINDOW,
} from './frames.ts';
import type { Http2Stream } from './http2-stream.ts';

/** The writing side of a connection. */
export interface FrameOutput {
  /** The socket takes no more at present. */
  readonly blocked: boolean;
  send(bytes: Uint8Array): void;
}

/** Sends the data of streams as far as the windows of the client and the socket allow. */
export class SendScheduler {
  /** Streams with output that wait for a window or the socket. */
  readonly #waiting = new Set<Http2Stream>();
  #window = DEFAULT_WINDOW;
  #initialWindow = DEFAULT_WINDOW;

  constructor(
    private readonly output: FrameOutput,
    private readonly budget: ClientBudget,
  ) {}

  /** Bytes that a client takes of a new stream. */
  get initialWindow(): number {
    return this.#initialWindow;
  }

  /** Streams with output that waits. */
  get waiting(): readonly Http2Stream[] {
    return [...this.#waiting];
  }

  remove(stream: Http2Stream): void {
    this.#waiting.delete(stream);
  }

  /** A stream has output. */
  flush(stream: Http2Stream): void {
    this.#send(stream);
    if (stream.hasOutput && !stream.isClosed) this.#waiting.add(stream);
  }

  /** The client changes the windows of all streams. @throws ConnectionError */
  setInitialWindow(bytes: number, streams: Iterable<Http2Stream>): void {
    const change = bytes - this.#initialWindow;
    let isAllowed = bytes <= MAX_WINDOW;
    for (const stream of streams) isAllowed = stream.widen(change) && isAllowed;
    if (!isAllowed) throw tooLarge();
    this.#initialWindow = bytes;
  }

  /** The client takes more of all streams. @throws ConnectionError */
  widen(bytes: number): void {
    if (bytes === 0) throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'a window is widened by nothing');
    this.#window += bytes;
    if (this.#window > MAX_WINDOW) throw tooLarge();
    this.resume();
  }

  /** The client takes more of one stream. */
  widenStream(stream: Http2Stream, bytes: number): void {
    if (bytes === 0) stream.reset(ERROR.PROTOCOL_ERROR);
    else if (!stream.widen(bytes)) stream.reset(ERROR.FLOW_CONTROL_ERROR);
    else this.#resume(stream);
  }

  /** A window has become larger, or the socket takes more. */
  resume(): void {
    for (const stream of this.waiting) this.#resume(stream);
  }

  #resume(stream: Http2Stream): void {
    this.#send(stream);
    if (stream.isClosed || !stream.hasOutput) this.#waiting.delete(stream);
    if (!stream.isClosed && !this.output.blocked) stream.drained();
  }

  #send(stream: Http2Stream): void {
    while (stream.pendingBytes > 0 && !this.output.blocked) {
      const room = Math.min(MAX_FRAME_SIZE, this.#window, stream.sendWindow);
      if (room <= 0) return;
      const data = stream.take(room);
      this.#window -= data.length;
      this.output.send(frameHead(FRAME.DATA, 0, stream.id, data.length));
      this.output.send(data);
      this.budget.sent();
    }
    stream.finishOutput();
  }
}

function tooLarge(): ConnectionError {
  return new ConnectionError(ERROR.FLOW_CONTROL_ERROR, 'a window is too large');
}
