import { describe, expect, test } from 'bun:test';
import { toBytes } from '../../../test/support/bytes.ts';
import { upstreamHeaders } from '../../../test/support/fake-transport.ts';
import {
  chatAnswer,
  testCall,
  testContext,
  testEmbeddingCall,
  testProvider,
  testTarget,
} from '../../../test/support/inference.ts';
import { openAiChatDialect } from '../../api/openai/chat/dialect.ts';
import { openAiCompletionsDialect } from '../../api/openai/completions/dialect.ts';
import { GatewayError } from '../../core/errors.ts';
import type { InferenceCall } from '../../core/inference.ts';
import type { Target } from '../types.ts';
import {
  openAiCompatibleAdapter as adapter,
  bearerAuthorization,
  buildModelsRequest,
  parseModels,
} from './adapter.ts';

const build = (call: InferenceCall, target: Target) => adapter.buildRequest(call, target, testContext());

const response = (body: string | Uint8Array, status = 200) => ({
  status,
  headers: upstreamHeaders({}),
  body: toBytes(body),
});

describe('buildRequest', () => {
  test('sends the body as it came, but for the model', () => {
    const text = '{"model": "asked", "seed":12345678901234567890 ,"x_unknown":[1.0]}';
    const call = testCall({ model: 'asked' }, { text });
    expect(build(call, testTarget())).toEqual({
      method: 'POST',
      url: 'http://upstream.test/v1/chat/completions',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        'accept-encoding': 'identity',
      },
      body: text.replace('asked', 'up'),
    });
    expect(build(call, testTarget(testProvider(), 'asked')).body).toBe(text);
  });

  test.each([
    ['chat', '/chat/completions'],
    ['completion', '/completions'],
    ['embedding', '/embeddings'],
  ] as const)('knows where a %s goes', (operation, path) => {
    const call =
      operation === 'embedding'
        ? testEmbeddingCall({ model: 'm' })
        : testCall(
            { model: 'm' },
            { operation, dialect: operation === 'chat' ? openAiChatDialect : openAiCompletionsDialect },
          );
    const { url } = build(call, testTarget());
    expect(url).toBe(`http://upstream.test/v1${path}`);
  });

  test('asks for usage where the vendor wants to be asked and the client did not', () => {
    const body = { model: 'up', stream: true, stream_options: { x: 1 } };
    const sent = (more: { includesStreamUsage?: boolean }, streamUsage: 'on-request' | 'always') => {
      const target = testTarget(testProvider({ profile: { streamUsage } }));
      return JSON.parse(String(build(testCall(body, more), target).body)).stream_options;
    };
    expect(sent({}, 'on-request')).toEqual({ x: 1, include_usage: true });
    expect(sent({ includesStreamUsage: true }, 'on-request')).toEqual({ x: 1 });
    expect(sent({}, 'always')).toEqual({ x: 1 });
  });

  test('asks for floats where base64 is unavailable', () => {
    const call = testEmbeddingCall({ model: 'up', input: 'x', encoding_format: 'base64' });
    const target = testTarget(testProvider({ profile: { floatEmbeddingsOnly: true } }));
    expect(build(call, target).body).toContain('"encoding_format":"float"');
    expect(build(call, testTarget()).body).toContain('"encoding_format":"base64"');
  });

  test('forwards only the headers that the vendor supports, and adds the configured ones', () => {
    const call = testCall(undefined, {
      headers: new Headers({ 'x-known': '1', 'x-other': '2', cookie: 'c', authorization: 'Bearer x' }),
    });
    const target = testTarget(
      testProvider({ profile: { forwardHeaders: ['x-known'] }, headers: { 'x-team': 't' } }),
    );
    const { headers } = build(call, target);
    expect(headers).toMatchObject({ 'x-known': '1', 'x-team': 't' });
    expect(Object.keys(headers)).not.toContain('cookie');
    expect(Object.keys(headers)).not.toContain('authorization');
  });
});

test('authorize adds the provider’s credential, and nothing where there is none', () => {
  const request = build(testCall(), testTarget());
  const authorize = bearerAuthorization();
  expect(authorize(request, testProvider({ credential: 'k' })).headers.authorization).toBe('Bearer k');
  expect(authorize(request, testProvider())).toBe(request);
});

describe('parseResponse', () => {
  const parse = (body: string | Uint8Array, call: InferenceCall = testCall()) =>
    adapter.parseResponse(response(body), call, testTarget(), testContext());

  test('changes only the model, and reads usage and finish reason', () => {
    const text = chatAnswer('hi').replace('"created":7', '"created": 7.0');
    expect(parse(text)).toMatchObject({
      text: text.replace('"up"', '"asked"'),
      usage: { inputTokens: 3, outputTokens: 2 },
      finishReason: 'stop',
    });
  });

  test('turns embeddings into the encoding that was asked for', () => {
    const call = testEmbeddingCall({ model: 'asked', encoding_format: 'base64' });
    expect(
      JSON.parse(parse('{"model":"up","data":[{"embedding":[1]}],"usage":{"prompt_tokens":1}}', call).text),
    ).toEqual({
      model: 'asked',
      data: [{ embedding: 'AACAPw==' }],
      usage: { prompt_tokens: 1 },
    });
  });

  test.each([
    ['nothing', '', 'an empty body'],
    ['a page', '<html>', 'an HTML page'],
    ['text', 'hello', 'not JSON'],
    ['a list', '[]', 'not an object'],
    ['another answer', '{"data":[]}', 'without "choices"'],
    ['bytes', Uint8Array.of(0xff), 'not UTF-8'],
  ])('refuses %s with a reason', (_, body, reason) => {
    let thrown: unknown;
    try {
      parse(body);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(GatewayError);
    expect(thrown).toMatchObject({
      code: 'upstream_invalid_response',
      message: expect.stringContaining(reason),
    });
  });

  test('takes an error in a 200 answer for what it is', () => {
    expect(() => parse('{"error":{"message":"full","type":"overloaded_error"}}')).toThrow(
      'reported an error: full',
    );
    expect(parse(chatAnswer('hi', { error: null })).finishReason).toBe('stop');
  });
});

describe('models', () => {
  test('are asked for with the configured headers', () => {
    const request = buildModelsRequest(testProvider({ headers: { 'x-team': 't' } }));
    expect(request).toMatchObject({
      method: 'GET',
      url: 'http://upstream.test/v1/models',
      headers: { 'x-team': 't' },
    });
  });

  test('are read where they have a name', () => {
    const body = '{"data":[{"id":"a","owned_by":"o"},{"id":"b"},{"id":""},{"x":1},null]}';
    expect(parseModels(response(body), testProvider())).toEqual([
      { id: 'a', ownedBy: 'o' },
      { id: 'b', ownedBy: undefined },
    ]);
    expect(() => parseModels(response('{}'), testProvider())).toThrow('without a model list');
  });
});
