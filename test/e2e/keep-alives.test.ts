import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { createGate } from '../support/gate.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { dataEvents, eventStream, status } from '../support/scripts.ts';
import { chat, chunk, mockConfig, post } from './harness.ts';

/** Streams whose model thinks for long. */

let mock: MockUpstream;
let gateway: Gateway;
let early: Gateway;

beforeAll(async () => {
  mock = await startMockUpstream();
  const retry = { attempts: 1 };
  gateway = await startGateway({
    config: mockConfig(mock.url, { streams: { keep_alive: '1s' }, routing: { retry } }),
  });
  early = await startGateway({
    config: mockConfig(mock.url, { streams: { keep_alive: '1s', head_after: '100ms' }, routing: { retry } }),
  });
});

afterAll(async () => {
  await Promise.all([gateway?.stop(), early?.stop()]);
  await mock?.close();
});

const PATHS = [
  ['/v1/chat/completions', {}, ': keep-alive\n\n', 'data: [DONE]'],
  ['/v1/messages', { max_tokens: 9 }, 'event: ping\ndata: {"type":"ping"}\n\n', 'event: message_stop'],
  ['/v1/responses', { messages: undefined, input: 'Hi' }, ': keep-alive\n\n', 'event: response.completed'],
] as const;

/** Reads a stream until a text has come, lets the upstream go on, and reads the rest. */
async function readThrough(response: Response, text: string, goOn: () => void): Promise<string> {
  let received = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    const had = received.includes(text);
    received += decoder.decode(bytes, { stream: true });
    if (!had && received.includes(text)) goOn();
  }
  return received;
}

describe.each(PATHS)('a stream of %s', (path, more, keepAlive, end) => {
  test('that is silent after its first event gets keep-alives', async () => {
    const gate = createGate();
    gate.release(1);
    const pieces = dataEvents([
      chunk({ role: 'assistant', content: 'Let me think.' }),
      chunk({ finish: 'stop' }),
    ]);
    mock.respond(eventStream(pieces, { gate }));
    const response = await post(gateway, chat({ stream: true, ...more }), { path });
    const text = await readThrough(response, keepAlive, () => gate.open());
    expect(text.indexOf(keepAlive)).toBeGreaterThan(text.indexOf('think'));
    expect(text).toContain(end);
  });

  test('that is silent before its first event gets its head and keep-alives where configured', async () => {
    const gate = createGate();
    mock.respond(
      eventStream(dataEvents([chunk({ role: 'assistant', content: 'Done.' }), chunk({ finish: 'stop' })]), {
        gate,
      }),
    );
    const response = await post(early, chat({ stream: true, ...more }), { path });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toStartWith('text/event-stream');
    const text = await readThrough(response, keepAlive, () => gate.open());
    expect(text).toStartWith(keepAlive);
    expect(text).toContain('Done.');
    expect(text).toContain(end);
  });
});

describe('official clients skip keep-alives before and within a stream', () => {
  /** An upstream that sends nothing until the gateway has sent a keep-alive, twice. */
  const slowly = () => {
    const gate = createGate();
    const pieces = dataEvents([chunk({ role: 'assistant', content: 'Done.' }), chunk({ finish: 'stop' })]);
    mock.respond(eventStream(pieces, { gate }));
    /** The client's fetch, which sees each keep-alive. */
    const fetchThrough = async (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
      const response = await fetch(url, init);
      const watched = response.body?.pipeThrough(
        new TransformStream<Uint8Array, Uint8Array>({
          transform(bytes, controller) {
            if (/keep-alive|"ping"/.test(new TextDecoder().decode(bytes))) gate.release();
            controller.enqueue(bytes);
          },
        }),
      );
      return new Response(watched ?? null, response);
    };
    return fetchThrough;
  };
  const messages = [{ role: 'user' as const, content: 'Hi' }];

  test("OpenAI's", async () => {
    const client = new OpenAI({
      ...{ baseURL: `${early.url}/v1`, apiKey: early.adminKey, maxRetries: 0, fetch: slowly() },
    });
    const final = await client.chat.completions.stream({ model: 'chat', messages }).finalChatCompletion();
    expect(final.choices[0]?.message.content).toBe('Done.');
  }, 30_000);

  test("Anthropic's", async () => {
    const client = new Anthropic({
      ...{ baseURL: early.url, apiKey: early.adminKey, maxRetries: 0, fetch: slowly() },
    });
    const final = await client.messages.stream({ model: 'chat', messages, max_tokens: 9 }).finalMessage();
    expect(final.content).toMatchObject([{ type: 'text', text: 'Done.' }]);
    expect(final.stop_reason).toBe('end_turn');
  }, 30_000);
});

test('a failure after an early head is an error event', async () => {
  const gate = createGate();
  mock.respond(async () => {
    await gate.pass();
    return status(500, { error: { message: 'Out of memory.' } });
  });
  const response = await post(early, chat({ stream: true }));
  const text = await readThrough(response, ': keep-alive\n\n', () => gate.open());
  expect(response.status).toBe(200);
  expect(text).toContain('Out of memory.');
  expect(text).not.toContain('[DONE]');
});

test('plain requests wait for their response', async () => {
  const gate = createGate();
  mock.respond(async () => {
    await gate.pass();
    return status(400, { error: { message: 'No.', type: 'invalid_request_error' } });
  });
  const asked = mock.requests.length + 1;
  const response = post(early, chat());
  await mock.waitForRequest(asked);
  gate.open();
  expect((await response).status).toBe(400);
});
