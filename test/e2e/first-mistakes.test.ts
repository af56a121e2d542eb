import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { chat, errorIn } from './harness.ts';
import { asObject } from './helpers/json.ts';

/** Mistakes of people who try the gateway for the first time: each error says what to do. */

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway?.stop());

const messages = [{ role: 'user' as const, content: 'Hi' }];
const send = (path: string, headers: Record<string, string>, body = chat({ model: 'simulator' })) =>
  fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });

async function messageOf(call: PromiseLike<unknown>): Promise<string> {
  const thrown = await Promise.resolve(call).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof Error)) throw new Error('the call succeeded');
  return thrown.message;
}

describe('a base URL', () => {
  test("without /v1 for OpenAI's SDK", async () => {
    const client = new OpenAI({ baseURL: gateway.url, apiKey: gateway.adminKey, maxRetries: 0 });
    const message = await messageOf(client.chat.completions.create({ model: 'simulator', messages }));
    expect(message).toContain('Did you mean /v1/chat/completions? Check the base URL');
  });

  test("with /v1 for Anthropic's SDK, whose form the error has", async () => {
    const client = new Anthropic({
      baseURL: `${gateway.url}/v1`,
      apiKey: gateway.adminKey,
      maxRetries: 0,
    });
    const message = await messageOf(client.messages.create({ model: 'simulator', max_tokens: 5, messages }));
    expect(message).toContain('Did you mean /v1/messages? Check the base URL');
  });
});

test("unknown paths below /v1/messages have errors in Anthropic's form", async () => {
  const response = await send('/v1/messages/drafts', { 'x-api-key': gateway.adminKey });
  expect(response.status).toBe(404);
  expect(asObject(await response.json())).toMatchObject({
    type: 'error',
    error: { type: 'not_found_error', message: expect.stringContaining('/v1/messages/drafts') },
  });
  expect(response.headers.get('request-id')).toBe(response.headers.get('x-request-id'));
});

describe('a key', () => {
  const message = async (headers: Record<string, string>) => {
    const response = await send('/v1/chat/completions', headers);
    const { code, message: text } = errorIn(await response.json());
    expect([response.status, code]).toEqual([401, 'missing_api_key']);
    return text;
  };

  test('without Bearer', async () => {
    const text = await message({ authorization: gateway.adminKey });
    expect(text).toContain('The header "authorization" has no "Bearer " before one key.');
    expect(text).not.toContain(gateway.adminKey);
  });

  test('with another scheme', async () => {
    expect(await message({ authorization: 'Basic YTpi' })).toContain('has the scheme "Basic"');
  });

  test('that is not there', async () => {
    expect(await message({})).toStartWith(
      'No API key was sent. Send the key as "Authorization: Bearer <key>"',
    );
  });

  test('is explained by the admin API as well', async () => {
    const response = await fetch(`${gateway.url}/admin/v1/me`, {
      headers: { authorization: gateway.adminKey },
    });
    expect(errorIn(await response.json()).message).toContain('no "Bearer "');
  });
});

describe('a model of a vendor that is not configured', () => {
  test.each([
    ['gpt-4o', 'OPENAI_API_KEY'],
    ['claude-sonnet-4-5', 'ANTHROPIC_API_KEY'],
    ['gemini-2.5-flash', 'GOOGLE_API_KEY'],
    ['mistral-large-latest', 'MISTRAL_API_KEY'],
  ])('%s: the variable is named', async (model, variable) => {
    const authorization = { authorization: `Bearer ${gateway.adminKey}` };
    for (const response of [
      await send('/v1/chat/completions', authorization, chat({ model })),
      await send('/v1/estimate', authorization, chat({ model })),
      await fetch(`${gateway.url}/v1/models/${model}`, { headers: authorization }),
    ]) {
      const { code, message } = errorIn(await response.json());
      expect([response.status, code]).toEqual([404, 'model_not_found']);
      expect(message).toContain(`set ${variable} at the gateway`);
    }
  });
});
