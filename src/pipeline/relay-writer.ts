import type { RelayEnd, RelayedCall, RelayHead, RelayPart, StreamRelay } from '../cache/stream-relay.ts';
import type { Clock } from '../core/clock.ts';
import type { Frame, StreamEnd } from '../core/stream/frame.ts';
import type { Warning } from '../core/warning.ts';
import type { InferenceResponse } from '../dispatch/inference-response.ts';
import { bytesOf, type CallMember, type SharedCall } from './shared-call.ts';

/** Frames wait this long for others to go with them, while other gateways read and while none does. Milliseconds. */
const BATCH_MS = 25;
const UNREAD_BATCH_MS = 200;
/** The claim is renewed this often while no frame comes. Milliseconds. */
const RENEW_MS = 10_000;

export interface RelayWriterOptions {
  readonly relay: StreamRelay;
  readonly call: RelayedCall;
  readonly clock: Clock;
  /** Bytes that are kept for gateways that join late or are behind. */
  readonly bufferBytes: number;
  /** What the gateway changed in the request. */
  readonly warnings: () => readonly Warning[] | undefined;
  /** The shared call that this is a part of. */
  readonly shared: Pick<SharedCall, 'observed' | 'mode' | 'review'>;
}

/** Passes the frames of a shared call to other gateways, a few together. The call goes on while one of them reads. */
export class RelayWriter implements CallMember {
  #head: RelayHead | undefined;
  #frames: Frame[] = [];
  #bytes = 0;
  #end: RelayEnd | undefined;
  /** Of the last part that was sent. */
  #number = 0;
  /** The sizes of the parts that are kept, the first of which has the number `#firstKept`. */
  readonly #kept: number[] = [];
  #keptBytes = 0;
  #firstKept = 1;
  #hasReaders = false;
  /** A client of this gateway has left: whether other gateways read has to be known now. */
  #isAsking = false;
  #isSending = false;
  #isOver = false;
  #timer: AbortController | undefined;
  /** When `#timer` sends, in monotonic milliseconds. */
  #dueAt = 0;

  constructor(private readonly options: RelayWriterOptions) {
    this.#schedule(RENEW_MS);
  }

  get isPaused(): boolean {
    return !this.isWaiting;
  }

  get isWaiting(): boolean {
    return (this.#hasReaders || this.#isAsking) && !this.#isOver;
  }

  recheck(): void {
    if (this.#isOver || this.#end) return;
    this.#isAsking = true;
    this.#schedule(0);
  }

  respond({ source, body }: InferenceResponse): void {
    if (body.kind === 'complete' || source.kind !== 'target') {
      this.#finish({ kind: 'abandoned' });
      return;
    }
    const { provider, model } = source.target;
    const { shared, warnings } = this.options;
    this.#head = {
      ...{ mode: shared.mode, provider: provider.id, upstreamModel: model },
      warnings: warnings() ?? [],
    };
    this.#schedule(0);
  }

  receive(frame: Frame): void {
    if (this.#end || this.#isOver) return;
    this.#frames.push(frame);
    this.#bytes += bytesOf(frame);
    if (this.#bytes > this.options.bufferBytes) this.#giveUp();
    else if (this.#frames.length === 1) this.#scheduleBatch();
  }

  finish(end: StreamEnd): void {
    const { usage, finishReason, chunks } = this.options.shared.observed;
    if (end.kind === 'done') this.#finish({ kind: 'done', usage, finishReason, chunks });
    else if (end.kind === 'failed') {
      const { code, message } = end.error;
      this.#finish({ kind: 'failed', code, message });
    } else this.#finish({ kind: 'failed', code: 'upstream_error', message: 'The call was cancelled.' });
  }

  fail(): void {
    this.#finish({ kind: 'abandoned' });
  }

  #finish(end: RelayEnd): void {
    this.#isAsking = false;
    if (this.#end || this.#isOver) return;
    this.#end = end;
    this.#schedule(0);
  }

  #scheduleBatch(): void {
    this.#schedule(this.#hasReaders ? BATCH_MS : UNREAD_BATCH_MS);
  }

  /** Sends in so many milliseconds, or earlier. */
  #schedule(ms: number): void {
    const { clock } = this.options;
    const dueAt = clock.now() + ms;
    if (this.#timer && this.#dueAt <= dueAt) return;
    this.#timer?.abort();
    const timer = new AbortController();
    this.#timer = timer;
    this.#dueAt = dueAt;
    clock.sleep(ms, timer.signal).then(
      () => {
        if (this.#timer !== timer) return;
        this.#timer = undefined;
        void this.#send();
      },
      () => undefined,
    );
  }

  async #send(): Promise<void> {
    // What has come meanwhile is sent after it.
    if (this.#isSending || this.#isOver) return;
    this.#isSending = true;
    const isAsked = this.#isAsking;
    const part = this.#take();
    const { relay, call } = this.options;
    try {
      const wasWaiting = this.isWaiting;
      this.#hasReaders = await relay.append(call, part, this.#number, this.#firstKept);
      this.#isSending = false;
      if (isAsked) this.#isAsking = false;
      if (part?.end) this.#stop();
      else if (this.#end || this.#isAsking) this.#schedule(0);
      else if (this.#frames.length > 0) this.#scheduleBatch();
      else this.#schedule(RENEW_MS);
      if (wasWaiting !== this.isWaiting) this.options.shared.review();
    } catch {
      // The store is lost, and its readers with it.
      this.#giveUp();
    }
  }

  #take(): RelayPart | undefined {
    const head = this.#head;
    const end = this.#end;
    const frames = this.#frames;
    if (!head && !end && frames.length === 0) return undefined;
    this.#kept.push(this.#bytes);
    this.#keptBytes += this.#bytes;
    this.#number += 1;
    while (this.#keptBytes > this.options.bufferBytes && this.#kept.length > 1) {
      this.#keptBytes -= this.#kept.shift() ?? 0;
      this.#firstKept += 1;
    }
    this.#head = undefined;
    this.#frames = [];
    this.#bytes = 0;
    return { head, frames, end };
  }

  /** Other gateways find that the claim ends. */
  #giveUp(): void {
    this.#stop();
    this.options.relay.release(this.options.call);
    this.options.shared.review();
  }

  #stop(): void {
    this.#isOver = true;
    this.#frames = [];
    this.#timer?.abort();
  }
}
