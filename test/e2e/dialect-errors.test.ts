import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { at, textAt, valueAt } from '../compat/answer.ts';
import { dataEvents, eventStream, json, status } from '../support/scripts.ts';
import { bodyOf, type Families, startFamilies } from './helpers/families.ts';
import { CALL, chat, events, recordedCall, user } from './helpers/translation.ts';

/** Errors, counts and warnings across dialects. */

let families: Families;
beforeAll(async () => {
  families = await startFamilies();
});
afterAll(() => families.stop());

describe('errors keep their meaning, in the dialect of the client', () => {
  const anthropic = (type: string, message: string, code: number, headers = {}) =>
    status(code, { type: 'error', error: { type, message } }, headers);

  test.each([
    [
      'context length',
      'claude',
      anthropic('invalid_request_error', 'prompt is too long: 9 > 8', 400),
      400,
      'context_length_exceeded',
    ],
    ['overloaded', 'claude', anthropic('overloaded_error', 'Overloaded', 529), 503, 'upstream_overloaded'],
    [
      'rate limit',
      'claude',
      anthropic('rate_limit_error', 'slow', 429, { 'retry-after': '7' }),
      429,
      'upstream_rate_limited',
    ],
    ['auth', 'claude', anthropic('authentication_error', 'bad key', 401), 502, 'upstream_auth_failed'],
    [
      'content policy',
      'azure',
      status(400, { error: { code: 'content_filter', message: 'filtered' } }),
      400,
      'content_filter',
    ],
    [
      'throttled',
      'bedrock',
      status(429, { message: 'slow' }, { 'x-amzn-errortype': 'ThrottlingException' }),
      429,
      'upstream_rate_limited',
    ],
    [
      'too long',
      'bedrock',
      status(
        400,
        { message: 'Input is too long for requested model.' },
        { 'x-amzn-errortype': 'ValidationException' },
      ),
      400,
      'context_length_exceeded',
    ],
    [
      'quota',
      'gemini',
      status(429, { error: { status: 'RESOURCE_EXHAUSTED', message: 'q', details: [{ retryDelay: '3s' }] } }),
      429,
      'RESOURCE_EXHAUSTED',
    ],
    [
      'too many tokens',
      'cohere',
      status(400, { message: 'too many tokens' }),
      400,
      'context_length_exceeded',
    ],
  ] as const)('%s (%s)', async (_, model, answer, code, name) => {
    const { response, body } = await recordedCall(families, chat(model), answer);
    expect([response.status, valueAt(body, 'error', 'code')]).toEqual([code, name]);
    if (code === 429) expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    const messages = await recordedCall(
      families,
      { model, max_tokens: 9, messages: [user('Hi')] },
      answer,
      '/v1/messages',
    );
    expect(messages.response.status).toBe(code);
    expect(valueAt(messages.body, 'type')).toBe('error');
    expect(textAt(messages.body, 'error', 'type')).not.toBe('');
    expect(messages.response.headers.get('request-id')).toBe(messages.response.headers.get('x-request-id'));
  });

  test('a stream that stops without its end is an error event in each dialect', async () => {
    const begun = eventStream(
      dataEvents([{ id: 'c', choices: [{ index: 0, delta: { content: 'Hel' }, finish_reason: null }] }], {
        done: false,
      }),
    );
    const messages = await recordedCall(
      families,
      { model: 'chat', max_tokens: 9, stream: true, messages: [user('Hi')] },
      begun,
      '/v1/messages',
    );
    expect(events(messages.text).at(-1)).toMatchObject({ type: 'error', error: { type: 'api_error' } });
    expect(messages.text).not.toContain('message_stop');
    const responses = await recordedCall(
      families,
      { model: 'chat', stream: true, input: 'Hi' },
      begun,
      '/v1/responses',
    );
    expect(
      events(responses.text)
        .map((event) => textAt(event, 'type'))
        .slice(-2),
    ).toEqual(['error', 'response.failed']);
  });

  test('overload that is reported after the first event and before the content is a status, and another target is tried', async () => {
    const greeting = {
      type: 'message_start',
      message: { id: 'm', role: 'assistant', content: [], usage: {} },
    };
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    const overloaded = eventStream(
      [greeting, error].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`),
    );
    const { response } = await recordedCall(families, chat('claude', { stream: true }), overloaded);
    expect(response.status).toBe(503);
  });

  test.each([
    [
      'a result without its call',
      { messages: [user('Hi'), { role: 'tool', tool_call_id: 'none', content: 'x' }] },
      'no assistant message',
    ],
    [
      'arguments that are no JSON',
      {
        messages: [
          user('Hi'),
          { role: 'assistant', tool_calls: [CALL('c', 'look', '{"a')] },
          { role: 'tool', tool_call_id: 'c', content: 'x' },
        ],
      },
      'not a JSON object',
    ],
    ['nothing but empty content', { messages: [user('')] }, 'not empty'],
    [
      'an unknown image type',
      { messages: [user([{ type: 'image_url', image_url: { url: 'data:image/tiff;base64,AAAA' } }])] },
      'image/tiff',
    ],
    [
      'a schema that is none',
      { messages: [user('Hi')], response_format: { type: 'json_schema', json_schema: { name: 'x' } } },
      'JSON schema',
    ],
  ])('%s is the client’s mistake, named', async (_, body, reason) => {
    const before = families.mock.requests.length;
    const response = await families.post('/v1/chat/completions', { model: 'claude', ...body });
    expect(response.status).toBe(400);
    const error = at(await response.json(), 'error');
    expect(textAt(error, 'message')).toContain(reason);
    expect(error.type).toBe('invalid_request_error');
    expect(families.mock.requests.length).toBe(before);
  });

  test('an assistant that speaks first is no mistake: the API accepts it', async () => {
    const messages = [{ role: 'assistant', content: 'Hello' }, user('Hi')];
    const { sent, response } = await recordedCall(families, { model: 'claude', messages });
    expect(response.status).toBe(200);
    expect(sent.messages).toMatchObject([{ role: 'assistant' }, { role: 'user' }]);
  });
});

describe('counting tokens', () => {
  const body = (model: string) => ({ model, messages: [user('Hello there')] });

  test('is the provider’s work where it counts', async () => {
    const { body: counted, warnings } = await recordedCall(
      families,
      body('claude'),
      json({ input_tokens: 42 }),
      '/v1/messages/count_tokens',
    );
    expect([counted, warnings]).toEqual([{ input_tokens: 42 }, '']);
    expect(families.mock.requests.at(-1)?.path).toBe('/claude/v1/messages/count_tokens');
  });

  test('is an estimate elsewhere, and says so', async () => {
    const response = await families.post('/v1/messages/count_tokens', body('chat'));
    expect(valueAt(await response.json(), 'input_tokens')).toBe(3 + 4 + 2);
    expect(response.headers.get('x-weir-warnings')).toContain('estimate');
  });
});

test('parameters that an upstream does not support are listed', async () => {
  const { warnings, sent } = await recordedCall(
    families,
    chat('claude', { seed: 7, logit_bias: { '1': 2 }, x_own: true }),
  );
  for (const param of ['seed', 'logit_bias', 'x_own'])
    expect(warnings).toContain(`unsupported;param="${param}"`);
  expect(bodyOf(families.mock.requests.at(-1))).toEqual(sent);
});
