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
  /** Nobody reads any more. */
  onCancel(): void;
}

/** Chunks that wait for whoever reads slowly, before the source is made to wait. */
const MAX_QUEUED_CHUNKS = 8;

/**
 * Bytes that are handed on as they come, from one source to one reader. A `ReadableStream` does the same for a promise
 * and two objects a chunk, which cost more than all else that is done with it (docs/decisions/0018); whoever wants one
 * can have it made of this.
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

  /** Nobody reads any more. */
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

export function readableOf(body: StreamBody): ReadableStream<Uint8Array> {
  return body instanceof PushStream ? body.readable() : body;
}

export async function cancelBody(body: StreamBody, reason?: unknown): Promise<void> {
  if (body instanceof PushStream) body.cancel();
  else await body.cancel(reason);
}
