import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isRunning } from '../../src/platform/process.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { examplePlugin, MISBEHAVING, pluginFile } from '../support/plugins.ts';
import { eventStream } from '../support/scripts.ts';
import {
  chat,
  completion,
  eventually,
  expectError,
  mockConfig,
  post,
  provider,
  streamPieces,
} from './harness.ts';
import { asObject } from './helpers/json.ts';

/** One gateway has the plugins of all cases; those that misbehave do so for the models of their case. */

type Settings = Readonly<Record<string, unknown>>;

const folder = mkdtempSync(join(tmpdir(), 'weir-plugins-'));
const stampModule = join(folder, 'stamp.mjs');
const brokenModule = join(folder, 'broken.mjs');
let mock: MockUpstream;
let gateway: Gateway;
let slack: Server;
let slackUrl = '';
const slackBodies: string[] = [];
const closers: (() => unknown)[] = [];

const stampSource = (stamp: string) =>
  `import { suffix } from './suffix.mjs';
   export default { apiVersion: 1, name: 'stamp', setup: ({ header }) => ({ interceptor: {
     request: () => ({ headers: { [header]: '${stamp}' + suffix } }) } }) };`;
const HEADERS_SOURCE = `export default { apiVersion: 1, name: 'headers', setup: () => ({ interceptor: {
  models: ['headers'],
  request: ({ headers }) => ({ headers: { 'x-seen': Object.keys(headers).sort().join(' ') } }) } }) };`;

/** Behaviour that fails a call, and behaviour that ends the process: of one plugin each, not too often. */
const ASKED: Readonly<Record<string, string>> = {
  ...{ throw: 'calls', never: 'calls', number: 'calls', print: 'calls', split_header: 'calls' },
  ...{ loop: 'ends', exit: 'ends', leak: 'ends-too', flood: 'ends-too' },
};
const misbehaving = (id: string, config: Settings, more: Settings = {}) => ({
  ...{ id, module: MISBEHAVING, timeout: '300ms', config: { models: [id], ...config } },
  ...more,
});

interface Variation {
  readonly words?: unknown;
  readonly more?: Settings;
}

function configuration({ words = { Titan: 'the product', 'Project X': 'that' }, more = {} }: Variation = {}) {
  const targets = [{ provider: 'mock', model: 'upstream-chat' }];
  const names = ['calls', 'ends', 'ends-too', 'windows', 'required', 'windows-required', 'headers', 'off'];
  const plugins = [
    { id: 'broken', module: brokenModule, load_timeout: '5s' },
    { module: examplePlugin('word-replacement'), id: 'words', config: { words } },
    {
      module: examplePlugin('header-router'),
      config: { header: 'x-region', routes: { eu: 'frankfurt', gone: 'nowhere' }, strict: true },
    },
    {
      module: examplePlugin('slack-notifier'),
      config: { webhook_url: slackUrl, events: ['config.reloaded', 'config.rejected'] },
    },
    ...['calls', 'ends', 'ends-too'].map((id) => misbehaving(id, { do: 'ask' }, { memory_limit: '128MB' })),
    misbehaving('windows', { do: 'ask', at: 'window' }),
    misbehaving('required', { do: 'throw' }, { fail: 'closed' }),
    misbehaving('optional', { do: 'throw', at: 'response', models: ['required'] }),
    misbehaving('windows-required', { do: 'throw', at: 'window' }, { fail: 'closed' }),
    misbehaving('off', { do: 'mark' }, { enabled: false }),
    { id: 'headers', module: join(folder, 'headers.mjs') },
    ...['process', 'none'].map((isolation) => ({
      ...{ id: `stamp-${isolation}`, module: stampModule, isolation, config: { header: `x-${isolation}` } },
    })),
  ];
  return {
    ...mockConfig(mock.url, {
      plugins,
      providers: ['mock', 'ohio', 'frankfurt'].map((id) => provider({ id, url: mock.url })),
      models: [
        ...['chat', ...names].map((id) => ({ id, targets })),
        {
          ...{ id: 'routed', strategy: 'round-robin', strategy_plugin: 'header-router' },
          targets: ['ohio', 'frankfurt'].map((id) => ({ provider: id, model: 'small' })),
        },
      ],
    }),
    ...more,
  };
}

beforeAll(async () => {
  mock = await startMockUpstream();
  slack = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (piece: string) => {
      body += piece;
    });
    request.on('end', () => {
      slackBodies.push(body);
      response.end('ok');
    });
  });
  await new Promise<void>((resolve) => slack.listen(0, '127.0.0.1', resolve));
  const address = slack.address();
  slackUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/services/T/B/X`;
  writeFileSync(join(folder, 'suffix.mjs'), "export const suffix = '';");
  writeFileSync(stampModule, stampSource('one'));
  writeFileSync(join(folder, 'headers.mjs'), HEADERS_SOURCE);
  writeFileSync(brokenModule, 'throw new Error("no luck at all");');
  gateway = await startGateway({ config: configuration() });
}, 60_000);
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
afterAll(async () => {
  await gateway.stop();
  await mock.close();
  slack.close();
  rmSync(folder, { recursive: true, force: true });
});

const ask = (model: string, text = 'Hi', more: Settings = {}) =>
  post(gateway, chat({ model, messages: [{ role: 'user', content: text }], ...more }));

async function statusOf(id: string): Promise<Record<string, unknown> | undefined> {
  const response = await fetch(`${gateway.url}/health`, {
    headers: { authorization: `Bearer ${gateway.adminKey}` },
  });
  const { plugins } = asObject(await response.json());
  return Array.isArray(plugins) ? plugins.map(asObject).find((one) => one.id === id) : undefined;
}

const runs = (id: string) =>
  eventually(`the plugin ${id} runs`, async () => (await statusOf(id))?.status === 'ok', 10_000);
const metrics = async () => (await fetch(`${gateway.metricsUrl}/metrics`)).text();

const contentOf = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)))
    .map(({ choices }) => choices[0]?.delta?.content ?? '')
    .join('');

test('a plugin that does not load is reported, started again, and does not stop the start', async () => {
  mock.respondAlways(completion());
  const marked = await ask('calls', 'do:mark');
  expect([marked.status, marked.headers.get('x-plugin')]).toEqual([200, 'was here']);
  expect(await statusOf('broken')).toMatchObject({ status: 'restarting', reason: 'no luck at all' });
  const page = await metrics();
  expect(page).toContain('weir_plugin_up{plugin="broken"} 0');
  expect(page).toContain('weir_plugin_up{plugin="calls"} 1');
  expect(page).toMatch(/weir_plugin_memory_bytes\{plugin="calls"\} [1-9]\d{6}/);
  expect(gateway.logs().some(({ msg }) => String(msg).startsWith('plugin ended'))).toBe(true);
  // It works after all, without a change of the configuration.
  copyFileSync(MISBEHAVING, brokenModule);
  await runs('broken');
});

describe('the example "word-replacement"', () => {
  test('replaces words in requests and responses, in every dialect', async () => {
    mock.respondAlways(completion('Titan is late.'));
    expect(await (await ask('chat', 'Is Titan late?')).text()).toContain('the product is late.');
    const messages = await post(
      gateway,
      JSON.stringify({ model: 'chat', max_tokens: 9, messages: [{ role: 'user', content: 'titan?' }] }),
      { path: '/v1/messages' },
    );
    expect(await messages.text()).toContain('the product is late.');
    expect(mock.requests.map((request) => request.text()).join()).not.toMatch(/titan/i);
    expect(await metrics()).toContain('weir_plugin_count_total{plugin="words",name="replaced_words"} 4');
  });

  test('replaces words in streams, wherever they are split', async () => {
    const text = 'Now Titan, then Project X; and titanic remains, Titan';
    for (const size of [1, 3, 100]) {
      const pieces = text.match(new RegExp(`.{1,${size}}`, 'g')) ?? [];
      mock.respond(eventStream(streamPieces(...pieces)));
      const body = await (await ask('chat', 'Hi', { stream: true })).text();
      expect(contentOf(body)).toBe('Now the product, then that; and titanic remains, the product');
      expect(body).toContain('[DONE]');
    }
  });
});

test('the example "header-router" selects targets by a header', async () => {
  mock.respondAlways(completion());
  const routed = (headers: Record<string, string>) => post(gateway, chat({ model: 'routed' }), { headers });
  const served = async (headers: Record<string, string>) =>
    (await routed(headers)).headers.get('x-weir-provider');
  const regional = await Promise.all(Array.from({ length: 6 }, () => served({ 'x-region': 'eu' })));
  expect(new Set(regional)).toEqual(new Set(['frankfurt']));
  const any = await Promise.all(Array.from({ length: 6 }, () => served({})));
  expect(new Set(any).size).toBe(2);
  expect((await routed({ 'x-region': 'gone' })).status).toBe(503);
});

describe('a plugin that misbehaves', () => {
  test.each(Object.entries(ASKED))('and does "%s" neither fails nor stops requests', async (what, model) => {
    await runs(model);
    mock.respondAlways(completion());
    const others = Array.from({ length: 20 }, () => ask(model, 'do:fine'));
    const [own, ...rest] = await Promise.all([ask(model, `do:${what}`), ...others]);
    expect(own?.status).toBe(200);
    expect(own?.headers.get('x-c')).toBeNull();
    expect(rest.map(({ status }) => status)).toEqual(others.map(() => 200));
    await runs(model);
    await eventually(
      'it is called again',
      async () => (await ask(model, 'do:mark')).headers.get('x-plugin') === 'was here',
    );
  });

  test.each(['throw', 'loop', 'exit'])('and does "%s" in a stream leaves the text as it is', async (what) => {
    await runs('windows');
    const text = `Good morning do:${what} world`;
    mock.respond(eventStream(streamPieces('Good ', 'morning ', `do:${what} `, 'world')));
    const body = await (await ask('windows', 'Hi', { stream: true })).text();
    expect(contentOf(body)).toBe(text);
    expect(body).toContain('[DONE]');
  });

  test('ends requests where the configuration says so', async () => {
    mock.respondAlways(completion());
    const before = mock.requests.length;
    const error = await expectError(await ask('required'), 503, 'plugin_failed');
    expect(error.message).toContain('"required"');
    expect(mock.requests).toHaveLength(before);
  });

  test('and ends a stream in the middle sends an error event', async () => {
    mock.respond(eventStream(streamPieces('Good ', 'morning')));
    const text = await (await ask('windows-required', 'Hi', { stream: true })).text();
    expect(text).toContain('plugin_failed');
    expect(text).not.toContain('[DONE]');
  });
});

describe('the configuration', () => {
  test('that disables a plugin starts nothing', async () => {
    mock.respondAlways(completion());
    expect((await ask('off')).headers.get('x-plugin')).toBeNull();
    expect(await statusOf('off')).toBeUndefined();
  });

  test('hides credentials from plugins', async () => {
    mock.respondAlways(completion());
    const response = await post(gateway, chat({ model: 'headers' }), {
      headers: { 'x-api-key': 'k', cookie: 'a=b', 'x-mine': '1', 'x-auth-token': 't' },
    });
    const seen = (response.headers.get('x-seen') ?? '').split(' ');
    expect(seen).toContain('x-mine');
    for (const hidden of ['authorization', 'x-api-key', 'cookie', 'x-auth-token']) {
      expect(seen).not.toContain(hidden);
    }
  });

  test('that is the same runs a changed module after a signal, and keeps the others', async () => {
    mock.respondAlways(completion());
    const stamps = async () => {
      const { headers } = await ask('chat');
      return [headers.get('x-process'), headers.get('x-none')];
    };
    expect(await stamps()).toEqual(['one', 'one']);
    // Plugins that misbehaved in the cases before may still be ending.
    const kept = async () =>
      (await metrics()).match(/weir_plugin_ends_total\{plugin="(?:words|headers|header-router)".*/g);
    const restarts = await kept();
    writeFileSync(stampModule, stampSource('two'));
    gateway.signal('SIGHUP');
    await eventually('the new module runs', async () => String(await stamps()) === 'two,two');
    // A file that it imports, of the same length and time.
    writeFileSync(join(folder, 'suffix.mjs'), "export const suffix = '!';");
    gateway.signal('SIGHUP');
    await eventually('the imported file is read', async () => (await stamps())[0] === 'two!');
    expect(await kept()).toEqual(restarts);
    rmSync(stampModule);
    gateway.signal('SIGHUP');
    await gateway.waitForOutput(/plugins\[\d+\]\.module: there is no module/);
    expect((await stamps())[0]).toBe('two!');
    writeFileSync(stampModule, stampSource('two'));
  });

  test('that becomes wrong is rejected, and the running plugins go on; one that is valid holds', async () => {
    mock.respondAlways(completion('Titan'));
    gateway.writeConfig(configuration({ words: 7 }));
    gateway.signal('SIGHUP');
    await gateway.waitForOutput(/plugins\[1\]\.config\.words/);
    expect(await (await ask('chat')).text()).toContain('"the product"');
    gateway.writeConfig(configuration({ words: { Titan: 'that' }, more: { streams: { keep_alive: '7s' } } }));
    gateway.signal('SIGHUP');
    await eventually('the new words hold', async () => (await (await ask('chat')).text()).includes('"that"'));
  });

  test('makes events, which the example "slack-notifier" posts', async () => {
    const posted = (event: string) =>
      eventually(`${event} is posted`, () => slackBodies.some((body) => body.includes(event)));
    await posted('config.rejected');
    await posted('config.reloaded');
  });

  test('that is wrong stops the start, and names the field', async () => {
    const plugins = [{ module: './no-such-plugin.ts' }];
    const error = await startGateway({ config: mockConfig(mock.url, { plugins }) }).then(
      () => '',
      (thrown: unknown) => String(thrown),
    );
    expect(error).toMatch(/plugins\[0\]\.module: there is no module/);
  });
});

test('the process of a plugin ends with a gateway that is killed, also while it loops', async () => {
  const file = pluginFile(
    `import { writeFileSync } from 'node:fs';
     export default { apiVersion: 1, name: 'pid', setup() {
       return { interceptor: { request() {
         writeFileSync(new URL('./pid', import.meta.url), String(process.pid));
         for (;;);
       } } };
     } };`,
  );
  closers.push(file.remove);
  const plugins = [{ module: file.path, timeout: '60s' }];
  const own = await startGateway({ config: mockConfig(mock.url, { plugins }) });
  closers.push(() => own.stop());
  mock.respondAlways(completion());
  post(own, chat()).catch(() => undefined);
  const pidFile = join(dirname(file.path), 'pid');
  await eventually('the plugin loops', () => existsSync(pidFile));
  const pid = Number(readFileSync(pidFile, 'utf8'));
  expect(isRunning(pid)).toBe(true);
  own.signal('SIGKILL');
  await own.exited;
  await eventually('the process of the plugin ends', () => !isRunning(pid));
});
