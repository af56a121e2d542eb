import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { createGate, type Gate } from '../support/gate.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { dataEvents, eventStream, json, truncatedStream } from '../support/scripts.ts';
import { chat, completion, eventually, post, provider } from './harness.ts';
import { dataOf, done } from './helpers/admin.ts';
import { finish, text, usageOnly } from './helpers/chunks.ts';
import { asObject } from './helpers/json.ts';

/** Calls that a request makes in addition to its first one: each is reserved, and not made without room for it. */

let mock: MockUpstream;
let gateway: Gateway;
let gate: Gate;
let asked: string[];
let tenants = 0;

/** Input is free, and a token of output costs 10 millionths of a dollar: 100 tokens cost 0.001. */
const PRICES = [{ model: '*', input: '0', output: '10' }];
const MAX_TOKENS = 100;
const ONE_CALL = '0.0015';
const TWO_CALLS = '0.0025';

beforeAll(async () => {
  mock = await startMockUpstream();
  const whole = eventStream(dataEvents([text('whole'), finish(), usageOnly()]));
  mock.respondAlways(async (request) => {
    const model = String(asObject(JSON.parse(request.text())).model);
    asked.push(model);
    if (model === 'weak') {
      const message = { role: 'assistant', content: null, refusal: 'I would rather not.' };
      return json({
        ...{ id: 'c', object: 'chat.completion', created: 1, model },
        choices: [{ index: 0, message, finish_reason: 'stop' }],
        usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
      });
    }
    if (model === 'strong') return completion('strong', model);
    if (model === 'broken') return truncatedStream(dataEvents([text('cut')], { done: false }));
    if (model === 'slow') await gate.pass();
    return whole;
  });
  const targets = (...models: string[]) => models.map((model, tier) => ({ provider: 'up', model, tier }));
  gateway = await startGateway({
    config: {
      providers: [provider({ id: 'up', url: mock.url })],
      models: [
        { id: 'escalates', targets: targets('weak'), escalate: { model: 'strong' } },
        { id: 'strong', targets: targets('strong') },
        { id: 'continues', targets: targets('broken', 'next'), continue_streams: true },
        {
          ...{ id: 'hedged', strategy: 'round-robin', hedge: { percent: 100, after: '30ms' } },
          targets: targets('slow', 'fast'),
        },
      ],
      prices: PRICES,
    },
  });
});
afterAll(async () => {
  gate?.open();
  await gateway?.stop();
  await mock?.close();
});
beforeEach(() => {
  gate = createGate();
  asked = [];
});

async function keyWith(max: string) {
  tenants += 1;
  const id = `further${tenants}`;
  await done(gateway, 'POST', '/tenants', { id, tier: null, limits: [{ of: 'cost', per: 'month', max }] });
  const { key } = await done(gateway, 'POST', `/tenants/${id}/keys`, { name: 'k' });
  return { id, key: String(key) };
}

async function ask(key: string, model: string, stream: boolean) {
  const response = await post(gateway, chat({ model, stream, max_tokens: MAX_TOKENS }), {
    headers: { authorization: `Bearer ${key}` },
  });
  return { status: response.status, headers: response.headers, body: await response.text() };
}

/** Nothing stays reserved: what is used is far less than one call's reservation. */
async function expectSettled(id: string) {
  await eventually('all is settled', async () => {
    const [budget] = dataOf(await done(gateway, 'GET', `/tenants/${id}/limits`));
    return Number(budget?.used) < 0.0005;
  });
}

describe('a budget with room for one call', () => {
  test('returns the first response where another model would be asked', async () => {
    const poor = await keyWith(ONE_CALL);
    const { headers } = await ask(poor.key, 'escalates', false);
    expect([headers.get('x-weir-model'), asked]).toEqual(['weak', ['weak']]);
    const rich = await keyWith(TWO_CALLS);
    const escalated = await ask(rich.key, 'escalates', false);
    expect([escalated.headers.get('x-weir-model'), asked]).toEqual(['strong', ['weak', 'weak', 'strong']]);
    await expectSettled(poor.id);
    await expectSettled(rich.id);
  });

  test('ends a broken stream with its error', async () => {
    const poor = await keyWith(ONE_CALL);
    const { body } = await ask(poor.key, 'continues', true);
    expect([asked, body]).toEqual([['broken'], expect.stringContaining('"error"')]);
    expect(body).not.toContain('[DONE]');
    const rich = await keyWith(TWO_CALLS);
    const continued = await ask(rich.key, 'continues', true);
    expect(asked).toEqual(['broken', 'broken', 'next']);
    expect(continued.body).toContain('[DONE]');
    await expectSettled(poor.id);
    await expectSettled(rich.id);
  });

  test('hedges no stream', async () => {
    const [poor, rich] = [await keyWith(ONE_CALL), await keyWith(TWO_CALLS)];
    const first = ask(poor.key, 'hedged', true);
    await eventually('the first is asked', () => asked.length === 1);
    // It began later: when it is hedged, the first one has not been.
    const second = await ask(rich.key, 'hedged', true);
    expect(second.headers.get('x-weir-model')).toBe('fast');
    expect(asked).toEqual(['slow', 'slow', 'fast']);
    gate.open();
    expect((await first).headers.get('x-weir-model')).toBe('slow');
    expect(asked).toEqual(['slow', 'slow', 'fast']);
    await expectSettled(poor.id);
    await expectSettled(rich.id);
  });
});

test('a conversation that a provider has stored is reserved with the request that continues it', async () => {
  const long = 'word '.repeat(2_000);
  const upstream = await startMockUpstream();
  upstream.respondAlways(
    json({
      ...{ id: 'resp_1', object: 'response', created_at: 1, status: 'completed', model: 'gpt-4o' },
      output: [
        {
          ...{ type: 'message', id: 'msg_1', role: 'assistant', status: 'completed' },
          content: [{ type: 'output_text', text: long, annotations: [] }],
        },
      ],
      usage: { input_tokens: 5, output_tokens: 5, total_tokens: 10 },
    }),
  );
  const settings = { kind: 'openai', api: 'responses' };
  const own = await startGateway({
    config: {
      providers: [provider({ id: 'up', url: upstream.url, settings })],
      models: [{ id: 'chat', targets: [{ provider: 'up', model: 'gpt-4o' }] }],
    },
  });
  try {
    await done(own, 'POST', '/tenants', { id: 'stored', tier: null });
    const limits = [{ of: 'tokens', per: 'day', max: 0, mode: 'warn' }];
    const { id, key } = await done(own, 'POST', '/tenants/stored/keys', { name: 'k', limits });
    const send = async (body: object) => {
      const response = await fetch(`${own.url}/v1/responses`, {
        method: 'POST',
        headers: { authorization: `Bearer ${String(key)}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'chat', max_output_tokens: 10, ...body }),
      });
      expect(response.status).toBe(200);
      await response.arrayBuffer();
      return Number(/: (\d+) used/.exec(response.headers.get('x-weir-limit-warnings') ?? '')?.[1]);
    };
    const first = await send({ input: 'Tell me.' });
    expect(first).toBeLessThan(200);
    await eventually('the first is settled', async () => {
      const [tokens] = dataOf(await done(own, 'GET', `/tenants/stored/limits?key=${String(id)}`));
      return tokens?.used === 10;
    });
    const second = await send({ input: 'Go on.', previous_response_id: 'resp_1' });
    expect(second - 10).toBeGreaterThan(long.length);
    expect(second - 10).toBeLessThan(long.length + 1_000);
    // A response without a known length fills the context window.
    expect(await send({ input: 'Go on.', previous_response_id: 'resp_unknown' })).toBeGreaterThan(100_000);
  } finally {
    await own.stop();
    await upstream.close();
  }
});
