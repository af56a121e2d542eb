/** Where a stream's bytes go. */
export interface StreamSink {
  /** @returns false when it would rather have no more for now: it says by `PushStream.ready` when that is over */
  write(bytes: Uint8Array): boolean;
  /** All has been written. */
  end(): void;
}

/** Where a stream's bytes come from. */
export interface StreamSource {
  /** There is room again, after `push` has said that there is none. */
  onDrain(): void;
  /** The reader has gone. */
  onCancel(): void;
}

/** Chunks that are queued for a slow reader before the source is paused. */
const MAX_QUEUED_CHUNKS = 8;

/**
 * Forwards bytes as they arrive, from one source to one reader. A `ReadableStream` does the same with a promise and two
 * objects per chunk, which cost more than the rest of the work on it (docs/decisions/0018); it can be made from this.
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

  /** @returns whether there is room for more */
  push(bytes: Uint8Array): boolean {
    if (this.#over) return true;
    if (this.#sink) return this.#sink.write(bytes);
    this.#queue.push(bytes);
    return this.#queue.length < MAX_QUEUED_CHUNKS;
  }

  /** Nothing more will come. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#finish();
  }

  // The reader's side: one of `pipe` and `readable`, once.

  /** Hands everything on from now on, beginning with what has come so far. */
  pipe(sink: StreamSink): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#sink = sink;
    let room = true;
    for (const bytes of queue) room = sink.write(bytes);
    this.#finish();
    if (room && !this.#closed && queue.length >= MAX_QUEUED_CHUNKS) this.#source.onDrain();
  }

  /** The sink has room again. */
  ready(): void {
    if (!this.#over && !this.#closed) this.#source.onDrain();
  }

  /** The reader has gone. */
  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#queue = [];
    this.#sink = undefined;
    if (!this.#closed) this.#source.onCancel();
  }

  /** The same as a web-standard stream. */
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

/** A body that is made on the way. */
export type StreamBody = PushStream | ReadableStream<Uint8Array>;

/** @returns the body as a web-standard stream, for readers that pull */
export function readableOf(body: StreamBody): ReadableStream<Uint8Array> {
  return body instanceof PushStream ? body.readable() : body;
}

/** Stops a body that nobody reads any more, and what produces it. */
export async function cancelBody(body: StreamBody, reason?: unknown): Promise<void> {
  if (body instanceof PushStream) body.cancel();
  else await body.cancel(reason);
}
