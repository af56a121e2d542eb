import { concatBytes } from '../../core/bytes.ts';

/** Frames of HTTP/2. @see https://www.rfc-editor.org/rfc/rfc9113 */

export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const FLAG = { END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 32 } as const;

export const SETTING = {
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const;

/** Error codes (RFC 9113, section 7). */
export const ERROR = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
} as const;

/** The client's first bytes. */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

const HEAD_BYTES = 9;
/** Bytes of a payload: what Weir accepts, and the most that it sends. */
export const MAX_FRAME_SIZE = 16_384;
export const DEFAULT_WINDOW = 65_535;
export const MAX_WINDOW = 2_147_483_647;

/** The connection cannot go on: it gets a GOAWAY and is closed. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';

  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
}

/** Splits the bytes of a connection into frames. Keeps at most one incomplete frame. */
export class FrameReader {
  #rest: Uint8Array[] = [];
  #length = 0;
  /** Bytes until the incomplete frame, or its head, is complete. */
  #missing = HEAD_BYTES;

  /** Bytes of an incomplete frame. */
  get partialBytes(): number {
    return this.#length;
  }

  /**
   * @param onFrame called for each complete frame; returns false to stop
   * @throws ConnectionError for a frame that is too large
   */
  push(bytes: Uint8Array, onFrame: (frame: Frame) => boolean): void {
    if (bytes.length < this.#missing) {
      this.#keep(bytes);
      return;
    }
    const input = this.#length === 0 ? bytes : concatBytes([...this.#rest, bytes]);
    this.#rest = [];
    this.#length = 0;
    let at = 0;
    for (;;) {
      const left = input.length - at;
      this.#missing = HEAD_BYTES - left;
      if (left < HEAD_BYTES) break;
      const size = lengthAt(input, at);
      if (size > MAX_FRAME_SIZE) {
        throw new ConnectionError(ERROR.FRAME_SIZE_ERROR, `a frame is larger than ${MAX_FRAME_SIZE} bytes`);
      }
      this.#missing = HEAD_BYTES + size - left;
      if (this.#missing > 0) break;
      const from = at + HEAD_BYTES;
      at = from + size;
      const frame = {
        type: input[from - 6] ?? 0,
        flags: input[from - 5] ?? 0,
        stream: numberAt(input, from - 4) & MAX_WINDOW,
        payload: input.subarray(from, at),
      };
      if (!onFrame(frame)) return;
    }
    // Small, and not to hold a larger read in memory.
    if (at < input.length) this.#keep(input.slice(at), 0);
  }

  #keep(bytes: Uint8Array, found = bytes.length): void {
    this.#rest.push(bytes);
    this.#length += bytes.length;
    this.#missing -= found;
  }
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
}

/** @returns a number of 32 bits with its sign */
export function numberAt(bytes: Uint8Array, at: number): number {
  return (lengthAt(bytes, at) << 8) | (bytes[at + 3] ?? 0);
}

/** @returns the head of a frame and, where there is one, its payload */
export function frame(type: number, flags: number, stream: number, payload?: Uint8Array): Uint8Array {
  const length = payload?.length ?? 0;
  const bytes = new Uint8Array(HEAD_BYTES + length);
  writeHead(bytes, type, flags, stream, length);
  if (payload) bytes.set(payload, HEAD_BYTES);
  return bytes;
}

/** @returns only the head, for a payload that follows */
export function frameHead(type: number, flags: number, stream: number, length: number): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES);
  writeHead(bytes, type, flags, stream, length);
  return bytes;
}

function writeHead(bytes: Uint8Array, type: number, flags: number, stream: number, length: number): void {
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length * 256 + type);
  view.setUint8(4, flags);
  view.setUint32(5, stream);
}

/** @param settings pairs of a setting and its value */
export function settingsFrame(settings: readonly (readonly [setting: number, value: number])[]): Uint8Array {
  const payload = new Uint8Array(settings.length * 6);
  const view = new DataView(payload.buffer);
  for (const [at, [setting, value]] of settings.entries()) {
    view.setUint16(6 * at, setting);
    view.setUint32(6 * at + 2, value);
  }
  return frame(FRAME.SETTINGS, 0, 0, payload);
}

/** A frame whose payload is one number: WINDOW_UPDATE, RST_STREAM. */
export function numberFrame(type: number, stream: number, value: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, value);
  return frame(type, 0, stream, payload);
}

/** @param reason for people who debug a client */
export function goAwayFrame(lastStream: number, code: number, reason = ''): Uint8Array {
  const text = Buffer.from(reason);
  const payload = new Uint8Array(8 + text.length);
  const view = new DataView(payload.buffer);
  view.setUint32(0, lastStream);
  view.setUint32(4, code);
  payload.set(text, 8);
  return frame(FRAME.GOAWAY, 0, 0, payload);
}

/** Header blocks that do not fit into one frame continue in others. */
export function headerFrames(stream: number, block: Uint8Array, endStream: boolean): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < block.length; at += MAX_FRAME_SIZE) {
    const part = block.subarray(at, at + MAX_FRAME_SIZE);
    const isLast = at + part.length >= block.length;
    const flags = (isLast ? FLAG.END_HEADERS : 0) | (at === 0 && endStream ? FLAG.END_STREAM : 0);
    frames.push(frame(at === 0 ? FRAME.HEADERS : FRAME.CONTINUATION, flags, stream, part));
  }
  return frames;
}

/**
 * Removes the padding and the priority of DATA and HEADERS.
 * @throws ConnectionError where they are longer than the frame
 */
export function content({ type, flags, payload }: Frame): Uint8Array {
  let from = 0;
  let to = payload.length;
  if (flags & FLAG.PADDED) {
    from = 1;
    to -= payload[0] ?? 0;
  }
  if (type === FRAME.HEADERS && flags & FLAG.PRIORITY) from += 5;
  if (from > to || from > payload.length) {
    throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'the padding of a frame is longer than the frame');
  }
  return payload.subarray(from, to);
}
