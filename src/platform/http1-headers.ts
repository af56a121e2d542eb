import type { HeaderReader } from '../core/http.ts';
import { TransportError, type UpstreamHeaders } from '../core/transport.ts';

/** HTTP/1.1 header fields: parses them and reads framing from them. Pure. */

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const SENDABLE_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const CONTENT_LENGTH = /^\d{1,15}$/;
/** White space of a list: space and tab only (RFC 9110, section 5.6.3). JavaScript's `\s` and `trim` take more. */
const LIST_SEPARATOR = /[ \t]*,[ \t]*/;
/** Characters that a field value must not contain, except line ends, which `lineEnd` checks (RFC 9110, section 5.5). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it finds
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;
const CLOSE = /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i;
const KEEP_ALIVE_TIMEOUT = /(?:^|[, \t])timeout=(\d{1,9})/i;

export function protocolError(message: string): TransportError {
  return new TransportError('protocol', message);
}

/** Start line and headers, or trailers, are longer than the limit. */
export class HeadTooLargeError extends TransportError {
  constructor() {
    super('protocol', 'message head too large');
  }
}

/**
 * Headers in the order of arrival, by lower-case name. `get` and `has` take lower-case names and scan the list: a message
 * has a dozen headers, and few are read.
 */
export class ParsedHeaders implements HeaderReader {
  readonly names: string[] = [];
  readonly values: string[] = [];

  has(name: string): boolean {
    return this.names.includes(name);
  }

  keys(): readonly string[] {
    return this.names;
  }

  get(name: string): string | null {
    const first = this.names.indexOf(name);
    if (first < 0) return null;
    let value = this.values[first] ?? '';
    for (let at = this.names.indexOf(name, first + 1); at >= 0; at = this.names.indexOf(name, at + 1)) {
      value += `, ${this.values[at] ?? ''}`;
    }
    return value;
  }
}

/** @throws TransportError (`protocol`) for an invalid name, such as the white space that begins a folded line */
function lowerName(text: string, from: number, to: number): string {
  const name = partOfHead(text, from, to);
  if (!TOKEN.test(name)) throw protocolError('malformed header line');
  return name.toLowerCase();
}

/** Up to this length a head may stay in memory for as long as one of its values. Characters. */
const MAX_SHARED_HEAD = 4 * 1024;

/**
 * A part of a head. The runtime makes parts of a text that share its memory: one that is kept, such as a request id in a log,
 * would keep all of a long head.
 */
export function partOfHead(head: string, from: number, to: number): string {
  const part = head.slice(from, to);
  const isMost = 2 * part.length >= head.length;
  return head.length <= MAX_SHARED_HEAD || isMost ? part : Buffer.from(part, 'latin1').toString('latin1');
}

/**
 * Parses header lines separated by CRLF, from `start` to the end of `text`.
 * @throws TransportError (`protocol`)
 */
export function parseFields(text: string, start: number, maxHeaders: number): ParsedHeaders {
  if (CONTROL.test(text)) throw protocolError('control character in a header');
  const headers = new ParsedHeaders();
  const { names, values } = headers;
  let at = start;
  while (at < text.length) {
    const end = lineEnd(text, at);
    const colon = text.indexOf(':', at);
    if (names.length === maxHeaders) throw protocolError('too many headers');
    names.push(lowerName(text, at, colon < 0 || colon > end ? at : colon));
    let first = colon + 1;
    let last = end;
    while (first < last && isBlank(text.charCodeAt(first))) first += 1;
    while (last > first && isBlank(text.charCodeAt(last - 1))) last -= 1;
    values.push(partOfHead(text, first, last));
    at = end + 2;
  }
  return headers;
}

/**
 * Where the line that begins at `at` ends: before a CRLF, or at the end.
 * @throws TransportError (`protocol`) for CR or LF alone, which some parsers read as a line end
 */
function lineEnd(text: string, at: number): number {
  const cr = text.indexOf('\r', at);
  const lf = text.indexOf('\n', at);
  if (cr < 0 && lf < 0) return text.length;
  if (cr < 0 || lf !== cr + 1) throw protocolError('control character in a header');
  return cr;
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/**
 * Declared body length in bytes. Repeated equal values count as one, as RFC 9110 section 8.6 allows.
 * @throws TransportError (`protocol`) when it is not a number, or repeated with another value
 */
export function contentLength(headers: UpstreamHeaders): number | undefined {
  const declared = headers.get('content-length');
  if (declared === null) return undefined;
  const values = declared.includes(',') ? declared.split(LIST_SEPARATOR) : [declared];
  const first = values[0] ?? '';
  if (!CONTENT_LENGTH.test(first)) throw protocolError('content-length is not a number');
  if (values.some((value) => value !== first)) throw protocolError('content-length given twice, differing');
  return Number(first);
}

export function requestsClose(headers: UpstreamHeaders): boolean {
  const connection = headers.get('connection');
  return connection !== null && CLOSE.test(connection);
}

/** The server's `Keep-Alive: timeout` hint, in seconds. */
export function keepAliveTimeoutSeconds(headers: UpstreamHeaders): number | undefined {
  const hint = headers.get('keep-alive');
  const seconds = hint === null ? undefined : KEEP_ALIVE_TIMEOUT.exec(hint)?.[1];
  return seconds === undefined ? undefined : Number(seconds);
}

/**
 * Rejects a header that could end early and smuggle another header, or a second request, to the upstream.
 * The message names the header and never its value, which may be a credential.
 * @throws TransportError (`protocol`)
 */
export function assertSendable(name: string, value: string): void {
  if (!TOKEN.test(name)) throw protocolError(`not a header name: ${JSON.stringify(name)}`);
  if (!SENDABLE_VALUE.test(value)) throw protocolError(`header ${name} has characters that cannot be sent`);
}
