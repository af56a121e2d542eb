import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import Anthropic from '@anthropic-ai/sdk';
import type OpenAI from 'openai';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, type Responder, startMockUpstream } from '../support/mock-upstream.ts';
import { dataEvents, eventStream, hangAfter, status, truncatedStream } from '../support/scripts.ts';
import { chat, eventually, metric, post, provider } from './harness.ts';
import { delta, finish, text, usageOnly } from './helpers/chunks.ts';
import { asObject, type Json } from './helpers/json.ts';

/** Streams that break after their reader has begun to read, and go on elsewhere. */

let mock: MockUpstream;
let gateway: Gateway;
let client: OpenAI;
let answers: Map<string, Responder>;
let asked: Json[];

beforeAll(async () => {
  mock = await startMockUpstream();
  mock.respondAlways((request) => {
    const body = asObject(JSON.parse(request.text()));
    asked.push(body);
    const answer = answers.get(String(body.model)) ?? status(500, { error: { message: 'not now' } });
    return typeof answer === 'function' ? answer(request) : answer;
  });
  const targets = [
    { provider: 'up', model: 'one' },
    { provider: 'up', model: 'two', tier: 1 },
    { provider: 'up', model: 'three', tier: 2 },
  ];
  gateway = await startGateway({
    config: {
      log: { requests: false },
      limits: { stream_idle: '500ms' },
      providers: [
        provider({ id: 'up', url: mock.url }),
        provider({ id: 'engine', url: mock.url, settings: { engine: 'vllm' } }),
      ],
      models: [
        { id: 'goes-on', targets, continue_streams: true },
        { id: 'ends', targets },
        {
          id: 'on-an-engine',
          targets: [
            { provider: 'up', model: 'one' },
            { provider: 'engine', model: 'two', tier: 1 },
          ],
          continue_streams: true,
        },
      ],
    },
  });
  client = gateway.openai();
});
afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});
beforeEach(() => {
  answers = new Map();
  asked = [];
});

const head = (...texts: string[]) =>
  dataEvents(
    texts.map((one) => text(one)),
    { done: false },
  );
const broken = (...texts: string[]) => truncatedStream(head(...texts));
const whole = (...texts: string[]) =>
  eventStream(dataEvents([...texts.map((one) => text(one)), finish(), usageOnly()]));

async function read(model = 'goes-on', more: Json = {}) {
  const response = await post(
    gateway,
    chat({ model, stream: true, stream_options: { include_usage: true }, ...more }),
    {
      headers: { 'x-request-id': `c-${asked.length}-${Math.random()}` },
    },
  );
  const raw = await response.text();
  const why = await fetch(`${gateway.url}/admin/v1/requests/${response.headers.get('x-request-id')}`, {
    headers: { authorization: `Bearer ${gateway.adminKey}` },
  });
  return { raw, said: saidIn(raw), why: asObject(await why.json()) };
}
function saidIn(raw: string): string {
  return [...raw.matchAll(/^data: (\{.*)$/gm)]
    .map(([, data = '{}']) => {
      const [choice] = (JSON.parse(data) as { choices?: { delta?: { content?: string } }[] }).choices ?? [];
      return choice?.delta?.content ?? '';
    })
    .join('');
}

describe('a stream that breaks', () => {
  test('is continued by another target, as one stream', async () => {
    answers.set('one', broken('The weir hol', 'ds the ri'));
    answers.set('two', whole('ver ', 'back.'));
    const { raw, said, why } = await read('goes-on', { max_tokens: 100 });
    expect(said).toBe('The weir holds the river back.');
    expect(raw.match(/"role":"assistant"/g)?.length).toBe(1);
    expect(raw.match(/"finish_reason":"stop"/g)?.length).toBe(1);
    expect(raw.trimEnd().endsWith('data: [DONE]')).toBe(true);
    expect(raw).toContain(': continued by up/two after 21 characters\n\n');
    expect(new Set(raw.match(/"id":"[^"]*"/g)).size).toBe(1);
    expect(asked[1]).toMatchObject({
      model: 'two',
      max_tokens: 94,
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'The weir holds the ri' },
        { role: 'user', content: expect.stringContaining('Go on from exactly where it stops') },
      ],
    });
    expect(why).toMatchObject({
      outcome: 'done',
      usage_estimated: true,
      attempts: [
        { model: 'one', error: 'upstream_closed', estimated: true, output_tokens: 6 },
        { model: 'two', continued: true, output_tokens: 2 },
      ],
    });
  });

  test('is continued from its last letter where the engine can', async () => {
    answers.set('one', broken('The weir hol', 'ds the ri'));
    answers.set('two', whole('ver ', 'back.'));
    const { said } = await read('on-an-engine');
    expect(said).toBe('The weir holds the river back.');
    expect(asked[1]).toMatchObject({
      model: 'two',
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'The weir holds the ri' },
      ],
      continue_final_message: true,
      add_generation_prompt: false,
    });
    expect(asked[1]?.messages).toHaveLength(2);
  });

  test('is continued behind the beginning that the client sent', async () => {
    answers.set('one', broken(' river'));
    answers.set('two', whole(' back.'));
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'The weir holds the' },
    ];
    expect((await read('on-an-engine', { messages })).said).toBe(' river back.');
    expect(asked[1]?.messages).toEqual([
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'The weir holds the river' },
    ]);
  });

  test('does not repeat what the other target repeats', async () => {
    answers.set('one', broken('The weir holds the river back, and the river was a'));
    answers.set('two', whole('the river', ' was a calm one.'));
    expect((await read()).said).toBe('The weir holds the river back, and the river was a calm one.');
    answers.set('two', whole('the river was a'));
    expect((await read()).said).toBe('The weir holds the river back, and the river was a');
  });

  test('twice is continued twice; a target that fails before is skipped', async () => {
    answers.set('one', broken('A'));
    answers.set('three', whole('C'));
    expect((await read()).said).toBe('AC');
    answers.set('two', broken('B'));
    expect((await read()).said).toBe('ABC');
  });

  test('by falling silent is continued, too', async () => {
    answers.set('one', hangAfter(head('Si')));
    answers.set('two', whole('lence.'));
    expect((await read()).said).toBe('Silence.');
  });

  test('ends with its own error when no target can continue', async () => {
    answers.set('one', broken('Half'));
    const { raw, said, why } = await read();
    expect(said).toBe('Half');
    expect(raw).toContain('"code":"upstream_closed"');
    expect(raw).not.toContain('[DONE]');
    expect(why).toMatchObject({ outcome: 'failed', error: 'upstream_closed' });
  });

  test('ends with an error where continuation does not apply: not configured, tool call, JSON, several choices', async () => {
    answers.set('two', whole('more'));
    answers.set('one', broken('Half'));
    expect((await read('ends')).raw).toContain('"code":"upstream_closed"');
    expect((await read('goes-on', { response_format: { type: 'json_object' } })).raw).not.toContain('more');
    expect((await read('goes-on', { n: 2 })).raw).not.toContain('more');
    const call = { index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a' } };
    answers.set(
      'one',
      truncatedStream(dataEvents([text('I look. '), delta({ tool_calls: [call] })], { done: false })),
    );
    const { raw } = await read();
    expect(raw).toContain('"code":"upstream_closed"');
    expect(raw).not.toContain('more');
  });

  test('is one stream to official SDKs of every dialect', async () => {
    answers.set('one', broken('Hel', 'lo '));
    answers.set('two', whole('wor', 'ld.'));
    const messages = [{ role: 'user' as const, content: 'Hi' }];
    let said = '';
    for await (const chunk of await client.chat.completions.create({
      model: 'goes-on',
      messages,
      stream: true,
    })) {
      said += chunk.choices[0]?.delta?.content ?? '';
    }
    expect(said).toBe('Hello world.');

    const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: gateway.adminKey, maxRetries: 0 });
    const message = await anthropic.messages
      .stream({ model: 'goes-on', max_tokens: 50, messages })
      .finalMessage();
    expect(message.content).toMatchObject([{ type: 'text', text: 'Hello world.' }]);
    expect(message.stop_reason).toBe('end_turn');

    const response = await client.responses.stream({ model: 'goes-on', input: 'Hi' }).finalResponse();
    expect(response.output_text).toBe('Hello world.');
    const kept = await client.responses.retrieve(response.id);
    expect(kept.output_text).toBe('Hello world.');
  });

  test('whose client goes away in the middle leaves nothing behind', async () => {
    answers.set('one', broken('Half'));
    answers.set('two', hangAfter(head(' and')));
    const controller = new AbortController();
    const stream = await client.chat.completions.create(
      { model: 'goes-on', messages: [{ role: 'user', content: 'Hi' }], stream: true },
      { signal: controller.signal },
    );
    let said = '';
    for await (const chunk of stream) {
      said += chunk.choices[0]?.delta?.content ?? '';
      if (said === 'Half and') break;
    }
    controller.abort();
    await eventually(
      'nothing is in flight',
      async () => (await metric(gateway, 'llm_requests_in_flight')) === 0,
    );
    await mock.waitForOpen(0);
  });
});
