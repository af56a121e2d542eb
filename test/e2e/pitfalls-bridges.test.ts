import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { listAt, textAt, valueAt } from '../compat/answer.ts';
import { parseEventStream } from '../support/event-stream.ts';
import { dataEvents, eventStream, json, status } from '../support/scripts.ts';
import { type Families, startFamilies } from './helpers/families.ts';
import {
  CALL,
  CHAT,
  CONVERSE,
  chat,
  events,
  GEMINI,
  recordedCall,
  TOOL,
  user,
} from './helpers/translation.ts';

/** More pitfalls of translation, by their numbers: schemas, ids, stops, pictures and bridges. */

let families: Families;
let pictures: Server;
let pictureUrl: string;
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

beforeAll(async () => {
  pictures = createServer((request, response) => {
    if (request.url === '/png') response.writeHead(200, { 'content-type': 'image/png' }).end(PNG);
    else if (request.url === '/page') response.writeHead(200, { 'content-type': 'text/html' }).end('<p>');
    else response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data' }).end();
  });
  await new Promise<void>((resolve) => pictures.listen(0, '127.0.0.1', resolve));
  const { port } = pictures.address() as AddressInfo;
  pictureUrl = `http://127.0.0.1:${port}`;
  families = await startFamilies(() => ({ media: { allowed_hosts: [`127.0.0.1:${port}`] } }));
});
afterAll(async () => {
  await families.stop();
  pictures.close();
});

describe('22 and 23: Gemini', () => {
  test('22: schemas come without what it refuses', async () => {
    const parameters = {
      $schema: 'x',
      type: 'object',
      additionalProperties: false,
      properties: {
        node: { $ref: '#/$defs/node' },
        kind: { const: 'a' },
        maybe: { type: ['string', 'null'] },
      },
      $defs: {
        node: { type: 'object', properties: { next: { $ref: '#/$defs/node' }, name: { type: 'string' } } },
      },
    };
    const { sent } = await recordedCall(
      families,
      chat('gemini', { tools: [TOOL('look', parameters)] }),
      GEMINI(),
    );
    const text = JSON.stringify(valueAt(sent, 'tools'));
    for (const refused of ['$ref', '$schema', '$defs', 'additionalProperties', 'const'])
      expect(text).not.toContain(refused);
    expect(text).toContain('"nullable":true');
  });

  test('22: its 400 stays a 400, and a bad key there is the gateway’s trouble', async () => {
    const bad = status(400, {
      error: { code: 400, message: 'Invalid JSON payload', status: 'INVALID_ARGUMENT' },
    });
    expect((await recordedCall(families, chat('gemini'), bad)).response.status).toBe(400);
    const details = [{ reason: 'API_KEY_INVALID' }];
    const key = status(400, {
      error: { code: 400, message: 'API key not valid', status: 'INVALID_ARGUMENT', details },
    });
    expect((await recordedCall(families, chat('gemini'), key)).response.status).toBe(502);
  });

  test('23: a blocked prompt is an answer that was filtered, not a failure', async () => {
    const blocked = json({
      promptFeedback: { blockReason: 'PROHIBITED_CONTENT' },
      usageMetadata: { promptTokenCount: 4 },
    });
    const { response, body } = await recordedCall(families, chat('gemini'), blocked);
    expect(response.status).toBe(200);
    expect(valueAt(body, 'choices', 0, 'finish_reason')).toBe('content_filter');
  });
});

test('27: Mistral’s tool-call ids are nine letters or digits, the same for call and result', async () => {
  const messages = [
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_01ABC', name: 'look', input: {} }] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_01ABC', content: 'x' }] },
  ];
  const translated = await recordedCall(
    families,
    { model: 'mistral', max_tokens: 9, messages },
    CHAT(),
    '/v1/messages',
  );
  const passed = await recordedCall(
    families,
    {
      model: 'mistral',
      messages: [
        user('Hi'),
        { role: 'assistant', tool_calls: [CALL('call_long_id')] },
        { role: 'tool', tool_call_id: 'call_long_id', content: 'x' },
      ],
    },
    CHAT(),
  );
  for (const { sent } of [translated, passed]) {
    const id = textAt(sent, 'messages', 1, 'tool_calls', 0, 'id');
    expect(id).toMatch(/^[A-Za-z0-9]{9}$/);
    expect(textAt(sent, 'messages', 2, 'tool_call_id')).toBe(id);
  }
});

describe('28: stops and choices', () => {
  test('a stop of white space alone is left out with a warning where it is refused', async () => {
    const { sent, warnings } = await recordedCall(families, chat('claude', { stop: ['\n', 'END'] }));
    expect(sent.stop_sequences).toEqual(['END']);
    expect(warnings).toContain('param="stop"');
  });

  test('the matched stop sequence is reported', async () => {
    const stopped = json({
      type: 'message',
      content: [],
      stop_reason: 'stop_sequence',
      stop_sequence: 'END',
      usage: {},
    });
    const { body } = await recordedCall(
      families,
      { model: 'claude', max_tokens: 9, messages: [user('Hi')] },
      stopped,
      '/v1/messages',
    );
    expect(body).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: 'END' });
  });

  test('n > 1 is a warning where there is one choice, and a refusal with strict', async () => {
    expect((await recordedCall(families, chat('claude', { n: 2 }))).warnings).toContain('param="n"');
    expect(
      (await recordedCall(families, chat('gemini', { n: 2 }), GEMINI())).sent.generationConfig,
    ).toMatchObject({
      candidateCount: 2,
    });
    const before = families.mock.requests.length;
    const strict = await families.post('/v1/chat/completions', chat('strict', { n: 2 }));
    expect([strict.status, valueAt(await strict.json(), 'error', 'code')]).toEqual([
      400,
      'unsupported_by_target',
    ]);
    const header = await families.post('/v1/chat/completions', chat('claude', { n: 2 }), {
      'x-weir-strict': 'true',
    });
    expect(header.status).toBe(400);
    expect(families.mock.requests.length).toBe(before);
  });
});

describe('29: pictures by URL', () => {
  const picture = (url: string) =>
    user([
      { type: 'image_url', image_url: { url } },
      { type: 'text', text: 'What is it?' },
    ]);

  test('are fetched for upstreams that want them in the request', async () => {
    const { sent } = await recordedCall(
      families,
      { model: 'gemini', messages: [picture(`${pictureUrl}/png`)] },
      GEMINI(),
    );
    expect(valueAt(sent, 'contents', 0, 'parts', 0, 'inlineData')).toEqual({
      mimeType: 'image/png',
      data: PNG.toString('base64'),
    });
  });

  test('stay URLs where the upstream fetches them', async () => {
    const { sent } = await recordedCall(families, {
      model: 'claude',
      messages: [picture('https://pictures.test/a.png')],
    });
    expect(valueAt(sent, 'messages', 0, 'content', 0, 'source')).toEqual({
      type: 'url',
      url: 'https://pictures.test/a.png',
    });
  });

  test.each([
    ['http://127.0.0.1:1/a.png', 'not public'],
    ['http://169.254.169.254/latest/meta-data', 'not public'],
    ['/page', 'text/html'],
    ['/elsewhere', 'not public'],
  ])('%s is refused', async (url, reason) => {
    const before = families.mock.requests.length;
    const target = url.startsWith('/') ? pictureUrl + url : url;
    const response = await families.post('/v1/chat/completions', {
      model: 'gemini',
      messages: [picture(target)],
    });
    expect(response.status).toBe(400);
    expect(textAt(await response.json(), 'error', 'message')).toContain(reason);
    expect(families.mock.requests.length).toBe(before);
  });
});

describe('30: bridges', () => {
  test('Bedrock gets turns that alternate', async () => {
    const messages = [
      user('a'),
      user('b'),
      { role: 'assistant', content: 'c' },
      { role: 'assistant', content: 'd' },
      user('e'),
    ];
    const { sent } = await recordedCall(families, { model: 'bedrock', messages }, CONVERSE());
    expect(listAt(sent, 'messages').map((message) => textAt(message, 'role'))).toEqual([
      'user',
      'assistant',
      'user',
    ]);
  });

  test('/v1/messages begins with message_start even when tools come first', async () => {
    const chunk = {
      id: 'c',
      choices: [
        { index: 0, delta: { tool_calls: [{ index: 0, ...CALL('one') }] }, finish_reason: 'tool_calls' },
      ],
    };
    const { text } = await recordedCall(
      families,
      { model: 'chat', max_tokens: 9, stream: true, messages: [user('Hi')] },
      eventStream(dataEvents([chunk])),
      '/v1/messages',
    );
    const types = parseEventStream(Buffer.from(text)).events.map(({ event }) => event);
    expect(types).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
  });

  test('/v1/responses numbers its events and ends with the whole response', async () => {
    const chunk = { id: 'c', choices: [{ index: 0, delta: { content: 'Hello.' }, finish_reason: 'stop' }] };
    const { text } = await recordedCall(
      families,
      { model: 'chat', stream: true, input: 'Hi' },
      eventStream(dataEvents([chunk])),
      '/v1/responses',
    );
    const all = events(text);
    expect(all.map((event) => valueAt(event, 'sequence_number'))).toEqual(all.map((_, index) => index));
    expect(all.at(-1)).toMatchObject({
      type: 'response.completed',
      response: { status: 'completed', output: [{ type: 'message', content: [{ text: 'Hello.' }] }] },
    });
    expect(text).not.toContain('[DONE]');
  });
});
