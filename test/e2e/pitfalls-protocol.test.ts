import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import OpenAI from 'openai';
import { openRaw } from '../support/http-raw.ts';
import {
  dataEvents,
  eventStream,
  hang,
  hangAfter,
  html,
  json,
  type Script,
  status,
} from '../support/scripts.ts';
import { chatBytes, failChat, messages, plain, streamChat, streaming, thrownBy } from './helpers/chat.ts';
import { completion, finish, text, usageOnly } from './helpers/chunks.ts';
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

const stream = (script: Script, request?: unknown) => streamChat(pair, script, request);
const failure = (script: Script, request?: unknown) => failChat(pair, script, request);

describe('10: a client that goes away closes its upstream request', () => {
  const TRIES = 5;
  const LIMIT_MS = 100;
  const begun = dataEvents([text('a'), text('b')], { done: false });
  const cases: readonly (readonly [string, unknown, Script, string | undefined])[] = [
    ["before the upstream's first byte", streaming, hang(), undefined],
    ['before the first event', streaming, hangAfter([': wait\n\n']), undefined],
    ['in mid-stream', streaming, hangAfter(begun), '"b"'],
    ['in a call without a stream', plain, hang(), undefined],
    [
      'in the middle of a plain answer',
      { model: ALIAS, messages },
      { body: '{"id":', missingBytes: 100, ending: 'hang' },
      undefined,
    ],
  ];
  const measured: Record<string, string> = {};
  afterAll(() => console.log('time from disconnect to upstream close:', measured));

  for (const how of ['destroy', 'reset'] as const) {
    test.each(cases)(`%s (${how})`, async (when, body, script, awaited) => {
      let best = Number.POSITIVE_INFINITY;
      for (let attempt = 0; attempt < TRIES; attempt += 1) {
        pair.mock.respond(script);
        const arrived = nextRequest(pair.mock);
        const client = await openRaw(pair.gateway.url);
        await client.send(chatBytes(pair, body));
        const request = await arrived;
        if (awaited !== undefined) await client.waitForText(awaited);
        const leftAt = performance.now();
        client[how]();
        const end = await request.closed;
        expect(end).toMatchObject({ by: 'client', aborted: true });
        best = Math.min(best, end.atMs - leftAt);
      }
      measured[`${when} (${how})`] = `${best.toFixed(2)} ms`;
      expect(best).toBeLessThan(LIMIT_MS);
    });
  }
});

describe('14: answers name the model as the client did', () => {
  test('chat, streamed or not', async () => {
    pair.mock.respond(json(completion()));
    const answer = await (await pair.post('/v1/chat/completions', { model: ALIAS, messages })).json();
    expect(answer).toMatchObject({ model: ALIAS });
    const asking = { ...streaming, stream_options: { include_usage: true } };
    const { events } = await stream(eventStream(dataEvents([text('a'), finish(), usageOnly()])), asking);
    expect(events.map((event) => event.model)).toEqual([ALIAS, ALIAS, ALIAS]);
  });

  test('the way a model is asked for directly', async () => {
    const sent = nextRequest(pair.mock);
    pair.mock.respond(json(completion(undefined, { model: 'vendor/model-2025-01-01' })));
    const model = 'up/vendor/model';
    const answer = await (await pair.post('/v1/chat/completions', { model, messages })).json();
    expect(answer).toMatchObject({ model });
    expect((await sent).json()).toMatchObject({ model: 'vendor/model' });
  });

  test('completions and embeddings', async () => {
    pair.mock.respond(json({ object: 'text_completion', model: 'x', choices: [{ index: 0, text: 'a' }] }));
    expect(await (await pair.post('/v1/completions', { model: ALIAS, prompt: 'a' })).json()).toMatchObject({
      model: ALIAS,
    });
    pair.mock.respond(json({ object: 'list', model: 'x', data: [{ index: 0, embedding: [1] }] }));
    expect(await (await pair.post('/v1/embeddings', { model: ALIAS, input: 'a' })).json()).toMatchObject({
      model: ALIAS,
    });
  });

  test('an answer that names no model gets the name', async () => {
    const { model: _, ...nameless } = completion();
    pair.mock.respond(json(nameless));
    const answer = await (await pair.post('/v1/chat/completions', { model: ALIAS, messages })).json();
    expect(answer).toMatchObject({ model: ALIAS });
  });
});

describe('24: Retry-After is forwarded, and nothing is retried endlessly', () => {
  const limited = { error: { message: 'slow down', type: 'rate_limit_error', code: 'rate_limit_exceeded' } };
  const inAMinute = () => new Date(Date.now() + 60_000).toUTCString();
  const cases: readonly (readonly [string, () => Script, number, RegExp])[] = [
    ['seconds on 429', () => status(429, limited, { 'retry-after': '7' }), 429, /^7$/],
    ['a date on 429', () => status(429, limited, { 'retry-after': inAMinute() }), 429, /^(5[5-9]|60)$/],
    ['milliseconds on 429', () => status(429, limited, { 'retry-after-ms': '2500' }), 429, /^3$/],
    ['seconds on 503', () => status(503, limited, { 'retry-after': '9' }), 503, /^9$/],
    ['none on 429', () => status(429, limited), 429, /^[1-9]\d*$/],
    ['nonsense on 429', () => status(429, limited, { 'retry-after': 'soon' }), 429, /^[1-9]\d*$/],
  ];
  test.each(cases)('%s', async (_, script, expected, header) => {
    const before = pair.mock.requests.length;
    const { response } = await failure(script());
    expect(response.status).toBe(expected);
    expect(response.headers.get('retry-after')).toMatch(header);
    expect(pair.mock.requests.length - before).toBe(1);
  });

  test('the same before the first event of a stream', async () => {
    const { response } = await failure(status(429, limited, { 'retry-after': '7' }), streaming);
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('7');
  });

  test('a client gets x-should-retry: false for errors that the operator has to fix', async () => {
    const { response } = await failure(status(401, { error: { message: 'bad key' } }));
    expect(response.status).toBe(502);
    expect(response.headers.get('x-should-retry')).toBe('false');
  });
});

describe('25: errors keep their form whatever the upstream writes', () => {
  const odd = (error: unknown) => status(400, { error });
  const cases: readonly (readonly [string, Script, number])[] = [
    ['"None" strings', odd({ message: 'bad', type: 'None', param: 'None', code: 'None' }), 400],
    ['nulls', odd({ message: 'bad', type: null, param: null, code: null }), 400],
    ['absent members', odd({ message: 'bad' }), 400],
    ['empty strings', odd({ message: '', type: '', param: '', code: '' }), 400],
    ['a null message', odd({ message: null }), 400],
    ['a message that is an object', odd({ message: { reason: ['bad'] } }), 400],
    ['a numeric code', odd({ message: 'bad', code: 400 }), 400],
    ['an error that is a string', odd('bad'), 400],
    ['details instead of an error', status(422, { detail: [{ loc: ['body'], msg: 'bad' }] }), 422],
    ['a bare message', status(404, { message: 'bad' }), 404],
    ['an empty body', { status: 400, body: '' }, 400],
    ['text', { status: 400, headers: { 'content-type': 'text/plain' }, body: 'bad' }, 400],
    ['a page', html(403), 403],
  ];
  test.each(cases)('%s', async (_, script, expected) => {
    const { response, error } = await failure(script);
    expect(response.status).toBe(expected);
    expect(typeof error.message).toBe('string');
    expect(error.message).not.toBe('');
    expect(error.message).not.toBe('None');
    expect(typeof error.type).toBe('string');
    expect(['None', '']).not.toContain(error.type);
    expect(typeof error.code).toBe('string');
    expect(['None', '', 'null']).not.toContain(error.code);
    expect(error.param).toBeNull();
  });

  test('the official client makes its errors of them', async () => {
    pair.mock.respond(odd({ message: 'bad', type: 'None', param: 'None', code: null }));
    const call = pair.gateway.openai().chat.completions.create({ model: ALIAS, messages });
    const error = await thrownBy(call);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, code: expect.any(String), param: null });
  });
});

describe('26: the official client asks for embeddings in base64', () => {
  test.each([
    ['an upstream that returns base64', 'AACAPwAAAMAAAIA+'],
    ['an upstream that returns numbers', [1, -2, 0.25]],
  ] as const)('%s', async (_, embedding) => {
    const sent = nextRequest(pair.mock);
    pair.mock.respond(
      json({ object: 'list', model: 'x', data: [{ object: 'embedding', index: 0, embedding }] }),
    );
    const answer = await pair.gateway
      .openai()
      .embeddings.create({ model: ALIAS, input: [[1, 2, 3]], dimensions: 3 });
    expect((await sent).json()).toMatchObject({
      encoding_format: 'base64',
      dimensions: 3,
      input: [[1, 2, 3]],
    });
    expect(answer.data[0]?.embedding).toEqual([1, -2, 0.25]);
  });
});
