import type { ChatEventWriter } from '../core/chat/result.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import { PushStream, type StreamSource } from '../core/push-stream.ts';
import { type Frame, isLastFrame, type StreamEnd } from '../core/stream/frame.ts';
import type { ConnectableStream, FrameReader } from '../core/stream/stage.ts';
import type { KeepAlives, SilentStream } from './keep-alives.ts';

/** @returns the bytes of an error event in the client's dialect */
export type RenderStreamError = (error: GatewayError) => Uint8Array;

const encoder = new TextEncoder();
/** Opens a comment of an event stream. */
const COLON = 58;

/** What a renderer needs of its request. */
export interface StreamRendererOptions {
  readonly stream: ConnectableStream;
  /** Renders frames without bytes in the client's dialect; only in mode `rewrite`. */
  readonly writer: ChatEventWriter | undefined;
  /** The client dialect's error event, where no writer and no decoder has a better one. */
  readonly renderStreamError: RenderStreamError;
  /** Where keep-alives come from, and the bytes of one; undefined where none are sent. */
  readonly keepAlives?: KeepAlives | undefined;
  readonly keepAlive?: Uint8Array | undefined;
  /** How the stream's end is for the client, who may still be reading. */
  readonly endOf: (end: StreamEnd) => StreamEnd;
  /** Called with an error that came after the last frame: the client has a complete response. */
  readonly onLateError: (error: GatewayError) => void;
  /** Called once. */
  readonly onEnd: (end: StreamEnd) => void;
}

/** The end of the chain: turns frames into the bytes that the client receives. */
export class StreamRenderer implements FrameReader, StreamSource, SilentStream {
  slot = -1;
  silence = 0;
  readonly body = new PushStream(this);
  readonly #options: StreamRendererOptions;
  #paused = false;
  #ended = false;
  /** A frame was changed, and what follows may repeat what it said before. */
  #isRewritten = false;
  /** The client received the last frame of the response. */
  #isComplete = false;

  constructor(options: StreamRendererOptions) {
    this.#options = options;
    options.keepAlives?.add(this);
    options.stream.connect(this);
  }

  /** Frames are whole events: a comment or a ping may follow each of them. */
  keepAlive(): void {
    const { keepAlive } = this.#options;
    // A client that has not taken what was sent needs no more.
    if (!this.#paused && !this.#isComplete && keepAlive) this.body.push(keepAlive);
  }

  get ended(): boolean {
    return this.#ended;
  }

  frame(frame: Frame): void {
    if (this.#ended || this.#isComplete) return;
    const bytes = this.#options.writer ? this.#write(this.#options.writer, frame) : frame.bytes;
    if (this.#ended) return;
    this.#isComplete = isLastFrame(frame);
    if (!bytes || bytes.length === 0) return;
    this.silence = 0;
    const hasRoom = this.body.push(bytes);
    if (hasRoom || this.#paused) return;
    this.#paused = true;
    this.#options.stream.pause();
  }

  /** The writer follows frames that keep their bytes, so that it can continue after them. */
  #write(writer: ChatEventWriter, { bytes, events }: Frame): Uint8Array | undefined {
    try {
      let text = '';
      for (const event of events) text += writer.event(event);
      if (writer.repeatsContent && bytes === undefined) this.#isRewritten = true;
      if (bytes && (!this.#isRewritten || bytes[0] === COLON)) return bytes;
      return encoder.encode(text);
    } catch (thrown) {
      this.fail(asGatewayError(thrown));
      return undefined;
    }
  }

  end(end: StreamEnd): void {
    this.#end(this.#options.endOf(end));
  }

  #end(streamEnd: StreamEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.keepAlives?.remove(this);
    let end = streamEnd;
    if (end.kind === 'failed' && this.#isComplete) {
      this.#options.onLateError(end.error);
      end = { kind: 'done' };
    }
    if (end.kind === 'failed') {
      const event = this.#failureEvent(end.error);
      if (event.length > 0) this.body.push(event);
    }
    this.body.close();
    this.#options.onEnd(end);
  }

  /** Ends the body with an error event, whatever the stream is doing, and cancels the stream. */
  fail(error: GatewayError): void {
    const gone = error.code === 'client_closed_request';
    this.#end(gone ? { kind: 'cancelled', reason: error } : { kind: 'failed', error });
    this.#options.stream.cancel(error);
  }

  #failureEvent(error: GatewayError): Uint8Array {
    const { writer, stream, renderStreamError } = this.#options;
    if (!writer) return stream.renderFailure(error) ?? renderStreamError(error);
    try {
      const text = writer.failure?.(error);
      return text === undefined ? renderStreamError(error) : encoder.encode(text);
    } catch {
      // The writer's state is what failed: the client gets the error without regard to it.
      return renderStreamError(error);
    }
  }

  // The reader's side.

  onDrain(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#options.stream.resume();
  }

  onCancel(): void {
    this.fail(new GatewayError('client_closed_request', 'The client closed the connection.'));
  }
}
