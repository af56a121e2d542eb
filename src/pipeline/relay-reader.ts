import type { RelayEnd, RelayedCall, RelayHead, RelayReading, StreamRelay } from '../cache/stream-relay.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError, isErrorCode } from '../core/errors.ts';
import type { StreamEnd } from '../core/stream/frame.ts';
import { SourceStream } from '../core/stream/frame-stream.ts';
import type { StreamObservation } from '../core/stream/observation.ts';
import type { FrameProducer } from '../core/stream/stage.ts';
import type { InferenceResponse } from '../dispatch/inference-response.ts';

/** Between two readings: while frames come, and the most while none do. Milliseconds. */
const POLL_MS = 25;
const MAX_POLL_MS = 100;
/** Parts of one reading. */
const MAX_PARTS = 64;
/** How often a reader whose clients take nothing says that it waits. Milliseconds. */
const PAUSED_POLL_MS = 1_000;
/** Readings in a row that fail before the store counts as lost. */
const MAX_FAILURES = 5;

export interface RelayReaderOptions {
  readonly relay: StreamRelay;
  readonly call: RelayedCall;
  readonly clock: Clock;
  /** Called once, with the response before its first frame. */
  readonly onResponse: (response: InferenceResponse, head: RelayHead) => void;
  /** Called once in place of `onResponse`, where no response comes. */
  readonly onAbandoned: () => void;
}

/** Reads a stream that another gateway passes on. */
export class RelayReader implements FrameProducer {
  readonly observed: StreamObservation = { usage: undefined, finishReason: undefined, chunks: 0 };
  #stream: SourceStream | undefined;
  #number = 0;
  #pollMs = POLL_MS;
  #failures = 0;
  #isPaused = false;
  #isOver = false;
  /** The claim was found to have ended. Parts may have come after the last reading. */
  #isEnding = false;
  /** Ends the wait for the next reading. */
  #wake: AbortController | undefined;

  constructor(private readonly options: RelayReaderOptions) {}

  /** Reads until the end. Never rejects. */
  async run(): Promise<void> {
    const { clock, relay, call } = this.options;
    while (!this.#isOver) {
      const isPaused = this.#isPaused;
      const reading = await relay.read(call, this.#number, isPaused ? 0 : MAX_PARTS).catch(() => undefined);
      if (!this.#isOver && !isPaused) this.#read(reading);
      if (this.#isOver) return;
      this.#wake = new AbortController();
      await clock.sleep(isPaused ? PAUSED_POLL_MS : this.#pollMs, this.#wake.signal).catch(() => undefined);
    }
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#wake?.abort();
  }

  cancel(reason: GatewayError): void {
    this.#finish({ kind: 'cancelled', reason });
  }

  renderFailure(): undefined {
    return undefined;
  }

  /** No request waits for it any more. */
  stop(): void {
    this.#isOver = true;
    this.#wake?.abort();
  }

  #read(reading: RelayReading | undefined): void {
    if (!reading) {
      this.#failures += 1;
      if (this.#failures >= MAX_FAILURES) this.#lost('The store that gateways share did not respond.');
      return;
    }
    this.#failures = 0;
    for (const { head, frames, end } of reading.parts) {
      this.#number += 1;
      if (head) this.#respond(head);
      for (const frame of frames) this.#stream?.push(frame);
      if (end) this.#end(end);
      if (this.#isOver) return;
    }
    const hasNews = reading.parts.length > 0;
    this.#pollMs = hasNews ? POLL_MS : Math.min(MAX_POLL_MS, this.#pollMs + 5);
    if (reading.isTorn) this.#lost('This gateway fell too far behind the one that makes the call.');
    else if (!hasNews && !reading.isAlive && this.#isEnding)
      this.#lost('The gateway that made the call stopped.');
    this.#isEnding = !reading.isAlive && !hasNews;
  }

  #respond(head: RelayHead): void {
    const stream = new SourceStream(head.mode, this);
    this.#stream = stream;
    const source = { kind: 'cache', name: head.provider } as const;
    this.options.onResponse({ source, body: { kind: 'stream', stream } }, head);
  }

  #end(end: RelayEnd): void {
    if (!this.#stream) {
      this.#abandon();
      return;
    }
    switch (end.kind) {
      case 'done': {
        const { usage, finishReason, chunks } = end;
        Object.assign(this.observed, { usage, finishReason, chunks });
        this.#finish({ kind: 'done' });
        return;
      }
      case 'failed': {
        const code = isErrorCode(end.code) ? end.code : 'upstream_error';
        this.#finish({ kind: 'failed', error: new GatewayError(code, end.message) });
        return;
      }
      case 'abandoned':
        this.#lost('The gateway that made the call gave it up.');
    }
  }

  /** Before the response, another gateway can make the call; after it, the stream is cut. */
  #lost(message: string): void {
    if (this.#stream) this.#finish({ kind: 'failed', error: new GatewayError('upstream_error', message) });
    else this.#abandon();
  }

  #abandon(): void {
    if (this.#isOver) return;
    this.stop();
    this.options.onAbandoned();
  }

  #finish(end: StreamEnd): void {
    if (this.#isOver) return;
    this.stop();
    this.#stream?.finish(end);
  }
}
