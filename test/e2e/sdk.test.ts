import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { eventJson } from '../support/event-stream.ts';
import type { RecordedRequest } from '../support/recorded-request.ts';
import { dataEvents, eventStream, hangAfter, json, status } from '../support/scripts.ts';
import { completion, delta, finish, text, usageOnly } from './helpers/chunks.ts';
import { asObject } from './helpers/json.ts';
import { ALIAS, nextRequest, type Pair, startPair, UPSTREAM_KEY, UPSTREAM_MODEL } from './helpers/pair.ts';

let pair: Pair;
let client: OpenAI;
beforeAll(async () => {
  pair = await startPair();
  client = pair.gateway.openai();
});
afterAll(async () => {
  const { unscripted } = pair.mock;
  await pair.stop();
  expect(unscripted).toEqual([]);
});

const SIMULATOR = 'simulator';
const messages = [
  { role: 'user' as const, content: 'What is the weather in Oslo, and what time is it there?' },
];
const city = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const tool = (name: string, description: string) => ({
  type: 'function' as const,
  function: { name, description, parameters: city },
});
const tools = [tool('get_weather', 'The weather of a city'), tool('get_time', 'The time in a city')];

function thrownBy(promise: PromiseLike<unknown>): Promise<unknown> {
  return Promise.resolve(promise).then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("OpenAI's client and the simulator", () => {
  test('chat', async () => {
    const answer = await client.chat.completions.create({ model: SIMULATOR, messages });
    expect(answer.model).toBe(SIMULATOR);
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'stop', message: { role: 'assistant' } });
    expect(answer.choices[0]?.message.content?.length).toBeGreaterThan(0);
    const { usage } = answer;
    expect(usage?.total_tokens).toBe((usage?.prompt_tokens ?? 0) + (usage?.completion_tokens ?? 0));
    expect(answer._request_id).toMatch(/^req_/);
  });

  test('a stream says what the plain answer says, with usage last where asked for', async () => {
    const whole = await client.chat.completions.create({ model: SIMULATOR, messages, seed: 7 });
    const events = await client.chat.completions.create({
      model: SIMULATOR,
      messages,
      seed: 7,
      stream: true,
      stream_options: { include_usage: true },
    });
    let content = '';
    const usages: unknown[] = [];
    for await (const event of events) {
      content += event.choices[0]?.delta.content ?? '';
      if (event.usage) usages.push(event.usage);
    }
    expect(content).toBe(whole.choices[0]?.message.content ?? '');
    expect(usages).toEqual([whole.usage]);
  });

  test('the stream helper', async () => {
    const stream = client.chat.completions.stream({ model: SIMULATOR, messages });
    const parts: string[] = [];
    stream.on('content', (part) => parts.push(part));
    const final = await stream.finalChatCompletion();
    expect(parts.length).toBeGreaterThan(1);
    expect(final.choices[0]?.message.content).toBe(parts.join(''));
    expect(final.choices[0]?.finish_reason).toBe('stop');
  });

  test('an abort stops the iteration', async () => {
    const stream = await client.chat.completions.create({
      model: `${SIMULATOR}:tokens=100000,tps=200`,
      messages,
      stream: true,
    });
    let events = 0;
    for await (const _ of stream) {
      events += 1;
      if (events === 3) stream.controller.abort();
    }
    // What had come with the third in one read is still given.
    expect(events).toBeGreaterThanOrEqual(3);
    expect(events).toBeLessThan(1_000);
  });

  test('parallel tool calls', async () => {
    const answer = await client.chat.completions.create({ model: SIMULATOR, messages, tools });
    const calls = answer.choices[0]?.message.tool_calls ?? [];
    expect(answer.choices[0]?.finish_reason).toBe('tool_calls');
    expect(calls.map((call) => call.type === 'function' && call.function.name).sort()).toEqual([
      'get_time',
      'get_weather',
    ]);
    for (const call of calls) {
      if (call.type !== 'function') throw new Error(`a call of type ${call.type}`);
      expect(JSON.parse(call.function.arguments)).toEqual({ city: expect.any(String) });
    }
    const one = await client.chat.completions.create({
      model: SIMULATOR,
      messages,
      tools,
      parallel_tool_calls: false,
    });
    expect(one.choices[0]?.message.tool_calls).toHaveLength(1);
  });

  test('streamed tool calls are the same ones, told apart by their index', async () => {
    const whole = await client.chat.completions.create({ model: SIMULATOR, messages, tools, seed: 3 });
    const stream = client.chat.completions.stream({ model: SIMULATOR, messages, tools, seed: 3 });
    const streamed = await stream.finalChatCompletion();
    const calls = (answer: OpenAI.ChatCompletion) =>
      answer.choices[0]?.message.tool_calls?.map((call) => call.type === 'function' && call.function);
    expect(calls(streamed)?.length).toBe(2);
    expect(calls(streamed)).toMatchObject(calls(whole) ?? []);
    expect(streamed.choices[0]?.finish_reason).toBe('tool_calls');
  });

  test.each([true, false])('the tool loop (stream: %p)', async (stream) => {
    const asked: string[] = [];
    const options = {
      model: SIMULATOR,
      messages: [{ role: 'user' as const, content: 'What is the weather in Oslo?' }],
      tools: [
        {
          type: 'function' as const,
          function: {
            name: 'get_weather',
            description: 'The weather of a city',
            parameters: city,
            parse: (value: string) => z.object({ city: z.string() }).parse(JSON.parse(value)),
            function: (given: { city: string }) => {
              asked.push(given.city);
              return 'snow';
            },
          },
        },
      ],
    };
    const runner = stream
      ? client.chat.completions.runTools({ ...options, stream: true })
      : client.chat.completions.runTools(options);
    expect(await runner.finalContent()).toContain('get_weather: snow');
    expect(asked).toEqual(['Oslo']);
  });

  test('structured output', async () => {
    const schema = z.object({
      city: z.string(),
      degrees: z.number().int().min(-40).max(40),
      sky: z.enum(['clear', 'cloudy']),
      hours: z.array(z.object({ hour: z.number(), rain: z.boolean() })).min(1),
    });
    const answer = await client.chat.completions.parse({
      model: SIMULATOR,
      messages,
      response_format: zodResponseFormat(schema, 'weather'),
    });
    expect(schema.parse(answer.choices[0]?.message.parsed).hours.length).toBeGreaterThan(0);
    const stream = client.chat.completions.stream({
      model: SIMULATOR,
      messages,
      response_format: zodResponseFormat(schema, 'weather'),
    });
    const streamed = await stream.finalChatCompletion();
    expect(streamed.choices[0]?.message.parsed).toEqual(answer.choices[0]?.message.parsed ?? null);
  });

  test('log probabilities', async () => {
    const answer = await client.chat.completions.create({
      model: SIMULATOR,
      messages,
      logprobs: true,
      top_logprobs: 2,
    });
    const content = answer.choices[0]?.logprobs?.content ?? [];
    expect(content.map(({ token }) => token).join('')).toBe(answer.choices[0]?.message.content ?? '');
    expect(content.every((token) => token.logprob <= 0 && token.top_logprobs.length === 2)).toBe(true);
  });

  test('several choices, streamed or not', async () => {
    const request = { model: SIMULATOR, messages, n: 3 };
    const whole = await client.chat.completions.create(request);
    const contents = whole.choices.map(({ message }) => message.content);
    expect(whole.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(new Set(contents).size).toBe(3);
    const streamed = await client.chat.completions.stream(request).finalChatCompletion();
    expect(streamed.choices.map(({ message }) => message.content)).toEqual(contents);
  });

  test('completions, streamed or not', async () => {
    const request = { model: SIMULATOR, prompt: 'Once upon a time' };
    const whole = await client.completions.create(request);
    expect(whole.choices[0]?.text.length).toBeGreaterThan(0);
    let streamed = '';
    for await (const event of await client.completions.create({ ...request, stream: true })) {
      expect(event.model).toBe(SIMULATOR);
      streamed += event.choices[0]?.text ?? '';
    }
    expect(streamed).toBe(whole.choices[0]?.text ?? '');
  });

  test('embeddings, which it asks for in base64', async () => {
    const { data, usage } = await client.embeddings.create({
      model: 'simulator-embedding',
      input: ['snow', 'rain'],
    });
    expect(data.map(({ embedding }) => embedding.length)).toEqual([1536, 1536]);
    expect(data[0]?.embedding.every(Number.isFinite)).toBe(true);
    expect(usage.prompt_tokens).toBeGreaterThan(0);
  });

  test('models', async () => {
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toContain(ALIAS);
    expect(ids).toContain('simulator-embedding');
    expect(await client.models.retrieve(ALIAS)).toMatchObject({ id: ALIAS, object: 'model', owned_by: 'up' });
    expect(await client.models.retrieve(`up/${UPSTREAM_MODEL}`)).toMatchObject({
      id: `up/${UPSTREAM_MODEL}`,
    });
  });
});

describe("OpenAI's client and errors", () => {
  test('AuthenticationError', async () => {
    const stranger = pair.gateway.openai({ apiKey: 'wr-nobody-0123456789abcdef' });
    const error = await thrownBy(stranger.chat.completions.create({ model: SIMULATOR, messages }));
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError);
    expect(error).toMatchObject({ status: 401, code: 'invalid_api_key', type: 'authentication_error' });
  });

  test('NotFoundError', async () => {
    const error = await thrownBy(client.chat.completions.create({ model: 'house-modle', messages }));
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
    expect(error).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
    expect(String(error)).toContain(`"${ALIAS}"`);
    expect(await thrownBy(client.models.retrieve('no-such-model'))).toBeInstanceOf(OpenAI.NotFoundError);
  });

  test('BadRequestError', async () => {
    const error = await thrownBy(client.chat.completions.create({ model: SIMULATOR, messages: [] }));
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, code: 'invalid_request', param: 'messages' });
  });

  test('RateLimitError, with the time to wait', async () => {
    const limited = {
      error: { message: 'slow down', type: 'rate_limit_error', code: 'rate_limit_exceeded' },
    };
    pair.mock.respond(status(429, limited, { 'retry-after': '7' }));
    const error = await thrownBy(client.chat.completions.create({ model: ALIAS, messages }));
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    if (!(error instanceof OpenAI.RateLimitError)) throw error;
    expect(error.headers.get('retry-after')).toBe('7');
    expect(error).toMatchObject({ code: 'rate_limit_exceeded', type: 'rate_limit_error' });
    expect(error.requestID).toMatch(/^req_/);
  });

  test('its own retries get through', async () => {
    pair.mock.respond(
      status(503, { error: { message: 'busy' } }, { 'retry-after': '0' }),
      json(completion()),
    );
    const answer = await pair.gateway
      .openai({ maxRetries: 1 })
      .chat.completions.create({ model: ALIAS, messages });
    expect(answer.choices[0]?.message.content).toBe('Hello.');
  });
});

/** Sends with the official client and gives the body's bytes as it wrote them and as the upstream got them. */
async function bothEnds(
  send: (client: OpenAI) => Promise<unknown>,
): Promise<{ written: string; request: RecordedRequest }> {
  let written = '';
  const spying = pair.gateway.openai({
    fetch: (url, init) => {
      written = String(init?.body);
      return fetch(url, init);
    },
  });
  const arrived = nextRequest(pair.mock);
  await send(spying);
  return { written, request: await arrived };
}

const renamed = (body: string) => body.replace(`"model":"${ALIAS}"`, `"model":"${UPSTREAM_MODEL}"`);
const USAGE_OPTION = '"stream_options":{"include_usage":true},';

describe('what the upstream gets is what the client sent', () => {
  const parts: OpenAI.ChatCompletionContentPart[] = [
    { type: 'text', text: 'Größe? \u2028 <b> "quoted" \\ 👩‍👩‍👧' },
    { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'low' } },
    { type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'wav' } },
    { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' } },
  ];
  const request = {
    model: ALIAS,
    messages: [{ role: 'user' as const, content: parts }],
    temperature: 0.1,
    logit_bias: { '50256': -100 },
    metadata: { trace: 'abc' },
    // A vendor's own parameters, unknown to Weir.
    guided_regex: '^a+$',
    provider: { order: ['x'], allow_fallbacks: false },
    messages_extra: [[], {}, null, false],
  };

  test('a plain request, byte for byte but for the model', async () => {
    const { written, request: got } = await bothEnds((spy) => {
      pair.mock.respond(json(completion()));
      return spy.chat.completions.create(request);
    });
    expect(written).toContain(`"model":"${ALIAS}"`);
    expect(got.text()).toBe(renamed(written));
    expect(got.path).toBe('/v1/chat/completions');
  });

  test('a stream, byte for byte but for the model and the usage that the gateway asks for', async () => {
    const { written, request: got } = await bothEnds(async (spy) => {
      pair.mock.respond(eventStream(dataEvents([text('a'), finish(), usageOnly()])));
      for await (const event of await spy.chat.completions.create({ ...request, stream: true })) {
        expect(event.usage ?? null).toBeNull();
      }
    });
    expect(got.text().replace(USAGE_OPTION, '')).toBe(renamed(written));
    expect(got.text()).toContain(USAGE_OPTION);
  });

  test('a stream whose usage the client asks for, byte for byte but for the model', async () => {
    const { written, request: got } = await bothEnds(async (spy) => {
      pair.mock.respond(eventStream(dataEvents([text('a'), finish(), usageOnly()])));
      const asking = { ...request, stream: true as const, stream_options: { include_usage: true } };
      for await (const event of await spy.chat.completions.create(asking)) expect(event.model).toBe(ALIAS);
    });
    expect(got.text()).toBe(renamed(written));
  });

  test('big integers, the spelling of numbers, white space and escapes', async () => {
    const body = `\n{ "messages" : [{"role":"user","content":"\\u00e9\\/\\n"}],
      "seed": 9007199254740993, "temperature":1.0, "top_p" : 1E-2,
      "x_big":123456789012345678901234567890, "x_zero": -0.0, "x": {"a":1,"b":2},\t"model":"${ALIAS}" }\n`;
    const arrived = nextRequest(pair.mock);
    pair.mock.respond(json(completion()));
    const response = await pair.post('/v1/chat/completions', body);
    expect(await response.json()).toMatchObject({ model: ALIAS });
    expect((await arrived).text()).toBe(renamed(body));
  });

  test("the credential is the gateway's own, and the client's headers stay here", async () => {
    const arrived = nextRequest(pair.mock);
    pair.mock.respond(json(completion()));
    const answer = client.chat.completions.create(
      { model: ALIAS, messages },
      { headers: { 'x-private': 'secret', cookie: 'session=1', 'x-api-key': 'other' } },
    );
    await answer;
    const { headers, rawHeaders } = await arrived;
    expect(headers.get('authorization')).toBe(`Bearer ${UPSTREAM_KEY}`);
    expect(JSON.stringify(rawHeaders)).not.toContain(pair.gateway.adminKey);
    for (const name of ['x-private', 'cookie', 'x-api-key', 'x-stainless-lang']) {
      expect(headers.get(name)).toBeNull();
    }
  });
});

describe('what the client gets is what the upstream sent', () => {
  test('a plain answer, byte for byte but for the model', async () => {
    const body = `{ "id":"c-1","object":"chat.completion","created":1700000000,\n "model":"${UPSTREAM_MODEL}",
      "choices":[{"index":0,"message":{"role":"assistant","content":"\\u00e9","annotations":[]},"finish_reason":"stop","x":1.0}],
      "x_big":9007199254740993, "x":{"a":1,"a":2}, "usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2} }\n`;
    pair.mock.respond({ headers: { 'content-type': 'application/json' }, body });
    const response = await pair.post('/v1/chat/completions', { model: ALIAS, messages });
    expect(await response.text()).toBe(body.replace(UPSTREAM_MODEL, ALIAS));
  });

  test('events, byte for byte but for the model', async () => {
    const head = `{"id":"c-1","object":"chat.completion.chunk","created":1700000000,"model":"${UPSTREAM_MODEL}",`;
    const events = [
      `${head}"choices":[{"index":0,"delta":{"role":"assistant","content":"\\u00e9"},"x":1.0}]}`,
      `${head}"x_big":9007199254740993,"choices":[{"index":0,"delta":{"content":"b"}}]}`,
      `${head}"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x": {"a":1,"a":2}}`,
    ];
    const upstream = dataEvents(events).join('');
    pair.mock.respond(eventStream([upstream]));
    const response = await pair.post('/v1/chat/completions', { model: ALIAS, messages, stream: true });
    expect(await response.text()).toBe(upstream.replaceAll(UPSTREAM_MODEL, ALIAS));
  });

  test('parallel tool calls keep their index', async () => {
    const call = (index: number, more: object) => delta({ tool_calls: [{ index, ...more }] });
    const upstream = [
      delta({ role: 'assistant', content: null }),
      call(0, { id: 'call_a', type: 'function', function: { name: 'get_weather', arguments: '' } }),
      call(1, { id: 'call_b', type: 'function', function: { name: 'get_time', arguments: '{"city":' } }),
      call(0, { function: { arguments: '{"city":"Oslo"}' } }),
      call(1, { function: { arguments: '"Rome"}' } }),
      finish('tool_calls'),
    ];
    pair.mock.respond(eventStream(dataEvents(upstream)));
    const stream = client.chat.completions.stream({ model: ALIAS, messages, tools });
    const { choices } = await stream.finalChatCompletion();
    expect(choices[0]?.message.tool_calls).toMatchObject([
      { id: 'call_a', function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } },
      { id: 'call_b', function: { name: 'get_time', arguments: '{"city":"Rome"}' } },
    ]);
  });

  test('reasoning, refusals and log probabilities of a stream', async () => {
    const upstream = [
      delta({ role: 'assistant', reasoning_content: 'Hm.' }),
      delta({ refusal: 'No.' }),
      { ...text('a'), service_tier: 'default', obfuscation: 'xyz' },
      finish('content_filter'),
    ];
    pair.mock.respond(eventStream(dataEvents(upstream)));
    const response = await pair.post('/v1/chat/completions', { model: ALIAS, messages, stream: true });
    const got = eventJson(await response.bytes()).map(asObject);
    expect(got).toEqual(upstream.map((event) => ({ ...event, model: ALIAS })));
  });
});

describe('an abort by the client', () => {
  test('in mid-stream closes the upstream request', async () => {
    const arrived = nextRequest(pair.mock);
    pair.mock.respond(hangAfter(dataEvents([text('a'), text('b')], { done: false })));
    const stream = await client.chat.completions.create({ model: ALIAS, messages, stream: true });
    for await (const event of stream) if (event.choices[0]?.delta.content === 'b') stream.controller.abort();
    expect(await (await arrived).closed).toMatchObject({ by: 'client', aborted: true });
  });

  test('of a call without a stream closes the upstream request', async () => {
    const arrived = nextRequest(pair.mock);
    pair.mock.respond({ raw: [], ending: 'hang' });
    const controller = new AbortController();
    const failed = thrownBy(
      client.chat.completions.create({ model: ALIAS, messages }, { signal: controller.signal }),
    );
    const request = await arrived;
    controller.abort();
    expect(await failed).toBeInstanceOf(OpenAI.APIUserAbortError);
    expect(await request.closed).toMatchObject({ by: 'client', aborted: true });
  });
});
