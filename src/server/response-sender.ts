import type { HttpResponse, ResponseBody } from '../core/http.ts';
import { cancelBody, PushStream, type StreamBody, type StreamSink } from '../core/push-stream.ts';
import type { SocketWriter } from '../platform/socket-writer.ts';
import { CHUNK_END, chunkSize, isBodiless, LAST_CHUNK, responseHead } from './response-head.ts';

/** What the sender reports to its connection. */
export interface ResponseOwner {
  /** A stream is completely written. */
  streamEnded(): void;
  /** A stream failed after its head was sent: the client must not take what it has for the whole response. */
  streamFailed(): void;
}

export interface SendOptions {
  readonly http10: boolean;
  /** The request was HEAD. */
  readonly headOnly: boolean;
  readonly keepAlive: boolean;
  /** The value of the `date` header. */
  readonly date: string;
  /** Whether the connection uses TLS. */
  readonly secure: boolean;
}

/** Whether a body is made while it is sent. */
export function isStream(body: ResponseBody): body is StreamBody {
  return body instanceof PushStream || body instanceof ReadableStream;
}

/** Sends the responses of one connection, one at a time, no faster than the client reads. */
export class ResponseSender implements StreamSink {
  readonly #writer: SocketWriter;
  readonly #owner: ResponseOwner;
  readonly #onError: (error: unknown) => void;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #pushed: PushStream | undefined;
  #chunked = false;
  /** The push stream waits until all is sent. */
  #needsDrain = false;
  /** The readable stream waits until all is sent. */
  #onDrained: (() => void) | undefined;

  constructor(writer: SocketWriter, owner: ResponseOwner, onError: (error: unknown) => void) {
    this.#writer = writer;
    this.#owner = owner;
    this.#onError = onError;
  }

  /** A stream is being sent: `streamEnded` or `streamFailed` follows. */
  get streaming(): boolean {
    return this.#reader !== undefined || this.#pushed !== undefined;
  }

  /**
   * Writes the head and the body. Of a stream it writes the head, and the rest as it comes.
   * @throws TypeError before anything is written, for a header that cannot be sent
   */
  send(response: HttpResponse, { headOnly, ...framing }: SendOptions): void {
    const { body, status } = response;
    if (isStream(body)) {
      this.#writer.write(responseHead(response, { ...framing, length: undefined }));
      this.#chunked = !framing.http10;
      if (headOnly) this.discard(response);
      else if (body instanceof PushStream) {
        this.#pushed = body;
        body.pipe(this);
      } else void this.#pump(body.getReader());
      return;
    }
    const length = body === null ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    this.#writer.write(responseHead(response, { ...framing, length }));
    if (body !== null && !headOnly && !isBodiless(status)) this.#writer.write(body);
  }

  /** Cancels the body of a response that has no client any more. */
  discard({ body }: HttpResponse): void {
    if (isStream(body)) void cancelBody(body).catch(this.#onError);
  }

  /** The client has taken all that was written. */
  drained(): void {
    const waiting = this.#onDrained;
    this.#onDrained = undefined;
    waiting?.();
    if (!this.#needsDrain) return;
    this.#needsDrain = false;
    this.#pushed?.ready();
  }

  /** The connection is closed: cancels the stream that is being sent. */
  cancel(): void {
    this.#pushed?.cancel();
    this.#pushed = undefined;
    const reader = this.#reader;
    this.#reader = undefined;
    void reader?.cancel().catch(this.#onError);
    this.#onDrained?.();
  }

  // The sink of a push stream.

  write(bytes: Uint8Array): boolean {
    this.#writeBody(bytes);
    const hasRoom = !this.#writer.blocked;
    if (!hasRoom) this.#needsDrain = true;
    return hasRoom;
  }

  end(): void {
    this.#pushed = undefined;
    this.#endStream();
  }

  async #pump(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    this.#reader = reader;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (this.#reader !== reader) return;
        if (done) break;
        this.#writeBody(value);
        if (this.#writer.blocked) {
          await new Promise<void>((resolve) => {
            this.#onDrained = resolve;
          });
        }
      }
    } catch (error) {
      this.#onError(error);
      if (this.#reader !== reader) return;
      this.#reader = undefined;
      this.#owner.streamFailed();
      return;
    }
    this.#reader = undefined;
    this.#endStream();
  }

  #endStream(): void {
    if (this.#chunked) this.#writer.write(LAST_CHUNK);
    this.#owner.streamEnded();
  }

  #writeBody(bytes: Uint8Array): void {
    // An empty chunk would end the body.
    if (bytes.length === 0) return;
    if (this.#chunked) this.#writer.write(chunkSize(bytes.length));
    this.#writer.write(bytes);
    if (this.#chunked) this.#writer.write(CHUNK_END);
  }
}
