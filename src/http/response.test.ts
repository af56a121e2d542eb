import { describe, expect, test } from 'bun:test';
import { gunzipSync } from 'node:zlib';
import { asResponse } from '../../test/support/web-messages.ts';
import { eventStreamResponse, jsonResponse } from './response.ts';

const answer = async (...what: Parameters<typeof jsonResponse>) => asResponse(await jsonResponse(...what));

const ask = (accepted?: string) =>
  new Request('http://weir.test/', {
    headers: accepted === undefined ? {} : { 'accept-encoding': accepted },
  });
const long = (length: number) => JSON.stringify({ text: 'abc '.repeat(length / 4) });

describe('jsonResponse', () => {
  test('has headers against sniffing, framing and caching', async () => {
    const { status, headers } = await answer(ask(), 418, '{}', { 'x-a': '1' });
    expect(status).toBe(418);
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'application/json',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'cache-control': 'no-store',
      'x-a': '1',
    });
  });

  test('takes a content type of its own, for this response only', async () => {
    expect((await answer(ask(), 200, '', { 'content-type': 'text/plain' })).headers.get('content-type')).toBe(
      'text/plain',
    );
    expect((await answer(ask(), 200, '', {})).headers.get('content-type')).toBe('application/json');
  });

  test.each([[2_000], [100_000]])('compresses %d bytes for clients that accept gzip', async (length) => {
    const text = long(length);
    const response = await answer(ask('br, gzip;q=0.5'), 200, text, {});
    expect([response.headers.get('content-encoding'), response.headers.get('vary')]).toEqual([
      'gzip',
      'accept-encoding',
    ]);
    expect(gunzipSync(await response.arrayBuffer()).toString()).toBe(text);
  });

  test.each([[undefined], ['br'], ['gzip;q=0'], ['gzip; q=0.0, br'], ['identity']])(
    'does not compress for "%s"',
    async (accepted) => {
      const response = await answer(ask(accepted), 200, long(2_000), {});
      expect([response.headers.get('content-encoding'), response.headers.get('vary')]).toEqual([
        null,
        'accept-encoding',
      ]);
    },
  );

  test('does not compress short bodies', async () => {
    expect((await answer(ask('gzip'), 200, '{}', {})).headers.has('content-encoding')).toBe(false);
  });
});

test('eventStreamResponse is forwarded unchanged, and its headers forbid buffering and caching', async () => {
  const stream = eventStreamResponse(new Blob(['data: 1\n\n']).stream(), { 'x-a': '1' });
  const { status, headers, body } = asResponse(stream);
  expect([status, await new Response(body).text()]).toEqual([200, 'data: 1\n\n']);
  expect(Object.fromEntries(headers)).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-store, no-transform',
    'x-accel-buffering': 'no',
    'x-a': '1',
  });
});
