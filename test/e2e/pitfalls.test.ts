import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import OpenAI from 'openai';
import { splitAtRandom, toBytes } from '../support/bytes.ts';
import { eventJson, parseEventStream } from '../support/event-stream.ts';
import { createGate } from '../support/gate.ts';
import { openRaw } from '../support/http-raw.ts';
import {
  cutOnTheWire,
  dataEvents,
  eventStream,
  html,
  json,
  type Script,
  status,
  truncatedStream,
} from '../support/scripts.ts';
import { chatBytes, contentOf, failChat, messages, streamChat, streaming, thrownBy } from './helpers/chat.ts';
import { completion, delta, finish, text, USAGE, usageOnly } from './helpers/chunks.ts';
import { asObject, type Json } from './helpers/json.ts';
import { ALIAS, nextRequest, type Pair, startPair } from './helpers/pair.ts';

let pair: Pair;
beforeAll(async () => {
  pair = await startPair();
});
afterAll(async () => {
  const { unscripted } = pair.mock;
  await pair.stop();
  expect(unscripted).toEqual([]);
});

const withUsage = { ...streaming, stream_options: { include_usage: true } };

const stream = (script: Script, request?: unknown) => streamChat(pair, script, request);
const failure = (script: Script, request?: unknown) => failChat(pair, script, request);

async function readAll(events: PromiseLike<AsyncIterable<unknown>>): Promise<void> {
  for await (const event of await events) expect(event).toBeDefined();
}

describe('1: usage, where asked for, is the last event and has no choices', () => {
  const expected = { choices: [], usage: USAGE, model: ALIAS };
  const cases: readonly (readonly [string, readonly Json[]])[] = [
    ['it comes as it should', [text('a'), finish(), usageOnly()]],
    ['it rides on the last event with choices', [text('a'), finish('stop', { usage: USAGE })]],
    ['it comes twice', [text('a'), finish('stop', { usage: USAGE }), usageOnly()]],
    ['it comes before the finish reason', [text('a'), usageOnly(), finish()]],
    [
      'it grows with every event',
      [
        delta({ content: 'a' }, null, { usage: { ...USAGE, completion_tokens: 1 } }),
        finish('stop', { usage: USAGE }),
      ],
    ],
  ];
  test.each(cases)('%s', async (_, events) => {
    const { events: got, done } = await stream(eventStream(dataEvents(events)), withUsage);
    expect(got.at(-1)).toMatchObject(expected);
    expect(got.filter((event) => event.usage)).toHaveLength(1);
    expect(contentOf(got)).toBe('a');
    expect(done).toBe(true);
  });

  test('an upstream that reports none does not make the gateway invent any', async () => {
    const { events, done } = await stream(eventStream(dataEvents([text('a'), finish()])), withUsage);
    expect(events.filter((event) => 'usage' in event)).toEqual([]);
    expect(done).toBe(true);
  });
});

describe('2: usage that the gateway asked for itself does not reach a client that did not', () => {
  test('it is asked for upstream and taken out downstream', async () => {
    const sent = nextRequest(pair.mock);
    const upstream = [delta({ content: 'a' }, null, { usage: null }), finish('stop', { usage: null })];
    const { events, done } = await stream(eventStream(dataEvents([...upstream, usageOnly()])));
    expect((await sent).json()).toMatchObject({ stream_options: { include_usage: true } });
    expect(events).toHaveLength(2);
    expect(events.filter((event) => 'usage' in event)).toEqual([]);
    expect(done).toBe(true);
  });

  test('a client that said no is treated alike, and its other stream options stay', async () => {
    const sent = nextRequest(pair.mock);
    const request = { ...streaming, stream_options: { include_usage: false, include_obfuscation: false } };
    const { events } = await stream(eventStream(dataEvents([text('a'), finish(), usageOnly()])), request);
    expect((await sent).json()).toMatchObject({
      stream_options: { include_usage: true, include_obfuscation: false },
    });
    expect(events.filter((event) => 'usage' in event)).toEqual([]);
  });

  test('it is not asked for where there is no stream', async () => {
    const sent = nextRequest(pair.mock);
    pair.mock.respond(json(completion()));
    await (await pair.post('/v1/chat/completions', { model: ALIAS, messages })).json();
    expect(asObject((await sent).json()).stream_options).toBeUndefined();
  });
});

describe('5: comments, pings and empty events', () => {
  const upstream = [
    ': OPENROUTER PROCESSING\n\n',
    'data:\n\n',
    ...dataEvents([delta({ role: 'assistant', content: 'one ' })], { done: false }),
    ':\n\n: OPENROUTER PROCESSING\n\n\n',
    'event: ping\ndata: \n\n',
    ': keep-alive\n',
    ...dataEvents([text('two'), finish()]),
  ];

  test('comments stay comments and nothing empty is dispatched', async () => {
    const { body, events } = await stream(eventStream(upstream));
    expect(contentOf(events)).toBe('one two');
    const parsed = parseEventStream(body);
    expect(parsed.events.map((event) => event.data).filter((data) => data.trim() === '')).toEqual([]);
    expect(parsed.events.filter((event) => event.data.includes('PROCESSING'))).toEqual([]);
    expect(parsed.comments).toContain(' OPENROUTER PROCESSING');
  });

  test('however the bytes are cut', async () => {
    const whole = await stream(eventStream(upstream));
    for (let seed = 1; seed <= 20; seed += 1) {
      const cut = await stream(cutOnTheWire(eventStream(upstream), seed));
      expect(eventJson(cut.body)).toEqual(eventJson(whole.body));
    }
  });

  test('the official client reads through them', async () => {
    pair.mock.respond(eventStream(upstream));
    const answer = pair.gateway.openai().chat.completions.stream({ model: ALIAS, messages });
    expect((await answer.finalChatCompletion()).choices[0]?.message.content).toBe('one two');
  });
});

describe('6: a stream that stops too early is an error, never a clean end', () => {
  const begun = dataEvents([delta({ role: 'assistant' }), text('half an ans')], { done: false });
  const cases: readonly (readonly [string, Script])[] = [
    ['the body ends without a finish reason', eventStream(begun)],
    ['the connection closes inside the chunked body', truncatedStream(begun)],
    ['the connection closes inside an event', truncatedStream([...begun, 'data: {"id":"chatcmpl-1","cho'])],
    ['the body ends inside an event', eventStream([...begun, 'data: {"id":"chatcmpl-1","cho'])],
    ['the connection is reset', eventStream(begun, { ending: 'reset' })],
  ];
  test.each(cases)('%s', async (_, script) => {
    const { response, events, done } = await stream(script);
    expect(events.at(-1)?.error).toMatchObject({ type: 'upstream_error', param: null });
    expect(done).toBe(false);
    // A reset may overtake the events before it: then the failure is the answer's status and not an event.
    expect(response.status).toBe(events.length > 1 ? 200 : 502);
  });

  test('the official client throws', async () => {
    pair.mock.respond(truncatedStream(begun));
    const events = pair.gateway.openai().chat.completions.create({ model: ALIAS, messages, stream: true });
    expect(await thrownBy(readAll(events))).toBeInstanceOf(OpenAI.APIError);
  });

  test('[DONE] without a finish reason is a clean end, and gets one', async () => {
    const { events, done } = await stream(eventStream([...begun, 'data: [DONE]\n\n']));
    expect(contentOf(events)).toBe('half an ans');
    expect(events.at(-1)).toMatchObject({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    expect(done).toBe(true);
  });

  test('a whole answer whose [DONE] is missing is complete, and gets one', async () => {
    const whole = dataEvents([text('all of it'), finish()], { done: false });
    const { events, done } = await stream(eventStream(whole));
    expect(contentOf(events)).toBe('all of it');
    expect(done).toBe(true);
  });

  test('a plain answer that is cut is an error too', async () => {
    const body = JSON.stringify(completion());
    const { response, error } = await failure({
      headers: { 'content-type': 'application/json' },
      body: body.slice(0, 40),
      missingBytes: body.length - 40,
      ending: 'close',
    });
    expect(response.status).toBe(502);
    expect(error.code).toBe('upstream_closed');
  });
});

describe('7: errors before the first event and in mid-stream', () => {
  const overloaded = { error: { message: 'too much', type: 'server_error', code: 503 } };
  const cases: readonly (readonly [string, Script, number])[] = [
    ['an error status', status(500, { error: { message: 'boom' } }), 502],
    ['a refusal of the request', status(400, { error: { message: 'no', type: 'x', code: 'y' } }), 400],
    ['an error event as the first event of a 200', eventStream(dataEvents([overloaded])), 503],
    ['an error event behind comments', eventStream([': wait\n\n', ...dataEvents([overloaded])]), 503],
    ['an error object with status 200', json(overloaded), 503],
    ['an object of another format', json({ answer: 'Hello.' }), 502],
    ['an HTML page with status 200', html(200), 502],
    ['an empty stream', eventStream([]), 502],
  ];
  test.each(cases)('%s is a status, not a 200', async (_, script, expected) => {
    const { response, error } = await failure(script, streaming);
    expect(response.status).toBe(expected);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(String(error.message)).not.toBe('');
  });

  test('in mid-stream it is an error event, which the official client throws', async () => {
    const upstream = dataEvents([text('half'), overloaded], { done: false });
    const { response, events, done } = await stream(eventStream(upstream));
    expect(response.status).toBe(200);
    expect(contentOf(events.slice(0, 1))).toBe('half');
    expect(asObject(events.at(-1)?.error).message).toContain('too much');
    expect(done).toBe(false);

    pair.mock.respond(eventStream(upstream));
    const read = pair.gateway.openai().chat.completions.create({ model: ALIAS, messages, stream: true });
    expect(await thrownBy(readAll(read))).toMatchObject({ error: { message: expect.any(String) } });
  });
});

describe('8: characters that are split between network chunks', () => {
  const words = 'Grüße, 世界! 👩‍👩‍👧 ñandú €5 \u{1F600}';
  const bytes = toBytes(dataEvents([text(words), text(words), finish()]).join(''));

  test('every byte on its own', async () => {
    const pieces = [...bytes].map((byte) => Uint8Array.of(byte));
    const { events } = await stream(eventStream(pieces));
    expect(contentOf(events)).toBe(words + words);
  });

  test('random cuts, most of them inside characters', async () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const { events } = await stream(eventStream(splitAtRandom(bytes, seed, 60)));
      expect(contentOf(events)).toBe(words + words);
    }
  });

  test('in a plain answer', async () => {
    const body = toBytes(JSON.stringify(completion({ role: 'assistant', content: words })));
    pair.mock.respond({
      headers: { 'content-type': 'application/json' },
      pieces: splitAtRandom(body, 3, 80),
    });
    const answer = await pair.gateway.openai().chat.completions.create({ model: ALIAS, messages });
    expect(answer.choices[0]?.message.content).toBe(words);
  });
});

describe('9: nothing holds events back', () => {
  test('a stream is never compressed, and its headers keep proxies from buffering it', async () => {
    pair.mock.respond(eventStream(dataEvents([text('x'.repeat(5_000)), finish()])));
    const response = await pair.post('/v1/chat/completions', streaming, {
      'accept-encoding': 'gzip, deflate, br, zstd',
    });
    expect(response.headers.get('content-encoding')).toBeNull();
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    expect(response.headers.get('cache-control')).toContain('no-transform');
    expect(contentOf(eventJson(await response.bytes()).map(asObject))).toHaveLength(5_000);
  });

  test('each event arrives before the upstream sends the next one', async () => {
    const gate = createGate();
    const words = ['first', 'second', 'third'];
    pair.mock.respond(eventStream(dataEvents([...words.map(text), finish()]), { gate }));
    const connection = await openRaw(pair.gateway.url);
    await connection.send(chatBytes(pair, streaming));
    for (const word of words) {
      gate.release();
      await connection.waitForText(word);
    }
    gate.open();
    const response = await connection.readResponse();
    expect(response.complete).toBe(true);
    connection.destroy();
  });
});

describe('13: one id and one creation time for all events of an answer', () => {
  test('where they change, come late, or are empty', async () => {
    const upstream = [
      delta({ role: 'assistant' }, null, { id: '', created: 0 }),
      delta({ content: 'a' }, null, { id: 'chatcmpl-1', created: 1_700_000_000 }),
      delta({ content: 'b' }, null, { id: 'chatcmpl-2', created: 1_700_000_001 }),
      finish('stop', { id: 'chatcmpl-3', created: 1_700_000_002 }),
      usageOnly(USAGE, { id: 'chatcmpl-4', created: 1_700_000_003 }),
    ];
    const { events } = await stream(eventStream(dataEvents(upstream)), withUsage);
    expect(events).toHaveLength(upstream.length);
    expect(new Set(events.map((event) => event.id)).size).toBe(1);
    expect(new Set(events.map((event) => event.created)).size).toBe(1);
    expect(String(events[0]?.id)).not.toBe('');
  });
});
