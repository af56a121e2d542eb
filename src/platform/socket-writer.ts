import { copyBytes } from '../core/bytes.ts';
import type { Sender, WriteBatch } from './write-batch.ts';

/** Texts are sent as UTF-8. */
type Output = Uint8Array | string;

/** The writing side of a socket. */
export interface WritableSocket {
  /** @returns bytes that the socket took; -1 when it is closed */
  write(data: Uint8Array, from: number, length: number): number;
}

/** Bytes of several connections. */
export interface Traffic {
  receivedBytes: number;
  sentBytes: number;
}

/** Pieces are joined into one write up to this size. Bytes. */
const MAX_JOINED = 32 * 1024;
/** Beyond this the writer does not wait for the end of the event-loop turn. Bytes. */
const MAX_WAITING = 128 * 1024;
/** Bytes of one flush: many large responses at once must not keep the event loop from other connections. */
const MAX_FLUSHED = 256 * 1024;
/** The most bytes of one UTF-16 unit in UTF-8. */
const MAX_BYTES_PER_CHAR = 3;

/** Sends the bytes of one connection in order, in one batch with other connections, and no faster than the socket takes them. */
export class SocketWriter implements Sender {
  readonly #batch: WriteBatch;
  readonly #onSent: () => void;
  readonly #onClosed: () => void;
  readonly #onBacklog: (change: number) => void;
  readonly #traffic: Pick<Traffic, 'sentBytes'>;
  #socket: WritableSocket | undefined;
  #parts: Output[] = [];
  /** Bytes written since the last flush; of texts, UTF-16 units. */
  #waitingBytes = 0;
  /** Bytes of all parts; of texts, UTF-16 units. */
  #unsent = 0;
  /** The part of `#unsent` that `onBacklog` has received. */
  #reported = 0;
  #sent = 0;
  #scheduled = false;
  #blocked = false;
  /** The rest goes out in the next turn of the event loop. */
  #yielding = false;

  /**
   * @param onSent called when the socket has taken all that was written
   * @param onClosed called when a write finds the socket closed, before its close event
   * @param onBacklog called when the number of bytes changes that wait because the socket takes no more; must not write or close
   * @param traffic counts the bytes that the socket took, with those of other connections
   */
  constructor(
    batch: WriteBatch,
    onSent: () => void,
    onClosed: () => void = () => undefined,
    onBacklog: (change: number) => void = () => undefined,
    traffic: Pick<Traffic, 'sentBytes'> = { sentBytes: 0 },
  ) {
    this.#batch = batch;
    this.#onSent = onSent;
    this.#onClosed = onClosed;
    this.#onBacklog = onBacklog;
    this.#traffic = traffic;
  }

  get empty(): boolean {
    return this.#parts.length === 0;
  }

  /** The socket takes no more at present: the source should wait for `onSent`. */
  get blocked(): boolean {
    return this.#blocked || this.#yielding;
  }

  /** Bytes that the socket has taken since it was opened. */
  get sentBytes(): number {
    return this.#sent;
  }

  open(socket: WritableSocket): void {
    this.#socket = socket;
  }

  close(): void {
    this.#socket = undefined;
    this.#parts = [];
    this.#unsent = 0;
    this.#reportBacklog(0);
  }

  write(piece: Output): void {
    if (!this.#socket || piece.length === 0) return;
    this.#parts.push(piece);
    this.#waitingBytes += piece.length;
    this.#unsent += piece.length;
    if (this.blocked) {
      this.#reportBacklog(this.#unsent);
      return;
    }
    if (this.#waitingBytes > MAX_WAITING) {
      this.flush();
    } else this.#schedule();
  }

  /** The socket takes more. @returns whether the writer was blocked */
  drained(): boolean {
    if (!this.blocked) return false;
    this.#blocked = false;
    this.flush();
    return true;
  }

  flush(): void {
    this.#scheduled = false;
    this.#yielding = false;
    this.#waitingBytes = 0;
    const socket = this.#socket;
    if (!socket || this.#blocked) return;
    for (let flushed = 0; this.#parts.length > 0; ) {
      if (flushed >= MAX_FLUSHED) {
        this.#yielding = true;
        this.#schedule();
        this.#reportBacklog(this.#unsent);
        return;
      }
      const { data, length, units } = takeParts(this.#parts);
      const wanted = Math.min(length, MAX_FLUSHED);
      const written = socket.write(data, 0, wanted);
      if (written < 0) {
        this.#onClosed();
        return;
      }
      flushed += written;
      this.#sent += written;
      this.#traffic.sentBytes += written;
      this.#unsent -= units;
      if (written === length) continue;
      // A copy where other writers use the buffer.
      const rest = data === joint ? copyBytes(data, written, length) : data.subarray(written, length);
      this.#parts.unshift(rest);
      this.#unsent += rest.length;
      if (written === wanted) continue;
      this.#blocked = true;
      this.#reportBacklog(this.#unsent);
      return;
    }
    this.#reportBacklog(0);
    this.#onSent();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#batch.add(this);
  }

  #reportBacklog(bytes: number): void {
    const change = bytes - this.#reported;
    if (change === 0) return;
    this.#reported = bytes;
    this.#onBacklog(change);
  }
}

/** Shared buffer for joined pieces. Its content is sent or copied before the next use. */
const joint = Buffer.allocUnsafeSlow(8 * MAX_JOINED);

/** The first pieces of a writer. */
interface TakenParts {
  /** Its first `length` bytes are valid, until the next call where it is `joint`. */
  readonly data: Uint8Array;
  readonly length: number;
  /** The pieces' own lengths. */
  readonly units: number;
}

/** Joins the first pieces while that costs less than another write. */
function takeParts(parts: Output[]): TakenParts {
  let length = 0;
  let units = 0;
  let count = 0;
  for (let piece = parts[0]; piece !== undefined; piece = parts[count]) {
    const size = typeof piece === 'string' ? MAX_BYTES_PER_CHAR * piece.length : piece.length;
    if (length + size > joint.length) break;
    if (typeof piece === 'string') length += joint.write(piece, length);
    else {
      joint.set(piece, length);
      length += piece.length;
    }
    units += piece.length;
    count += 1;
    if (length >= MAX_JOINED) break;
  }
  if (count === 0) {
    const large = parts.shift() ?? '';
    const data = bytesOf(large);
    return { data, length: data.length, units: large.length };
  }
  if (count === parts.length) parts.length = 0;
  else parts.splice(0, count);
  return { data: joint, length, units };
}

function bytesOf(piece: Output): Uint8Array {
  return typeof piece === 'string' ? Buffer.from(piece) : piece;
}
