import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import zlib from 'node:zlib';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { chat, eventually, expectError, metric, post } from './harness.ts';

/** Compressed request bodies, as clients of coding agents send them. */

const LIMIT = 2_000_000;
let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway({
    config: { server: { body_limit: LIMIT }, limits: { request_memory: '6MB' }, simulator: 'all' },
  });
});

afterAll(async () => {
  await gateway?.stop();
});

const CODINGS: Readonly<Record<string, (text: string | Uint8Array) => Uint8Array>> = {
  gzip: (text) => zlib.gzipSync(text),
  deflate: (text) => zlib.deflateSync(text),
  br: (text) => zlib.brotliCompressSync(text, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } }),
  zstd: (text) => zlib.zstdCompressSync(text),
};
const encodings = Object.keys(CODINGS);

function send(encoding: string, body: string | Uint8Array, path?: string): Promise<Response> {
  const bytes = Uint8Array.from(CODINGS[encoding]?.(body) ?? []);
  return post(gateway, bytes, {
    ...(path === undefined ? {} : { path }),
    headers: { 'content-encoding': encoding },
  });
}

const model = 'simulator';
const messages = [{ role: 'user', content: 'Hi' }];

describe.each(encodings)('with %s', (encoding) => {
  test.each([
    ['/v1/chat/completions', { model, messages }],
    ['/v1/completions', { model, prompt: 'Hi' }],
    ['/v1/messages', { model, messages, max_tokens: 5 }],
    ['/v1/messages/count_tokens', { model, messages }],
    ['/v1/responses', { model, input: 'Hi' }],
    ['/v1/embeddings', { model, input: 'Hi' }],
    ['/inference', { model, prompt: 'Hi' }],
    ['/admin/v1/route', { request: { model, messages } }],
  ])('%s reads the body', async (path, body) => {
    const response = await send(encoding, JSON.stringify(body), path);
    const text = await response.text();
    expect([response.status, response.ok ? '' : text]).toEqual([200, '']);
  });

  test('a stream is answered as one', async () => {
    const response = await send(encoding, chat({ model, stream: true }));
    expect(response.headers.get('content-type')).toStartWith('text/event-stream');
    expect(await response.text()).toEndWith('data: [DONE]\n\n');
  });

  test('a small body that expands beyond body_limit is rejected, and its memory is free', async () => {
    const bomb = new Uint8Array(60_000_000).fill(32);
    for (let count = 0; count < 3; count += 1) {
      const error = await expectError(await send(encoding, bomb), 413, 'request_too_large');
      expect(error.message).toContain(String(LIMIT));
    }
    await eventually(
      'the memory is free again',
      async () => (await metric(gateway, 'weir_http_request_memory_bytes')) === 0,
    );
  });

  test('expanded bodies share request_memory', async () => {
    const large = chat({ model: 'simulator:ttft=400ms', user: 'x'.repeat(1_900_000) });
    const statuses = await Promise.all(
      Array.from({ length: 6 }, async () => {
        const response = await send(encoding, large);
        await response.text();
        return response.status;
      }),
    );
    expect(statuses).toContain(503);
    expect(statuses).toContain(200);
    await eventually(
      'the memory is free again',
      async () => (await metric(gateway, 'weir_http_request_memory_bytes')) === 0,
    );
    expect((await send(encoding, chat({ model }))).status).toBe(200);
  });
});

test('other codings get 415 with those that are supported', async () => {
  const response = await post(gateway, chat({ model }), { headers: { 'content-encoding': 'compress' } });
  expect(response.headers.get('accept-encoding')).toBe('gzip, deflate, br, zstd');
  const error = await expectError(response, 415, 'unsupported_media_type');
  expect(error.message).toContain('gzip, deflate, br, zstd');
});

test('errors have the form of the dialect', async () => {
  const response = await post(gateway, 'no gzip', {
    path: '/v1/messages',
    headers: { 'content-encoding': 'gzip' },
  });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
});
