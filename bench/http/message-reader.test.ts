import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { FramingError, headerValue, MessageReader } from './message-reader.ts';

interface Seen {
  startLine: string;
  body: string;
  keepAlive: boolean;
}

function collect(kind: 'request' | 'response'): { reader: MessageReader; seen: Seen[] } {
  const seen: Seen[] = [];
  let startLine = '';
  let body = '';
  const reader = new MessageReader(kind, {
    onHead(line) {
      startLine = line;
      body = '';
    },
    onBody(bytes, start, end) {
      body += new TextDecoder().decode(bytes.subarray(start, end));
    },
    onEnd(keepAlive) {
      seen.push({ startLine, body, keepAlive });
    },
  });
  return { reader, seen };
}

const encode = (text: string) => new TextEncoder().encode(text);
const wire = encode(
  [
    'HTTP/1.1 100 Continue\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n1A;x=y\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nx: y\r\n\r\n',
    'HTTP/1.1 204 No Content\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
  ].join(''),
);
const messages: Seen[] = [
  { startLine: 'HTTP/1.1 200 OK', body: 'hello', keepAlive: true },
  { startLine: 'HTTP/1.1 200 OK', body: 'wikiabcdefghijklmnopqrstuvwxyz', keepAlive: true },
  { startLine: 'HTTP/1.1 204 No Content', body: '', keepAlive: true },
  { startLine: 'HTTP/1.1 200 OK', body: '', keepAlive: false },
];

describe('MessageReader', () => {
  test('any split of the bytes gives the same messages', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: wire.length }), { maxLength: 40 }), (cuts) => {
        const { reader, seen } = collect('response');
        let from = 0;
        for (const cut of [...cuts.sort((a, b) => a - b), wire.length]) {
          reader.push(wire.slice(from, cut));
          from = cut;
        }
        expect(seen).toEqual(messages);
        expect(reader.finish()).toBe(true);
      }),
    );
  });

  test('one byte at a time', () => {
    const { reader, seen } = collect('response');
    for (const byte of wire) reader.push(Uint8Array.of(byte));
    expect(seen).toEqual(messages);
  });

  test('a request without a length has no body', () => {
    const { reader, seen } = collect('request');
    reader.push(encode('GET /bench/stats HTTP/1.1\r\nhost: x\r\n\r\n'));
    expect(seen).toEqual([{ startLine: 'GET /bench/stats HTTP/1.1', body: '', keepAlive: true }]);
  });

  test('a response without a length ends with its connection', () => {
    const { reader, seen } = collect('response');
    reader.push(encode('HTTP/1.1 200 OK\r\n\r\nabc'));
    expect(seen).toEqual([]);
    expect(reader.finish()).toBe(true);
    expect(seen).toEqual([{ startLine: 'HTTP/1.1 200 OK', body: 'abc', keepAlive: false }]);
  });

  test.each([
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n',
    'HTTP/1.1 20',
  ])('a cut is seen: %j', (text) => {
    const { reader, seen } = collect('response');
    reader.push(encode(text));
    expect(reader.finish()).toBe(false);
    expect(seen).toEqual([]);
  });

  test.each(['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 'SSH-2.0-x\r\n\r\n'])(
    'bytes that are no HTTP are an error: %j',
    (text) => {
      expect(() => collect('response').reader.push(encode(text))).toThrow(FramingError);
    },
  );
});

test('headerValue', () => {
  const head = 'get / http/1.1\r\nhost: a\r\nx-b:  c \r\n\r\n';
  expect(headerValue(head, 'x-b')).toBe('c');
  expect(headerValue(head, 'b')).toBeUndefined();
});
