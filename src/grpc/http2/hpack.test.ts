import { describe, expect, test } from 'bun:test';
import { HpackDecoder, HpackError } from './hpack-decoder.ts';
import { encodeHeaders } from './hpack-encoder.ts';

const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const MAX = 16_384;

/** RFC 7541, appendix C.4: requests with Huffman coding, one after the other. */
test('decodes the requests of the RFC', () => {
  const decoder = new HpackDecoder();
  expect(decoder.decode(hex('8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff'), MAX)).toEqual([
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
  ]);
  expect(decoder.decode(hex('8286 84be 5886 a8eb 1064 9cbf'), MAX)?.slice(3)).toEqual([
    [':authority', 'www.example.com'],
    ['cache-control', 'no-cache'],
  ]);
  expect(
    decoder.decode(hex('8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf'), MAX)?.slice(3),
  ).toEqual([
    [':authority', 'www.example.com'],
    ['custom-key', 'custom-value'],
  ]);
});

/** RFC 7541, appendix C.3: the first request without Huffman coding. */
test('decodes texts that are not compressed', () => {
  const decoded = new HpackDecoder().decode(hex('8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d'), MAX);
  expect(decoded?.at(-1)).toEqual([':authority', 'www.example.com']);
});

test('reads what it writes', () => {
  const entries: [string, string][] = [
    [':status', '200'],
    ['content-type', 'application/grpc'],
    ['x-long', 'a'.repeat(5_000)],
    ['grpc-status', '0'],
  ];
  expect(new HpackDecoder().decode(encodeHeaders(entries), MAX)).toEqual(entries);
});

describe('blocks that are not trusted', () => {
  test.each([
    ['an entry that does not exist', 'c0'],
    ['the entry 0', '80'],
    ['a text beyond the end', '0005 61'],
    ['a number without an end', 'ff ff ff'],
    ['a number that is too large', 'ff ff ff ff ff ff ff ff ff ff 0f'],
    ['a table that is too large', '3f e2 1f'],
    ['a table size after a header', '82 20'],
    ['the end-of-string symbol', '00 84 ff ff ff ff 00'],
    ['padding of more than seven bits', '00 82 1f ff 00'],
    ['padding that is not ones', '00 81 18 00'],
  ])('%s', (_name, block) => {
    expect(() => new HpackDecoder().decode(hex(block), MAX)).toThrow(HpackError);
  });

  test('a list that grows from references is not kept, and the table stays right', () => {
    const decoder = new HpackDecoder();
    const value = 'v'.repeat(4_000);
    const length = hex('7f a1 1e');
    decoder.decode(new Uint8Array(Buffer.concat([hex('40 01 61'), length, Buffer.from(value)])), MAX);
    // 1,000 bytes stand for 4 MB.
    expect(decoder.decode(new Uint8Array(1_000).fill(0xbe), MAX)).toBeUndefined();
    expect(decoder.decode(hex('be'), MAX)).toEqual([['a', value]]);
  });
});
