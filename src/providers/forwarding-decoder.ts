import type { ChatEvent, ChatEventReader } from '../core/chat/result.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import type { ByteDecoder, StreamDecoder } from '../core/inference.ts';
import { MAX_EVENT_BYTES, SseFramer } from '../core/sse.ts';
import { type Frame, NO_EVENTS } from '../core/stream/frame.ts';
import type { StreamObservation } from '../core/stream/observation.ts';

type Emit = (frame: Frame) => void;

/** The frames of a forwarded stream that is not decoded. */
export class ForwardingDecoder implements StreamDecoder {
  constructor(private readonly bytes: ByteDecoder) {}

  get started(): boolean {
    return this.bytes.started;
  }

  get finished(): boolean {
    return this.bytes.finished;
  }

  get failure(): GatewayError | undefined {
    return this.bytes.failure;
  }

  get observed(): StreamObservation {
    return this.bytes.observed;
  }

  push(bytes: Uint8Array, emit: Emit): void {
    const out = this.bytes.push(bytes);
    if (out) emit({ bytes: out, events: NO_EVENTS });
  }

  end(emit: Emit): void {
    const out = this.bytes.end();
    if (out) emit({ bytes: out, events: NO_EVENTS });
  }

  failureEvent(error: GatewayError): Uint8Array | undefined {
    return this.bytes.failureEvent?.(error);
  }
}

/**
 * The frames of a forwarded stream with the events in them: one frame for each server-sent event, so that a change of one
 * leaves the bytes of the others as they are.
 */
export class DecodingForwarder implements StreamDecoder {
  readonly #framer = new SseFramer();
  #readerFailure: GatewayError | undefined;
  #readerStopped = false;

  /** @param isStrict a stream that the reader rejects fails; otherwise its frames have no more events */
  constructor(
    private readonly bytes: ByteDecoder,
    private readonly reader: ChatEventReader,
    private readonly isStrict: boolean,
  ) {}

  get started(): boolean {
    return this.bytes.started;
  }

  get finished(): boolean {
    return this.bytes.finished && !this.#readerFailure;
  }

  get failure(): GatewayError | undefined {
    return this.bytes.failure ?? this.#readerFailure;
  }

  get observed(): StreamObservation {
    return this.bytes.observed;
  }

  push(bytes: Uint8Array, emit: Emit): void {
    if (this.finished || this.failure) return;
    const blocks: Uint8Array[] = [];
    let tooLarge: GatewayError | undefined;
    try {
      this.#framer.push(bytes, (block) => blocks.push(block));
    } catch (cause) {
      const message = `The upstream sent an event of more than ${MAX_EVENT_BYTES} bytes.`;
      tooLarge = new GatewayError('upstream_invalid_response', message, { cause });
    }
    for (const block of blocks) this.#block(block, emit);
    if (!this.finished) this.#readerFailure ??= tooLarge;
  }

  end(emit: Emit): void {
    if (this.finished || this.failure) return;
    const rest = this.#framer.end();
    if (rest.length > 0) this.#block(rest, emit);
    if (this.finished || this.failure) return;
    const events = this.#read((onEvent) => this.reader.end(onEvent));
    const bytes = this.bytes.end();
    this.#emit(bytes, events, emit);
  }

  failureEvent(error: GatewayError): Uint8Array | undefined {
    return this.bytes.failureEvent?.(error);
  }

  #block(block: Uint8Array, emit: Emit): void {
    if (this.finished || this.failure) return;
    const bytes = this.bytes.push(block);
    const events = this.#read((onEvent) => this.reader.push(block, onEvent));
    this.#emit(bytes, events, emit);
  }

  #emit(bytes: Uint8Array | undefined, events: readonly ChatEvent[], emit: Emit): void {
    if (this.#readerFailure) return;
    if (bytes) emit({ bytes, events });
    else if (events.length > 0) emit({ bytes: NOTHING, events });
  }

  #read(step: (onEvent: (event: ChatEvent) => void) => void): readonly ChatEvent[] {
    if (this.#readerStopped) return NO_EVENTS;
    const events: ChatEvent[] = [];
    try {
      step((event) => events.push(event));
    } catch (thrown) {
      this.#readerStopped = true;
      if (this.isStrict && !this.bytes.failure) this.#readerFailure = asGatewayError(thrown);
    }
    return events;
  }
}

const NOTHING = new Uint8Array(0);
