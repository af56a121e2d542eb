import { heapStats } from 'bun:jsc';
import { describe, expect, test } from 'bun:test';
import { createHarness, FakeClock, readEvents, userMessage } from './test-support.ts';

/** Bytes of live objects. */
function heap(): number {
  Bun.gc(true);
  return heapStats().heapSize;
}

const LONG = { messages: userMessage('Tell me about rivers.'), stream: true };

describe('a stream takes little memory, however long it is', () => {
  test.each([
    ['chat', '/chat/completions', { ...LONG, model: 'simulator:tokens=100000' }],
    ['reasoning', '/chat/completions', { ...LONG, model: 'simulator:reasoning_tokens=100000' }],
    [
      'JSON',
      '/chat/completions',
      { ...LONG, model: 'simulator:tokens=100000', response_format: { type: 'json_object' } },
    ],
    [
      'with stop sequences',
      '/chat/completions',
      { ...LONG, model: 'simulator:tokens=100000', stop: ['no such words', 'the river of no such words'] },
    ],
    ['half of it', '/chat/completions', { ...LONG, model: 'simulator:tokens=100000,fault=content_filter' }],
    [
      'completions',
      '/completions',
      { model: 'simulator:tokens=100000', prompt: 'Once', max_tokens: 100_000, stream: true },
    ],
    [
      'of a large request',
      '/chat/completions',
      { ...LONG, model: 'simulator:tokens=100000', messages: userMessage('A river. '.repeat(100_000)) },
    ],
  ])('%s', async (_, path, request) => {
    const { post } = createHarness();
    const body = JSON.stringify(request);
    const open = async () => {
      const reader = (await post(path, body)).body?.getReader();
      for (let event = 0; event < 5; event += 1) await reader?.read();
      return reader;
    };
    await (await open())?.cancel();
    const before = heap();
    const readers = [];
    for (let stream = 0; stream < 50; stream += 1) readers.push(await open());
    const grown = heap() - before;
    for (const reader of readers) await reader?.cancel();
    expect(grown / readers.length).toBeLessThan(40_000);
  });
});

test('a response that is not due yet takes little memory', async () => {
  const clock = new FakeClock(false);
  const { post } = createHarness(clock);
  const body = JSON.stringify({ model: 'simulator:tokens=20000,ttft=1m', messages: userMessage('Hello.') });
  const before = heap();
  const responses = Array.from({ length: 50 }, () => post('/chat/completions', body));
  while (clock.sleeps.length < 50) await new Promise((resolve) => setImmediate(resolve));
  expect((heap() - before) / 50).toBeLessThan(40_000);
  clock.advance(60_000);
  const texts = await Promise.all(responses.map(async (response) => (await response).text()));
  expect(new Set(texts.map((text) => text.length)).size).toBeLessThan(5);
});

test('a stream without a reader generates nothing', async () => {
  const { post } = createHarness();
  const response = await post('/chat/completions', { ...LONG, model: 'simulator:tokens=100000' });
  const reader = response.body?.getReader();
  const first = await reader?.read();
  expect(readEvents(new TextDecoder().decode(first?.value))).toHaveLength(1);
  await reader?.cancel();
});

describe('requests that would take long are rejected', () => {
  test.each([
    [
      'more choices than 128',
      '/completions',
      { model: 'simulator:tokens=0', prompt: Array(129).fill('a') },
      'n',
    ],
    [
      'large echoes',
      '/completions',
      { model: 'simulator', prompt: 'a'.repeat(20_000), n: 128, echo: true },
      'echo',
    ],
    [
      'many log probabilities at once',
      '/chat/completions',
      {
        model: 'simulator:tokens=100000',
        messages: userMessage('Hello.'),
        logprobs: true,
        top_logprobs: 20,
      },
      'logprobs',
    ],
    [
      'schemas with many parts',
      '/chat/completions',
      {
        model: 'simulator',
        messages: userMessage('Hello.'),
        response_format: {
          type: 'json_schema',
          json_schema: {
            name: 'a',
            schema: {
              type: 'object',
              allOf: Array.from({ length: 5_000 }, (_, part) => ({
                properties: { [`p${part}`]: { type: 'string' } },
              })),
            },
          },
        },
      },
      'response_format',
    ],
    [
      'constants that are compared with each other',
      '/chat/completions',
      {
        model: 'simulator',
        messages: userMessage('Hello.'),
        response_format: {
          type: 'json_schema',
          json_schema: {
            name: 'a',
            schema: { const: Array.from({ length: 200_000 }, (_, item) => item), uniqueItems: true },
          },
        },
      },
      'response_format',
    ],
  ])('%s', async (_, path, request, param) => {
    const { post } = createHarness();
    const response = await post(path, request);
    expect([response.status, await response.json()]).toMatchObject([400, { error: { param } }]);
  });
});
