/** What a reader tells its owner while it takes one HTTP/1.1 message after another apart. */
export interface MessageHandler {
  /** @param startLine request line or status line. @param head the whole head in lower case, for look-ups with `headerValue` */
  onHead(startLine: string, head: string): void;
  /** Body bytes without chunk framing: `bytes[start..end)`. Only valid during the call. */
  onBody(bytes: Uint8Array, start: number, end: number): void;
  /** The message is whole. @param keepAlive whether the connection may carry another one */
  onEnd(keepAlive: boolean): void;
}

type State = 'head' | 'length' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailer' | 'until-close';

const CR = 13;
const LF = 10;
const MAX_HEAD_BYTES = 64 * 1024;
const NO_BYTES = new Uint8Array(0);
const latin1 = new TextDecoder('latin1');

/** Bytes that break the framing rules of HTTP/1.1; the connection cannot be read any further. */
export class FramingError extends Error {
  override name = 'FramingError';
}

/** Value of a header in a lower-cased head, trimmed; undefined when absent. */
export function headerValue(head: string, name: string): string | undefined {
  const at = head.indexOf(`\r\n${name}:`);
  if (at < 0) return undefined;
  const from = at + name.length + 3;
  return head.slice(from, head.indexOf('\r\n', from)).trim();
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/**
 * Incremental HTTP/1.1 reader for both directions: any split of the bytes gives the same calls (body pieces aside).
 * Written out by hand because the load client and the mock share two cores with what they measure.
 */
export class MessageReader {
  private state: State = 'head';
  private partialHead: Uint8Array = NO_BYTES;
  private remaining = 0;
  private inExtension = false;
  private trailerLineLength = 0;
  private keepAlive = true;

  constructor(
    private readonly kind: 'request' | 'response',
    private readonly handler: MessageHandler,
  ) {}

  /** @throws FramingError when the bytes are no HTTP/1.1 message */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      switch (this.state) {
        case 'head':
          at = this.readHead(bytes, at);
          break;
        case 'length':
        case 'chunk-data':
          at = this.readCounted(bytes, at);
          break;
        case 'chunk-size':
          at = this.readChunkSize(bytes, at);
          break;
        case 'chunk-end':
          if (bytes[at] === LF) {
            this.state = 'chunk-size';
          } else if (bytes[at] !== CR) throw new FramingError('chunk is longer than its size');
          at++;
          break;
        case 'trailer':
          at = this.readTrailer(bytes, at);
          break;
        case 'until-close':
          this.handler.onBody(bytes, at, bytes.length);
          at = bytes.length;
      }
    }
  }

  /** The connection has ended. @returns false when that cut a message short */
  finish(): boolean {
    if (this.state === 'until-close') {
      this.keepAlive = false;
      this.end();
      return true;
    }
    return this.state === 'head' && this.partialHead.length === 0;
  }

  private readHead(bytes: Uint8Array, from: number): number {
    const had = this.partialHead.length;
    let view = from === 0 ? bytes : bytes.subarray(from);
    if (had > 0) {
      const joined = new Uint8Array(had + view.length);
      joined.set(this.partialHead);
      joined.set(view, had);
      view = joined;
    }
    const end = findHeadEnd(view, Math.max(0, had - 3));
    if (end < 0) {
      if (view.length > MAX_HEAD_BYTES) throw new FramingError('head is too long');
      this.partialHead = view.slice();
      return bytes.length;
    }
    this.partialHead = NO_BYTES;
    this.startMessage(latin1.decode(view.subarray(0, end)));
    return from + end - had;
  }

  private startMessage(text: string): void {
    const startLine = text.slice(0, text.indexOf('\r\n'));
    const head = text.toLowerCase();
    const connection = headerValue(head, 'connection');
    const http10 = startLine.startsWith('HTTP/1.0') || startLine.endsWith('HTTP/1.0');
    this.keepAlive = http10 ? connection === 'keep-alive' : connection !== 'close';
    this.handler.onHead(startLine, head);
    if (this.kind === 'response') {
      const status = Number(startLine.slice(9, 12));
      if (!(status >= 100 && status <= 999)) throw new FramingError(`no status line: ${startLine}`);
      // An interim answer is followed by the real one.
      if (status < 200) return;
      if (status === 204 || status === 304) {
        this.end();
        return;
      }
    }
    if (headerValue(head, 'transfer-encoding')?.includes('chunked')) {
      this.expectChunkSize();
      return;
    }
    const length = headerValue(head, 'content-length');
    if (length === undefined) {
      if (this.kind === 'request') this.end();
      else this.state = 'until-close';
      return;
    }
    this.remaining = Number(length);
    if (!Number.isSafeInteger(this.remaining) || this.remaining < 0) {
      throw new FramingError(`bad content-length: ${length}`);
    }
    if (this.remaining === 0) this.end();
    else this.state = 'length';
  }

  private readCounted(bytes: Uint8Array, from: number): number {
    const end = Math.min(bytes.length, from + this.remaining);
    this.remaining -= end - from;
    this.handler.onBody(bytes, from, end);
    if (this.remaining === 0) {
      if (this.state === 'length') this.end();
      else this.state = 'chunk-end';
    }
    return end;
  }

  private expectChunkSize(): void {
    this.state = 'chunk-size';
    this.remaining = 0;
    this.inExtension = false;
  }

  private readChunkSize(bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0;
      if (byte === LF) {
        this.inExtension = false;
        this.trailerLineLength = 0;
        this.state = this.remaining === 0 ? 'trailer' : 'chunk-data';
        return at + 1;
      }
      if (byte === CR || this.inExtension) continue;
      const digit = hexDigit(byte);
      if (digit >= 0) this.remaining = this.remaining * 16 + digit;
      else if (byte === 59 || byte === 32) this.inExtension = true;
      else throw new FramingError('chunk size is not a number');
    }
    return bytes.length;
  }

  private readTrailer(bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      if (bytes[at] === LF) {
        if (this.trailerLineLength === 0) {
          this.end();
          return at + 1;
        }
        this.trailerLineLength = 0;
      } else if (bytes[at] !== CR) this.trailerLineLength++;
    }
    return bytes.length;
  }

  private end(): void {
    this.state = 'head';
    this.handler.onEnd(this.keepAlive);
  }
}

/** Index after the empty line that ends a head, or -1. */
function findHeadEnd(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(CR, from); at >= 0; at = bytes.indexOf(CR, at + 1)) {
    if (bytes[at + 1] === LF && bytes[at + 2] === CR && bytes[at + 3] === LF) return at + 4;
  }
  return -1;
}
