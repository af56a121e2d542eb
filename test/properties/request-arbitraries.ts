import fc from 'fast-check';

/** Requests as bytes, in Latin-1: well-formed ones, malformed ones, and well-formed ones with a few bytes changed. */

/** One sequence of bytes, and where it is cut into reads. */
export interface RequestBytes {
  readonly text: string;
  readonly cuts: readonly number[];
}

const of = (...values: readonly string[]) => fc.constantFrom(...values);
/** Mostly one of the usual values, so that what comes after it is reached. */
const mostly = (weight: number, usual: fc.Arbitrary<string>, ...rare: readonly string[]) =>
  fc.oneof({ weight, arbitrary: usual }, of(...rare));

const method = mostly(
  8,
  of('GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH'),
  ...['get', 'FOO', 'G@T', 'CONNECT', 'PRI', '', ' GET', 'M-SEARCH', 'QUERY'],
);
const target = mostly(
  8,
  of('/', '/v1/chat/completions', '/a?b=c&d=%20', '/a/b;c'),
  ...[
    '*',
    'http://a.test/x',
    'http://a.test',
    'https://a:8/x?y',
    '/a#b',
    '/\x80',
    '/a b',
    'a',
    '//a',
    '/\x7f',
  ],
  ...['/"<>\\^`{|}', '/?', '?', '/\t', 'http://u@a/', 'ftp://a/', '/a\\b', '/%'],
);
const version = mostly(
  10,
  of('HTTP/1.1'),
  ...['HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/1.2', 'http/1.1', 'HTTP/1.1 ', 'HTTP/1', 'HTTP/11', ''],
  ...['ICE/1.0', 'RTSP/1.0'],
);
const lineEnd = mostly(30, of('\r\n'), '\n', '\r', '\r\r\n', '\n\n', '\r\n ');
const gap = mostly(12, of(' '), '  ', '\t');
const padding = mostly(10, of(' ', ''), '\t', '  ', ' \t ', '\x0b', '\x0c', '\xa0', '\r\n ');

/** Without `proxy-connection`: llhttp reads it like `connection`, which no specification says. */
const name = mostly(
  6,
  of('x-a', 'accept', 'user-agent', 'authorization'),
  ...['Host', 'content-length', 'Content-Length', 'transfer-encoding', 'Transfer-Encoding', 'connection'],
  ...['expect', 'upgrade', 'keep-alive', 'x a', 'x\0a', 'x(a', '', 'x-\xe9', 'x:a'],
);
const value = mostly(
  6,
  of('a', 'text/plain; q=0.5', ''),
  ...[
    '0',
    '1',
    '3',
    '05',
    '+3',
    '-1',
    '3,3',
    '3, 3',
    '3,4',
    '0x3',
    '99999999999999999999',
    '3 ',
    '3\x0b',
    '3;a',
  ],
  ...['80,80\x0b', '80,\x0c80', '80,80\xa0', '3\r', ' 3'],
  ...['chunked', 'Chunked', 'chunked, chunked', 'gzip, chunked', 'chunked,', 'identity', '\x0bchunked'],
  ...['chunked\x0b', 'close', 'keep-alive', 'close, keep-alive', 'keep-alive, close', 'Close', 'xclose'],
  ...['upgrade', 'close\x0b', '100-continue', 'x\x01y', 'x\x7fy', 'x\x80y', 'x\ty', 'x\0y'],
);
const plainHeader = fc.tuple(name, value, lineEnd).map(([n, v, end]) => `${n}: ${v}${end}`);
const oddHeader = fc
  .tuple(name, mostly(6, of(':'), ' :', ':\t'), padding, value, padding, lineEnd)
  .map((parts) => parts.join(''));
const header = fc.oneof({ weight: 4, arbitrary: plainHeader }, oddHeader);
const host = mostly(
  12,
  of('host: a.test\r\n', 'Host:a\r\n'),
  ...['', 'host: a\r\nhost: b\r\n', 'host: a b\r\n', 'host: \r\n', 'host: a/b\r\n', 'host: a:99999\r\n'],
  'host: [::1]:80\r\n',
);

const chunkSize = mostly(
  10,
  of('3', '03', '3'),
  ...['', '0x3', '3 ', '3\t', ' 3', '3;a=b', '3;a="b"', '3;a="b', '3 ;a', '3;', '3; a = b', 'g', '-3', '+3'],
  ...[
    '3;a\x01',
    '3;a\0',
    '3;a\xff',
    '3;a=b;c',
    'ffffffffffffffff',
    'fffffffffffffffff',
    '3,',
    '3;\t',
    '0003',
  ],
);
const chunk = fc.tuple(chunkSize, lineEnd, mostly(8, of('abc'), 'ab', 'abcd'), lineEnd);
const trailer = mostly(
  6,
  fc.oneof(of(''), header),
  'content-length: 5\r\n',
  'transfer-encoding: chunked\r\n',
  'host: b\r\n',
);
const chunkedBody = fc
  .tuple(fc.array(chunk, { maxLength: 3 }), mostly(8, of('0'), '00', '0;a', '0 '), lineEnd, trailer, lineEnd)
  .map(([chunks, ...end]) => [...chunks.flat(), ...end].join(''));
const framedBody = fc.oneof(
  of('\r\n', 'content-length: 0\r\n\r\n', '\r\nabc', 'content-length: 3\r\n\r\nabcd'),
  of('content-length: 3\r\n\r\nabc', 'Content-Length:3\r\n\r\nabc', 'content-length: 3 \r\n\r\nabc'),
  of('content-length: 3\r\ncontent-length: 3\r\n\r\nabc', 'content-length: 3\r\n\r\nab'),
  chunkedBody.map((body) => `transfer-encoding: chunked\r\n\r\n${body}`),
  fc.tuple(lineEnd, fc.oneof(of('', 'abc'), chunkedBody)).map((parts) => parts.join('')),
);

const request = fc
  .tuple(
    mostly(12, of(''), '\r\n', '\n', '\r', '\r\n\r\n', ' '),
    ...[method, gap, target, gap, version, lineEnd, host],
    fc.array(header, { maxLength: 3 }).map((headers) => headers.join('')),
    framedBody,
  )
  .map((parts) => parts.join(''));

const byte = fc.oneof(
  fc.integer({ min: 0, max: 255 }),
  fc.constantFrom(0, 9, 10, 11, 12, 13, 32, 44, 58, 59, 127),
);
const mutation = fc.record({
  at: fc.nat(1_000),
  kind: fc.constantFrom('insert', 'delete', 'replace', 'repeat'),
  byte: byte.map((code) => String.fromCharCode(code)),
  length: fc.integer({ min: 1, max: 6 }),
});

type Mutation = typeof mutation extends fc.Arbitrary<infer Value> ? Value : never;

function mutated(text: string, { at: place, kind, byte: inserted, length }: Mutation): string {
  const at = place % (text.length + 1);
  switch (kind) {
    case 'insert':
      return text.slice(0, at) + inserted + text.slice(at);
    case 'delete':
      return text.slice(0, at) + text.slice(at + length);
    case 'replace':
      return text.slice(0, at) + inserted + text.slice(at + 1);
    default:
      return text.slice(0, at + length) + text.slice(at);
  }
}

/** One to three requests, one after the other on a connection. */
export const requestBytes: fc.Arbitrary<RequestBytes> = fc
  .record({
    requests: fc.array(request, { minLength: 1, maxLength: 3 }),
    mutations: fc.array(mutation, { maxLength: 2 }),
    cuts: fc.array(fc.nat(1_000), { maxLength: 3 }),
  })
  .map(({ requests, mutations, cuts }) => {
    const text = mutations.reduce(mutated, requests.join(''));
    return { text, cuts: cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b) };
  });
