import { afterEach, expect, test } from 'bun:test';
import { records } from '../../src/core/json.ts';
import {
  type CacheGateway,
  type CacheGatewayOptions,
  chatOf,
  startCacheGateway,
} from '../support/cache-gateway.ts';
import { settle } from '../support/fake-clock.ts';
import { createGate } from '../support/gate.ts';
import { chatAnswer, chatEvent } from '../support/inference.ts';
import { json, slow, status } from '../support/scripts.ts';

let running: CacheGateway | undefined;
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

async function start(options?: CacheGatewayOptions): Promise<CacheGateway> {
  running = await startCacheGateway(options);
  return running;
}

const PIECES = [
  chatEvent('one '),
  chatEvent('two '),
  chatEvent('three'),
  chatEvent('', 'stop'),
  'data: [DONE]\n\n',
];
const STREAM = chatOf('hi', { stream: true });

function streamedText(text: string): string {
  return Array.from(text.matchAll(/"content":"([^"]*)"/g), ([, part = '']) => part).join('');
}

test('1,000 identical concurrent streams make one upstream call', async () => {
  const { post, mock } = await start({ config: { limits: { default_tier: null, per_ip: null } } });
  const gate = createGate();
  mock.respond(slow(PIECES, gate));
  const first = post('/v1/chat/completions', STREAM);
  await mock.waitForRequest(1);
  gate.release(2);
  const others = Array.from({ length: 999 }, () => post('/v1/chat/completions', STREAM));
  await settle();
  gate.open();
  const responses = await Promise.all([first, ...others]);
  expect(mock.requests).toHaveLength(1);
  const kinds = new Map<string, number>();
  for (const { status: code, text, headers } of responses) {
    expect([code, streamedText(text), text.endsWith('data: [DONE]\n\n')]).toEqual([
      200,
      'one two three',
      true,
    ]);
    const kind = headers.get('x-weir-cache-kind') ?? headers.get('x-weir-cache') ?? '';
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  expect(kinds.get('miss')).toBe(1);
  expect((kinds.get('coalesced') ?? 0) + (kinds.get('exact') ?? 0)).toBe(999);
});

test('plain requests share a call and its failure', async () => {
  const { post, mock } = await start();
  const gate = createGate();
  mock.respond(
    async () => {
      await gate.pass();
      return json(JSON.parse(chatAnswer('shared')));
    },
    async () => {
      await gate.pass();
      return status(503, { error: { message: 'down' } });
    },
  );
  for (const expected of [200, 503]) {
    const text = `hi ${expected}`;
    const both = [post('/v1/chat/completions', chatOf(text)), post('/v1/chat/completions', chatOf(text))];
    await mock.waitForRequest(expected === 200 ? 1 : 2);
    gate.release();
    expect((await Promise.all(both)).map((response) => response.status)).toEqual([expected, expected]);
  }
  expect(mock.requests).toHaveLength(2);
});

test('requests that differ, or belong to other tenants, share nothing', async () => {
  const { post, mock, gateway } = await start();
  const admin = (path: string, body: unknown) =>
    gateway.call('POST', `/admin/v1${path}`, { key: gateway.adminKey, body });
  await admin('/tenants', { id: 'acme' });
  const created = await admin('/tenants/acme/keys', { name: 'k' });
  const gate = createGate();
  mock.respondAlways(async () => {
    await gate.pass();
    return json(JSON.parse(chatAnswer('x')));
  });
  const sent = [
    post('/v1/chat/completions', chatOf('a')),
    post('/v1/chat/completions', chatOf('b')),
    post('/v1/chat/completions', chatOf('a'), {}, String(created.body.secret ?? created.body.key)),
    post('/v1/chat/completions', chatOf('a'), { 'x-weir-cache': 'refresh' }),
    post('/v1/chat/completions', chatOf('a'), { 'x-weir-cache-namespace': 'n' }),
  ];
  await mock.waitForRequest(5);
  gate.open();
  for (const response of await Promise.all(sent)) expect(response.status).toBe(200);
});

test('the first request pays for a shared call, or all pay equal parts', async () => {
  const price = { input: 10_000, output: 10_000 };
  const { post, mock, gateway } = await start({
    model: { price },
    config: { limits: { default_tier: null } },
  });
  const admin = (method: string, path: string, body?: unknown) =>
    gateway.call(method, `/admin/v1${path}`, { key: gateway.adminKey, body });
  for (const [tenant, shared] of [
    ['first', 'first'],
    ['split', 'split'],
  ]) {
    await admin('POST', '/tenants', { id: tenant, cache: { shared_calls: shared } });
    const keys: string[] = [];
    for (const name of ['a', 'b']) {
      const limits = [{ of: 'tokens', per: 'day', max: 1_000_000 }];
      const created = await admin('POST', `/tenants/${tenant}/keys`, { name, limits });
      keys.push(String(created.body.secret ?? created.body.key));
    }
    const gate = createGate();
    mock.respond(async () => {
      await gate.pass();
      return json(JSON.parse(chatAnswer('shared')));
    });
    const count = mock.requests.length;
    const sent = keys.map((key) => post('/v1/chat/completions', chatOf('hi'), {}, key));
    await mock.waitForRequest(count + 1);
    gate.open();
    expect((await Promise.all(sent)).map((response) => response.status)).toEqual([200, 200]);
    const { body } = await admin('GET', `/tenants/${tenant}/limits`);
    // 3 input and 2 output tokens.
    const used = records(body.data).map((limit) => limit.used);
    expect(used).toEqual(shared === 'split' ? [3, 2] : [5, 0]);
    // Who pays nothing has saved the price of the call.
    const stats = await admin('GET', `/tenants/${tenant}/cache`);
    expect(stats.body).toMatchObject({
      models: { chat: { hits: 1, saved_usd: shared === 'split' ? '0' : '0.05' } },
    });
  }
});
