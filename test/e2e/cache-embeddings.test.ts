import { afterEach, expect, test } from 'bun:test';
import { isRecord, listOf, records } from '../../src/core/json.ts';
import { type CacheGateway, type CacheGatewayOptions, startCacheGateway } from '../support/cache-gateway.ts';
import { json, status } from '../support/scripts.ts';

let running: CacheGateway | undefined;
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

/** An upstream whose vectors are made of the input's text, so that each can be recognised. */
async function start({ cache = {}, model = {} }: CacheGatewayOptions = {}) {
  const started = await startCacheGateway({ cache, model });
  running = started;
  const upstream = { dimensions: 2, inputs: [] as unknown[] };
  started.mock.respondAlways((request) => {
    const body = request.json();
    const sent = isRecord(body) ? body : {};
    const given = listOf(sent.input);
    const isOne = given.length === 0 || given.every((item) => typeof item === 'number');
    const inputs = isOne ? [sent.input] : given;
    upstream.inputs.push(...inputs);
    const dimensions = Number(sent.dimensions ?? upstream.dimensions);
    const data = inputs.map((input, index) => {
      const vector = Array.from({ length: dimensions }, (_, at) =>
        Number(`0.${at + 1}${String(input).replaceAll(/\D/g, '')}`),
      );
      const bytes = Buffer.from(Float32Array.from(vector).buffer).toString('base64');
      return { object: 'embedding', index, embedding: sent.encoding_format === 'base64' ? bytes : vector };
    });
    const usage = { prompt_tokens: inputs.length * 3, total_tokens: inputs.length * 3 };
    return json({ object: 'list', data, model: 'up', usage });
  });
  const embed = async (
    input: unknown,
    more: Record<string, unknown> = {},
    headers: Record<string, string> = {},
  ) => {
    upstream.inputs.length = 0;
    const response = await started.post('/v1/embeddings', { model: 'chat', input, ...more }, headers);
    return {
      status: response.status,
      cache: response.headers.get('x-weir-cache'),
      inputs: response.headers.get('x-weir-cache-inputs'),
      vectors: records(response.body.data).map(({ embedding }) => embedding),
      usage: response.body.usage,
      model: response.body.model,
      upstream: [...upstream.inputs],
    };
  };
  return { ...started, upstream, embed };
}

const name = (index: number) => `t${String(index).padStart(3, '0')}`;

test('a batch of 100 with 90 known inputs sends 10, and returns all in order', async () => {
  const { embed } = await start();
  const all = Array.from({ length: 100 }, (_, index) => name(index));
  const known = all.filter((_, index) => index % 10 !== 3);
  await embed(known);
  const response = await embed(all);
  expect(response.upstream).toEqual(all.filter((_, index) => index % 10 === 3));
  expect([response.cache, response.inputs]).toEqual(['miss', '90/100']);
  expect(response.vectors).toEqual(
    all.map((text) => [Number(`0.1${text.slice(1)}`), Number(`0.2${text.slice(1)}`)]),
  );
  expect(response.usage).toEqual({ prompt_tokens: 300, total_tokens: 300 });
  const again = await embed(all);
  expect([again.cache, again.inputs, again.upstream, again.model]).toEqual(['hit', '100/100', [], 'chat']);
  expect([again.vectors, again.usage]).toEqual([response.vectors, response.usage]);
});

test('vectors are served as base64 or as numbers, whichever was stored', async () => {
  const { embed } = await start();
  const [numbers] = (await embed('t1')).vectors;
  const [bytes] = (await embed('t1', { encoding_format: 'base64' })).vectors;
  expect(bytes).toBe(Buffer.from(Float32Array.of(0.11, 0.21).buffer).toString('base64'));
  expect(numbers).toEqual([0.11, 0.21]);
  await embed('t2', { encoding_format: 'base64' });
  const second = await embed('t2');
  expect([second.cache, second.vectors]).toEqual(['hit', [[Math.fround(0.12), Math.fround(0.22)]]]);
});

test('dimensions, and parameters that are new, are kept apart; the user is not', async () => {
  const { embed } = await start();
  const send = async (more: Record<string, unknown>) => (await embed('t1', more)).cache;
  expect(await send({})).toBe('miss');
  expect(await send({ user: 'u1' })).toBe('hit');
  for (const more of [{ dimensions: 3 }, { input_type: 'query' }, { brand_new: 1 }]) {
    expect([more, await send(more), await send(more)]).toEqual([more, 'miss', 'hit']);
  }
});

test('lists of token ids are inputs too', async () => {
  const { embed } = await start();
  expect([(await embed([1, 2])).cache, (await embed([1, 2])).cache, (await embed([[1, 2]])).cache]).toEqual([
    ...['miss', 'hit', 'hit'],
  ]);
});

test('repeated inputs are answered in their places', async () => {
  const { embed } = await start();
  await embed(['t1']);
  const { vectors, upstream } = await embed(['t1', 't2', 't1', 't2']);
  expect(upstream).toEqual(['t2', 't2']);
  expect(vectors).toEqual([
    [0.11, 0.21],
    [0.12, 0.22],
    [0.11, 0.21],
    [0.12, 0.22],
  ]);
});

test('vectors of another dimension after a change of the model are never mixed', async () => {
  const { embed, upstream } = await start();
  await embed(['t1', 't2']);
  upstream.dimensions = 3;
  const mixed = await embed(['t1', 't3', 't2']);
  expect(mixed.vectors.map((vector) => listOf(vector).length)).toEqual([3, 3, 3]);
  expect(mixed.upstream).toEqual(['t3', 't1', 't3', 't2']);
  const next = await embed(['t1', 't2', 't3']);
  expect([next.cache, next.vectors.map((vector) => listOf(vector).length)]).toEqual(['hit', [3, 3, 3]]);
});

test('failures and responses that lack a vector are not stored', async () => {
  const { embed, mock } = await start();
  mock.respond(status(500, { error: { message: 'down' } }));
  expect((await embed(['t1', 't2'])).status).toBe(502);
  mock.respond(json({ object: 'list', data: [{ index: 0, embedding: [0.5, 0.5] }], model: 'up' }));
  await embed(['t1', 't2']);
  expect((await embed(['t1', 't2'])).cache).toBe('miss');
  mock.respond(
    json({
      object: 'list',
      data: [
        { index: 0, embedding: [0.5] },
        { index: 1, embedding: [0.5, 1] },
      ],
      model: 'up',
    }),
  );
  await embed(['t5', 't6']);
  expect((await embed(['t5', 't6'])).cache).toBe('miss');
});

test('controls hold for embeddings, and the part can be off', async () => {
  const { embed, stop, clock } = await start();
  expect((await embed('t1', {}, { 'x-weir-cache': 'only' })).status).toBe(412);
  await embed('t1', {}, { 'x-weir-cache-ttl': '10s' });
  expect((await embed('t1', {}, { 'x-weir-cache': 'bypass' })).cache).toBe('bypass');
  expect((await embed('t1', {}, { 'x-weir-cache': 'refresh' })).cache).toBe('miss');
  expect((await embed('t1', {}, { 'x-weir-cache-namespace': 'n' })).cache).toBe('miss');
  clock.shift(8 * 86_400_000);
  expect((await embed('t1')).cache).toBe('miss');
  await stop();
  const off = await start({ cache: { embeddings: false } });
  expect([(await off.embed('t1')).cache, (await off.embed('t1')).cache]).toEqual(['bypass', 'bypass']);
});

test('cached inputs save their price and their share of the time, and may have a price', async () => {
  const { embed, gateway } = await start({
    model: { price: { input: '100', output: '0' } },
    cache: { embeddings: { price: '10' } },
  });
  // 3 tokens for each input.
  await embed(['a1', 'b2']);
  expect(await embed(['a1', 'b2'])).toMatchObject({ cache: 'hit', usage: { prompt_tokens: 6 } });
  expect(await embed(['a1', 'c3'])).toMatchObject({ cache: 'miss', inputs: '1/2' });
  const stats = await gateway.call('GET', '/cache/stats', { key: gateway.adminKey });
  expect(stats.body).toMatchObject({ chat: { hits: 3, misses: 3, saved_usd: '0.0009' } });
  const { text } = await gateway.call('GET', '/metrics', { key: gateway.adminKey });
  expect(text).toContain('llm_cache_saved_usd_total{kind="embedding",model="chat",tenant="default"} 0.0009');
  expect(text).toMatch(
    /llm_cache_saved_seconds_total\{kind="embedding",model="chat",tenant="default"\} (?!0$)[\d.]+$/m,
  );
  // Two and one inputs from the upstream, and two from the cache at their own price.
  expect(text).toMatch(/llm_cost_usd_total\{model="chat",tenant="default"\} 0\.0009[56]/);
});
