import { releaseBytes } from '../core/bytes.ts';
import { HeadTooLargeError, parseFields, protocolError } from './http1-headers.ts';

/**
 * Incremental reader of HTTP/1.1 messages (RFC 9112), pure: bytes in, calls out. It finds where a message's
 * parts begin and end; the sink interprets its head. It reads one message at a time. Body bytes
 * are forwarded as ranges of the input: nothing is copied, and nothing is scanned byte by byte except
 * chunk-size lines.
 *
 * Strict where leniency has been used to smuggle: line ends are CRLF, trailer names are tokens, chunk sizes
 * are plain hexadecimal numbers. `test/properties/llhttp.test.ts` compares it with llhttp.
 */

/** How a body is framed: a length in bytes, or one of the constants below. */
export type Framing = number;
export const CHUNKED: Framing = -1;
export const UNTIL_CLOSE: Framing = -2;
/** An informational response: another head follows. */
export const ANOTHER_HEAD: Framing = -3;

/** Where the parser reports one message. The calls come from inside `push`, `resume` and `finish`. */
export interface MessageSink {
  /** @param head start line and headers, in Latin-1, without the empty line. @throws TransportError */
  onHead(head: string): Framing;
  /**
   * Bytes of the body: those of `bytes` from `from` up to `to`. What the sink keeps of them keeps all of `bytes` in memory,
   * unless it is a copy: `partOf` of core decides by the size.
   */
  onData(bytes: Uint8Array, from: number, to: number): void;
  /** @param rest input beyond the message's end: a view, usually empty */
  onEnd(rest: Uint8Array): void;
}

export interface ParserLimits {
  /** Bytes of status line, headers, informational responses and trailers together. */
  readonly maxHeadBytes: number;
  readonly maxHeaders: number;
  /** Bytes of one chunk-size line, extensions included. */
  readonly maxChunkLineBytes: number;
  /** Bytes of all chunk-size lines of a message, beyond 16 for each chunk and twice its data. */
  readonly maxExcessBytes: number;
  /** Bytes of all chunk framing of a message, beyond as many as it has data: bounds the number of tiny chunks. */
  readonly maxFramingBytes: number;
}

export interface ParserOptions {
  /** `DEFAULT_PARSER_LIMITS` by default. */
  readonly limits?: ParserLimits;
  /** Skips empty lines before a head, which some clients send after a body (RFC 9112, section 2.2). */
  readonly skipBlankLines?: boolean;
  /** Called with what has arrived of an incomplete head; may throw to reject it at once. */
  readonly checkStart?: (start: Buffer) => void;
}

export const DEFAULT_PARSER_LIMITS: ParserLimits = {
  maxHeadBytes: 64 * 1024,
  maxHeaders: 200,
  maxChunkLineBytes: 4096,
  maxExcessBytes: 16 * 1024,
  maxFramingBytes: Number.POSITIVE_INFINITY,
};

const HEAD_END = Buffer.from('\r\n\r\n', 'latin1');
const NOTHING = new Uint8Array(0);

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const SEMICOLON = 59;
/** Bytes of a chunk-size line that are allowed for each chunk, however little data it has. */
const USUAL_CHUNK_LINE = 16;
/** The line feed of a chunk-size line, and the line end after the data. */
const CHUNK_LINE_ENDS = 3;
const DELETE = 127;

enum State {
  /** Empty lines before a request, where they are allowed. */
  BlankLines,
  BlankLineFeed,
  Head,
  FixedBody,
  UntilClose,
  ChunkSize,
  /** White space after a chunk size: an extension or the line's end must follow. */
  ChunkSizeSpace,
  ChunkExtension,
  ChunkLineFeed,
  ChunkData,
  ChunkDataCr,
  ChunkDataLf,
  Trailers,
  /** Everything has been read; the end has not been reported yet. */
  Complete,
  Done,
}

/** Value of a hexadecimal digit's character code, or -1. */
function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

/** Tabs are white space. */
function isControl(code: number): boolean {
  return (code < SPACE && code !== TAB) || code === DELETE;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export class MessageParser {
  readonly #sink: MessageSink;
  readonly #limits: ParserLimits;
  readonly #initialState: State.BlankLines | State.Head;
  readonly #checkStart: ((start: Buffer) => void) | undefined;
  #state: State;
  /** Bytes of body or chunk still to come, or the chunk size read so far. */
  #remaining = 0;
  #chunkDigits = 0;
  #chunkLineBytes = 0;
  /** Bytes of chunk-size lines beyond what is usual for the data that came with them. */
  #excessBytes = 0;
  /** Bytes of chunk framing beyond those of data. */
  #framingBytes = 0;
  /** Start of a head or trailer section that arrived in pieces; doubles as it grows. */
  #partial: Buffer | undefined;
  #partialLength = 0;
  #headBytes = 0;
  #paused = false;
  /** Pushed but not yet read, because of a pause. */
  #held: Uint8Array | undefined;

  constructor(sink: MessageSink, { limits, skipBlankLines, checkStart }: ParserOptions = {}) {
    this.#sink = sink;
    this.#limits = limits ?? DEFAULT_PARSER_LIMITS;
    this.#initialState = skipBlankLines === true ? State.BlankLines : State.Head;
    this.#state = this.#initialState;
    this.#checkStart = checkStart;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** A head has begun to arrive, and is not complete. */
  get inHead(): boolean {
    return this.#state === State.Head && this.#headBytes > 0;
  }

  /** Bytes of memory that a head or trailer section takes that has arrived in part. */
  get partialBytes(): number {
    return this.#partial?.length ?? 0;
  }

  /** Prepares for the next message. */
  reset(): void {
    this.#state = this.#initialState;
    this.#excessBytes = 0;
    this.#framingBytes = 0;
    this.#remaining = 0;
    this.#dropPartial();
    this.#headBytes = 0;
    this.#paused = false;
    this.#held = undefined;
  }

  /** Drops held bytes and ignores every later call. May be called from inside a sink's method. */
  stop(): void {
    this.#state = State.Done;
    this.#held = undefined;
    this.#dropPartial();
  }

  /** No sink method is called until `resume`; bytes pushed meanwhile are held. */
  pause(): void {
    this.#paused = true;
  }

  /** @throws TransportError like `push`, for the bytes that were held. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    const held = this.#held ?? NOTHING;
    this.#held = undefined;
    this.#run(held);
  }

  /** @throws TransportError (`protocol`), after which the parser ignores input */
  push(bytes: Uint8Array): void {
    if (this.#paused && this.#held !== undefined) this.#held = Buffer.concat([this.#held, bytes]);
    else this.#run(bytes);
  }

  /**
   * The connection has ended in an orderly way: completes a body that lasts until close. Must not be called
   * while paused.
   * @returns whether the message is complete.
   */
  finish(): boolean {
    if (this.#state === State.UntilClose) {
      this.#state = State.Complete;
      this.#run(NOTHING);
    }
    return this.#state === State.Done;
  }

  #run(bytes: Uint8Array): void {
    try {
      this.#advance(asBuffer(bytes));
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  /** The sink may pause, stop or reset the parser in any call, so state is read again after each one. */
  #advance(bytes: Buffer): void {
    let at = 0;
    while (this.#state !== State.Done) {
      if (this.#paused) {
        if (at < bytes.length) this.#held = at === 0 ? bytes : bytes.subarray(at);
        return;
      }
      if (this.#state === State.Complete) {
        this.#state = State.Done;
        // The sink may reset the parser for the next message, so it also receives the rest.
        this.#sink.onEnd(at === bytes.length ? NOTHING : bytes.subarray(at));
        return;
      }
      if (at === bytes.length) return;
      switch (this.#state) {
        case State.BlankLines:
        case State.BlankLineFeed:
          at = this.#skipBlankLines(bytes, at);
          break;
        case State.Head:
          at = this.#readHead(bytes, at);
          break;
        case State.UntilClose:
          this.#sink.onData(bytes, at, bytes.length);
          return;
        case State.FixedBody:
        case State.ChunkData: {
          const length = Math.min(this.#remaining, bytes.length - at);
          this.#remaining -= length;
          if (this.#remaining === 0) {
            this.#state = this.#state === State.FixedBody ? State.Complete : State.ChunkDataCr;
          }
          at += length;
          this.#sink.onData(bytes, at - length, at);
          break;
        }
        case State.Trailers:
          at = this.#readTrailers(bytes, at);
          break;
        default:
          at = this.#readChunkFraming(bytes, at);
      }
    }
  }

  /** CR or LF alone is not skipped: some parsers read it as a line end, others as the beginning of a method. */
  #skipBlankLines(bytes: Buffer, start: number): number {
    let at = start;
    for (; at < bytes.length; at += 1) {
      const code = bytes[at];
      if (this.#state === State.BlankLineFeed) {
        if (code !== LF) throw protocolError('CR without LF before a message');
        this.#state = State.BlankLines;
      } else if (code === CR) this.#state = State.BlankLineFeed;
      else {
        this.#state = State.Head;
        break;
      }
    }
    // They count as part of the head: a client must not send them without end.
    if (at > start) this.#countHeadBytes(at - start);
    return at;
  }

  /** Reads chunk framing until data, trailers or the end of the input. */
  #readChunkFraming(bytes: Buffer, start: number): number {
    let at = start;
    while (at < bytes.length) {
      const code = bytes[at] ?? 0;
      at += 1;
      switch (this.#state) {
        case State.ChunkDataCr:
          if (code !== CR) throw protocolError('chunk data is longer than its declared size');
          this.#state = State.ChunkDataLf;
          continue;
        case State.ChunkDataLf:
          if (code !== LF) throw protocolError('chunk data does not end in CRLF');
          this.#startChunkLine();
          continue;
        case State.ChunkLineFeed:
          if (code !== LF) throw protocolError('chunk-size line does not end in CRLF');
          this.#countFraming();
          this.#state = this.#remaining === 0 ? State.Trailers : State.ChunkData;
          return at;
        default:
          this.#readChunkLineByte(code);
      }
    }
    return at;
  }

  /**
   * Long extensions around little data cost the receiver more than the sender; Go has the same bound (CVE-2023-39326). So do
   * tiny chunks.
   */
  #countFraming(): void {
    const usual = USUAL_CHUNK_LINE + 2 * this.#remaining;
    this.#excessBytes = Math.max(0, this.#excessBytes + this.#chunkLineBytes - usual);
    const framing = this.#chunkLineBytes + CHUNK_LINE_ENDS - this.#remaining;
    this.#framingBytes = Math.max(0, this.#framingBytes + framing);
    const { maxExcessBytes, maxFramingBytes } = this.#limits;
    if (this.#excessBytes > maxExcessBytes || this.#framingBytes > maxFramingBytes) {
      throw protocolError('chunked coding has too much framing for its data');
    }
  }

  #startChunkLine(): void {
    this.#state = State.ChunkSize;
    this.#remaining = 0;
    this.#chunkDigits = 0;
    this.#chunkLineBytes = 0;
  }

  #readChunkLineByte(code: number): void {
    this.#chunkLineBytes += 1;
    if (this.#chunkLineBytes > this.#limits.maxChunkLineBytes)
      throw protocolError('chunk-size line too long');
    if (this.#state === State.ChunkSize) {
      const digit = hexDigit(code);
      if (digit >= 0) {
        this.#chunkDigits += 1;
        this.#remaining = this.#remaining * 16 + digit;
        if (this.#remaining > Number.MAX_SAFE_INTEGER) throw protocolError('chunk size too large');
        return;
      }
      if (this.#chunkDigits === 0) throw protocolError('chunk size is not a hexadecimal number');
    }
    if (code === CR) this.#state = State.ChunkLineFeed;
    else if (this.#state === State.ChunkExtension) {
      if (isControl(code)) throw protocolError('control character in a chunk extension');
    } else if (code === SEMICOLON) this.#state = State.ChunkExtension;
    else if (code === SPACE || code === TAB) this.#state = State.ChunkSizeSpace;
    else throw protocolError('chunk size is not a hexadecimal number');
  }

  #readHead(bytes: Buffer, start: number): number {
    const section = this.#takeSection(bytes, start);
    if (section === undefined) {
      if (this.#partial !== undefined) this.#checkStart?.(this.#partial.subarray(0, this.#partialLength));
      return bytes.length;
    }
    this.#begin(this.#sink.onHead(section.text));
    return section.next;
  }

  #readTrailers(bytes: Buffer, start: number): number {
    if (this.#partial === undefined) {
      // Without trailers, the usual case, one empty line follows the last chunk's line.
      if (bytes[start] === CR && bytes[start + 1] === LF) {
        this.#state = State.Complete;
        return start + 2;
      }
      // With the line end that came before it, an empty section ends in the same four bytes as any other.
      this.#appendPartial(HEAD_END.subarray(0, 2));
    }
    const section = this.#takeSection(bytes, start);
    if (section === undefined) return bytes.length;
    if (section.text.length > 2) parseFields(section.text, 2, this.#limits.maxHeaders);
    this.#state = State.Complete;
    return section.next;
  }

  /**
   * Takes a section that ends in an empty line, from `#partial` and the input. `text` is without the
   * CRLFCRLF; `undefined` means that more input is needed, and all of this has been kept.
   */
  #takeSection(bytes: Buffer, start: number): { text: string; next: number } | undefined {
    if (this.#partial === undefined) {
      const end = bytes.indexOf(HEAD_END, start);
      this.#countHeadBytes((end < 0 ? bytes.length : end + 4) - start);
      if (end >= 0) return { text: bytes.toString('latin1', start, end), next: end + 4 };
      this.#appendPartial(bytes.subarray(start));
      return undefined;
    }
    const before = this.#partialLength;
    // One byte over the limit is enough to notice it; a large read must not be copied for that.
    const room = this.#limits.maxHeadBytes - this.#headBytes + 1;
    this.#appendPartial(bytes.subarray(start, start + room));
    const kept = this.#partial.subarray(0, this.#partialLength);
    const end = kept.indexOf(HEAD_END, Math.max(0, before - 3));
    if (end < 0) {
      this.#countHeadBytes(kept.length - before);
      return undefined;
    }
    this.#countHeadBytes(end + 4 - before);
    const text = kept.toString('latin1', 0, end);
    this.#dropPartial();
    return { text, next: start + end + 4 - before };
  }

  #dropPartial(): void {
    if (this.#partial === undefined) return;
    releaseBytes(this.#partial);
    this.#partial = undefined;
    this.#partialLength = 0;
  }

  #countHeadBytes(count: number): void {
    this.#headBytes += count;
    if (this.#headBytes > this.#limits.maxHeadBytes) throw new HeadTooLargeError();
  }

  #appendPartial(bytes: Uint8Array): void {
    const needed = this.#partialLength + bytes.length;
    if (this.#partial === undefined || this.#partial.length < needed) {
      const largest = Math.max(needed, this.#limits.maxHeadBytes + 1);
      const grown = Buffer.allocUnsafe(Math.min(Math.max(512, needed * 2), largest));
      if (this.#partial !== undefined) {
        this.#partial.copy(grown, 0, 0, this.#partialLength);
        releaseBytes(this.#partial);
      }
      this.#partial = grown;
    }
    this.#partial.set(bytes, this.#partialLength);
    this.#partialLength = needed;
  }

  #begin(framing: Framing): void {
    // The sink may have stopped it.
    if (this.#state !== State.Head || framing === ANOTHER_HEAD) return;
    if (framing === CHUNKED) this.#startChunkLine();
    else if (framing === UNTIL_CLOSE) this.#state = State.UntilClose;
    else {
      this.#remaining = framing;
      this.#state = framing === 0 ? State.Complete : State.FixedBody;
    }
  }
}
