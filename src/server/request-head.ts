import { contentLength, type ParsedHeaders, parseFields, wantsClose } from '../platform/http1-headers.ts';
import { CHUNKED, type Framing } from '../platform/http1-message.ts';

/** Why a request can't be taken: told to the client before its connection is closed. */
export class BadRequestError extends Error {
  constructor(
    readonly status: 400 | 408 | 417 | 431 | 501 | 505,
    message: string,
  ) {
    super(message);
    this.name = 'BadRequestError';
  }
}

/** What the head of a request says. */
export interface RequestHead {
  readonly method: string;
  /** Path and query, beginning with a slash; `*` for `OPTIONS *`. */
  readonly target: string;
  /** Of the `Host` header, or of a target that names its host; empty where HTTP/1.0 gave none. */
  readonly host: string;
  readonly headers: ParsedHeaders;
  readonly framing: Framing;
  readonly http10: boolean;
  /** The client would send another request on this connection. */
  readonly keepAlive: boolean;
  /** The client waits to be told to send the body. */
  readonly expectsContinue: boolean;
}

const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}$/;
const TARGET = /^[\x21-\x7e\x80-\xff]+$/;
const VERSION = /^HTTP\/\d\.\d$/;
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)([^#]*)$/i;
const HOST = /^(?:\[[\da-f:.]+\]|[\w.~-]+)(?::(\d{1,5}))?$/i;
const KEEP_ALIVE = /(?:^|,)\s*keep-alive\s*(?:,|$)/i;

/**
 * Reads the head of a request, pure. Strict in what has been used to smuggle one request within another (RFC 9112,
 * section 6.3): two framings, a coding other than `chunked`, differing lengths and several hosts are refused.
 * @param text request line and headers, without the empty line
 * @throws BadRequestError, or TransportError for malformed headers
 */
export function readRequestHead(text: string, maxHeaders: number): RequestHead {
  const line = knownLine(text) ?? readLine(text);
  const { method, target, authority, http10 } = line;
  const headers = parseFields(text, line.text.length, maxHeaders);
  const expected = headers.get('expect');
  if (expected !== null && expected.toLowerCase() !== '100-continue') {
    throw new BadRequestError(417, 'The only expectation that can be met is "100-continue".');
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

/** What the first line of a request says. */
interface RequestLine {
  /** As it was written, to the end of the line. */
  readonly text: string;
  readonly method: string;
  readonly target: string;
  /** Of a target that names its host. */
  readonly authority?: string;
  readonly http10: boolean;
}

/** Lines that came of late: clients call the same few endpoints over and over. */
const KNOWN_LINES: RequestLine[] = [];
const MAX_KNOWN_LINES = 8;
const MAX_KNOWN_LENGTH = 256;
let oldest = 0;

function knownLine(text: string): RequestLine | undefined {
  for (const line of KNOWN_LINES) if (text.startsWith(line.text)) return line;
  return undefined;
}

function readLine(head: string): RequestLine {
  const end = head.indexOf('\r\n');
  const line = end < 0 ? head : head.slice(0, end);
  const first = line.indexOf(' ');
  const second = line.indexOf(' ', first + 1);
  const method = line.slice(0, first);
  const asked = line.slice(first + 1, second);
  const version = line.slice(second + 1);
  if (second < 0 || !METHOD.test(method) || !TARGET.test(asked) || !VERSION.test(version)) {
    throw new BadRequestError(400, 'The request line is not that of an HTTP/1.1 request.');
  }
  const http10 = version === 'HTTP/1.0';
  if (!http10 && version !== 'HTTP/1.1') {
    throw new BadRequestError(505, `${version} is not spoken here; HTTP/1.1 is.`);
  }
  const read = { text: end < 0 ? head : head.slice(0, end + 2), method, ...targetOf(method, asked), http10 };
  // A head without headers ends within the line, which is then no beginning of others.
  if (end >= 0 && end < MAX_KNOWN_LENGTH) {
    KNOWN_LINES[oldest] = read;
    oldest = (oldest + 1) % MAX_KNOWN_LINES;
  }
  return read;
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
  // The target's own host counts for more (RFC 9112, section 3.2.2), but both have to be sound.
  if (given !== null) assertHost(given);
  if (authority !== undefined) assertHost(authority);
  return authority ?? given ?? '';
}

/** Hosts that were found sound: there are as many as ways to call this gateway, unless somebody makes them up. */
const SOUND_HOSTS = new Set(['']);
const MAX_SOUND_HOSTS = 1_000;

function assertHost(host: string): void {
  if (SOUND_HOSTS.has(host)) return;
  const match = HOST.exec(host);
  if (match === null || Number(match[1] ?? 0) > 65_535) {
    throw new BadRequestError(400, 'The header "host" must be one host name or address, with its port.');
  }
  if (SOUND_HOSTS.size < MAX_SOUND_HOSTS) SOUND_HOSTS.add(host);
}

function framingOf(headers: ParsedHeaders, http10: boolean): Framing {
  const coding = headers.get('transfer-encoding');
  const length = contentLength(headers);
  if (coding === null) return length ?? 0;
  if (http10) throw new BadRequestError(400, 'HTTP/1.0 has no transfer codings.');
  if (length !== undefined) {
    throw new BadRequestError(400, 'A request has a "content-length" or a "transfer-encoding", not both.');
  }
  if (coding.toLowerCase() !== 'chunked') {
    throw new BadRequestError(501, 'The only transfer coding that is understood is "chunked".');
  }
  return CHUNKED;
}

function keepsAlive(headers: ParsedHeaders, http10: boolean): boolean {
  return http10 ? KEEP_ALIVE.test(headers.get('connection') ?? '') : !wantsClose(headers);
}
