import { afterEach, describe, expect, test } from 'bun:test';
import {
  type CacheGateway,
  type CacheGatewayOptions,
  chatOf,
  startCacheGateway,
} from '../support/cache-gateway.ts';
import { chatAnswer, chatEvent } from '../support/inference.ts';
import { eventStream, json, status, truncatedStream } from '../support/scripts.ts';
import { asHttpRequest, asResponse } from '../support/web-messages.ts';

let running: CacheGateway | undefined;
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

async function start(options?: CacheGatewayOptions): Promise<CacheGateway> {
  running = await startCacheGateway(options);
  return running;
}

const cacheOf = ({ headers }: { readonly headers: Headers }) => headers.get('x-weir-cache');

/** The text of a streamed chat. */
function streamedText(text: string): string {
  return Array.from(
    text.matchAll(/"(?:content|text|delta)":"((?:[^"\\]|\\.)*)"/g),
    ([, part = '']) => part,
  ).join('');
}

describe('exact cache', () => {
  test('nothing is cached without `cache:`', async () => {
    const { post, mock } = await start({ cache: null });
    for (const _ of [1, 2]) expect(cacheOf(await post('/v1/chat/completions', chatOf('hi')))).toBe('bypass');
    expect(mock.requests).toHaveLength(2);
  });

  test('the second response is the first one, and no provider is asked', async () => {
    const { post, mock, clock } = await start();
    const first = await post('/v1/chat/completions', chatOf('hi'));
    expect([first.status, cacheOf(first), first.headers.get('x-weir-attempts')]).toEqual([200, 'miss', '1']);
    clock.shift(3_000);
    const second = await post('/v1/chat/completions', chatOf('hi'));
    expect(second.text).toBe(first.text);
    expect(Object.fromEntries(second.headers)).toMatchObject({
      ...{ 'x-weir-cache': 'hit', 'x-weir-cache-kind': 'exact', age: '3', 'x-weir-cost': '0' },
      ...{ 'x-weir-provider': 'up', 'x-weir-model': 'up', 'x-weir-attempts': '0' },
    });
    expect(mock.requests).toHaveLength(1);
  });

  test('the order of members does not matter, all else does', async () => {
    const { post, mock } = await start();
    const send = async (body: unknown, headers = {}) =>
      cacheOf(await post('/v1/chat/completions', body, headers));
    const messages = [{ role: 'user', content: 'hi' }];
    expect(await send({ model: 'chat', messages, max_tokens: 5 })).toBe('miss');
    expect(await send({ max_tokens: 5, messages: [{ content: 'hi', role: 'user' }], model: 'chat' })).toBe(
      'hit',
    );
    const others = [
      { model: 'chat', messages },
      { model: 'chat', messages, max_tokens: 6 },
      { model: 'chat', messages, max_tokens: 5, temperature: 0 },
      { model: 'chat', messages, max_tokens: 5, brand_new_parameter: 1 },
      { model: 'chat', messages, max_tokens: 5, brand_new_parameter: 2 },
      { model: 'chat', messages: [{ role: 'user', content: 'hi', brand_new_member: 1 }], max_tokens: 5 },
      { model: 'chat', messages: [{ role: 'system', content: 'be brief' }, ...messages], max_tokens: 5 },
    ];
    for (const body of others) expect(await send(body)).toBe('miss');
    expect(await send({ model: 'chat', messages, max_tokens: 5 }, { 'x-weir-strict': '1' })).toBe('miss');
    expect(mock.requests).toHaveLength(2 + others.length);
  });

  test('an alias shares the entries of its model, with its own name in the response', async () => {
    const { post, mock } = await start();
    await post('/v1/chat/completions', chatOf('hi'));
    const second = await post('/v1/chat/completions', chatOf('hi', { model: 'other' }));
    expect([cacheOf(second), second.body.model]).toEqual(['hit', 'other']);
    expect(mock.requests).toHaveLength(1);
  });

  test('plain and streamed requests share entries, in every dialect', async () => {
    const { post, mock } = await start();
    const conversation = { model: 'chat', max_tokens: 20 };
    const messages = [{ role: 'user', content: 'hi' }];
    const forms: [path: string, body: Record<string, unknown>][] = [
      ['/v1/chat/completions', { ...conversation, messages }],
      ['/v1/messages', { ...conversation, messages }],
      ['/v1/responses', { model: 'chat', input: 'hi', max_output_tokens: 20 }],
      ['/inference', { ...conversation, prompt: 'hi' }],
    ];
    for (const [filling, filler] of forms) {
      for (const stream of filling === '/inference' ? [false] : [false, true]) {
        const refreshed = await post(filling, { ...filler, stream }, { 'x-weir-cache': 'refresh' });
        expect([filling, stream, cacheOf(refreshed)]).toEqual([filling, stream, 'miss']);
        const expected = `answer ${mock.requests.length}`;
        for (const [path, body] of forms) {
          const plain = await post(path, body);
          expect([filling, stream, path, cacheOf(plain)]).toEqual([filling, stream, path, 'hit']);
          expect(plain.text).toContain(expected);
          const streamed = await post(path === '/inference' ? '/stream' : path, { ...body, stream: true });
          expect([filling, stream, path, cacheOf(streamed)]).toEqual([filling, stream, path, 'hit']);
          expect(streamedText(streamed.text)).toContain(expected);
        }
      }
    }
    expect(mock.requests).toHaveLength(7);
  });

  test('a stream is replayed byte for byte to a client of the same dialect', async () => {
    const { post } = await start();
    const body = chatOf('hi', { stream: true, stream_options: { include_usage: true } });
    const first = await post('/v1/chat/completions', body);
    const second = await post('/v1/chat/completions', body);
    expect([cacheOf(second), second.text]).toEqual(['hit', first.text]);
    const without = await post('/v1/chat/completions', chatOf('hi', { stream: true }));
    expect(cacheOf(without)).toBe('hit');
    expect(without.text).not.toContain('"usage":{');
  });

  test('what is sampled, or uses tools, is cached only with `sampled`', async () => {
    const tool = {
      type: 'function',
      function: { name: 'f', parameters: { type: 'object', properties: {} } },
    };
    const bodies = [chatOf('hi', { temperature: 0.5 }), chatOf('hi', { tools: [tool] })];
    const usual = await start();
    for (const body of [...bodies, ...bodies])
      expect(cacheOf(await usual.post('/v1/chat/completions', body))).toBe('bypass');
    await usual.stop();
    const sampled = await start({ cache: { exact: { sampled: true } } });
    for (const body of bodies) expect(cacheOf(await sampled.post('/v1/chat/completions', body))).toBe('miss');
    for (const body of bodies) expect(cacheOf(await sampled.post('/v1/chat/completions', body))).toBe('hit');
  });

  test('a model has settings of its own', async () => {
    const off = await start({ model: { cache: false } });
    for (const _ of [1, 2])
      expect(cacheOf(await off.post('/v1/chat/completions', chatOf('hi')))).toBe('bypass');
    await off.stop();
    const { post, clock } = await start({
      cache: { exact: { ttl: 'response' } },
      model: { cache: { exact: { ttl: '10s' } } },
    });
    await post('/v1/chat/completions', chatOf('hi'));
    clock.shift(9_000);
    expect(cacheOf(await post('/v1/chat/completions', chatOf('hi')))).toBe('hit');
    clock.shift(2_000);
    expect(cacheOf(await post('/v1/chat/completions', chatOf('hi')))).toBe('miss');
  });

  test('only complete, successful responses are stored', async () => {
    const { post, mock } = await start({ cache: { exact: {}, coalescing: false } });
    const filtered = JSON.parse(chatAnswer('x'));
    filtered.choices[0].finish_reason = 'content_filter';
    const scripts = [
      status(500, { error: { message: 'down' } }),
      json(filtered),
      truncatedStream([chatEvent('half')]),
      eventStream([chatEvent('half'), `data: ${JSON.stringify({ error: { message: 'broke' } })}\n\n`]),
    ];
    for (const [index, script] of scripts.entries()) {
      const body = chatOf('hi', { stream: index > 1 });
      mock.respond(script);
      await post('/v1/chat/completions', body);
      expect([
        index,
        cacheOf(await post('/v1/chat/completions', body, { 'x-weir-cache': 'refresh' })),
      ]).toEqual([index, 'miss']);
      mock.respond(script);
      await post('/v1/chat/completions', chatOf(`fresh ${index}`, { stream: index > 1 }));
      const again = await post('/v1/chat/completions', chatOf(`fresh ${index}`, { stream: index > 1 }));
      expect([index, cacheOf(again)]).toEqual([index, 'miss']);
    }
  });

  test('requests whose numbers are the same here only share nothing', async () => {
    const { gateway, mock } = await start();
    const send = async (seed: string) => {
      const headers = { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' };
      const body = `{"model":"chat","messages":[{"role":"user","content":"hi"}],"seed":${seed}}`;
      const request = new Request('http://weir.test/v1/chat/completions', { method: 'POST', headers, body });
      const response = asResponse(await gateway.gateway.router.handle(asHttpRequest(request)));
      expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('answer')]);
      return response.headers.get('x-weir-cache');
    };
    for (const seed of ['9007199254740992', '9007199254740993', '9007199254740993']) {
      expect(await send(seed)).toBe('bypass');
    }
    expect(mock.requests).toHaveLength(3);
    expect([await send('7'), await send('7')]).toEqual(['miss', 'hit']);
  });

  test('a response that is larger than the bound is not stored', async () => {
    const { post, mock } = await start({ cache: { exact: { max_entry_size: '2KB' } } });
    const large = 'x'.repeat(5_000);
    mock.respondAlways((request) =>
      request.text().includes('"stream":true')
        ? eventStream([chatEvent(large), chatEvent('', 'stop'), 'data: [DONE]\n\n'])
        : json(JSON.parse(chatAnswer(large))),
    );
    for (const stream of [false, true, false, true]) {
      const response = await post('/v1/chat/completions', chatOf('hi', { stream }));
      expect([stream, cacheOf(response), response.text.includes(large)]).toEqual([stream, 'miss', true]);
    }
  });

  test('the number of entries is bounded', async () => {
    const { post } = await start({ cache: { exact: { max_entries: 2 } } });
    for (const text of ['a', 'b', 'c']) await post('/v1/chat/completions', chatOf(text));
    expect(cacheOf(await post('/v1/chat/completions', chatOf('c')))).toBe('hit');
    expect(cacheOf(await post('/v1/chat/completions', chatOf('a')))).toBe('miss');
  });

  test('a clock that is set back serves no entry of the future', async () => {
    const { post, clock } = await start();
    clock.shift(3_600_000);
    await post('/v1/chat/completions', chatOf('hi'));
    clock.shift(-3_600_000);
    expect(cacheOf(await post('/v1/chat/completions', chatOf('hi')))).toBe('miss');
  });
});

test('streams that an interceptor may rewrite are stored by their events', async () => {
  const fallback = { targets: [{ provider: 'up', model: 'up' }], continue_streams: true };
  const { post, mock } = await start({ model: fallback });
  const body = chatOf('hi', { stream: true });
  const first = await post('/v1/chat/completions', body);
  const second = await post('/v1/chat/completions', body);
  expect([cacheOf(first), cacheOf(second), streamedText(second.text)]).toEqual(['miss', 'hit', 'answer 1']);
  const plain = await post('/v1/chat/completions', chatOf('hi'));
  expect([cacheOf(plain), plain.text.includes('answer 1')]).toEqual(['hit', true]);
  expect(mock.requests).toHaveLength(1);
});
