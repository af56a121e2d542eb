import { BodyParts } from './body-parts.ts';

/** Bytes of pipelined requests that wait for the current response; beyond this, reading pauses. */
const MAX_WAITING = 64 * 1024;
/** Pipelined requests of one connection that begin in one turn of the event loop: others must have their turn. */
const MAX_IN_TURN = 16;

/** What has arrived of a connection's next requests while one is handled. */
export class PipelinedInput {
  readonly #parts = new BodyParts();
  readonly #onReady: (bytes: Uint8Array) => void;
  #scheduled = false;
  #delivered = 0;

  /** @param onReady receives what has arrived when the next request may begin; not from inside a call, nor after `release` */
  constructor(onReady: (bytes: Uint8Array) => void) {
    this.#onReady = onReady;
  }

  get bytes(): number {
    return this.#parts.bytes;
  }

  /** The next request begins soon: what arrives until then must be added. */
  get scheduled(): boolean {
    return this.#scheduled;
  }

  /** @returns whether reading should pause until it is delivered */
  add(bytes: Uint8Array): boolean {
    this.#parts.add(bytes, 0, bytes.length);
    return this.#parts.bytes > MAX_WAITING;
  }

  /** The next request may begin. @returns whether anything has arrived of it */
  deliver(): boolean {
    if (this.#parts.bytes === 0) return false;
    this.#scheduled = true;
    this.#delivered += 1;
    // Not recursive, and not all in one turn: a client may have sent thousands at once.
    if (this.#delivered % MAX_IN_TURN === 0) setImmediate(this.#deliver);
    else queueMicrotask(this.#deliver);
    return true;
  }

  /** Drops everything. */
  release(): void {
    this.#scheduled = false;
    this.#parts.release();
  }

  readonly #deliver = (): void => {
    if (!this.#scheduled) return;
    this.#scheduled = false;
    this.#onReady(this.#parts.take());
  };
}
