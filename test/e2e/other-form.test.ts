import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import zlib from 'node:zlib';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import type { ResponseScript } from '../support/scripts.ts';
import { chat, completion, mockConfig, post, provider } from './harness.ts';

/** Upstreams that send the right response in another form than the request or their content type says. */

const TEXT = 'The whole answer.';
let mock: MockUpstream;
let gateway: Gateway;

beforeAll(async () => {
  mock = await startMockUpstream();
  gateway = await startGateway({
    config: mockConfig(mock.url, {
      providers: [
        provider({ id: 'mock', url: mock.url }),
        provider({ id: 'responses', url: mock.url, settings: { api: 'responses' } }),
        provider({ id: 'llama', url: mock.url, settings: { engine: 'ollama', api: 'native' } }),
        { id: 'claude', kind: 'anthropic', base_url: mock.url, api_key: 'k', discover: false },
        { id: 'gem', kind: 'gemini', base_url: `${mock.url}/v1beta`, api_key: 'k', discover: false },
        { id: 'co', kind: 'cohere', base_url: mock.url, api_key: 'k', discover: false },
      ],
      models: ['mock', 'responses', 'llama', 'claude', 'gem', 'co'].map((id) => ({
        id,
        targets: [{ provider: id, model: 'up' }],
      })),
      routing: { breaker: { failures: 1 }, health: { interval: null } },
    }),
  });
});

afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});

/** Requests for responses: some engines are asked for their health or models too. */
const asked = () => mock.requests.filter(({ method }) => method === 'POST').length;
let before = 0;
beforeEach(() => {
  before = asked();
});

const sse = (...events: readonly (object | string)[]) =>
  events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`).join('');
const named = (...events: readonly (object & { readonly type: string })[]) =>
  events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');

const chunk = (delta: object, finish: string | null = null) => ({
  id: 'c',
  object: 'chat.completion.chunk',
  created: 7,
  model: 'up',
  choices: [{ index: 0, delta, finish_reason: finish }],
});
const message = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'up',
  content: [{ type: 'text', text: TEXT }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 3, output_tokens: 4 },
};
const item = { type: 'message', id: 'm', role: 'assistant', status: 'completed' };
const part = { type: 'output_text', text: TEXT, annotations: [] };
const response = {
  id: 'resp_1',
  object: 'response',
  created_at: 7,
  model: 'up',
  status: 'completed',
  output: [{ ...item, content: [part] }],
  usage: { input_tokens: 3, output_tokens: 4, total_tokens: 7 },
};
const candidate = { content: { role: 'model', parts: [{ text: TEXT }] }, finishReason: 'STOP', index: 0 };
const cohere = { message: { role: 'assistant', content: [{ type: 'text', text: TEXT }] } };

/** The same response of each vendor, complete and as a stream. */
const FORMS: Readonly<Record<string, { readonly whole: object; readonly stream: string }>> = {
  mock: {
    whole: {
      id: 'c',
      object: 'chat.completion',
      created: 7,
      model: 'up',
      choices: [{ index: 0, message: { role: 'assistant', content: TEXT }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
    },
    stream: sse(chunk({ role: 'assistant', content: TEXT }), chunk({}, 'stop'), '[DONE]'),
  },
  responses: {
    whole: response,
    stream: named(
      { type: 'response.created', ...{ response: { ...response, status: 'in_progress', output: [] } } },
      { type: 'response.output_item.added', ...{ output_index: 0, item: { ...item, content: [] } } },
      {
        type: 'response.content_part.added',
        ...{ output_index: 0, item_id: 'm', content_index: 0, part: { ...part, text: '' } },
      },
      {
        type: 'response.output_text.delta',
        ...{ output_index: 0, item_id: 'm', content_index: 0, delta: TEXT },
      },
      { type: 'response.output_item.done', ...{ output_index: 0, item: { ...item, content: [part] } } },
      { type: 'response.completed', ...{ response } },
    ),
  },
  llama: {
    whole: {
      model: 'up',
      created_at: '2026-01-01T00:00:00Z',
      message: { role: 'assistant', content: TEXT },
      done: true,
      done_reason: 'stop',
    },
    stream: `${[
      {
        model: 'up',
        created_at: '2026-01-01T00:00:00Z',
        message: { role: 'assistant', content: TEXT },
        done: false,
      },
      {
        model: 'up',
        created_at: '2026-01-01T00:00:00Z',
        message: { role: 'assistant', content: '' },
        done: true,
        done_reason: 'stop',
      },
    ]
      .map((line) => JSON.stringify(line))
      .join('\n')}\n`,
  },
  claude: {
    whole: message,
    stream: named(
      { type: 'message_start', ...{ message: { ...message, content: [], stop_reason: null } } },
      { type: 'content_block_start', ...{ index: 0, content_block: { type: 'text', text: '' } } },
      { type: 'content_block_delta', ...{ index: 0, delta: { type: 'text_delta', text: TEXT } } },
      { type: 'content_block_stop', ...{ index: 0 } },
      { type: 'message_delta', ...{ delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 4 } } },
      { type: 'message_stop' },
    ),
  },
  gem: { whole: { candidates: [candidate] }, stream: sse({ candidates: [candidate] }) },
  co: {
    whole: { id: 'x', finish_reason: 'COMPLETE', ...cohere },
    stream: named(
      { type: 'message-start', ...{ id: 'x', delta: { message: { role: 'assistant' } } } },
      { type: 'content-start', ...{ index: 0, delta: { message: { content: { type: 'text', text: '' } } } } },
      { type: 'content-delta', ...{ index: 0, delta: { message: { content: { text: TEXT } } } } },
      { type: 'content-end', ...{ index: 0 } },
      { type: 'message-end', ...{ delta: { finish_reason: 'COMPLETE' } } },
    ),
  },
};

const CLIENTS: Readonly<Record<string, (model: string, stream: boolean) => object>> = {
  '/v1/chat/completions': (model, stream) => ({ model, stream, messages: [{ role: 'user', content: 'Hi' }] }),
  '/v1/messages': (model, stream) => ({
    ...{ model, stream, max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }] },
  }),
  '/v1/responses': (model, stream) => ({ model, stream, input: 'Hi' }),
};

const cases = Object.keys(FORMS).flatMap((model) =>
  Object.keys(CLIENTS).map((path) => [model, path] as const),
);
const scripted = (body: string, type: string): ResponseScript => ({
  ...(type === '' ? {} : { headers: { 'content-type': type } }),
  body,
});

describe.each(cases)('%s for a client of %s', (model, path) => {
  const ask = async (script: ResponseScript, stream: boolean) => {
    mock.respond(script);
    const answer = await post(gateway, JSON.stringify(CLIENTS[path]?.(model, stream)), { path });
    const text = await answer.text();
    expect({ text, status: answer.status }).toMatchObject({ status: 200 });
    expect(asked() - before).toBe(1);
    return { text, type: answer.headers.get('content-type') ?? '' };
  };
  const { whole = {}, stream = '' } = FORMS[model] ?? {};

  test('a stream for a plain request is read into a response', async () => {
    // Ollama's complete response has the form of a line.
    if (model === 'llama') return;
    const { text, type } = await ask(scripted(stream, 'text/event-stream'), false);
    expect(type).toStartWith('application/json');
    expect(JSON.stringify(JSON.parse(text))).toContain(TEXT);
  });

  test.each(['application/json', 'text/event-stream', ''])(
    'a complete response of the type "%s" for a stream is sent as one',
    async (type) => {
      const { text, type: sent } = await ask(scripted(JSON.stringify(whole), type), true);
      expect(sent).toStartWith('text/event-stream');
      expect(text).toContain(TEXT);
      expect(text).toMatch(/\[DONE\]|message_stop|response\.completed/);
      expect(text).not.toContain('"error":{');
    },
  );

  test.each(['text/plain', 'application/json', ''])('a stream of the type "%s" is one', async (type) => {
    const { text } = await ask(scripted(stream, type), true);
    expect(text).toContain(TEXT);
    expect(text).toMatch(/\[DONE\]|message_stop|response\.completed/);
  });
});

test('a compressed response is read, also from an upstream that never ends it', async () => {
  const whole = zlib.gzipSync(JSON.stringify(FORMS.mock?.whole));
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
  mock.respond({ headers, body: whole });
  const answer = await post(gateway, chat({ model: 'mock' }));
  expect(answer.headers.get('content-encoding')).toBeNull();
  expect(await answer.text()).toContain(TEXT);
  expect(asked() - before).toBe(1);
});

test('a legacy completion for a stream is sent as one', async () => {
  const whole = {
    id: 'cmpl-1',
    object: 'text_completion',
    created: 7,
    model: 'up',
    choices: [{ index: 0, text: TEXT, finish_reason: 'stop', logprobs: null }],
  };
  mock.respond(scripted(JSON.stringify(whole), 'application/json'));
  const body = JSON.stringify({ model: 'mock', prompt: 'Hi', stream: true });
  const answer = await post(gateway, body, { path: '/v1/completions' });
  const text = await answer.text();
  expect(text).toContain(TEXT);
  expect(text).toEndWith('data: [DONE]\n\n');
});

test('a response that is complete and unreadable is not asked for again', async () => {
  mock.respond(scripted('<html>Welcome</html>', 'text/html'));
  const answer = await post(gateway, chat({ model: 'gem' }));
  expect(answer.status).toBe(502);
  expect(asked() - before).toBe(1);
});

test('an error in the form of an event keeps its reason', async () => {
  const error = { error: { message: 'Bad tool schema.', type: 'invalid_request_error', code: 'bad_schema' } };
  mock.respond({ status: 400, ...scripted(sse(error), 'text/event-stream') });
  const answer = await post(gateway, chat({ model: 'mock', stream: true }));
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ error: { message: 'Bad tool schema.' } });
  mock.respond(completion());
  expect((await post(gateway, chat({ model: 'mock' }))).status).toBe(200);
});
