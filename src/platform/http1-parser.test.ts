import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { TransportError, type UpstreamHeaders } from '../core/transport.ts';
import { ResponseParser } from './http1-parser.ts';

interface Seen {
  status?: number;
  headers?: UpstreamHeaders;
  body: Buffer;
  ended: boolean;
  reusable?: boolean;
  error?: TransportError;
}

interface Feeding {
  /** Ends of the pieces that the bytes are pushed in. */
  readonly splits?: readonly number[];
  readonly thenClose?: boolean;
  /** Whether to pause in the n-th sink call. */
  readonly pauseAt?: (call: number) => boolean;
}

/** Feeds bytes to a new parser and reports what came out; fails the test when the sink's contract is broken. */
function feed(bytes: Uint8Array | string, { splits = [], thenClose = false, pauseAt }: Feeding = {}): Seen {
  const input = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes);
  const seen: Seen = { body: Buffer.alloc(0), ended: false };
  let calls = 0;
  const entered = () => {
    expect(parser.paused).toBe(false);
    expect(seen.ended).toBe(false);
    calls += 1;
    if (pauseAt?.(calls)) parser.pause();
  };
  const parser: ResponseParser = new ResponseParser({
    onHead(status, headers) {
      entered();
      expect(seen.status).toBeUndefined();
      Object.assign(seen, { status, headers });
    },
    onData(data) {
      entered();
      expect(data.length).toBeGreaterThan(0);
      seen.body = Buffer.concat([seen.body, data]);
    },
    onEnd(reusable) {
      entered();
      Object.assign(seen, { ended: true, reusable });
    },
  });
  const resumeAll = () => {
    while (parser.paused && !seen.ended) parser.resume();
  };
  try {
    let start = 0;
    for (const end of [...splits, input.length]) {
      parser.push(input.subarray(start, end));
      start = end;
    }
    resumeAll();
    if (thenClose && !seen.ended) {
      const complete = parser.finish();
      resumeAll();
      expect(complete || parser.finish()).toBe(seen.ended);
    }
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    seen.error = error;
  }
  return seen;
}

const ignore = () => undefined;

const response = (...lines: string[]) => lines.join('\r\n');

describe('responses', () => {
  test.each<[string, string, { status: number; body: string; reusable: boolean }]>([
    ['content-length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', ok('hello')],
    ['empty body', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', ok('')],
    ['no reason phrase', 'HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx', ok('x')],
    ['equal lengths twice', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx', ok('x')],
    ['chunked', chunked('5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n'), ok('hello world')],
    [
      'chunk size in capitals, padded',
      chunked('0A\r\n0123456789\r\n1 \t\r\nx\r\n000\r\n\r\n'),
      ok('0123456789x'),
    ],
    ['quoted extension', chunked('1 ;n="v v"\r\nx\r\n0;last\r\n\r\n'), ok('x')],
    ['a thousand chunks of a byte', chunked(`${'1\r\nx\r\n'.repeat(1_000)}0\r\n\r\n`), ok('x'.repeat(1_000))],
    [
      'long extensions around much data',
      chunked(`${`2710;${'a'.repeat(4_000)}\r\n${'x'.repeat(10_000)}\r\n`.repeat(6)}0\r\n\r\n`),
      ok('x'.repeat(60_000)),
    ],
    ['trailers', chunked('1\r\nx\r\n0\r\nDigest: abc\r\nOther: d\r\n\r\n'), ok('x')],
    ['coding name in capitals', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n', ok('')],
    ['204 has no body', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n', ok('', 204)],
    ['304 has no body', 'HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n', ok('', 304)],
    ['redirect', 'HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n', ok('', 302)],
    [
      '1xx before it',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx',
      ok('x'),
    ],
    ['close asked for', 'HTTP/1.1 200 OK\r\nConnection: Foo, Close\r\nContent-Length: 1\r\n\r\nx', once('x')],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx', once('x')],
    [
      'both framings: the chunks count, the connection is not kept',
      'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
      once('x'),
    ],
    ['excess bytes', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n', once('x')],
    ['excess after 204', 'HTTP/1.1 204 No Content\r\n\r\nx', once('', 204)],
  ])('%s, whole and byte by byte', (_name, text, expected) => {
    const whole = feed(text);
    expect(whole.error).toBeUndefined();
    expect({ status: whole.status, body: whole.body.toString(), reusable: whole.reusable }).toEqual({
      ...expected,
    });
    const single = feed(text, { splits: Array.from({ length: text.length }, (_, index) => index) });
    expect({ status: single.status, body: single.body.toString() }).toEqual({
      status: expected.status,
      body: expected.body,
    });
  });

  function ok(body: string, status = 200) {
    return { status, body, reusable: true };
  }
  function once(body: string, status = 200) {
    return { status, body, reusable: false };
  }
  function chunked(body: string): string {
    return `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;
  }

  test('a body without framing lasts until close, also when empty', () => {
    const open = feed('HTTP/1.1 200 OK\r\n\r\nhello');
    expect(open.ended).toBe(false);
    const closed = feed('HTTP/1.1 200 OK\r\n\r\nhello', { thenClose: true });
    expect([closed.ended, closed.reusable, closed.body.toString()]).toEqual([true, false, 'hello']);
    expect(feed('HTTP/1.1 200 OK\r\n\r\n', { thenClose: true }).ended).toBe(true);
  });

  test.each([
    ['nothing', ''],
    ['half a head', 'HTTP/1.1 200 OK\r\nContent-'],
    ['half a body', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe'],
    ['no last chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n'],
    ['no final line', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n'],
    ['only a 100', 'HTTP/1.1 100 Continue\r\n\r\n'],
  ])('closed after %s: not an end', (_name, text) => {
    const seen = feed(text, { thenClose: true });
    expect([seen.ended, seen.error]).toEqual([false, undefined]);
  });

  test('header names are lower-cased, repeated values joined, white space trimmed', () => {
    const { headers } = feed(
      response(
        'HTTP/1.1 200 OK',
        'X-A: 1',
        'content-length:0',
        'x-a:\t2 ',
        'X-Empty:',
        'X-L: caf\xe9',
        '',
        '',
      ),
    );
    expect(headers?.get('x-a')).toBe('1, 2');
    expect(headers?.get('x-empty')).toBe('');
    expect(headers?.get('x-l')).toBe('café');
    expect(headers?.get('x-absent')).toBeNull();
  });

  test('the keep-alive hint is read', () => {
    const parser = new ResponseParser({ onHead: ignore, onData: ignore, onEnd: ignore });
    parser.push(Buffer.from('HTTP/1.1 200 OK\r\nKeep-Alive: max=5, timeout=7\r\nContent-Length: 0\r\n\r\n'));
    expect(parser.keepAliveSeconds).toBe(7);
    parser.reset();
    parser.push(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
    expect(parser.keepAliveSeconds).toBeUndefined();
  });

  test('data that is large, or all that was pushed, is not copied', () => {
    const slices: Uint8Array[] = [];
    const parser = new ResponseParser({ onHead: ignore, onData: (data) => slices.push(data), onEnd: ignore });
    const large = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: 4005\r\n\r\n${'x'.repeat(4_000)}`);
    const rest = Buffer.from('hello');
    parser.push(large);
    parser.push(rest);
    expect(slices.map(({ length }) => length)).toEqual([4_000, 5]);
    expect(slices[0]?.buffer).toBe(large.buffer);
    expect(slices[1]).toBe(rest);
  });
});

describe('rejected responses', () => {
  const head = 'HTTP/1.1 200 OK\r\n';
  const chunkedHead = `${head}Transfer-Encoding: chunked\r\n\r\n`;
  test.each([
    ['another protocol', 'SSH-2.0-Server'],
    ['a TLS alert', '\x15\x03\x01\x00\x02\x02\x46'],
    ['HTTP/2', 'HTTP/2 200 OK\r\n\r\n'],
    ['HTTP/1.2', 'HTTP/1.2 200 OK\r\n\r\n'],
    ['status 99', 'HTTP/1.1 099 Low\r\n\r\n'],
    ['status 600', 'HTTP/1.1 600 High\r\n\r\n'],
    ['status of four digits', 'HTTP/1.1 2000 Long\r\n\r\n'],
    ['101', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
    ['white space before the status line', '\r\nHTTP/1.1 200 OK\r\n\r\n'],
    ['bare LF', `HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n`],
    ['bare LF between headers', `${head}A: b\nContent-Length: 0\r\n\r\n`],
    ['bare LF at the end of a header', `${head}A: b\n\r\nContent-Length: 0\r\n\r\n`],
    ['bare CR in a header', `${head}A: b\rc\r\n\r\n`],
    ['NUL in a header', `${head}A: b\0c\r\n\r\n`],
    ['folded header', `${head}A: b\r\n c\r\n\r\n`],
    ['space before the colon', `${head}Content-Length : 1\r\n\r\nx`],
    ['header without a colon', `${head}nonsense\r\n\r\n`],
    ['header without a name', `${head}: x\r\n\r\n`],
    ['differing lengths', `${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`],
    ['differing lengths in one header', `${head}Content-Length: 1, 2\r\n\r\nxx`],
    ['negative length', `${head}Content-Length: -1\r\n\r\n`],
    ['signed length', `${head}Content-Length: +1\r\n\r\nx`],
    ['length in hexadecimal', `${head}Content-Length: 0x1\r\n\r\nx`],
    ['empty length', `${head}Content-Length:\r\n\r\n`],
    ['huge length', `${head}Content-Length: 9999999999999999\r\n\r\n`],
    ['another transfer coding', `${head}Transfer-Encoding: gzip, chunked\r\n\r\n`],
    ['chunked twice', `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`],
    ['chunk size that is no number', `${chunkedHead}zz\r\n`],
    ['empty chunk size', `${chunkedHead}\r\n`],
    ['chunk size with a sign', `${chunkedHead}-1\r\n`],
    ['chunk size with a prefix', `${chunkedHead}0x1\r\nx\r\n`],
    ['two chunk sizes', `${chunkedHead}1 1\r\nx\r\n`],
    ['huge chunk size', `${chunkedHead}FFFFFFFFFFFFFFFF\r\n`],
    ['chunk size of leading zeros without end', `${chunkedHead}${'0'.repeat(5000)}`],
    ['endless extension', `${chunkedHead}1;${'a'.repeat(5000)}`],
    ['long extensions around little data', `${chunkedHead}${`1;${'a'.repeat(4000)}\r\nx\r\n`.repeat(5)}`],
    ['bare LF after a chunk size', `${chunkedHead}1\nx\r\n`],
    ['bare LF in an extension', `${chunkedHead}1;a\nx\r\n`],
    ['bare CR after a chunk size', `${chunkedHead}1\rx\r\n`],
    ['chunk longer than declared', `${chunkedHead}1\r\nxy\r\n`],
    ['chunk that ends in CR alone', `${chunkedHead}1\r\nx\rx`],
    ['malformed trailer', `${chunkedHead}0\r\nnonsense\r\n\r\n`],
    ['head over 64 KiB', `${head}A: ${'a'.repeat(65_536)}\r\n\r\n`],
    ['endless head', `${head}${'A: b\r\n'.repeat(20_000)}`],
    ['endless informational responses', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(3000)],
    ['endless trailers', `${chunkedHead}0\r\n${'A: b\r\n'.repeat(20_000)}`],
    ['more than 200 headers', `${head}${'A: b\r\n'.repeat(201)}\r\n`],
  ])('%s', (_name, text) => {
    for (const splits of [[], Array.from({ length: Math.min(text.length, 300) }, (_, index) => index)]) {
      const seen = feed(text, { splits });
      expect(seen.error?.failure).toBe('protocol');
      expect(seen.ended).toBe(false);
    }
  });

  test('200 headers are accepted', () => {
    const seen = feed(`${head}${'A: b\r\n'.repeat(199)}Content-Length: 0\r\n\r\n`);
    expect([seen.ended, seen.error]).toEqual([true, undefined]);
  });

  test('any bytes: a protocol error or a message, and nothing after an error', () => {
    const nearly = fc
      .array(
        fc.constantFrom(
          'HTTP/1.1 200 OK\r\n',
          'Content-Length: 3\r\n',
          'Transfer-Encoding: chunked\r\n',
          '\r\n',
          '3\r\nabc\r\n',
          '0\r\n\r\n',
          '\n',
          'x',
          ';',
          '\0',
        ),
        { maxLength: 12 },
      )
      .map((parts) => Buffer.from(parts.join(''), 'latin1'));
    fc.assert(
      fc.property(fc.oneof(nearly, fc.uint8Array({ maxLength: 200 })), fc.boolean(), (bytes, thenClose) => {
        const seen = feed(bytes, { thenClose });
        if (seen.error !== undefined) expect(seen.error.failure).toBe('protocol');
      }),
    );
  });
});

describe('split anywhere, paused anywhere', () => {
  const body = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 6 });
  const message = fc
    .record({ pieces: body, framing: fc.constantFrom('length', 'chunked', 'close'), trailers: fc.boolean() })
    .map(({ pieces, framing, trailers }) => {
      const content = Buffer.concat(pieces);
      if (framing === 'chunked') {
        const chunks = pieces.flatMap((piece) => [
          Buffer.from(`${piece.length.toString(16)}\r\n`),
          piece,
          Buffer.from('\r\n'),
        ]);
        const end = Buffer.from(trailers ? '0\r\nA: b\r\nC: d\r\n\r\n' : '0\r\n\r\n');
        const start = Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
        return { content, framing, bytes: Buffer.concat([start, ...chunks, end]) };
      }
      const field = framing === 'length' ? `Content-Length: ${content.length}\r\n` : '';
      return {
        content,
        framing,
        bytes: Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${field}\r\n`), content]),
      };
    });

  test('the same message comes out', () => {
    fc.assert(
      fc.property(
        message,
        fc.array(fc.nat({ max: 4000 }), { maxLength: 12 }),
        fc.array(fc.nat({ max: 20 }), { maxLength: 6 }),
        ({ content, framing, bytes }, cuts, pauses) => {
          const splits = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
          const seen = feed(bytes, {
            splits,
            thenClose: framing === 'close',
            pauseAt: (call) => pauses.includes(call),
          });
          expect(seen.error).toBeUndefined();
          expect(seen.status).toBe(200);
          expect(seen.ended).toBe(true);
          expect(seen.body.equals(content)).toBe(true);
          expect(seen.reusable).toBe(framing !== 'close');
        },
      ),
    );
  });

  test('stopping inside a call ends all calls', () => {
    fc.assert(
      fc.property(message, fc.nat({ max: 8 }), ({ bytes }, stopAt) => {
        let calls = 0;
        const count = () => {
          calls += 1;
          if (calls === stopAt) parser.stop();
          expect(stopAt > 0 && calls > stopAt).toBe(false);
        };
        const parser: ResponseParser = new ResponseParser({ onHead: count, onData: count, onEnd: count });
        parser.push(bytes);
        parser.push(Buffer.from('more'));
        parser.resume();
      }),
    );
  });
});
