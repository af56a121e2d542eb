import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { MessageParser } from '../../src/platform/http1-message.ts';
import { readRequestHead } from '../../src/server/request-head.ts';
import { runs } from '../support/effort.ts';
import { Llhttp, type ParsedBytes, type ParsedRequest } from '../support/llhttp.ts';
import { type RequestBytes, requestBytes } from './request-arbitraries.ts';

/**
 * Compares our parser of requests with llhttp. Two parsers on one path that see different requests in the same bytes are
 * what request smuggling needs, so every difference is either listed here with its reason, or a defect.
 */

/** Bytes that we reject and llhttp accepts, by the beginning of our reason. */
const STRICTER: readonly (readonly [reason: string, why: string])[] = [
  ['CR without LF before a message', 'RFC 9112, section 2.2 allows empty lines only, which end in CRLF'],
  ['The first line is not a request line', 'one space between its parts, and no other protocol (ICE, RTSP)'],
  [
    'The request target is neither',
    'a target is a path, `*` for OPTIONS, or an http URL (RFC 9112, section 3.2)',
  ],
  ['HTTP/0.9 is not supported', 'llhttp reads HTTP/0.9 and HTTP/2.0 start lines like those of HTTP/1'],
  ['HTTP/2.0 is not supported', 'llhttp reads HTTP/0.9 and HTTP/2.0 start lines like those of HTTP/1'],
  ['CONNECT is not supported', 'llhttp hands the connection over to a tunnel, which we do not have'],
  ['The header "host"', 'RFC 9112, section 3.2 demands exactly one valid host; llhttp does not read it'],
  ['The header "expect"', 'an unknown expectation gets 417 (RFC 9110, section 10.1.1)'],
  ['HTTP/1.0 has no transfer codings', 'RFC 9112, section 6.1: its framing is faulty'],
  ['Send "content-length" or', 'llhttp allows both where the transfer coding is empty'],
  ['The header "content-length"', 'ours ends at 15 digits, which a double holds exactly, llhttp at 2^64'],
  ['The only transfer coding', 'we decode `chunked` only; llhttp allows others before it'],
  ['chunk size too large', 'ours ends at 2^53, llhttp at 2^64'],
];

/** Bytes that we accept and llhttp rejects, by the beginning of llhttp's reason. */
const MORE_LENIENT: readonly (readonly [reason: string, why: string])[] = [
  ['Invalid method encountered', 'any token is a method (RFC 9110, section 9.1); unknown ones get 405'],
  ['Expected space after method', 'the same, of methods that begin like a known one'],
  ['Expected HTTP/2 Connection Preface', 'the same, of the method PRI in HTTP/1.1'],
  ['Invalid char in url', 'bytes from 0x80 on, which curl and others send without percent-encoding'],
  [
    "Content-Length can't be present with",
    'in trailers, which are checked and dropped (RFC 9110, section 6.5.1)',
  ],
  ['Invalid `Transfer-Encoding` header value', 'in trailers, which are checked and dropped'],
  ['Duplicate Content-Length', 'in trailers, which are checked and dropped'],
  [
    'Invalid character in chunk',
    'extensions and padding of chunk sizes are skipped (RFC 9112, section 7.1.1)',
  ],
  ['Invalid quoted-string', 'extensions of chunk sizes are skipped (RFC 9112, section 7.1.1)'],
  ['Pause on CONNECT/Upgrade', 'we ignore `upgrade` and answer in HTTP/1.1 (RFC 9110, section 7.8)'],
];

const MAX_HEADERS = 200;

/** The reads of one connection. */
function piecesOf({ text, cuts }: RequestBytes): Uint8Array[] {
  const bytes = Buffer.from(text, 'latin1');
  const ends = [...cuts, bytes.length];
  return ends.map((end, at) => bytes.subarray(ends[at - 1] ?? 0, end)).filter(({ length }) => length > 0);
}

/** What our server would see, without its sockets. */
function parseWithWeir(pieces: readonly Uint8Array[]): ParsedBytes {
  const requests: ParsedRequest[] = [];
  let current: (ParsedRequest & { body: string }) | undefined;
  let pending: Uint8Array = new Uint8Array(0);
  let closed = false;
  const parser: MessageParser = new MessageParser(
    {
      onHead(text) {
        const { method, target, http10, headers, keepAlive, framing } = readRequestHead(text, MAX_HEADERS);
        const { names, values } = headers;
        current = {
          ...{ method, target, keepAlive, body: '', version: http10 ? '1.0' : '1.1' },
          headers: names.map((name, at) => [name, values[at] ?? '']),
        };
        return framing;
      },
      onData(bytes, from, to) {
        if (current) current.body += Buffer.from(bytes.subarray(from, to)).toString('latin1');
      },
      onEnd(rest) {
        if (current) requests.push(current);
        closed = current?.keepAlive === false;
        current = undefined;
        parser.reset();
        pending = rest;
      },
    },
    { skipBlankLines: true },
  );
  try {
    for (const piece of pieces) {
      pending = piece;
      while (pending.length > 0 && !closed) {
        const now = pending;
        pending = new Uint8Array(0);
        parser.push(now);
      }
    }
  } catch (error) {
    return { requests, partial: current, error: error instanceof Error ? error.message : String(error) };
  }
  return { requests, partial: current, error: undefined };
}

/** Differences in form only: llhttp keeps absolute targets, and white space after values. */
function normalized(request: ParsedRequest): ParsedRequest {
  const path = /^https?:\/\/[^/?#]*(.*)$/i.exec(request.target)?.[1];
  const target = path === undefined ? request.target : path.startsWith('/') ? path : `/${path}`;
  const headers = request.headers.map(([name, value]) => [name, value.replace(/[ \t]+$/, '')] as const);
  return { ...request, target, headers };
}

function isListed(list: readonly (readonly [reason: string, why: string])[], reason: string | undefined) {
  return reason !== undefined && list.some(([beginning]) => reason.startsWith(beginning));
}

/** Whatever llhttp thinks of it: one framing, in its simplest form. */
function hasPlainFraming({ headers }: ParsedRequest): boolean {
  const valuesOf = (wanted: string) => headers.filter(([name]) => name === wanted).map(([, value]) => value);
  const [lengths, codings] = [valuesOf('content-length'), valuesOf('transfer-encoding')];
  return (
    lengths.length + codings.length <= 1 &&
    lengths.every((length) => /^\d+$/.test(length)) &&
    codings.every((coding) => coding.toLowerCase() === 'chunked')
  );
}

/** The first difference that is not listed. */
function differenceOf(ours: ParsedBytes, theirs: ParsedBytes): unknown {
  const same = Math.min(ours.requests.length, theirs.requests.length);
  for (let at = 0; at < same; at += 1) {
    const [our, their] = [ours.requests[at], theirs.requests[at]];
    if (our && their && !Bun.deepEquals(our, normalized(their))) return { our, their };
  }
  const [ourNext, theirNext] = [ours.requests[same] ?? ours.partial, theirs.requests[same] ?? theirs.partial];
  const context = { requests: same, ours: ours.error, theirs: theirs.error };
  if (ourNext && theirNext) {
    const [our, their] = [
      { ...ourNext, body: '' },
      { ...normalized(theirNext), body: '' },
    ];
    if (!Bun.deepEquals(our, their)) return { our, their };
    const ended = [ours, theirs].map(({ requests }) => requests.length > same);
    if (ended[0] === ended[1]) return undefined;
    const listed = ended[0] ? isListed(MORE_LENIENT, theirs.error) : isListed(STRICTER, ours.error);
    return listed ? undefined : { ended, ...context };
  }
  if (ourNext && !isListed(MORE_LENIENT, theirs.error)) return { accepted: ourNext, ...context };
  if (theirNext && !isListed(STRICTER, ours.error)) return { rejected: theirNext, ...context };
  return undefined;
}

test('sees the same requests as llhttp in the same bytes, but for the listed differences', async () => {
  const llhttp = await Llhttp.load();
  fc.assert(
    fc.property(requestBytes, (bytes) => {
      // llhttp does not take a tab after a value for white space, where it reads the value itself (RFC 9110, section 5.5).
      fc.pre(!/\t[ \t]*\r\n/.test(bytes.text));
      const pieces = piecesOf(bytes);
      const ours = parseWithWeir(pieces);
      expect(differenceOf(ours, llhttp.parse(pieces))).toBeUndefined();
      for (const request of ours.requests) expect(hasPlainFraming(request)).toBe(true);
    }),
    { numRuns: runs(1_000) },
  );
}, 600_000);

test('llhttp is the parser of undici, and rejects what it should', async () => {
  const llhttp = await Llhttp.load();
  const [good, bad] = ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'GET / HTTP/1.1\nHost: a\r\n\r\n'].map((text) =>
    llhttp.parse([Buffer.from(text)]),
  );
  expect(good).toMatchObject({ requests: [{ method: 'GET', headers: [['host', 'a']] }], error: undefined });
  expect(bad).toMatchObject({ requests: [], error: 'Expected CRLF after version' });
});
