import { copyBytes } from '../core/bytes.ts';
import type { Sender, WriteBatch } from './write-batch.ts';

/** Texts are sent as UTF-8. */
type Output = Uint8Array | string;

/** The writing side of a socket. */
export interface WritableSocket {
  /** @returns bytes that the socket took; -1 when it is closed */
  write(data: Uint8Array, from: number, length: number): number;
}

/** Pieces are joined into one write up to this size. Bytes. */
const MAX_JOINED = 32 * 1024;
/** Beyond this the writer does not wait for the end of the event-loop turn. Bytes. */
const MAX_WAITING = 128 * 1024;
/** The most bytes of one UTF-16 unit in UTF-8. */
const MAX_BYTES_PER_CHAR = 3;

/** Sends the bytes of one connection in order, in one batch with other connections, and no faster than the socket takes them. */
export class SocketWriter implements Sender {
  readonly #batch: WriteBatch;
  readonly #onSent: () => void;
  readonly #onClosed: () => void;
  #socket: WritableSocket | undefined;
  #parts: Output[] = [];
  /** Bytes written since the last flush; of texts, UTF-16 units. */
  #waitingBytes = 0;
  #scheduled = false;
  #blocked = false;

  /**
   * @param onSent called when the socket has taken all that was written
   * @param onClosed called when a write finds the socket closed, before its close event
   */
  constructor(batch: WriteBatch, onSent: () => void, onClosed: () => void = () => undefined) {
    this.#batch = batch;
    this.#onSent = onSent;
    this.#onClosed = onClosed;
  }

  get empty(): boolean {
    return this.#parts.length === 0;
  }

  /** The socket takes no more at present: the source should wait for `onSent`. */
  get blocked(): boolean {
    return this.#blocked;
  }

  open(socket: WritableSocket): void {
    this.#socket = socket;
  }

  close(): void {
    this.#socket = undefined;
    this.#parts = [];
  }

  write(piece: Output): void {
    if (!this.#socket || piece.length === 0) return;
    this.#parts.push(piece);
    this.#waitingBytes += piece.length;
    if (this.#blocked) return;
    if (this.#waitingBytes > MAX_WAITING) {
      this.flush();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      this.#batch.add(this);
    }
  }

  /** The socket takes more. @returns whether the writer was blocked */
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
    while (this.#parts.length > 0) {
      const { data, length } = takeParts(this.#parts);
      const written = socket.write(data, 0, length);
      if (written < 0) {
        this.#onClosed();
        return;
      }
      if (written === length) continue;
      // A copy: other writers use the buffer of joined pieces.
      this.#parts.unshift(copyBytes(data, written, length));
      this.#blocked = true;
      return;
    }
    this.#onSent();
  }
}

/** Shared buffer for joined pieces. Its content is sent or copied before the next use. */
const joint = Buffer.allocUnsafeSlow(8 * MAX_JOINED);

/**
 * Joins the first pieces while that costs less than another write.
 * @returns a buffer whose first `length` bytes are valid until the next call
 */
function takeParts(parts: Output[]): { readonly data: Uint8Array; readonly length: number } {
  let length = 0;
  let count = 0;
  for (let piece = parts[0]; piece !== undefined; piece = parts[count]) {
    const size = typeof piece === 'string' ? MAX_BYTES_PER_CHAR * piece.length : piece.length;
    if (length + size > joint.length) break;
    if (typeof piece === 'string') length += joint.write(piece, length);
    else {
      joint.set(piece, length);
      length += piece.length;
    }
    count += 1;
    if (length >= MAX_JOINED) break;
  }
  if (count === 0) {
    const large = parts.shift() ?? '';
    const data = bytesOf(large);
    return { data, length: data.length };
  }
  if (count === parts.length) parts.length = 0;
  else parts.splice(0, count);
  return { data: joint, length };
}

function bytesOf(piece: Output): Uint8Array {
  return typeof piece === 'string' ? Buffer.from(piece) : piece;
}
