import { describe, expect, test } from 'bun:test';
import zlib from 'node:zlib';
import { asHttpRequest } from '../../test/support/web-messages.ts';
import { GatewayError } from '../core/errors.ts';
import { BodyError } from '../core/http.ts';
import { readJsonBody } from './body.ts';

const LIMIT = 100;

async function read(body: BodyInit | null, headers: Record<string, string> = {}) {
  const request = new Request('http://weir.test/', {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });
  try {
    return await readJsonBody(asHttpRequest(request), LIMIT);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
}
const streamOf = (...parts: readonly (string | Error)[]) =>
  new ReadableStream<Uint8Array>({
    pull: (() => {
      let next = 0;
      return (controller: ReadableStreamDefaultController<Uint8Array>) => {
        const part = parts[next];
        next += 1;
        if (part === undefined) controller.close();
        else if (part instanceof Error) controller.error(part);
        else controller.enqueue(new TextEncoder().encode(part));
      };
    })(),
  });

const COMPRESSED: readonly (readonly [string, (text: string) => Uint8Array<ArrayBuffer>])[] = [
  ['gzip', (text) => Uint8Array.from(zlib.gzipSync(text))],
  ['x-gzip', (text) => Uint8Array.from(zlib.gzipSync(text))],
  ['deflate', (text) => Uint8Array.from(zlib.deflateSync(text))],
  ['br', (text) => Uint8Array.from(zlib.brotliCompressSync(text))],
  ['zstd', (text) => Uint8Array.from(zlib.zstdCompressSync(text))],
  ['gzip, zstd', (text) => Uint8Array.from(zlib.zstdCompressSync(zlib.gzipSync(text)))],
];

describe.each(COMPRESSED)('a body with content-encoding "%s"', (encoding, compress) => {
  const headers = { 'content-encoding': encoding };

  test('is decoded', async () => {
    const text = '{"a": 1.0, "ü":"💧"}';
    expect(await read(compress(text), headers)).toEqual({ text, json: { a: 1, ü: '💧' } });
  });

  test('is measured after it is decoded', async () => {
    const fits = JSON.stringify({ a: 'x'.repeat(LIMIT - 8) });
    expect(await read(compress(fits), headers)).toMatchObject({ text: fits });
    expect(await read(compress(`${fits} `), headers)).toMatchObject({
      code: 'request_too_large',
      status: 413,
    });
    const bomb = compress(JSON.stringify({ a: 'x'.repeat(8_000_000) }).slice(0, 8_000_000));
    expect(await read(bomb, headers)).toMatchObject({ code: 'request_too_large' });
  });

  test('is rejected when it is not compressed', async () => {
    expect(await read('{"a":1}', headers)).toMatchObject({
      code: 'invalid_request',
      status: 400,
      message: expect.stringContaining('"content-encoding"'),
    });
  });

  test('has the same rules for its JSON', async () => {
    expect(await read(compress('[1]'), headers)).toMatchObject({ code: 'invalid_json' });
    expect(await read(compress('{"a":1,"a":2}'), headers)).toMatchObject({ code: 'invalid_request' });
  });
});

test('the memory that a decoded body takes is counted while it is decoded', async () => {
  const kept: number[] = [];
  const request = new Request('http://weir.test/', {
    method: 'POST',
    body: Uint8Array.from(zlib.gzipSync(JSON.stringify({ a: 'x'.repeat(1_000_000) }))),
    headers: { 'content-encoding': 'gzip' },
  });
  const counted = (max: number) => ({
    ...asHttpRequest(request.clone()),
    keepBytes: (bytes: number) => {
      kept.push(bytes);
      if (kept.reduce((sum, one) => sum + one, 0) > max) throw new BodyError('no_memory');
    },
  });
  await readJsonBody(counted(2_000_000), 2_000_000);
  expect(kept.reduce((sum, bytes) => sum + bytes, 0)).toBe(1_000_008);
  expect(Math.max(...kept)).toBeLessThanOrEqual(65_536);
  kept.length = 0;
  const rejected = readJsonBody(counted(100_000), 2_000_000);
  expect(await Promise.resolve(rejected).catch((error: unknown) => error)).toMatchObject({
    code: 'gateway_overloaded',
    status: 503,
  });
  expect(kept.length).toBeLessThan(4);
});

describe('readJsonBody', () => {
  test('returns the unchanged text and its JSON', async () => {
    const text = ' {"a": 1.0, "ü":"💧"} ';
    expect(await read(text)).toEqual({ text, json: { a: 1, ü: '💧' } });
    expect(await read(streamOf('{"a"', ':1}'))).toEqual({ text: '{"a":1}', json: { a: 1 } });
  });

  test.each([['application/json; charset=utf-8'], ['application/vnd.api+json'], ['APPLICATION/JSON'], ['']])(
    'takes the content type "%s"',
    async (type) => {
      expect(await read('{}', { 'content-type': type })).toMatchObject({ text: '{}' });
    },
  );

  test.each([
    ['content-type', 'text/plain'],
    ['content-type', 'application/jsonp'],
    ['content-encoding', 'compress'],
    ['content-encoding', 'gzip, aws-chunked'],
  ])('refuses %s %s', async (name, value) => {
    expect(await read('{}', { [name]: value })).toMatchObject({
      code: 'unsupported_media_type',
      status: 415,
    });
  });

  test('rejects bodies beyond the limit, with a declared length or without', async () => {
    const exact = JSON.stringify({ a: 'x'.repeat(LIMIT - 8) });
    expect(exact).toHaveLength(LIMIT);
    expect(await read(exact)).toMatchObject({ text: exact });
    expect(await read(`${exact} `, { 'content-length': String(LIMIT + 1) })).toMatchObject({
      code: 'request_too_large',
    });
    expect(await read(streamOf(exact, ' '))).toMatchObject({ code: 'request_too_large', status: 413 });
  });

  test.each([
    ['', 'empty'],
    ['{"a":1,}', 'line 1, column 8'],
    ['{\n "a": tru }', 'line 2'],
    ['[1]', 'not a list'],
    ['null', 'not null'],
    ['"x"', 'not a string'],
  ])('says what is wrong with %j', async (text, reason) => {
    expect(await read(text)).toMatchObject({
      code: 'invalid_json',
      message: expect.stringContaining(reason),
    });
  });

  test('rejects bytes that are not UTF-8, and reads the next body', async () => {
    expect(await read(new Uint8Array([123, 0xff, 125]))).toMatchObject({ code: 'invalid_json' });
    expect(await read(new Uint8Array([123, 0xf0, 0x9f]))).toMatchObject({ code: 'invalid_json' });
    expect(await read('{}')).toMatchObject({ text: '{}' });
  });

  test('reports a truncated body as a disconnected client', async () => {
    expect(await read(streamOf('{"a"', new Error('reset')))).toMatchObject({ code: 'client_closed_request' });
  });
});
