import type { Sender, WriteBatch } from './write-batch.ts';

/** A socket, as far as it is written to. */
export interface WritableSocket {
  /** @returns bytes that it took, -1 when it is closed */
  write(data: string | Uint8Array): number;
}

/** Pieces up to this many bytes together are written as one. */
export const MAX_JOINED = 16 * 1024;
/** So much waits for the others that came in at the same time, and no more. Bytes. */
const MAX_WAITING = 128 * 1024;
const NOTHING = new Uint8Array(0);

/** What is to be sent on one connection, in order: together with that of others, and no faster than it is taken. */
export class Outbox implements Sender {
  readonly #batch: WriteBatch;
  readonly #onSent: () => void;
  #socket: WritableSocket | undefined;
  #pieces: (string | Uint8Array)[] = [];
  /** Written since it was last sent, as far as it was: about so many bytes. */
  #waitingBytes = 0;
  #scheduled = false;
  #blocked = false;

  /** @param onSent all that was written has been taken by the socket */
  constructor(batch: WriteBatch, onSent: () => void) {
    this.#batch = batch;
    this.#onSent = onSent;
  }

  get empty(): boolean {
    return this.#pieces.length === 0;
  }

  /** The reader is slower than the writer: it is better to wait until all is sent. */
  get blocked(): boolean {
    return this.#blocked;
  }

  open(socket: WritableSocket): void {
    this.#socket = socket;
  }

  close(): void {
    this.#socket = undefined;
    this.#pieces = [];
  }

  /** @param data text is sent as UTF-8 */
  write(data: string | Uint8Array): void {
    if (!this.#socket) return;
    this.#pieces.push(data);
    this.#waitingBytes += data.length;
    if (this.#blocked) return;
    if (this.#waitingBytes > MAX_WAITING) {
      this.flush();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      this.#batch.add(this);
    }
  }

  /** The socket takes more. @returns whether it was waited for */
  drained(): boolean {
    if (!this.#blocked) return false;
    this.#blocked = false;
    this.flush();
    return true;
  }

  flush(): void {
    this.#scheduled = false;
    this.#waitingBytes = 0;
    const socket = this.#socket;
    if (!socket || this.#blocked) return;
    while (this.#pieces.length > 0) {
      const data = takeSome(this.#pieces);
      const length = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
      const written = socket.write(data);
      // Found closed before its event came.
      if (written < 0) return;
      if (written === length) continue;
      const bytes = typeof data === 'string' ? Buffer.from(data) : data;
      this.#pieces.unshift(bytes.subarray(written));
      this.#blocked = true;
      return;
    }
    this.#onSent();
  }
}

/** Takes the first pieces as one, as long as copying them costs less than another write would. */
function takeSome(pieces: (string | Uint8Array)[]): string | Uint8Array {
  let count = 0;
  for (let length = 0; count < pieces.length; count += 1) {
    length += pieces[count]?.length ?? 0;
    if (length > MAX_JOINED) break;
  }
  if (count <= 1) return pieces.shift() ?? NOTHING;
  const some = pieces.splice(0, count);
  return Buffer.concat(some.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)));
}
