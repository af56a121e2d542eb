import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { eventStream, json, type ResponseScript } from '../support/scripts.ts';
import { chat, completion, expectError, mockConfig, post, provider } from './harness.ts';

/** Requests and responses that are small in bytes and large in everything else. */

let mock: MockUpstream;
let gateway: Gateway;

/** A model at each kind of provider, by model id. */
const KINDS: Readonly<Record<string, (url: string) => Readonly<Record<string, unknown>>>> = {
  'at-openai': (url) => ({ kind: 'openai', base_url: `${url}/v1`, api: 'chat' }),
  'at-responses': (url) => ({ kind: 'openai-compatible', base_url: `${url}/v1`, api: 'responses' }),
  'at-ollama': (url) => ({
    kind: 'openai-compatible',
    engine: 'ollama',
    base_url: `${url}/v1`,
    api: 'native',
  }),
  'at-mistral': (url) => ({ kind: 'mistral', base_url: `${url}/v1` }),
  'at-anthropic': (url) => ({ kind: 'anthropic', base_url: url }),
  'at-gemini': (url) => ({ kind: 'gemini', base_url: `${url}/v1beta` }),
  'at-bedrock': (url) => ({ kind: 'bedrock', region: 'us-east-1', base_url: url }),
  'at-cohere': (url) => ({ kind: 'cohere', base_url: url }),
};

beforeAll(async () => {
  mock = await startMockUpstream();
  mock.respondAlways(completion());
  const kinds = Object.entries(KINDS);
  const common = { api_key: 'sk-none-0123456789', discover: false };
  gateway = await startGateway({
    config: mockConfig(mock.url, {
      providers: [
        provider({ id: 'mock', url: mock.url }),
        ...kinds.map(([id, settings]) => ({ id: `p-${id}`, ...settings(mock.url), ...common })),
      ],
      models: [
        { id: 'chat', targets: [{ provider: 'mock', model: 'upstream-chat' }] },
        ...kinds.map(([id]) => ({ id, targets: [{ provider: `p-${id}`, model: 'claude-sonnet-4-5' }] })),
      ],
      // No test leaves a condition of a target to the next one.
      routing: {
        retry: { attempts: 1 },
        breaker: { failures: 1_000, min_requests: 1_000 },
        outliers: { min_requests: 1_000 },
        cool_down: { max: '0s' },
        health: { failures: 1_000 },
      },
    }),
  });
});

afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});

const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

const ENDPOINTS: readonly (readonly [path: string, members: string])[] = [
  ['/v1/chat/completions', '"model":"chat","messages":[{"role":"user","content":"x"}]'],
  ['/v1/completions', '"model":"chat","prompt":"x"'],
  ['/v1/responses', '"model":"chat","input":"x"'],
  ['/v1/embeddings', '"model":"chat","input":"x"'],
  ['/v1/rerank', '"model":"chat","query":"x","documents":["a"]'],
  ['/v1/text2sql', '"model":"chat","messages":[{"role":"user","content":"x"}]'],
  ['/v1/suggest-model', '"task":"x"'],
  ['/v1/estimate', '"model":"chat","messages":[{"role":"user","content":"x"}]'],
  ['/inference', '"prompt":"x"'],
  ['/stream', '"prompt":"x"'],
  ['/admin/v1/tenants', '"id":"a","name":"a"'],
  ['/admin/v1/route', '"model":"chat"'],
];

describe('a request body above a limit of its structure is a 400 that names the limit', () => {
  test.each(ENDPOINTS)('%s', async (path, members) => {
    const tooDeep = await post(gateway, `{${members},"deep":${nested(50_000)}}`, { path });
    const deep = await expectError(tooDeep, 400, 'invalid_request');
    expect([deep.param, deep.message]).toEqual([
      'deep.a.a.a.a.a...',
      expect.stringContaining('at most 128 levels'),
    ]);
    const names = Array.from({ length: 300_000 }, (_, index) => `"name_${index}":1`).join(',');
    const tooMany = await post(gateway, `{${members},"map":{${names}}}`, { path });
    const many = await expectError(tooMany, 400, 'invalid_request');
    expect(many.message).toContain('at most 20000 are accepted');
  });

  test('/v1/auth/sign-in, which accepts small bodies only', async () => {
    const body = `{"email":"a@b.test","password":"x","deep":${nested(1_000)}}`;
    const error = await expectError(
      await post(gateway, body, { path: '/v1/auth/sign-in' }),
      400,
      'invalid_request',
    );
    expect(error.param).toBe('deep.a.a.a.a.a...');
  });

  test('/v1/messages, in its own form', async () => {
    const tools = `[{"name":"f","input_schema":${nested(50_000)}}]`;
    const body = `{"model":"at-anthropic","max_tokens":9,"messages":[{"role":"user","content":"x"}],"tools":${tools}}`;
    const response = await post(gateway, body, { path: '/v1/messages' });
    expect([response.status, await response.json()]).toMatchObject([
      400,
      {
        type: 'error',
        error: {
          type: 'invalid_request_error',
          message: expect.stringContaining('"tools[0].input_schema.a.a.a..."'),
        },
      },
    ]);
  });

  test('more than a million values', async () => {
    const body = `{"model":"chat","input":[${'1,'.repeat(1_000_001)}1]}`;
    const error = await expectError(
      await post(gateway, body, { path: '/v1/embeddings' }),
      400,
      'invalid_request',
    );
    expect(error.param).toBe('input[999997]');
    expect(error.message).toContain('at most 1000000 items and members');
  });

  test('a list of 200,000 values that are all invalid names the first', async () => {
    const body = `{"model":"chat","messages":[${'1,'.repeat(199_999)}1]}`;
    const error = await expectError(await post(gateway, body), 400, 'invalid_request');
    expect(error.param).toBe('messages[0]');
  });
});

describe('arguments of tool calls in a request that are nested too deeply', () => {
  test.each(['at-anthropic', 'at-gemini', 'at-bedrock', 'at-cohere', 'at-ollama'])('%s', async (model) => {
    const call = { id: 'c', type: 'function', function: { name: 'f', arguments: nested(50_000) } };
    const messages = [
      { role: 'user', content: 'x' },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c', content: 'y' },
    ];
    const error = await expectError(await post(gateway, chat({ model, messages })), 400, 'invalid_request');
    expect(error.param).toContain('messages[1]');
  });
});

test('a result of a tool that is nested too deeply is sent as text', async () => {
  const result = nested(50_000);
  const messages = [
    { role: 'user', content: 'x' },
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
    },
    { role: 'tool', tool_call_id: 'c', content: result },
  ];
  mock.respond(json({ candidates: [{ content: { parts: [{ text: 'ok' }] }, finishReason: 'STOP' }] }));
  const before = mock.requests.length;
  expect((await post(gateway, chat({ model: 'at-gemini', messages }))).status).toBe(200);
  expect(mock.requests[before]?.text()).toContain('"response":{"result":"{\\"a\\":');
});

describe('a response that is nested too deeply is invalid', () => {
  const deep = (body: string): ResponseScript => ({
    status: 200,
    headers: { 'content-type': 'application/json' },
    body,
  });
  const bodies: readonly (readonly [model: string, body: string])[] = [
    ['chat', `{"choices":[{"message":{"content":"x"},"deep":${nested(50_000)}}]}`],
    ['at-responses', `{"output":[${nested(50_000)}]}`],
    ['at-anthropic', `{"content":[{"type":"tool_use","id":"a","name":"f","input":${nested(50_000)}}]}`],
    ['at-gemini', `{"candidates":[{"content":{"parts":[{"functionCall":{"args":${nested(50_000)}}}]}}]}`],
    ['at-bedrock', `{"output":{"message":{"content":[{"toolUse":{"input":${nested(50_000)}}}]}}}`],
    ['at-cohere', `{"message":{"content":[${nested(50_000)}]}}`],
    ['at-ollama', `{"message":{"tool_calls":[{"function":{"arguments":${nested(50_000)}}}]}}`],
  ];

  test.each(bodies)('%s', async (model, body) => {
    mock.respond(deep(body));
    const error = await expectError(await post(gateway, chat({ model })), 502, 'upstream_invalid_response');
    expect(error.message).toContain('more than 128 levels');
  });

  test('in an error, its message is what the body says as text', async () => {
    mock.respond({ ...deep(`{"error":{"message":"no","deep":${nested(50_000)}}}`), status: 400 });
    const response = await post(gateway, chat());
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('{\\"error\\":{\\"message\\":\\"no\\"');
  });

  test('in an event of a stream', async () => {
    for (const model of ['chat', 'at-anthropic', 'at-gemini', 'at-responses']) {
      mock.respond(eventStream([`data: {"type":"x","choices":[${nested(50_000)}]}\n\n`]));
      const response = await post(gateway, chat({ model, stream: true }));
      expect(await response.text()).toContain('upstream_invalid_response');
    }
  });

  test('in the arguments of a tool call, for clients that get them as an object', async () => {
    const call = { id: 'c', type: 'function', function: { name: 'f', arguments: nested(50_000) } };
    const message = { role: 'assistant', content: null, tool_calls: [call] };
    mock.respond(json({ id: 'a', choices: [{ index: 0, message, finish_reason: 'tool_calls' }] }));
    const body = JSON.stringify({
      model: 'at-openai',
      max_tokens: 9,
      messages: [{ role: 'user', content: 'x' }],
    });
    const response = await post(gateway, body, { path: '/v1/messages' });
    expect(response.status).toBe(502);
    expect(await response.text()).toContain('more than 128 levels');
  });
});

describe('40,000 messages are handled while others are served', () => {
  test.each(Object.keys(KINDS))('%s', async (model) => {
    const messages = Array.from({ length: 40_000 }, () => ({
      role: 'user',
      content: 'Hi there, how are you?',
    }));
    const body = chat({ model, messages });
    mock.respond(json({ error: { message: 'too long' } }, { status: 400 }));
    const response = await post(gateway, body);
    expect([400, 502]).toContain(response.status);
    const health = await fetch(`${gateway.url}/health/live`);
    expect(health.status).toBe(200);
  });
});

test('a million warnings are counted, not kept', async () => {
  const members = Object.fromEntries(Array.from({ length: 15_000 }, (_, index) => [`member_${index}`, 1]));
  mock.respond(json({ content: [{ type: 'text', text: 'ok' }], stop_reason: 'end_turn' }));
  const response = await post(gateway, chat({ model: 'at-anthropic', ...members }));
  expect(response.status).toBe(200);
  const warnings = response.headers.get('x-weir-warnings') ?? '';
  const [, more] = /more;count=(\d+)$/.exec(warnings) ?? [];
  const shown = warnings.split('unsupported;').length - 1;
  expect(Number(more) + shown).toBe(15_000);
  expect(warnings.length).toBeLessThan(5_000);
});

describe('names that every object has are names like any other', () => {
  const NAMES = ['constructor', 'toString', 'hasOwnProperty', 'valueOf', '__proto__'];

  test.each(NAMES)('%s as a member, a type and a format', async (name) => {
    const image = { type: 'image_url', image_url: { url: `data:image/${name};base64,aGk=` } };
    const audio = { type: 'input_audio', input_audio: { data: 'aGk=', format: name } };
    const file = { type: 'file', file: { file_data: `data:text/${name};base64,aGk=` } };
    mock.respondAlways(json({ error: { message: 'no', type: name, code: name } }, { status: 400 }));
    for (const model of Object.keys(KINDS)) {
      for (const part of [image, audio, file]) {
        const messages = [{ role: 'user', content: [{ type: 'text', text: 'x' }, part] }];
        const body = chat({ model, messages }).replace(/\}$/, `,"${name}":{"a":1}}`);
        const response = await post(gateway, body);
        expect([model, part.type, response.status]).not.toContain(500);
        expect(await response.text()).not.toContain('native code');
      }
    }
    mock.respondAlways(completion());
    const before = mock.requests.length;
    await post(gateway, JSON.stringify({ model: 'at-gemini', input: 'x', input_type: name }), {
      path: '/v1/embeddings',
    });
    expect(mock.requests[before]?.text()).toContain(`"taskType":"${name.toUpperCase()}"`);
  });

  test.each(NAMES)('%s as a finish reason', async (name) => {
    mock.respond(json({ content: [{ type: 'text', text: 'x' }], stop_reason: name, usage: { [name]: 1 } }));
    const response = await post(gateway, chat({ model: 'at-anthropic' }));
    expect([response.status, await response.json()]).toMatchObject([
      200,
      { choices: [{ finish_reason: 'stop' }] },
    ]);
  });
});
