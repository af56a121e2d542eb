import { TransportError } from '../core/transport.ts';
import {
  HeadTooLargeError,
  type ParsedHeaders,
  parseFields,
  partOfHead,
  requestsClose,
} from '../platform/http1-headers.ts';
import { CHUNKED, type Framing } from '../platform/http1-message.ts';

/** A request that is rejected: the client gets the status and the message, then the connection is closed. */
export class BadRequestError extends Error {
  constructor(
    readonly status: 400 | 408 | 417 | 431 | 501 | 505,
    message: string,
  ) {
    super(message);
    this.name = 'BadRequestError';
  }
}

/** The client speaks TLS: it reads no response, and waits for one. */
export class TlsHandshakeError extends BadRequestError {
  constructor() {
    super(
      400,
      'This port serves plain HTTP: the client sent a TLS handshake. Use http:// or set "server.tls".',
    );
  }
}

/** The response to a request that cannot be read, after which the connection is closed. */
export interface Rejection {
  readonly status: number;
  readonly message: string;
  /** Without waiting for the client to read the response and to close its side. */
  readonly atOnce: boolean;
}

/**
 * @param error what the parser of requests has thrown
 * @param maxHeadBytes the limit that a `HeadTooLargeError` is about
 * @returns undefined for a defect of the gateway
 */
export function rejectionOf(error: unknown, maxHeadBytes: number): Rejection | undefined {
  if (error instanceof BadRequestError) {
    const { status, message } = error;
    return { status, message, atOnce: error instanceof TlsHandshakeError };
  }
  if (error instanceof HeadTooLargeError) {
    const message = `The head of the request is larger than ${maxHeadBytes} bytes.`;
    return { status: 431, message, atOnce: false };
  }
  if (!(error instanceof TransportError)) return undefined;
  return { status: 400, message: `The request is not well-formed HTTP: ${error.message}.`, atOnce: false };
}

/** The parsed head of a request. */
export interface RequestHead {
  readonly method: string;
  /** Path and query, beginning with a slash; `*` for `OPTIONS *`. */
  readonly target: string;
  /** From the `Host` header, or from a target that is a URL; empty where HTTP/1.0 has none. */
  readonly host: string;
  readonly headers: ParsedHeaders;
  readonly framing: Framing;
  readonly http10: boolean;
  /** The client would send another request on this connection. */
  readonly keepAlive: boolean;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
}

const SPACE = 32;
const DELETE = 127;
/** First byte of a TLS record that holds a handshake (RFC 8446, section 5.1). */
const TLS_HANDSHAKE = 22;
const MAX_METHOD = 32;
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}$/;
const TARGET = /^[\x21-\x7e\x80-\xff]+$/;
const VERSION = /^HTTP\/\d\.\d$/;
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)([^#]*)$/i;
const HOST = /^(?:\[[\da-f:.]+\]|[\w.~-]+)(?::(\d{1,5}))?$/i;
const KEEP_ALIVE = /(?:^|,)[ \t]*keep-alive[ \t]*(?:,|$)/i;
const LENGTH = /^\d{1,15}$/;

/**
 * Reads the head of a request, pure. Strict in what has been used to smuggle one request within another (RFC 9112,
 * section 6.3): two framings, a coding other than `chunked`, several lengths and several hosts are rejected.
 * @param text request line and headers, without the empty line
 * @throws BadRequestError, or TransportError for malformed headers
 */
export function readRequestHead(text: string, maxHeaders: number): RequestHead {
  const lineEnd = text.indexOf('\r\n');
  const { method, target, authority, http10 } = readLine(lineEnd < 0 ? text : partOfHead(text, 0, lineEnd));
  const headers = parseFields(text, lineEnd < 0 ? text.length : lineEnd + 2, maxHeaders);
  const expected = headers.get('expect');
  if (expected !== null && expected.toLowerCase() !== '100-continue') {
    throw new BadRequestError(417, 'The header "expect" can only be "100-continue".');
  }
  const framing = framingOf(headers, http10);
  return {
    method,
    target,
    host: hostOf(headers, http10, authority),
    headers,
    framing,
    http10,
    keepAlive: keepsAlive(headers, http10),
    expectsContinue: expected !== null && !http10 && framing !== 0,
  };
}

/** The parsed first line of a request. */
interface RequestLine {
  readonly method: string;
  readonly target: string;
  /** The host of a target that is a URL. */
  readonly authority?: string;
  readonly http10: boolean;
}

function readLine(line: string): RequestLine {
  const first = line.indexOf(' ');
  const second = line.indexOf(' ', first + 1);
  const method = partOfHead(line, 0, first);
  const asked = partOfHead(line, first + 1, second);
  const version = line.slice(second + 1);
  if (second < 0 || !METHOD.test(method) || !TARGET.test(asked) || !VERSION.test(version)) {
    if (line.charCodeAt(0) === TLS_HANDSHAKE) throw new TlsHandshakeError();
    throw new BadRequestError(400, 'The first line is not a request line of HTTP/1.1.');
  }
  const http10 = version === 'HTTP/1.0';
  if (!http10 && version !== 'HTTP/1.1') {
    throw new BadRequestError(505, `${version} is not supported; use HTTP/1.1.`);
  }
  // Some parsers read the bytes after it as a tunnel, others as a body or the next request.
  if (method === 'CONNECT') throw new BadRequestError(400, 'CONNECT is not supported: this is not a proxy.');
  return { method, ...targetOf(method, asked), http10 };
}

/**
 * Rejects bytes that cannot begin a request, such as a TLS handshake, without waiting for the end of a head.
 * @param start the beginning of a head
 * @throws BadRequestError
 */
export function checkRequestStart(start: Uint8Array): void {
  for (let at = 0; at < start.length; at += 1) {
    const code = start[at] ?? 0;
    if (code === SPACE && at > 0) return;
    if (at === MAX_METHOD || !isTokenByte(code)) {
      if (code === TLS_HANDSHAKE && at === 0) throw new TlsHandshakeError();
      throw new BadRequestError(400, 'The first line is not a request line of HTTP/1.1.');
    }
  }
}

function isTokenByte(code: number): boolean {
  return code > SPACE && code < DELETE && METHOD.test(String.fromCharCode(code));
}

function targetOf(method: string, asked: string): { target: string; authority?: string } {
  if (asked.charCodeAt(0) === 0x2f || (asked === '*' && method === 'OPTIONS')) return { target: asked };
  const match = ABSOLUTE_FORM.exec(asked);
  if (match === null) throw new BadRequestError(400, 'The request target is neither a path nor a URL.');
  const [, authority = '', rest = ''] = match;
  return { target: rest.startsWith('/') ? rest : `/${rest}`, authority };
}

function hostOf(headers: ParsedHeaders, http10: boolean, authority: string | undefined): string {
  const given = headers.get('host');
  if (given === null && !http10) throw new BadRequestError(400, 'The header "host" is missing.');
  // The host of the target wins (RFC 9112, section 3.2.2), but both must be valid.
  if (given !== null) assertHost(given);
  if (authority !== undefined) assertHost(authority);
  return authority ?? given ?? '';
}

function assertHost(host: string): void {
  if (host === '') return;
  const match = HOST.exec(host);
  if (match === null || Number(match[1] ?? 0) > 65_535) {
    throw new BadRequestError(400, 'The header "host" must be one host name or address, with its port.');
  }
}

function framingOf(headers: ParsedHeaders, http10: boolean): Framing {
  const coding = headers.get('transfer-encoding');
  const length = headers.get('content-length');
  // RFC 9110 would allow the same length twice. Clients do not send it, and parsers read it differently.
  if (length !== null && !LENGTH.test(length)) {
    throw new BadRequestError(400, 'The header "content-length" must be one decimal number.');
  }
  if (coding === null) return length === null ? 0 : Number(length);
  if (http10) throw new BadRequestError(400, 'HTTP/1.0 has no transfer codings.');
  if (length !== null) {
    throw new BadRequestError(400, 'Send "content-length" or "transfer-encoding", not both.');
  }
  if (coding.toLowerCase() !== 'chunked') {
    throw new BadRequestError(501, 'The only transfer coding that is supported is "chunked".');
  }
  return CHUNKED;
}

function keepsAlive(headers: ParsedHeaders, http10: boolean): boolean {
  return http10 ? KEEP_ALIVE.test(headers.get('connection') ?? '') : !requestsClose(headers);
}
