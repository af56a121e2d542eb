import { partOf } from '../core/bytes.ts';
import type { UpstreamHeaders } from '../core/transport.ts';
import {
  contentLength,
  keepAliveTimeoutSeconds,
  parseFields,
  protocolError,
  requestsClose,
} from './http1-headers.ts';
import {
  ANOTHER_HEAD,
  CHUNKED,
  DEFAULT_PARSER_LIMITS,
  type Framing,
  MessageParser,
  type MessageSink,
  type ParserLimits,
  UNTIL_CLOSE,
} from './http1-message.ts';

/** Where the parser reports one response. The calls come from inside `push`, `resume` and `finish`. */
export interface ResponseSink {
  onHead(status: number, headers: UpstreamHeaders): void;
  onData(bytes: Uint8Array): void;
  /**
   * @param reusable framing and headers allow another message on the connection, and no byte came after this one
   * @param excessBytes bytes came after the end of the message, which no request asked for
   */
  onEnd(reusable: boolean, excessBytes: boolean): void;
}

const STATUS_LINE = /^HTTP\/1\.[01] [1-5]\d\d(?: [^\0\r\n]*)?$/;
const MINOR_VERSION_AT = 'HTTP/1.'.length;
const STATUS_AT = 'HTTP/1.1 '.length;
const ZERO = 48;
const STATUS_LINE_START = Buffer.from('HTTP/1.', 'latin1');

/** Rejects TLS, SSH and other protocols by their first bytes, instead of collecting input up to the limit. */
function rejectForeignProtocol(start: Buffer): void {
  const length = Math.min(start.length, STATUS_LINE_START.length);
  if (start.compare(STATUS_LINE_START, 0, length, 0, length) !== 0) {
    throw protocolError('not an HTTP/1.x response');
  }
}

/**
 * Incremental HTTP/1.1 response parser, pure. Header names are tokens; folded lines, differing lengths and
 * transfer codings other than `chunked` are errors.
 */
export class ResponseParser implements MessageSink {
  readonly #sink: ResponseSink;
  readonly #limits: ParserLimits;
  readonly #message: MessageParser;
  #keepAlive = true;
  #bodiless = false;
  #announced = false;
  #keepAliveSeconds: number | undefined;

  constructor(sink: ResponseSink, limits: ParserLimits = DEFAULT_PARSER_LIMITS) {
    this.#sink = sink;
    this.#limits = limits;
    this.#message = new MessageParser(this, { limits, checkStart: rejectForeignProtocol });
  }

  get paused(): boolean {
    return this.#message.paused;
  }

  /** The server's `Keep-Alive: timeout` hint of the current message, in seconds. */
  get keepAliveSeconds(): number | undefined {
    return this.#keepAliveSeconds;
  }

  /** The status of the current message rules a body out: 204 and 304. */
  get isBodiless(): boolean {
    return this.#bodiless;
  }

  /** Its headers announce a body nevertheless, which may follow. */
  get announcesBody(): boolean {
    return this.#announced;
  }

  /** Prepares for the next message. */
  reset(): void {
    this.#keepAlive = true;
    this.#bodiless = false;
    this.#announced = false;
    this.#keepAliveSeconds = undefined;
    this.#message.reset();
  }

  /** Drops held bytes and ignores every later call. May be called from inside a sink's method. */
  stop(): void {
    this.#message.stop();
  }

  /** No sink method is called until `resume`; bytes pushed meanwhile are held. */
  pause(): void {
    this.#message.pause();
  }

  /** @throws TransportError like `push`, for the bytes that were held. */
  resume(): void {
    this.#message.resume();
  }

  /** @throws TransportError (`protocol`), after which the parser ignores input */
  push(bytes: Uint8Array): void {
    this.#message.push(bytes);
  }

  /**
   * The connection has ended in an orderly way: completes a body that lasts until close. Must not be called
   * while paused.
   * @returns whether the message is complete.
   */
  finish(): boolean {
    return this.#message.finish();
  }

  // Events of the message.

  onHead(head: string): Framing {
    const lineEnd = head.indexOf('\r\n');
    const statusLine = lineEnd < 0 ? head : head.slice(0, lineEnd);
    if (!STATUS_LINE.test(statusLine)) throw protocolError('not an HTTP/1.x status line');
    const http10 = statusLine.charCodeAt(MINOR_VERSION_AT) === ZERO;
    const status = Number(statusLine.slice(STATUS_AT, STATUS_AT + 3));
    const headers = parseFields(head, lineEnd < 0 ? head.length : lineEnd + 2, this.#limits.maxHeaders);
    if (status < 200) {
      if (status === 101) throw protocolError('upstream switched protocols without being asked');
      return ANOTHER_HEAD;
    }
    const framing = this.#framing(status, http10, headers);
    this.#sink.onHead(status, headers);
    return framing;
  }

  onData(bytes: Uint8Array, from: number, to: number): void {
    this.#sink.onData(partOf(bytes, from, to));
  }

  onEnd(rest: Uint8Array): void {
    this.#sink.onEnd(this.#keepAlive && rest.length === 0, rest.length > 0);
  }

  #framing(status: number, http10: boolean, headers: UpstreamHeaders): Framing {
    this.#keepAlive = !http10 && !requestsClose(headers);
    this.#keepAliveSeconds = keepAliveTimeoutSeconds(headers);
    const length = contentLength(headers);
    const coding = headers.get('transfer-encoding');
    if (status === 204 || status === 304) {
      this.#bodiless = true;
      this.#announced = coding !== null || (length !== undefined && length > 0);
      return 0;
    }
    if (coding !== null) {
      if (coding.toLowerCase() !== 'chunked') throw protocolError('unsupported transfer coding');
      // Two framings, or one that HTTP/1.0 lacks: an intermediary may have read the message differently.
      if (length !== undefined) this.#keepAlive = false;
      return CHUNKED;
    }
    if (length !== undefined) return length;
    this.#keepAlive = false;
    return UNTIL_CLOSE;
  }
}
