import { copyBytes } from '../core/bytes.ts';
import type { Sender, WriteBatch } from './write-batch.ts';

/** Texts are sent as UTF-8. */
type Output = Uint8Array | string;

/** A socket, as far as it is written to. */
export interface WritableSocket {
  /** @returns bytes that it took, -1 when it is closed */
  write(data: Uint8Array, from: number, length: number): number;
}

/** Pieces up to this many bytes together are written as one. */
const MAX_JOINED = 32 * 1024;
/** So much waits for the others that came in at the same time, and no more. Bytes. */
const MAX_WAITING = 128 * 1024;
/** Of one UTF-16 unit in UTF-8. */
const MAX_BYTES_PER_CHAR = 3;

/** What is to be sent on one connection, in order: together with that of others, and no faster than it is taken. */
export class SocketWriter implements Sender {
  readonly #batch: WriteBatch;
  readonly #onSent: () => void;
  readonly #onClosed: () => void;
  #socket: WritableSocket | undefined;
  #parts: Output[] = [];
  /** Written since it was last sent, as far as it was: about so many bytes. */
  #waitingBytes = 0;
  #scheduled = false;
  #blocked = false;

  /**
   * @param onSent all that was written has been taken by the socket
   * @param onClosed the socket was found closed, before its event has come
   */
  constructor(batch: WriteBatch, onSent: () => void, onClosed: () => void = () => undefined) {
    this.#batch = batch;
    this.#onSent = onSent;
    this.#onClosed = onClosed;
  }

  get empty(): boolean {
    return this.#parts.length === 0;
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
    while (this.#parts.length > 0) {
      const { data, length } = takeParts(this.#parts);
      const written = socket.write(data, 0, length);
      if (written < 0) {
        this.#onClosed();
        return;
      }
      if (written === length) continue;
      // A copy: what pieces were put together in is used by others meanwhile.
      this.#parts.unshift(copyBytes(data, written, length));
      this.#blocked = true;
      return;
    }
    this.#onSent();
  }
}

/** Where pieces are put together; what is in it is sent, or copied, before anybody else comes. */
const joint = Buffer.allocUnsafeSlow(8 * MAX_JOINED);

/**
 * Takes the first pieces as one, as long as copying them costs less than another write would.
 * @returns the beginning of bytes that are good until the next call
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
