import { afterAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { nanoOfAmount } from '../../src/core/limit-schema.ts';
import { runs } from '../support/effort.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { hasPostgres, sharedPostgres } from '../support/services/postgres.ts';
import { hasRedis, sharedRedis } from '../support/services/redis.ts';
import { eventually } from './harness.ts';
import { dataOf, done } from './helpers/admin.ts';
import { REQUEST_FORMS, type RequestForm } from './helpers/request-forms.ts';

/** US dollars per million tokens. */
const CONFIG = {
  prices: [{ model: 'simulator*', input: '10', output: '30' }],
  models: [],
};

const closers: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(env: Record<string, string> = {}, more: object = {}): Promise<Gateway> {
  const gateway = await startGateway({ config: { ...CONFIG, ...more }, env });
  closers.push(() => gateway.stop());
  return gateway;
}

const TENANT = 'forms';
const createTenant = (gateway: Gateway) => done(gateway, 'POST', '/tenants', { id: TENANT, tier: null });

async function keyWith(gateway: Gateway, limits: readonly object[]): Promise<{ id: string; key: string }> {
  const { id, key } = await done(gateway, 'POST', `/tenants/${TENANT}/keys`, { name: 'k', limits });
  return { id: String(id), key: String(key) };
}

async function send({ url }: Gateway, key: string, { path, body }: Pick<RequestForm, 'path' | 'body'>) {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

async function usedOf(gateway: Gateway, key: string) {
  const all = dataOf(await done(gateway, 'GET', `/tenants/${TENANT}/limits?key=${key}`));
  const used = (of: string) => String(all.find((one) => one.of === of)?.used ?? '0');
  return {
    slots: Number(used('concurrent_requests')),
    tokens: Number(used('tokens')),
    nanoUsd: nanoOfAmount(used('cost')),
  };
}

/** What is used once every request has been settled. */
async function settledUse(gateway: Gateway, key: string) {
  await eventually('all is settled', async () => (await usedOf(gateway, key)).slots === 0, 20_000);
  return usedOf(gateway, key);
}

const COUNT_ALL = [
  { of: 'tokens', per: 'day', max: 0, mode: 'warn' },
  { of: 'cost', per: 'month', max: '0', mode: 'warn' },
  { of: 'concurrent_requests', max: 1_000 },
];

/** Sends a request under limits that warn of all use, and so tell what it reserves. */
async function measure(gateway: Gateway, form: Pick<RequestForm, 'path' | 'body'>) {
  const { id, key } = await keyWith(gateway, COUNT_ALL);
  const { status, headers, text } = await send(gateway, key, form);
  if (status !== 200) throw new Error(`${status} ${text.slice(0, 300)}`);
  const warnings = headers.get('x-weir-limit-warnings') ?? '';
  const tokens = /tokens per day[^:]*: (\d+) used/.exec(warnings)?.[1];
  const cost = /US dollars per month[^:]*: ([\d.]+) US dollars used/.exec(warnings)?.[1];
  if (tokens === undefined || cost === undefined) throw new Error(`no reservation in: ${warnings}`);
  const used = await settledUse(gateway, id);
  return { reserved: { tokens: Number(tokens), nanoUsd: nanoOfAmount(cost) }, used };
}

const COUNT = 30;

/** Many requests at once, of each form, against a budget for two or three of them. */
async function rush(...gateways: readonly [Gateway, ...Gateway[]]): Promise<void> {
  const [gateway] = gateways;
  await createTenant(gateway);
  const prepared: { form: RequestForm; reserved: number; budget: number; id: string; key: string }[] = [];
  for (const form of REQUEST_FORMS) {
    const { reserved } = await measure(gateway, form);
    const budget = Math.ceil(reserved.nanoUsd * 2.5);
    const limits = [
      { of: 'cost', per: 'month', max: (budget / 1e9).toFixed(9) },
      { of: 'concurrent_requests', max: 1_000 },
    ];
    prepared.push({ form, reserved: reserved.nanoUsd, budget, ...(await keyWith(gateway, limits)) });
  }
  const lastKey = prepared.at(-1)?.key ?? '';
  for (const one of gateways) {
    await eventually('the keys are known', async () => (await listModels(one, lastKey)) === 200);
  }
  for (const { form, reserved, budget, id, key } of prepared) {
    const responses = await Promise.all(
      Array.from({ length: COUNT }, (_, at) => send(gateways[at % gateways.length] ?? gateway, key, form)),
    );
    const statuses = new Set(responses.map(({ status }) => status));
    expect([...statuses].filter((status) => status !== 200 && status !== 429)).toEqual([]);
    expect(statuses.has(200)).toBe(true);
    const used = await settledUse(gateway, id);
    expect(used.nanoUsd).toBeLessThanOrEqual(budget + (form.isBounded ? 0 : reserved));
    expect(used.nanoUsd).toBeGreaterThan(0);
  }
}

async function listModels({ url }: Gateway, key: string): Promise<number> {
  const response = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  await response.arrayBuffer();
  return response.status;
}

describe('30 requests at once stay within a small budget', () => {
  test('in memory, in every form', async () => {
    await rush(await start());
  }, 120_000);

  test.skipIf(!hasRedis || !hasPostgres)(
    'on Redis with two gateways, in every form',
    async () => {
      const env = {
        DATABASE_URL: await (await sharedPostgres()).freshUrl(),
        REDIS_URL: (await sharedRedis()).url,
      };
      const storage = { storage: { redis_prefix: 'forms' } };
      await rush(await start(env, storage), await start(env, storage));
    },
    180_000,
  );
});

const word = fc.oneof(
  fc.constantFrom('weir', '堰', '🌊', '\\n', 'dGVzdA==', '0x1f', ' '),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
);
const text = fc.array(word, { minLength: 1, maxLength: 40 }).map((words) => `a${words.join('')}`);
const part = fc.oneof(
  text.map((content) => ({ type: 'text', text: content })),
  fc.constantFrom('low', 'high', 'auto').map((detail) => ({
    type: 'image_url',
    image_url: { url: `data:image/png;base64,${'A'.repeat(40)}`, detail },
  })),
  fc.integer({ min: 4, max: 4_000 }).map((length) => ({
    type: 'input_audio',
    input_audio: { data: 'A'.repeat(length * 4), format: 'wav' },
  })),
  fc.constant({ type: 'file', file: { file_id: 'file_1' } }),
);
const message = fc.oneof(text, fc.array(part, { minLength: 1, maxLength: 4 })).map((content) => ({
  role: 'user',
  content,
}));
const small = fc.integer({ min: 1, max: 6 });
const limit = fc.integer({ min: 1, max: 90 });
const model = fc.constantFrom('simulator', 'simulator:tokens=300', 'simulator-reasoning:tokens=200');
const tools = fc.option(
  fc.array(
    text.map((description) => ({
      type: 'function',
      function: { name: 'f', description, parameters: { type: 'object' } },
    })),
    { minLength: 1, maxLength: 2 },
  ),
  { nil: undefined },
);
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

const form = fc.oneof(
  fc
    .record({
      model,
      messages: fc.array(message, { minLength: 1, maxLength: 3 }),
      max_tokens: optional(limit),
      n: optional(small),
      tools,
      reasoning_effort: optional(fc.constantFrom('low', 'high')),
    })
    .map((body) => ({ path: '/v1/chat/completions', body })),
  fc
    .record({
      model,
      prompt: fc.oneof(
        text,
        fc.array(text, { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat(50_000), { minLength: 1, maxLength: 20 }),
        fc.array(fc.array(fc.nat(50_000), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 4 }),
      ),
      max_tokens: limit,
      n: optional(small),
      echo: optional(fc.boolean()),
    })
    .map((body) => ({ path: '/v1/completions', body })),
  fc
    .record({
      model: fc.constant('simulator-embedding'),
      input: fc.oneof(
        text,
        fc.array(text, { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(50_000), { minLength: 1, maxLength: 20 }),
      ),
      dimensions: fc.constant(4),
    })
    .map((body) => ({ path: '/v1/embeddings', body })),
  fc
    .record({
      model: fc.constant('simulator-rerank'),
      query: text,
      documents: fc.array(text, { minLength: 1, maxLength: 12 }),
    })
    .map((body) => ({ path: '/v1/rerank', body })),
  fc
    .record({ model, input: text, instructions: optional(text), max_output_tokens: optional(limit) })
    .map((body) => ({ path: '/v1/responses', body })),
  fc
    .record({
      model,
      system: optional(text),
      messages: fc.array(
        text.map((content) => ({ role: 'user', content })),
        { minLength: 1, maxLength: 3 },
      ),
      max_tokens: limit,
    })
    .map((body) => ({ path: '/v1/messages', body })),
  fc
    .record({
      model,
      messages: fc.array(message, { minLength: 1, maxLength: 2 }),
      max_tokens: limit,
      schema: text,
    })
    .map((body) => ({ path: '/v1/text2sql', body })),
  fc
    .record({ model, prompt: text, system: optional(text), max_tokens: optional(limit), n: optional(small) })
    .map((body) => ({ path: '/inference', body })),
);

test('no random request to any endpoint uses more than it has reserved', async () => {
  const gateway = await start();
  await createTenant(gateway);
  await fc.assert(
    fc.asyncProperty(form, async (request) => {
      const { reserved, used } = await measure(gateway, request);
      expect(used.tokens).toBeLessThanOrEqual(reserved.tokens);
      expect(used.nanoUsd).toBeLessThanOrEqual(reserved.nanoUsd);
    }),
    { numRuns: runs(120) },
  );
}, 120_000);
