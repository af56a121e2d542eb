import { releaseBytes } from '../core/bytes.ts';

/** Bytes of pipelined requests that wait for the current response; beyond this, reading pauses. */
const MAX_WAITING = 64 * 1024;
/** Pipelined requests of one connection that begin in one turn of the event loop: others must have their turn. */
const MAX_IN_TURN = 16;

const NO_BYTES = new Uint8Array(0);

/**
 * What has arrived of a connection's next requests while one is handled. It copies the bytes into memory of its own, which is
 * used again, so that the reads they came with can be freed.
 */
export class PipelinedInput {
  readonly #onReady: (bytes: Uint8Array) => void;
  #buffer = NO_BYTES;
  #start = 0;
  #end = 0;
  #scheduled = false;
  #delivering = false;
  #delivered = 0;

  /**
   * @param onReady receives what has arrived when the next request may begin; not from inside a call, nor after `release`. The
   * bytes are valid until it returns; it adds those that it has not used, as a part of them.
   */
  constructor(onReady: (bytes: Uint8Array) => void) {
    this.#onReady = onReady;
  }

  get bytes(): number {
    return this.#end - this.#start;
  }

  /** The next request begins soon: what arrives until then must be added. */
  get scheduled(): boolean {
    return this.#scheduled;
  }

  /** `onReady` runs: the bytes that it received must not be kept. */
  get delivering(): boolean {
    return this.#delivering;
  }

  /** @returns whether reading should pause until it is delivered */
  add(bytes: Uint8Array): boolean {
    if (this.#delivering && bytes.buffer === this.#buffer.buffer) this.#start = this.#end - bytes.length;
    else {
      this.#reserve(bytes.length);
      this.#buffer.set(bytes, this.#end);
      this.#end += bytes.length;
    }
    return this.bytes > MAX_WAITING;
  }

  /** The next request may begin. @returns whether anything has arrived of it */
  deliver(): boolean {
    if (this.bytes === 0) return false;
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
    this.#start = 0;
    this.#end = 0;
    // Within `onReady` the parser still reads it.
    if (!this.#delivering) releaseBytes(this.#buffer);
    this.#buffer = NO_BYTES;
  }

  readonly #deliver = (): void => {
    if (!this.#scheduled) return;
    this.#scheduled = false;
    const bytes = this.#buffer.subarray(this.#start, this.#end);
    this.#start = this.#end;
    this.#delivering = true;
    try {
      this.#onReady(bytes);
    } finally {
      this.#delivering = false;
    }
    if (this.bytes === 0) this.release();
  };

  /** Makes room behind the last byte. */
  #reserve(bytes: number): void {
    const used = this.bytes;
    if (this.#end + bytes <= this.#buffer.length) return;
    const old = this.#buffer;
    const kept = old.subarray(this.#start, this.#end);
    if (used + bytes > old.length) {
      this.#buffer = new Uint8Array(2 * used + bytes);
      this.#buffer.set(kept);
      releaseBytes(old);
    } else old.copyWithin(0, this.#start, this.#end);
    this.#start = 0;
    this.#end = used;
  }
}
