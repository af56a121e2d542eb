import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { openRaw, requestBytes } from '../support/http-raw.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { chat, completion, mockConfig, streamed } from './harness.ts';
import { done } from './helpers/admin.ts';

let mock: MockUpstream;
let gateway: Gateway;
let key: string;
let exhausted: string;
beforeAll(async () => {
  mock = await startMockUpstream();
  mock.respondAlways((request) =>
    request.text().includes('"stream":true') ? streamed('Hello.') : completion(),
  );
  gateway = await startGateway({
    config: mockConfig(mock.url, { limits: { per_ip: { rps: 500, burst: 1000 } } }),
  });
  const keyOf = async (tenant: string, max: number) => {
    const limits = [{ of: 'requests', per: 'minute', max }];
    await done(gateway, 'POST', '/tenants', { id: tenant, tier: null, limits });
    return String((await done(gateway, 'POST', `/tenants/${tenant}/keys`, { name: 'k' })).key);
  };
  key = await keyOf('limited', 100);
  exhausted = await keyOf('exhausted', 1);
});
afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});

const messages = JSON.stringify({
  model: 'chat',
  max_tokens: 5,
  messages: [{ role: 'user', content: 'Hi' }],
});

/** Names of the response's headers, as they were sent. */
async function headersOf(target: string, body: string, secret: string): Promise<readonly [number, string[]]> {
  const connection = await openRaw(gateway.url);
  await connection.send(
    requestBytes({
      method: 'POST',
      target,
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body,
    }),
  );
  const { status, rawHeaders } = await connection.readResponse();
  connection.destroy();
  return [status, rawHeaders.map(([name]) => name.toLowerCase())];
}

test.each([
  ['a plain response', '/v1/chat/completions', chat(), 200],
  ['a stream', '/v1/chat/completions', chat({ stream: true }), 200],
  ['a message', '/v1/messages', messages, 200],
  ['a rejected body', '/v1/chat/completions', '{"model":"chat"}', 400],
  ['an unknown model', '/v1/chat/completions', chat({ model: 'none' }), 404],
])('%s tells once how the limits of address and tenant stand', async (_, target, body, expected) => {
  const [status, names] = await headersOf(target, body, key);
  expect(status).toBe(expected);
  expect(new Set(names).size).toBe(names.length);
});

test('a request beyond a limit receives its state once', async () => {
  await headersOf('/v1/chat/completions', chat(), exhausted);
  const [status, names] = await headersOf('/v1/chat/completions', chat(), exhausted);
  expect(status).toBe(429);
  expect(names.filter((name) => name.startsWith('x-ratelimit-')).sort()).toEqual([
    'x-ratelimit-limit',
    'x-ratelimit-limit-requests',
    'x-ratelimit-remaining',
    'x-ratelimit-remaining-requests',
    'x-ratelimit-reset',
    'x-ratelimit-reset-epoch',
    'x-ratelimit-reset-requests',
  ]);
});
