import { afterAll, beforeEach, expect, test } from 'bun:test';
import { isRecord, listOf, records } from '../../src/core/json.ts';
import { startCacheGateway } from '../support/cache-gateway.ts';
import type { RecordedRequest } from '../support/recorded-request.ts';
import { json, status } from '../support/scripts.ts';
import { eventually } from './harness.ts';
import { asObject, parseObject } from './helpers/json.ts';

const HALF = 50;

// No call of these tests ends its window by time, except where one waits alone.
const started = await startCacheGateway({
  config: {
    models: [
      {
        ...{ id: 'vectors', micro_batch: { window: '10s', max_inputs: HALF } },
        targets: [{ provider: 'up', model: 'up' }],
      },
      {
        ...{ id: 'pairs', micro_batch: { window: '10s', max_inputs: 2 } },
        targets: [{ provider: 'up', model: 'up' }],
      },
      {
        ...{ id: 'short', micro_batch: { window: '1s' } },
        targets: [{ provider: 'up', model: 'up' }],
      },
      { id: 'plain', targets: [{ provider: 'up', model: 'up' }] },
    ],
    prices: [{ model: 'up', input: '1', output: '1' }],
  },
});
const { mock, gateway } = started;
afterAll(started.stop);

let sent: readonly unknown[][] = [];
const inputsOf = (request: RecordedRequest): unknown[] => {
  const body = request.json();
  const input = isRecord(body) ? body.input : undefined;
  const list = listOf(input);
  return list.length === 0 || list.every((one) => typeof one === 'number') ? [input] : [...list];
};
/** One more token than the upstream's own count can be split into equal parts. */
const tokensOf = (inputs: readonly unknown[]) =>
  1 + inputs.reduce<number>((sum, input) => sum + String(input).length, 0);
const vectorOf = (input: unknown) => [String(input).length, Number(String(input).replaceAll(/\D/g, ''))];

beforeEach(() => {
  sent = [];
  mock.respondAlways((request) => {
    const inputs = inputsOf(request);
    sent = [...sent, inputs];
    if (inputs.includes('bad')) return status(400, { error: { message: 'No vector for "bad".' } });
    const isBase64 = /"encoding_format":\s*"base64"/.test(request.text());
    const data = inputs.map((input, index) => {
      const vector = vectorOf(input);
      const bytes = Buffer.from(Float32Array.from(vector).buffer).toString('base64');
      return { object: 'embedding', index, embedding: isBase64 ? bytes : vector };
    });
    const usage = { prompt_tokens: tokensOf(inputs), total_tokens: tokensOf(inputs) };
    return json({ object: 'list', data: data.toReversed(), model: 'up', usage });
  });
});

const embed = (
  input: unknown,
  more: Record<string, unknown> = {},
  headers: Record<string, string> = {},
  key?: string,
) =>
  started.post(
    '/v1/embeddings',
    { model: 'vectors', input, ...more },
    { 'x-weir-explain': '1', ...headers },
    key,
  );

test('100 requests at the same time are two upstream calls, and each gets its own', async () => {
  const numbers = Array.from({ length: HALF }, (_, index) => `text ${'x'.repeat(index % 7)} ${index}`);
  const responses = await Promise.all(
    numbers.flatMap((text) => [embed(text), embed([text], { encoding_format: 'base64' })]),
  );
  expect(sent.map((inputs) => inputs.length)).toEqual([HALF, HALF]);
  const ids = new Set(responses.map(({ headers }) => headers.get('x-request-id')));
  expect(ids.size).toBe(2 * HALF);
  const used = { float: 0, base64: 0 };
  for (const [index, { body, headers, status: code }] of responses.entries()) {
    const [item] = records(body.data);
    const vector = vectorOf(numbers[Math.floor(index / 2)]);
    const form = index % 2 === 0 ? 'float' : 'base64';
    const bytes = Buffer.from(Float32Array.from(vector).buffer).toString('base64');
    expect([code, body.model, item]).toEqual([
      ...[200, 'vectors'],
      { object: 'embedding', index: 0, embedding: form === 'float' ? vector : bytes },
    ]);
    used[form] += Number(asObject(body.usage).prompt_tokens);
    const [attempt] = records(parseObject(headers.get('x-weir-explain') ?? '{}').attempts);
    expect(attempt).toMatchObject({ joined: { requests: HALF, inputs: HALF }, estimated: true });
  }
  expect(used).toEqual({ float: tokensOf(numbers), base64: tokensOf(numbers) });

  const kept = await Promise.all(
    responses.map(({ headers }) =>
      gateway.call('GET', `/admin/v1/requests/${headers.get('x-request-id')}`, { key: gateway.adminKey }),
    ),
  );
  const attempts = kept.flatMap(({ body }) => records(body.attempts));
  const total = attempts.reduce((sum, { input_tokens }) => sum + Number(input_tokens), 0);
  const pico = attempts.reduce((sum, { cost_usd }) => sum + Math.round(Number(cost_usd) * 1e12), 0);
  expect([attempts.length, total, pico]).toEqual([
    2 * HALF,
    2 * tokensOf(numbers),
    2 * tokensOf(numbers) * 1_000_000,
  ]);
  expect(attempts.every(({ joined }) => isRecord(joined) && joined.requests === HALF)).toBe(true);
  expect(kept.every(({ body }) => body.usage_estimated === true)).toBe(true);
  const metrics = await gateway.call('GET', '/metrics', { key: gateway.adminKey });
  expect(metrics.text).toContain('llm_joined_calls_total{model="vectors",result="done"} 2');
  expect(metrics.text).toContain('llm_joined_requests_total{model="vectors"} 100');
});

test('a rejected input fails its own request', async () => {
  const [good, bad] = await Promise.all([
    embed('good 1', { model: 'pairs' }),
    embed('bad', { model: 'pairs' }),
  ]);
  expect([sent[0]?.toSorted(), ...sent.slice(1).toSorted()]).toEqual([
    ['bad', 'good 1'],
    ['bad'],
    ['good 1'],
  ]);
  expect([good.status, bad.status]).toEqual([200, 400]);
  expect(asObject(bad.body.error).message).toContain('No vector for "bad".');
  expect(asObject(good.body.usage).prompt_tokens).toBe(tokensOf(['good 1']));
  const [attempt] = records(parseObject(good.headers.get('x-weir-explain') ?? '{}').attempts);
  expect(attempt).toMatchObject({ joined: { requests: 2, inputs: 2, repeated_alone: true } });
});

test('requests are joined only with those of the same tenant that ask for the same', async () => {
  const tenants = ['acme', 'rival'];
  const keys = await Promise.all(
    tenants.map(async (id) => {
      await gateway.call('POST', '/admin/v1/tenants', { key: gateway.adminKey, body: { id, name: id } });
      const made = await gateway.call('POST', `/admin/v1/tenants/${id}/keys`, {
        ...{ key: gateway.adminKey, body: { name: 'k' } },
      });
      return String(made.body.key);
    }),
  );
  const pair = (more: Record<string, unknown>, key?: string) => [
    embed('a1', { model: 'pairs', ...more }, {}, key),
    embed('b2', { model: 'pairs', ...more }, {}, key),
  ];
  const kinds = [
    { dimensions: 2 },
    { user: 'u1' },
    { user: 'u2' },
    { brand_new: [1] },
    { encoding_format: 'float' },
  ];
  const requests = [...kinds.flatMap((more) => pair(more)), ...keys.flatMap((key) => pair({}, key))];
  const responses = await Promise.all(requests);
  expect(responses.map(({ status: code }) => code)).toEqual(responses.map(() => 200));
  expect(sent.map((inputs) => inputs.toSorted())).toEqual(
    Array.from({ length: kinds.length + keys.length }, () => ['a1', 'b2']),
  );
});

test('lists of token ids are joined, and their usage is counted', async () => {
  mock.respondAlways((request) => {
    const inputs = inputsOf(request);
    sent = [...sent, inputs];
    const data = inputs.map((input, index) => ({ object: 'embedding', index, embedding: listOf(input) }));
    const tokens = inputs.reduce<number>((sum, input) => sum + listOf(input).length, 0);
    return json({
      object: 'list',
      data,
      model: 'up',
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    });
  });
  const [one, other] = await Promise.all([
    embed([1, 2, 3], { model: 'pairs' }),
    embed([[4, 5]], { model: 'pairs' }),
  ]);
  expect(sent.map((inputs) => inputs.toSorted())).toEqual([
    [
      [1, 2, 3],
      [4, 5],
    ],
  ]);
  const seen = [one, other].map(({ body, headers }) => [
    ...records(body.data).map(({ embedding }) => embedding),
    asObject(body.usage).prompt_tokens,
    records(parseObject(headers.get('x-weir-explain') ?? '{}').attempts)[0]?.estimated,
  ]);
  expect(seen).toEqual([
    [[1, 2, 3], 3, undefined],
    [[4, 5], 2, undefined],
  ]);
});

test('models without the setting join nothing', async () => {
  await Promise.all([embed('a1', { model: 'plain' }), embed('b2', { model: 'plain' })]);
  expect(sent.toSorted()).toEqual([['a1'], ['b2']]);
});

test('a gateway that drains sends what waits', async () => {
  const waiting = [embed('a1', { model: 'short' }), embed('b2', { model: 'short' })];
  // Both have been admitted when their bodies are read.
  await eventually('both are admitted', () => gateway.gateway.lifecycle.active === 2);
  await gateway.gateway.lifecycle.drain();
  expect((await Promise.all(waiting)).map(({ status: code }) => code)).toEqual([200, 200]);
  expect(sent.flat().toSorted()).toEqual(['a1', 'b2']);
  expect((await embed('c3', { model: 'short' })).status).toBe(503);
});
