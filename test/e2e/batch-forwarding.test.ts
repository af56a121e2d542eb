import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import type OpenAI from 'openai';
import { toFile } from 'openai';
import { isRecord } from '../../src/core/json.ts';
import { FULL } from '../support/effort.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type BatchWire, MockBatchApi } from '../support/mock-batch-api.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { status } from '../support/scripts.ts';
import { completion, eventually } from './harness.ts';
import { dataOf, done } from './helpers/admin.ts';

/** Batches that go to the batch APIs of providers, through a gateway with sockets and mocks of three wire formats. */

const WAIT_MS = 60_000;
// A test waits more than once.
setDefaultTimeout(3 * WAIT_MS);
const ENDED = ['completed', 'failed', 'cancelled', 'expired'];
const PROVIDERS: Readonly<Record<BatchWire, string>> = { openai: 'oa', mistral: 'mi', anthropic: 'an' };

interface Upstream {
  readonly mock: MockUpstream;
  readonly api: MockBatchApi;
}

const upstreams = new Map<BatchWire, Upstream>();
let gateway: Gateway;
let openai: OpenAI;

/** @returns the response to a question of the guardrail that asks a model; undefined for other requests */
function verdictOf(text: string): string | undefined {
  if (!text.includes('You check texts')) return undefined;
  return text.includes('A cat') ? 'violates' : 'keeps';
}

async function startUpstream(wire: BatchWire): Promise<Upstream> {
  const mock = await startMockUpstream();
  const api = new MockBatchApi({ wire, completesAtOnce: true });
  // The gateway sends other requests itself.
  mock.respondAlways((request) => api.handle(request) ?? completion(verdictOf(request.text()) ?? 'live'));
  upstreams.set(wire, { mock, api });
  return { mock, api };
}

function upstream(wire: BatchWire): Upstream {
  const found = upstreams.get(wire);
  if (!found) throw new Error(wire);
  return found;
}

const provider = (wire: BatchWire, more: Record<string, unknown> = {}) => ({
  ...{ id: PROVIDERS[wire], kind: wire, api_key: 'sk-up', discover: false, forward_batches: true },
  base_url: wire === 'anthropic' ? upstream(wire).mock.url : `${upstream(wire).mock.url}/v1`,
  ...more,
});

beforeAll(async () => {
  for (const wire of ['openai', 'mistral', 'anthropic'] as const) await startUpstream(wire);
  gateway = await startGateway({
    config: {
      providers: [
        ...(['openai', 'mistral', 'anthropic'] as const).map((wire) => provider(wire)),
        provider('openai', { id: 'here', forward_batches: null }),
      ],
      models: [
        { id: 'chat', targets: [{ provider: 'oa', model: 'gpt-x' }] },
        { id: 'small', targets: [{ provider: 'mi', model: 'mistral-x' }] },
        { id: 'claude', targets: [{ provider: 'an', model: 'claude-x' }] },
        { id: 'local', targets: [{ provider: 'here', model: 'gpt-x' }] },
        { id: 'cached', targets: [{ provider: 'oa', model: 'gpt-x' }] },
        {
          ...{ id: 'limited', targets: [{ provider: 'oa', model: 'gpt-x' }] },
          limits: [{ of: 'tokens', max: 10_000, per: 'month' }],
        },
        { id: 'judged', targets: [{ provider: 'oa', model: 'gpt-judged' }] },
      ].map((model) => ({ ...model, cache: model.id === 'cached' ? {} : false })),
      cache: { exact: { ttl: '1h', price: { input: '1', output: '10' } } },
      batches: { concurrency: 2 },
      prices: [
        { model: 'gpt-x', input: '1', output: '10', batch: '0.5' },
        { model: 'claude-x', input: '1', output: '10', batch: '0.5' },
      ],
      guardrails: [
        { id: 'no-bomb', kind: 'rules', action: 'block', on: ['input'], rules: { words: ['bomb'] } },
        { id: 'pii', kind: 'pii', action: 'pseudonymise', on: ['input', 'output'] },
        {
          ...{ id: 'cats', kind: 'judge', action: 'block', on: ['input'], run: 'beside', models: ['judged'] },
          judge: { model: 'local', policy: 'Texts must not be about cats.' },
        },
      ],
    },
  });
  openai = gateway.openai();
});
afterAll(async () => {
  await gateway?.stop();
  for (const { mock } of upstreams.values()) await mock.close();
});

const line = (id: string, content = 'Hi', model = 'chat') =>
  JSON.stringify({
    ...{ custom_id: id, method: 'POST', url: '/v1/chat/completions' },
    body: { model, messages: [{ role: 'user', content }], max_tokens: 50 },
  });

async function create(lines: readonly string[], client = openai): Promise<OpenAI.Batch> {
  const file = await toFile(Buffer.from(lines.join('\n')), 'in.jsonl');
  const { id } = await client.files.create({ file, purpose: 'batch' });
  return client.batches.create({
    ...{ input_file_id: id, endpoint: '/v1/chat/completions', completion_window: '24h' },
  });
}

async function ended(id: string, client = openai): Promise<OpenAI.Batch & Record<string, unknown>> {
  let batch = await client.batches.retrieve(id);
  await eventually(
    'the batch ends',
    async () => {
      batch = await client.batches.retrieve(id);
      return ENDED.includes(batch.status);
    },
    WAIT_MS,
  );
  return { ...batch };
}

async function results(batch: OpenAI.Batch, client = openai): Promise<Map<string, Record<string, unknown>>> {
  const found = new Map<string, Record<string, unknown>>();
  for (const file of [batch.output_file_id, batch.error_file_id]) {
    if (!file) continue;
    for (const text of (await (await client.files.content(file)).text()).split('\n')) {
      const parsed: unknown = text === '' ? undefined : JSON.parse(text);
      if (isRecord(parsed)) found.set(String(parsed.custom_id), parsed);
    }
  }
  return found;
}

function contentOf(result: Record<string, unknown> | undefined): string {
  return JSON.stringify(result?.response);
}

const ids = (count: number) => Array.from({ length: count }, (_, at) => `l${at}`);

describe('a batch', () => {
  test('goes to the providers of its lines, and the others run at the gateway', async () => {
    const lines = [
      ...ids(5).map((id) => line(`oa-${id}`, id)),
      ...ids(3).map((id) => line(`mi-${id}`, id, 'small')),
      ...ids(4).map((id) => line(`an-${id}`, id, 'claude')),
      line('here', 'Hi', 'local'),
      line('blocked', 'a bomb'),
      line('unknown', 'Hi', 'nothing'),
    ];
    const { id } = await create(lines);
    const batch = await ended(id);
    expect(batch).toMatchObject({
      status: 'completed',
      request_counts: { total: 15, completed: 13, failed: 2 },
      forwarding: { forwarded: { oa: 5, mi: 3, an: 4 } },
    });
    const found = await results(batch);
    expect(found.size).toBe(15);
    expect(contentOf(found.get('here'))).toContain('live');
    expect(contentOf(found.get('blocked'))).toContain('no-bomb');
    expect(found.get('blocked')).toMatchObject({ response: { status_code: 400 } });
    // Each in the client's dialect, with the name of the model that the client sent.
    for (const [name, model] of [
      ['oa-l1', 'chat'],
      ['mi-l1', 'small'],
      ['an-l1', 'claude'],
    ] as const) {
      expect(found.get(name)).toMatchObject({
        response: {
          status_code: 200,
          body: { object: 'chat.completion', model, usage: { total_tokens: 5 } },
        },
      });
      expect(contentOf(found.get(name))).toContain('Echo of');
    }
    // 3 input and 2 output tokens at half the price.
    expect(found.get('oa-l1')).toMatchObject({ response: { cost_usd: '0.0000115' } });
    expect(found.get('an-l1')).toMatchObject({ response: { cost_usd: '0.0000115' } });
    // What guardrails block leaves the gateway in no form.
    for (const { mock } of upstreams.values()) {
      expect(mock.requests.some((request) => request.text().includes('bomb'))).toBe(false);
    }
    expect(upstream('anthropic').api.batches[0]?.lines[0]?.body).toMatchObject({ model: 'claude-x' });
    expect(upstream('anthropic').api.batches[0]?.discarded).toBe(true);
    // Nothing is sent but the batch and what the gateway runs itself.
    const live = upstream('openai')
      .mock.requests.filter(({ path }) => path === '/v1/chat/completions')
      .map((request) => request.text());
    // Gateways of other tests may still check an upstream that had this port before.
    expect(live.filter((text) => text.includes('gpt-x'))).toEqual([expect.stringContaining('Hi')]);
  });

  test('has redacted content at the provider, and the original in its results', async () => {
    const { api } = upstream('openai');
    api.respond = ({ body }) => ({
      status: 200,
      body: {
        ...{ id: 'c', object: 'chat.completion', created: 1, model: 'm' },
        choices: [
          {
            ...{ index: 0, finish_reason: 'stop' },
            message: { role: 'assistant', content: JSON.stringify(body.messages) },
          },
        ],
        usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
      },
    });
    const { id } = await create([line('a', 'Write to jane.doe@example.com now')]);
    const batch = await ended(id);
    const sent = JSON.stringify(api.batches[0]?.lines);
    expect(sent).not.toContain('jane.doe');
    expect(sent).toContain('[EMAIL_1]');
    expect(contentOf((await results(batch)).get('a'))).toContain('jane.doe@example.com');
  });

  test('waits for guardrails that check beside a call: nothing is uploaded before their verdict', async () => {
    const { mock } = upstream('openai');
    const { id } = await create([line('good', 'A dog', 'judged'), line('bad', 'A cat', 'judged')]);
    const batch = await ended(id);
    expect(batch).toMatchObject({
      request_counts: { completed: 1, failed: 1 },
      forwarding: { forwarded: { oa: 1 }, local: { no_upstream_call: 1 } },
    });
    expect(contentOf((await results(batch)).get('bad'))).toContain('guardrail_blocked');
    const uploads = mock.requests.filter(({ path }) => path === '/v1/files').map((request) => request.text());
    expect(uploads.some((text) => text.includes('A dog'))).toBe(true);
    expect(uploads.some((text) => text.includes('A cat'))).toBe(false);
    const verdicts = mock.requests.filter((request) => request.text().includes('You check texts'));
    expect(verdicts.filter((request) => request.text().includes('A dog'))).toHaveLength(1);
  });

  test('whose responses the cache has is charged once', async () => {
    await done(gateway, 'POST', '/tenants', { id: 'cached' });
    const { key } = await done(gateway, 'POST', '/tenants/cached/keys', { name: 'k' });
    const client = gateway.openai({ apiKey: String(key) });
    const ask = (model: string) =>
      client.chat.completions.create({
        ...{ model, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 50 },
      });
    await ask('cached');
    const { id } = await create([line('a', 'Hi', 'cached'), line('b', 'Hi', 'cached')], client);
    const batch = await ended(id, client);
    expect(batch.forwarding).toEqual({ forwarded: {}, local: { no_upstream_call: 2 } });
    const events = () => done(gateway, 'GET', '/tenants/cached/usage/events').then(dataOf);
    // Events are stored in their order: the last one comes after all others.
    await ask('local');
    const isLast = async () => (await events()).some(({ model }) => model === 'local');
    await eventually('all is metered', isLast, WAIT_MS);
    const outcomes = (await events()).map(({ model, outcome }) => `${model} ${outcome}`);
    expect(outcomes.toSorted()).toEqual(['cached cached', 'cached cached', 'cached done', 'local done']);
  });

  test('is metered once, at the price of batches, whatever the provider repeats', async () => {
    const { api } = upstream('openai');
    await done(gateway, 'POST', '/tenants', { id: 'metered' });
    const { key } = await done(gateway, 'POST', '/tenants/metered/keys', { name: 'k' });
    const client = gateway.openai({ apiKey: String(key) });
    const message = (text: string) => ({
      ...{ id: 'c', object: 'chat.completion', created: 1, model: 'm' },
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: text } }],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    });
    api.respond = () => ({ status: 200, body: message('ok') });
    const before = api.batches.length;
    api.intercept = () => {
      const [batch] = api.batches;
      if (batch && api.batches.length > before && !batch.results) {
        const [a, b, c] = batch.lines.map((one) =>
          api.resultLine(one.id, { status: 200, body: message('ok') }),
        );
        // Repeated, malformed, of another batch; the second line is missing.
        batch.results = [
          c,
          a,
          a,
          '{',
          c?.replace(/"custom_id":"[0-9a-f]/, '"custom_id":"x'),
          b?.slice(0, 40),
        ].map((text) => text ?? '');
      }
      return undefined;
    };
    const { id } = await create([line('a'), line('b'), line('c')], client);
    const batch = await ended(id, client);
    api.intercept = () => undefined;
    expect(batch).toMatchObject({
      request_counts: { total: 3, completed: 2, failed: 1 },
      cost_usd: '0.000023',
    });
    expect((await results(batch, client)).get('b')).toMatchObject({ response: { status_code: 502 } });
    await eventually(
      'its usage is stored',
      async () => {
        const report = await done(gateway, 'GET', '/tenants/metered/usage');
        return JSON.stringify(report).includes('0.000023');
      },
      WAIT_MS,
    );
  });

  test('is metered where its key is revoked while the provider runs it', async () => {
    const { api } = upstream('openai');
    await done(gateway, 'POST', '/tenants', { id: 'rotating' });
    const { key, id: revoked } = await done(gateway, 'POST', '/tenants/rotating/keys', { name: 'a' });
    const { key: other } = await done(gateway, 'POST', '/tenants/rotating/keys', { name: 'b' });
    let isRunning = true;
    api.intercept = ({ method }) => (method === 'GET' && isRunning ? status(503, {}) : undefined);
    const before = api.batches.length;
    const { id } = await create([line('a'), line('b')], gateway.openai({ apiKey: String(key) }));
    await eventually('it is submitted', () => api.batches.length > before, WAIT_MS);
    await done(gateway, 'DELETE', `/tenants/rotating/keys/${revoked}`);
    isRunning = false;
    expect(await ended(id, gateway.openai({ apiKey: String(other) }))).toMatchObject({
      ...{ status: 'completed', request_counts: { completed: 0, failed: 2 }, cost_usd: '0.000023' },
    });
    await eventually(
      'its usage is stored',
      async () => {
        const events = dataOf(await done(gateway, 'GET', '/tenants/rotating/usage/events'));
        return events.filter((event) => event.model === 'chat' && event.key === revoked).length === 2;
      },
      WAIT_MS,
    );
    api.intercept = () => undefined;
  });

  test("in Anthropic's form goes to Anthropic as it is, and to others translated", async () => {
    const client = new Anthropic({ baseURL: gateway.url, apiKey: gateway.adminKey });
    const request = (id: string, model: string) => ({
      custom_id: id,
      params: { model, max_tokens: 50, messages: [{ role: 'user' as const, content: 'Hi' }] },
    });
    upstream('openai').api.respond = upstream('mistral').api.respond;
    let batch = await client.messages.batches.create({
      requests: [request('a', 'claude'), request('b', 'small')],
    });
    await eventually(
      'the batch ends',
      async () => {
        batch = await client.messages.batches.retrieve(batch.id);
        return batch.processing_status === 'ended';
      },
      WAIT_MS,
    );
    expect(batch.request_counts).toMatchObject({ succeeded: 2 });
    const found = new Map<string, string>();
    for await (const { custom_id, result } of await client.messages.batches.results(batch.id)) {
      found.set(custom_id, JSON.stringify(result));
    }
    expect(found.get('a')).toContain('"model":"claude"');
    expect(found.get('b')).toContain('"model":"small"');
    expect(upstream('anthropic').api.batches[0]?.lines[0]?.body).toMatchObject({ model: 'claude-x' });
  });

  test('that a budget has no room for runs at the gateway, until the budget is used up', async () => {
    await done(gateway, 'POST', '/tenants', {
      id: 'poor',
      tier: null,
      limits: [{ of: 'tokens', max: 800, per: 'month' }],
    });
    const { key } = await done(gateway, 'POST', '/tenants/poor/keys', { name: 'k' });
    const client = gateway.openai({ apiKey: String(key) });
    const before = upstream('openai').api.batches.length;
    const small = await ended((await create([line('a')], client)).id, client);
    expect(small).toMatchObject({ status: 'completed', forwarding: { forwarded: { oa: 1 } } });
    const large = await ended(
      (
        await create(
          ids(20).map((id) => line(id)),
          client,
        )
      ).id,
      client,
    );
    expect(large).toMatchObject({
      status: 'completed',
      forwarding: { forwarded: {}, local: { limits: 20 } },
    });
    expect(upstream('openai').api.batches.length - before).toBe(1);
    // What was reserved is free again, and each line counts with its use.
    await eventually(
      'usage counts',
      async () => {
        const limits = dataOf(await done(gateway, 'GET', '/tenants/poor/limits'));
        return limits.some(({ used }) => used === 105);
      },
      WAIT_MS,
    );
  });

  test('that a quota of requests or of the model has no room for runs at the gateway', async () => {
    const limits = [{ of: 'requests', max: 6, per: 'month' }];
    await done(gateway, 'POST', '/tenants', { id: 'few', tier: null, limits });
    const { key } = await done(gateway, 'POST', '/tenants/few/keys', { name: 'k' });
    const client = gateway.openai({ apiKey: String(key) });
    const before = upstream('openai').api.batches.length;
    const { id } = await create([...ids(7).map((name) => line(name))], client);
    const isLocal = async () => {
      const { forwarding } = { forwarding: {}, ...(await client.batches.retrieve(id)) };
      return JSON.stringify(forwarding) === '{"forwarded":{},"local":{"limits":7}}';
    };
    await eventually('the gateway runs the lines', isLocal, WAIT_MS);
    await client.batches.cancel(id);
    const limited = await ended((await create([line('a', 'Hi', 'limited')])).id);
    expect(limited.forwarding).toEqual({ forwarded: {}, local: { limits: 1 } });
    expect(upstream('openai').api.batches.length).toBe(before);
  });

  test('that the provider rejects runs at the gateway', async () => {
    const { api } = upstream('openai');
    api.intercept = ({ method, path }) =>
      method === 'POST' && path === '/v1/batches'
        ? status(400, { error: { message: 'no batches' } })
        : undefined;
    const { id } = await create([line('a')]);
    const batch = await ended(id);
    api.intercept = () => undefined;
    expect(batch).toMatchObject({
      status: 'completed',
      forwarding: { forwarded: {}, local: { provider_rejected: 1 } },
    });
  });

  test.skipIf(!FULL)(
    'survives kills while the provider runs it and while its results are read',
    async () => {
      const dataDir = mkdtempSync(join(tmpdir(), 'weir-forward-kills-'));
      const mock = await startMockUpstream();
      const api = new MockBatchApi({ wire: 'openai' });
      mock.respondAlways((request) => api.handle(request) ?? completion('live'));
      const start = () =>
        startGateway({
          config: {
            providers: [
              {
                ...{ id: 'oa', kind: 'openai', api_key: 'sk-up', discover: false, forward_batches: true },
                base_url: `${mock.url}/v1`,
              },
            ],
            models: [{ id: 'chat', targets: [{ provider: 'oa', model: 'gpt-x' }] }],
            prices: [{ model: 'gpt-x', input: '1', output: '10', batch: '0.5' }],
          },
          dataDir,
        });
      let own = await start();
      try {
        const { id } = await create(
          ids(400).map((name) => line(name)),
          own.openai(),
        );
        await eventually('the batch is submitted', () => api.batches.length > 0, WAIT_MS);
        own.signal('SIGKILL');
        await own.exited;
        own = await start();
        const [batch] = api.batches;
        if (!batch) throw new Error('no batch');
        batch.state = 'completed';
        const isRead = () => mock.requests.some(({ path }) => path.endsWith('/content'));
        await eventually('results are read', isRead, WAIT_MS);
        own.signal('SIGKILL');
        await own.exited;
        own = await start();
        const done = await ended(id, own.openai());
        expect(done).toMatchObject({
          ...{ status: 'completed', request_counts: { total: 400, completed: 400, failed: 0 } },
          cost_usd: '0.0046',
        });
        expect((await results(done, own.openai())).size).toBe(400);
        expect(api.batches).toHaveLength(1);
        await eventually(
          'each line is metered once',
          async () => {
            const response = await fetch(`${own.url}/admin/v1/tenants/default/usage`, {
              headers: { authorization: `Bearer ${own.adminKey}` },
            });
            return (await response.text()).includes('"0.0046"');
          },
          WAIT_MS,
        );
      } finally {
        await own.stop();
        await mock.close();
        rmSync(dataDir, { recursive: true, force: true });
      }
    },
    240_000,
  );
});
