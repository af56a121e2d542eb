import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { isRecord } from '../../src/core/json.ts';
import { createGate } from '../support/gate.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import type { RecordedRequest } from '../support/recorded-request.ts';
import { json, type ResponseScript, status } from '../support/scripts.ts';
import { eventually } from './harness.ts';
import { dataOf, done } from './helpers/admin.ts';
import { parseObject } from './helpers/json.ts';

/** A model that embeds one text in a call. 2 US dollars per million tokens; the mock counts a token for each letter. */
const MODEL = 'amazon.titan-embed-text-v2:0';
const COUNT = 20;
const INPUT = Array.from({ length: COUNT }, (_, at) => 'x'.repeat(at + 1));
const TOKENS = (COUNT * (COUNT + 1)) / 2;

let mock: MockUpstream;
let gateway: Gateway;
let tenants = 0;

beforeAll(async () => {
  mock = await startMockUpstream();
  const bedrock = {
    ...{ id: 'aws', kind: 'bedrock', base_url: mock.url, api_key: 'sk-test' },
    ...{ region: 'us-east-1', discover: false },
  };
  const targets = (more: object = {}) => [{ provider: 'aws', model: MODEL, ...more }];
  gateway = await startGateway({
    config: {
      providers: [bedrock],
      models: [
        { id: 'titan', targets: targets() },
        { id: 'narrow', targets: targets({ max_concurrency: 2 }) },
        { id: 'limited', targets: targets({ limits: [{ of: 'tokens', per: 'day', max: 10_000 }] }) },
      ],
      prices: [{ model: MODEL, input: '2', output: '0' }],
    },
  });
});
afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});

let open = 0;
let most = 0;
beforeEach(() => {
  open = 0;
  most = 0;
});

/** The text that a recorded call embeds. */
const textOf = (request: { json(): unknown }): string => {
  const body = request.json();
  return isRecord(body) ? String(body.inputText) : '';
};
/** Answers with the length of the text. */
const measured =
  (before: () => Promise<unknown> = async () => undefined) =>
  async (request: RecordedRequest): Promise<ResponseScript> => {
    open += 1;
    most = Math.max(most, open);
    await before();
    open -= 1;
    const { length } = textOf(request);
    return json({ embedding: [length, 1], inputTextTokenCount: length });
  };

async function keyOf(limits: readonly object[] = []) {
  tenants += 1;
  const id = `split${tenants}`;
  await done(gateway, 'POST', '/tenants', { id, tier: null, limits });
  const { key } = await done(gateway, 'POST', `/tenants/${id}/keys`, { name: 'k' });
  return { id, key: String(key) };
}

async function embed(key: string, body: Record<string, unknown>, signal?: AbortSignal) {
  const response = await fetch(`${gateway.url}/v1/embeddings`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'titan', input: INPUT, ...body }),
    ...(signal ? { signal } : {}),
  });
  return { status: response.status, headers: response.headers, body: parseObject(await response.text()) };
}

async function usageOf(id: string, tokens: number) {
  let sums: Record<string, unknown> = {};
  await eventually(`usage of ${tokens} tokens`, async () => {
    sums = dataOf(await done(gateway, 'GET', `/tenants/${id}/usage`))[0] ?? {};
    return Number(sums.input_tokens ?? -1) >= tokens;
  });
  return sums;
}

describe('a list of inputs to a model that embeds one in a call', () => {
  test('becomes several calls, whose vectors and usage are joined in order', async () => {
    mock.respondAlways(measured());
    const before = mock.requests.length;
    const { id, key } = await keyOf([{ of: 'cost', per: 'month', max: '1' }]);
    const { headers, body } = await embed(key, {});
    expect(dataOf(body).map(({ index, embedding }) => [index, embedding])).toEqual(
      INPUT.map(({ length }, at) => [at, [length, 1]]),
    );
    expect(body.usage).toEqual({ prompt_tokens: TOKENS, total_tokens: TOKENS });
    expect(mock.requests.slice(before).map(textOf).toSorted()).toEqual(INPUT);
    expect([headers.get('x-weir-attempts'), headers.get('x-weir-cost')]).toEqual(['1', '0.00042']);
    expect(await usageOf(id, TOKENS)).toMatchObject({ requests: 1, input_tokens: TOKENS, cost: '0.00042' });
    const [budget] = dataOf(await done(gateway, 'GET', `/tenants/${id}/limits`));
    expect(budget?.used).toBe('0.00042');
  });

  test('a single input stays one call', async () => {
    mock.respondAlways(measured());
    const before = mock.requests.length;
    const { key } = await keyOf();
    const { body } = await embed(key, { input: 'abc' });
    expect([dataOf(body).length, mock.requests.length - before]).toEqual([1, 1]);
  });

  test('at most eight calls run at once, and no more than the target takes', async () => {
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    mock.respondAlways(measured(turn));
    const { key } = await keyOf();
    expect((await embed(key, {})).status).toBe(200);
    expect(most).toBeLessThanOrEqual(8);
    expect(most).toBeGreaterThan(1);
    most = 0;
    const both = await Promise.all([embed(key, { model: 'narrow' }), embed(key, { model: 'narrow' })]);
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
    expect(most).toBeLessThanOrEqual(2);
  });

  test('one failure fails all, and what was computed is metered', async () => {
    const gate = createGate();
    let answered = 0;
    mock.respondAlways(async (request) => {
      const { length } = textOf(request);
      if (length !== 5) {
        answered += length;
        if (answered >= 1 + 2 + 3 + 4) gate.open();
        return measured()(request);
      }
      await gate.pass();
      return status(400, { message: 'the text is too long' });
    });
    const { id, key } = await keyOf();
    const { status: code, body } = await embed(key, {});
    expect([code, JSON.stringify(body)]).toEqual([400, expect.stringContaining('too long')]);
    const sums = await usageOf(id, 1 + 2 + 3 + 4);
    expect(Number(sums.requests)).toBe(1);
    expect(Number(sums.input_tokens)).toBeLessThan(2 * TOKENS);
  });

  test("a target's own limits count every call", async () => {
    mock.respondAlways(measured());
    const { key } = await keyOf();
    expect((await embed(key, { model: 'limited' })).status).toBe(200);
    // Of 10,000 tokens, 210 are used: a text of 9,800 does not fit any more.
    const { status: code } = await embed(key, { model: 'limited', input: ['x'.repeat(9_800)] });
    expect(code).toBe(503);
    expect((await embed(key, { model: 'limited', input: ['x'.repeat(9_000)] })).status).toBe(200);
  });

  test('ends with its client', async () => {
    const gate = createGate();
    mock.respondAlways(measured(() => gate.pass()));
    const before = mock.requests.length;
    const { key } = await keyOf();
    const controller = new AbortController();
    const sending = embed(key, {}, controller.signal).catch(() => undefined);
    await eventually('the calls run', () => mock.requests.length > before);
    controller.abort();
    await sending;
    const sent = mock.requests.length;
    gate.open();
    mock.respondAlways(measured());
    expect((await embed(key, { input: 'x' })).status).toBe(200);
    expect(mock.requests.length).toBe(sent + 1);
  });
});
