import { afterEach, expect, test } from 'bun:test';
import { ShiftedClock } from '../support/cache-gateway.ts';
import { gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { chatAnswer } from '../support/inference.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { json, status } from '../support/scripts.ts';
import { asHttpRequest, asResponse } from '../support/web-messages.ts';

const LONG = 'Follow the handbook. '.repeat(300);
const MARK = { type: 'ephemeral' };
const USAGE = {
  input_tokens: 10,
  cache_read_input_tokens: 2_000,
  cache_creation_input_tokens: 100,
  output_tokens: 5,
};

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  while (cleanups.length > 0) await cleanups.pop()?.();
});

interface Started {
  readonly gateway: InProcessGateway;
  readonly mock: MockUpstream;
  readonly clock: ShiftedClock;
  /** Sends a request. @returns the body that the upstream received */
  sent(path: string, body: unknown, options?: Sending): Promise<Record<string, unknown>>;
}

interface Sending {
  readonly headers?: Readonly<Record<string, string>>;
  readonly key?: string;
}

async function start(config: Readonly<Record<string, unknown>> = {}): Promise<Started> {
  const mock = await startMockUpstream();
  const clock = new ShiftedClock();
  mock.respondAlways(({ path }) =>
    path.endsWith('/messages')
      ? json({
          ...{ id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-sonnet-4-5' },
          ...{ content: [{ type: 'text', text: 'ok' }], stop_reason: 'end_turn', usage: USAGE },
        })
      : json(JSON.parse(chatAnswer('ok'))),
  );
  const gateway = await gatewayInProcess({
    clock,
    config: {
      providers: [
        { id: 'claude', kind: 'anthropic', base_url: mock.url, api_key: 'k', discover: false },
        {
          ...{ id: 'gpt', kind: 'openai', base_url: `${mock.url}/v1`, discover: false },
          ...{ api_key: 'k1', more_api_keys: ['k2', 'k3', 'k4'] },
        },
      ],
      models: [
        {
          ...{ id: 'claude', targets: [{ provider: 'claude', model: 'claude-sonnet-4-5' }] },
          price: { input: '3', output: '15', cached_input: '0.3', cache_write: '3.75' },
        },
        { id: 'opus', targets: [{ provider: 'claude', model: 'claude-opus-4-5' }] },
        { id: 'gpt', targets: [{ provider: 'gpt', model: 'gpt-5' }] },
        {
          ...{ id: 'plain', targets: [{ provider: 'claude', model: 'claude-sonnet-4-5' }] },
          prompt_caching: false,
        },
      ],
      ...config,
    },
  });
  cleanups.push(async () => {
    await gateway.close();
    await mock.close();
  });
  return {
    ...{ gateway, mock, clock },
    sent: async (path, body, { headers = {}, key = gateway.adminKey } = {}) => {
      const { status: code, text } = await gateway.call('POST', path, { key, body, headers });
      expect([code, code === 200 ? '' : text]).toEqual([200, '']);
      return JSON.parse(mock.requests.at(-1)?.text() ?? '');
    },
  };
}

const message = (question: string, more: Readonly<Record<string, unknown>> = {}) => ({
  ...{ model: 'claude', max_tokens: 9, system: LONG },
  messages: [{ role: 'user', content: question }],
  ...more,
});

const block = (text: string) => ({ type: 'text', text, cache_control: MARK });

test('instructions that repeat are marked for Anthropic, and nothing else changes', async () => {
  const { sent, gateway, mock } = await start();
  const written = `{"model":"claude", "max_tokens" : 9,"seed":12345678901234567890,"system":${JSON.stringify(LONG)},"messages":[{"role":"user","content":"one"}] }`;
  const raw = async () => {
    const headers = { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' };
    const request = new Request('http://weir.test/v1/messages', { method: 'POST', headers, body: written });
    await asResponse(await gateway.gateway.router.handle(asHttpRequest(request))).text();
    return mock.requests.at(-1)?.text();
  };
  const first = written.replace('"claude"', '"claude-sonnet-4-5"');
  expect(await raw()).toBe(first);
  const system = `[{"type":"text","text":${JSON.stringify(LONG)},"cache_control":{"type":"ephemeral"}}]`;
  const second = await raw();
  expect(second).toBe(
    first
      .replace(JSON.stringify(LONG), system)
      .replace('"content":"one"', `"content":[${JSON.stringify(block('one'))}]`),
  );
  expect(await sent('/v1/messages', message('two'))).toMatchObject({
    system: [block(LONG)],
    messages: [{ content: 'two' }],
  });
});

test('a growing conversation is marked at the end of what was sent before', async () => {
  const { sent } = await start();
  const turns = [
    { role: 'user', content: 'one' },
    { role: 'assistant', content: 'first' },
    { role: 'user', content: [{ type: 'text', text: 'two' }] },
    { role: 'assistant', content: [{ type: 'text', text: 'second' }] },
    { role: 'user', content: 'three' },
  ];
  const ask = (count: number) => sent('/v1/messages', message('', { messages: turns.slice(0, count) }));
  expect(JSON.stringify(await ask(1))).not.toContain('cache_control');
  const second = await ask(3);
  expect(second).toMatchObject({ system: [block(LONG)], messages: [{ content: [block('one')] }, {}, {}] });
  expect(JSON.stringify(second).match(/cache_control/g)).toHaveLength(2);
  const third = await ask(5);
  expect(third).toMatchObject({
    messages: [turns[0], turns[1], { content: [block('two')] }, turns[3], turns[4]],
  });
  expect(JSON.stringify(third).match(/cache_control/g)).toHaveLength(2);
});

test('requests in another dialect are marked too', async () => {
  const { sent } = await start();
  const chat = (question: string) => ({
    model: 'claude',
    messages: [
      { role: 'system', content: LONG },
      { role: 'user', content: question },
    ],
  });
  expect(JSON.stringify(await sent('/v1/chat/completions', chat('one')))).not.toContain('cache_control');
  expect(await sent('/v1/chat/completions', chat('two'))).toMatchObject({ system: [block(LONG)] });
});

test('tools are marked where there are no instructions', async () => {
  const { sent } = await start();
  const tools = [
    { name: 'a', input_schema: { type: 'object' } },
    { name: 'b', description: LONG, input_schema: { type: 'object' } },
  ];
  const body = message('one', { system: undefined, tools });
  await sent('/v1/messages', body);
  const again = await sent('/v1/messages', { ...body, messages: [{ role: 'user', content: 'two' }] });
  expect(again.tools).toEqual([tools[0], { ...tools[1], cache_control: MARK }]);
});

test('nothing is added to what a client marks, to short prompts, and after five minutes', async () => {
  const { sent, clock } = await start();
  const marked = message('one', {
    system: [{ type: 'text', text: LONG, cache_control: { type: 'ephemeral', ttl: '1h' } }],
  });
  await sent('/v1/messages', marked);
  expect(await sent('/v1/messages', marked)).toEqual({ ...marked, model: 'claude-sonnet-4-5' });
  const whole = message('one', { cache_control: MARK });
  await sent('/v1/messages', whole);
  expect(await sent('/v1/messages', whole)).toEqual({ ...whole, model: 'claude-sonnet-4-5' });

  const short = message('one', { system: 'Short. '.repeat(300) });
  await sent('/v1/messages', short);
  expect(await sent('/v1/messages', short)).toEqual({ ...short, model: 'claude-sonnet-4-5' });
  // This model caches nothing below 4,096 tokens.
  const opus = message('one', { model: 'opus' });
  await sent('/v1/messages', opus);
  expect(await sent('/v1/messages', opus)).toEqual({ ...opus, model: 'claude-opus-4-5' });

  await sent('/v1/messages', message('two'));
  clock.shift(301_000);
  expect(JSON.stringify(await sent('/v1/messages', message('three')))).not.toContain('cache_control');
  expect(JSON.stringify(await sent('/v1/messages', message('four')))).toContain('cache_control');
});

test('a prefix counts for its tenant, and only once a provider has responded', async () => {
  const { sent, gateway, mock } = await start({ routing: { retry: { attempts: 1 } } });
  await gateway.call('POST', '/admin/v1/tenants', { key: gateway.adminKey, body: { id: 'acme' } });
  const made = await gateway.call('POST', '/admin/v1/tenants/acme/keys', {
    ...{ key: gateway.adminKey, body: { name: 'k' } },
  });
  const acme = { key: String(made.body.key) };
  await sent('/v1/messages', message('one'));
  expect(JSON.stringify(await sent('/v1/messages', message('two'), acme))).not.toContain('cache_control');
  expect(JSON.stringify(await sent('/v1/messages', message('three'), acme))).toContain('cache_control');

  mock.respond(status(500, { error: { message: 'broken' } }));
  const other = message('one', { system: `Other. ${LONG}` });
  await gateway.call('POST', '/v1/messages', { key: gateway.adminKey, body: other });
  expect(JSON.stringify(await sent('/v1/messages', other))).not.toContain('cache_control');
});

test('models, tenants and requests opt out', async () => {
  const { sent, gateway } = await start();
  const plain = message('one', { model: 'plain' });
  await sent('/v1/messages', plain);
  expect(JSON.stringify(await sent('/v1/messages', plain))).not.toContain('cache_control');

  await sent('/v1/messages', message('one'));
  const off = { headers: { 'x-weir-prompt-cache': 'off' } };
  expect(JSON.stringify(await sent('/v1/messages', message('two'), off))).not.toContain('cache_control');
  const wrong = await gateway.call('POST', '/v1/messages', {
    ...{ key: gateway.adminKey, body: message('two'), headers: { 'x-weir-prompt-cache': 'perhaps' } },
  });
  expect([wrong.status, wrong.text]).toEqual([400, expect.stringContaining('x-weir-prompt-cache')]);

  const body = { cache: { prompt_caching: false } };
  await gateway.call('PATCH', '/admin/v1/tenants/default', { key: gateway.adminKey, body });
  expect(JSON.stringify(await sent('/v1/messages', message('three')))).not.toContain('cache_control');
});

test('`prompt_caching: false` adds nothing at all', async () => {
  const { sent } = await start({ prompt_caching: false });
  await sent('/v1/messages', message('one'));
  expect(JSON.stringify(await sent('/v1/messages', message('two')))).not.toContain('cache_control');
  const chat = { model: 'gpt', messages: [{ role: 'user', content: LONG }] };
  expect(await sent('/v1/chat/completions', chat)).toEqual({ ...chat, model: 'gpt-5' });
});

test('OpenAI gets one cache key for each tenant and session', async () => {
  const { sent, gateway } = await start();
  await gateway.call('POST', '/admin/v1/tenants', { key: gateway.adminKey, body: { id: 'acme' } });
  const made = await gateway.call('POST', '/admin/v1/tenants/acme/keys', {
    ...{ key: gateway.adminKey, body: { name: 'k' } },
  });
  const acme = { key: String(made.body.key) };
  const chat = (more: Readonly<Record<string, unknown>> = {}) => ({
    ...{ model: 'gpt', messages: [{ role: 'user', content: LONG }] },
    ...more,
  });
  const keyOf = async (path: string, body: unknown, options?: Sending) =>
    (await sent(path, body, options)).prompt_cache_key;
  const own = await keyOf('/v1/chat/completions', chat());
  expect(own).toMatch(/^weir-[0-9a-f]{32}$/);
  expect(await keyOf('/v1/chat/completions', chat({ temperature: 1 }))).toBe(own);
  expect(await keyOf('/v1/messages', message('one', { model: 'gpt' }))).toBe(own);
  const others = [
    await keyOf('/v1/chat/completions', chat(), acme),
    await keyOf('/v1/chat/completions', chat(), { headers: { 'x-weir-session': 's1' } }),
    await keyOf('/v1/chat/completions', chat(), { ...acme, headers: { 'x-weir-session': 's1' } }),
  ];
  expect(new Set([own, ...others]).size).toBe(4);
  expect(await keyOf('/v1/chat/completions', chat({ prompt_cache_key: 'mine' }))).toBe('mine');
  const short = { model: 'gpt', messages: [{ role: 'user', content: 'hi' }] };
  expect(await sent('/v1/chat/completions', short)).toEqual({ ...short, model: 'gpt-5' });
});

test('the account that has the prompt in its cache is preferred, while it responds', async () => {
  const { sent, mock } = await start();
  const accountOf = async (question: string, text = LONG) => {
    await sent('/v1/chat/completions', {
      model: 'gpt',
      messages: [
        { role: 'system', content: text },
        { role: 'user', content: question },
      ],
    });
    return mock.requests.at(-1)?.headers.get('authorization');
  };
  const warm = await accountOf('0');
  for (let at = 1; at <= 12; at += 1) expect(await accountOf(String(at))).toBe(warm);
  // Another prompt may go elsewhere, and short ones are spread.
  const spread = new Set<unknown>();
  for (let at = 0; at < 40; at += 1) spread.add(await accountOf(String(at), 'short'));
  expect(spread.size).toBeGreaterThan(1);

  mock.when(
    ({ headers }) => headers.get('authorization') === warm,
    status(429, { error: { message: 'slow down' } }, { 'retry-after': '60' }),
  );
  const next = await accountOf('after');
  expect(next).not.toBe(warm);
  const before = mock.requests.length;
  expect(await accountOf('after that')).toBe(next);
  expect(mock.requests.length).toBe(before + 1);
});

test('tokens read and written are priced, and what they saved is shown', async () => {
  const { sent, gateway } = await start();
  await sent('/v1/messages', message('one'));
  const stats = await gateway.call('GET', '/cache/stats', { key: gateway.adminKey });
  // 2,000 read at 0.3 instead of 3, 100 written at 3.75 instead of 3 dollars per million.
  expect(stats.body).toMatchObject({
    claude: { hits: 0, prompt_cache: { read_tokens: 2_000, write_tokens: 100, saved_usd: '0.005325' } },
  });
  const metrics = await gateway.call('GET', '/metrics', { key: gateway.adminKey });
  expect(metrics.text).toContain(
    'llm_prompt_cache_saved_usd_total{tenant="default",model="claude"} 0.005325',
  );
  expect(metrics.text).toContain(
    'llm_prompt_cache_tokens_total{tenant="default",model="claude",operation="write"} 100',
  );
});
