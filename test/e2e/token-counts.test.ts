import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { json, status } from '../support/scripts.ts';
import { mockConfig, post, provider } from './harness.ts';

/** Token counts by the tokenizers of engines. */

let mock: MockUpstream;
let gateway: Gateway;

beforeAll(async () => {
  mock = await startMockUpstream();
  const engines = ['vllm', 'sglang', 'llamacpp', 'tgi'];
  gateway = await startGateway({
    config: mockConfig(mock.url, {
      providers: engines.map((engine) => provider({ id: engine, url: mock.url, settings: { engine } })),
      models: engines.map((engine) => ({ id: engine, targets: [{ provider: engine, model: 'up' }] })),
      routing: { health: { interval: null } },
    }),
  });
});

afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});

const tools = [{ name: 'f', description: 'Does it.', input_schema: { type: 'object', properties: {} } }];

async function count(model: string, more: Readonly<Record<string, unknown>> = {}) {
  const body = { model, system: 'Be brief.', messages: [{ role: 'user', content: 'Hello' }], ...more };
  const response = await post(gateway, JSON.stringify(body), { path: '/v1/messages/count_tokens' });
  return {
    status: response.status,
    body: await response.json(),
    warnings: response.headers.get('x-weir-warnings'),
  };
}

const sentTo = (path: string) => {
  const found = mock.requests.filter((request) => request.target === path).at(-1);
  const body: unknown = found && JSON.parse(found.text());
  return { body, authorization: found?.headers.get('authorization') };
};

test.each(['vllm', 'sglang'])('%s counts the messages', async (model) => {
  mock.respond(json({ count: 34, max_model_len: 4_096, tokens: [1, 2] }));
  expect(await count(model, { tools })).toEqual({ status: 200, body: { input_tokens: 34 }, warnings: null });
  const { body, authorization } = sentTo('/tokenize');
  expect(body).toMatchObject({
    model: 'up',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hello' },
    ],
    tools: [{ type: 'function', function: { name: 'f' } }],
    add_generation_prompt: true,
  });
  expect(authorization).toStartWith('Bearer ');
});

test('llama.cpp counts the prompt that its template makes', async () => {
  mock.respond(json({ prompt: '<|im_start|>user\nHello' }), json({ tokens: [1, 2, 3, 4, 5] }));
  expect(await count('llamacpp')).toEqual({ status: 200, body: { input_tokens: 5 }, warnings: null });
  expect(sentTo('/apply-template').body).toMatchObject({ messages: [{}, { content: 'Hello' }] });
  expect(sentTo('/tokenize').body).toEqual({
    content: '<|im_start|>user\nHello',
    add_special: true,
    parse_special: true,
  });
});

test.each([
  ['has no endpoint', 'vllm', () => mock.respond(status(404, { detail: 'Not Found' }))],
  ['answers something else', 'vllm', () => mock.respond(json({ ok: true }))],
  ['fails on the way', 'llamacpp', () => mock.respond(json({ prompt: 'x' }), status(500, {}))],
  ['has no tokenizer', 'tgi', () => undefined],
])('an engine that %s leaves an estimate', async (_, model, script) => {
  script();
  const { status: code, body, warnings } = await count(model);
  expect([code, warnings]).toEqual([200, expect.stringContaining('estimate')]);
  expect(body).toEqual({ input_tokens: expect.any(Number) });
});

test('images are estimated', async () => {
  const before = mock.requests.length;
  const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };
  const { warnings } = await count('vllm', { messages: [{ role: 'user', content: [image] }] });
  expect([warnings, mock.requests.length]).toEqual([expect.stringContaining('estimate'), before]);
});
