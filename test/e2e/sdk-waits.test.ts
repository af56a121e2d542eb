import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { status } from '../support/scripts.ts';
import { mockConfig } from './harness.ts';
import { done } from './helpers/admin.ts';

/** Official SDKs with their own retries: they sleep for as long as `retry-after` says, unless a header forbids it. */

let mock: MockUpstream;
let gateway: Gateway;
beforeAll(async () => {
  mock = await startMockUpstream();
  gateway = await startGateway({ config: mockConfig(mock.url) });
});
afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});

const messages = [{ role: 'user' as const, content: 'Hi' }];

/** One call of each dialect with the SDK's default retries. */
const CALLS: readonly (readonly [string, (apiKey: string) => PromiseLike<unknown>])[] = [
  ['chat', (apiKey) => openai(apiKey).chat.completions.create({ model: 'chat', messages })],
  ['responses', (apiKey) => openai(apiKey).responses.create({ model: 'chat', input: 'Hi' })],
  [
    'completions',
    (apiKey) => openai(apiKey).completions.create({ model: 'chat', prompt: 'Hi', max_tokens: 5 }),
  ],
  ['embeddings', (apiKey) => openai(apiKey).embeddings.create({ model: 'chat', input: 'Hi' })],
  [
    'messages',
    (apiKey) =>
      new Anthropic({ baseURL: gateway.url, apiKey }).messages.create({
        model: 'chat',
        max_tokens: 5,
        messages,
      }),
  ],
];

function openai(apiKey: string): OpenAI {
  return new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey });
}

async function errorOf(
  call: PromiseLike<unknown>,
): Promise<{ readonly status: unknown; readonly headers: Headers | undefined }> {
  const thrown = await Promise.resolve(call).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof OpenAI.APIError || thrown instanceof Anthropic.APIError) return thrown;
  throw thrown ?? new Error('the call succeeded');
}

/** A time zone in which it is noon, so that its day ends in half a day. */
function zoneOfNoon(): string {
  const east = 12 - new Date().getUTCHours();
  // The sign of these names is that of the correction: `Etc/GMT-3` is three hours ahead.
  return `Etc/GMT${east > 0 ? '-' : '+'}${Math.abs(east)}`;
}

describe('official SDKs report at once', () => {
  test.each(CALLS)('an exhausted quota: %s', async (name, call) => {
    await done(gateway, 'POST', '/tenants', {
      id: name,
      tier: null,
      time_zone: zoneOfNoon(),
      limits: [{ of: 'requests', per: 'day', max: 0 }],
    });
    const { key } = await done(gateway, 'POST', `/tenants/${name}/keys`, { name: 'k' });
    const error = await errorOf(call(String(key)));
    expect(error.status).toBe(429);
    expect(error.headers?.get('x-should-retry')).toBe('false');
    expect(Number(error.headers?.get('retry-after'))).toBeGreaterThan(60);
  });

  test.each(CALLS)('a long wait of the provider: %s', async (_, call) => {
    mock.respondAlways(
      status(
        429,
        { error: { message: 'Slow down.', type: 'rate_limit_error' } },
        { 'retry-after': '130010' },
      ),
    );
    const before = mock.requests.length;
    const error = await errorOf(call(gateway.adminKey));
    expect(error.status).toBe(429);
    expect(error.headers?.get('x-should-retry')).toBe('false');
    expect(mock.requests.length - before).toBe(1);
  });
});
