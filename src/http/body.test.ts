import { describe, expect, test } from 'bun:test';
import { asHttpRequest } from '../../test/support/web-messages.ts';
import { GatewayError } from '../core/errors.ts';
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
    ['content-encoding', 'gzip'],
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
