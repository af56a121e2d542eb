/** The reader of a stream. */
export interface StreamSink {
  /** @returns false when the sink is full; it calls `PushStream.ready` when it has room again */
  write(bytes: Uint8Array): boolean;
  /** The last bytes were written. */
  end(): void;
}

/** The producer of a stream. */
export interface StreamSource {
  /** There is room again, after `push` returned false. */
  onDrain(): void;
  /** The reader was closed before the end. */
  onCancel(): void;
}

/** Chunks that are queued for a slow reader before the source is paused. */
const MAX_QUEUED_CHUNKS = 8;

/**
 * A stream of bytes from one source to one reader. A `ReadableStream` does the same with a promise and two objects per
 * chunk, which cost more than the rest of the work on it (docs/decisions/0018); it can be made from this.
 */
export class PushStream {
  readonly #source: StreamSource;
  #queue: Uint8Array[] = [];
  #sink: StreamSink | undefined;
  #closed = false;
  #over = false;

  constructor(source: StreamSource) {
    this.#source = source;
  }

  // The source's side.

  /**
   * Sends bytes, or queues them until there is a reader.
   * @param bytes must not be changed afterwards
   * @returns false when the source should pause until `onDrain`
   */
  push(bytes: Uint8Array): boolean {
    if (this.#over) return true;
    if (this.#sink) return this.#sink.write(bytes);
    this.#queue.push(bytes);
    return this.#queue.length < MAX_QUEUED_CHUNKS;
  }

  /** Ends the stream. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#finish();
  }

  // The reader's side: one of `pipe` and `readable`, once.

  /** Connects the reader, which first receives the queued bytes. */
  pipe(sink: StreamSink): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#sink = sink;
    let room = true;
    for (const bytes of queue) room = sink.write(bytes);
    this.#finish();
    if (room && !this.#closed && queue.length >= MAX_QUEUED_CHUNKS) this.#source.onDrain();
  }

  /** Continues after `write` returned false. */
  ready(): void {
    if (!this.#over && !this.#closed) this.#source.onDrain();
  }

  /** Closes the reader's side. Idempotent. */
  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#queue = [];
    this.#sink = undefined;
    if (!this.#closed) this.#source.onCancel();
  }

  /** Connects a web-standard stream as the reader. */
  readable(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) =>
          this.pipe({
            write: (bytes) => {
              controller.enqueue(bytes);
              return (controller.desiredSize ?? 1) > 0;
            },
            end: () => controller.close(),
          }),
        pull: () => this.ready(),
        cancel: () => this.cancel(),
      },
      { highWaterMark: MAX_QUEUED_CHUNKS },
    );
  }

  #finish(): void {
    if (!this.#closed || this.#over || !this.#sink) return;
    this.#over = true;
    const sink = this.#sink;
    this.#sink = undefined;
    sink.end();
  }
}

/** A response body that is produced while it is sent. */
export type StreamBody = PushStream | ReadableStream<Uint8Array>;

/** The body as a web-standard stream. */
export function readableOf(body: StreamBody): ReadableStream<Uint8Array> {
  return body instanceof PushStream ? body.readable() : body;
}

/** Stops a body whose client has disconnected. */
export async function cancelBody(body: StreamBody, reason?: unknown): Promise<void> {
  if (body instanceof PushStream) body.cancel();
  else await body.cancel(reason);
}
