import { afterEach, describe, expect, test } from 'bun:test';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isRunning } from '../../src/platform/process.ts';
import { type Gateway, type GatewayOptions, startGateway } from '../support/gateway.ts';
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

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type PluginConfig = Readonly<Record<string, unknown>>;

async function start(
  plugins: readonly PluginConfig[],
  more: Readonly<Record<string, unknown>> = {},
  options: Partial<GatewayOptions> = {},
): Promise<{ gateway: Gateway; mock: MockUpstream }> {
  const mock = await startMockUpstream();
  closers.push(() => mock.close());
  const gateway = await startGateway({ config: mockConfig(mock.url, { plugins, ...more }), ...options });
  closers.push(() => gateway.stop());
  return { gateway, mock };
}

const words = (config: PluginConfig, more: PluginConfig = {}) => ({
  module: examplePlugin('word-replacement'),
  id: 'words',
  config,
  ...more,
});
const misbehaving = (config: PluginConfig, more: PluginConfig = {}) => ({
  module: MISBEHAVING,
  timeout: '500ms',
  config,
  ...more,
});

async function health(gateway: Gateway): Promise<readonly Record<string, unknown>[]> {
  const response = await fetch(`${gateway.url}/health`, {
    headers: { authorization: `Bearer ${gateway.adminKey}` },
  });
  const { plugins } = asObject(await response.json());
  return Array.isArray(plugins) ? plugins.map(asObject) : [];
}

async function metrics(gateway: Gateway): Promise<string> {
  return (await fetch(`${gateway.metricsUrl}/metrics`)).text();
}

const contentOf = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)))
    .map(({ choices }) => choices[0]?.delta?.content ?? '')
    .join('');

describe('the example "word-replacement"', () => {
  test('replaces words in requests and responses, in every dialect', async () => {
    const { gateway, mock } = await start([words({ words: { Titan: 'the product' } })]);
    mock.respondAlways(completion('Titan is late.'));
    const plain = await post(gateway, chat({ messages: [{ role: 'user', content: 'Is Titan late?' }] }));
    expect(await plain.text()).toContain('the product is late.');
    const messages = await post(
      gateway,
      JSON.stringify({ model: 'chat', max_tokens: 9, messages: [{ role: 'user', content: 'titan?' }] }),
      { path: '/v1/messages' },
    );
    expect(await messages.text()).toContain('the product is late.');
    expect(mock.requests.map((request) => request.text()).join()).not.toMatch(/titan/i);
    expect(await metrics(gateway)).toContain(
      'weir_plugin_count_total{plugin="words",name="replaced_words"} 4',
    );
  });

  test('replaces words in streams, wherever they are split', async () => {
    const { gateway, mock } = await start([words({ words: { Titan: 'it', 'Project X': 'that' } })]);
    const text = 'Now Titan, then Project X; and titanic remains, Titan';
    for (const size of [1, 3, 100]) {
      const pieces = text.match(new RegExp(`.{1,${size}}`, 'g')) ?? [];
      mock.respond(eventStream(streamPieces(...pieces)));
      const response = await post(gateway, chat({ stream: true }));
      const body = await response.text();
      expect(contentOf(body)).toBe('Now it, then that; and titanic remains, it');
      expect(body).toContain('[DONE]');
    }
  });
});

test('the example "header-router" selects targets by a header', async () => {
  const mock = await startMockUpstream();
  closers.push(() => mock.close());
  mock.respondAlways(completion());
  const { gateway } = await start(
    [
      {
        module: examplePlugin('header-router'),
        config: { header: 'x-region', routes: { eu: 'frankfurt', gone: 'nowhere' }, strict: true },
      },
    ],
    {
      providers: [provider({ id: 'ohio', url: mock.url }), provider({ id: 'frankfurt', url: mock.url })],
      models: [
        {
          id: 'chat',
          strategy: 'round-robin',
          strategy_plugin: 'header-router',
          targets: [
            { provider: 'ohio', model: 'small' },
            { provider: 'frankfurt', model: 'small' },
          ],
        },
      ],
    },
  );
  const served = async (headers: Record<string, string>) =>
    (await post(gateway, chat(), { headers })).headers.get('x-weir-provider');
  const regional = await Promise.all(Array.from({ length: 6 }, () => served({ 'x-region': 'eu' })));
  expect(new Set(regional)).toEqual(new Set(['frankfurt']));
  const any = await Promise.all(Array.from({ length: 6 }, () => served({})));
  expect(new Set(any).size).toBe(2);
  expect((await post(gateway, chat(), { headers: { 'x-region': 'gone' } })).status).toBe(503);
});

test('the example "slack-notifier" posts events', async () => {
  const bodies: string[] = [];
  const slack = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (piece: string) => {
      body += piece;
    });
    request.on('end', () => {
      bodies.push(body);
      response.end('ok');
    });
  });
  await new Promise<void>((resolve) => slack.listen(0, '127.0.0.1', resolve));
  closers.push(() => slack.close());
  const address = slack.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/services/T/B/X`;
  const plugins = [
    {
      module: examplePlugin('slack-notifier'),
      config: { webhook_url: url, events: ['config.reloaded', 'config.rejected'] },
    },
  ];
  const { gateway, mock } = await start(plugins);
  gateway.writeConfig({ ...mockConfig(mock.url, { plugins }), streams: { keep_alive: '7s' } });
  gateway.signal('SIGHUP');
  await eventually('the event is posted', () => bodies.some((body) => body.includes('config.reloaded')));
  gateway.writeConfig('nonsense: true');
  gateway.signal('SIGHUP');
  await eventually('the event is posted', () => bodies.some((body) => body.includes('config.rejected')));
});

describe('a plugin that misbehaves', () => {
  test.each(['throw', 'never', 'loop', 'leak', 'exit', 'flood', 'number', 'print', 'split_header'])(
    'and does "%s" neither fails nor stops requests',
    async (what) => {
      const { gateway, mock } = await start([misbehaving({ do: 'ask' }, { memory_limit: '128MB' })]);
      mock.respondAlways(completion());
      const body = chat({ messages: [{ role: 'user', content: `do:${what}` }] });
      const others = Array.from({ length: 20 }, () =>
        post(gateway, chat({ messages: [{ role: 'user', content: 'do:fine' }] })),
      );
      const [own, ...rest] = await Promise.all([post(gateway, body), ...others]);
      expect(own?.status).toBe(200);
      expect(own?.headers.get('x-c')).toBeNull();
      expect(rest.map(({ status }) => status)).toEqual(others.map(() => 200));
      await eventually('the plugin runs', async () => (await health(gateway))[0]?.status === 'ok');
      const marked = await post(gateway, chat({ messages: [{ role: 'user', content: 'do:mark' }] }));
      expect(marked.headers.get('x-plugin')).toBe('was here');
    },
  );

  test.each(['throw', 'loop', 'exit'])('and does "%s" in a stream leaves the text as it is', async (what) => {
    const { gateway, mock } = await start([misbehaving({ do: what, at: 'window' })]);
    mock.respond(eventStream(streamPieces('Good ', 'morning, ', 'world')));
    const text = await (await post(gateway, chat({ stream: true }))).text();
    expect(contentOf(text)).toBe('Good morning, world');
    expect(text).toContain('[DONE]');
  });

  test('ends requests where the configuration says so', async () => {
    const { gateway, mock } = await start([
      misbehaving({ do: 'throw' }, { fail: 'closed', id: 'required' }),
      misbehaving({ do: 'throw', at: 'response' }, { id: 'optional' }),
    ]);
    mock.respondAlways(completion());
    const error = await expectError(await post(gateway, chat()), 503, 'plugin_failed');
    expect(error.message).toContain('"required"');
    expect(mock.requests).toHaveLength(0);
  });

  test('and ends a stream in the middle sends an error event', async () => {
    const { gateway, mock } = await start([misbehaving({ do: 'throw', at: 'window' }, { fail: 'closed' })]);
    mock.respond(eventStream(streamPieces('Good ', 'morning')));
    const text = await (await post(gateway, chat({ stream: true }))).text();
    expect(text).toContain('plugin_failed');
    expect(text).not.toContain('[DONE]');
  });

  test('and does not load is reported, started again, and does not stop the start', async () => {
    const file = pluginFile('throw new Error("no luck at all");', 'broken.mjs');
    closers.push(file.remove);
    const { gateway, mock } = await start([{ module: file.path }, misbehaving({ do: 'mark' })]);
    mock.respondAlways(completion());
    const response = await post(gateway, chat());
    expect(response.status).toBe(200);
    expect(response.headers.get('x-plugin')).toBe('was here');
    const [broken] = await health(gateway);
    expect(broken).toMatchObject({ id: 'broken', status: 'restarting', reason: 'no luck at all' });
    const page = await metrics(gateway);
    expect(page).toContain('weir_plugin_up{plugin="broken"} 0');
    expect(page).toContain('weir_plugin_up{plugin="misbehaving"} 1');
    expect(page).toMatch(/weir_plugin_memory_bytes\{plugin="misbehaving"\} [1-9]\d{6}/);
    expect(gateway.logs().some(({ msg }) => String(msg).startsWith('plugin ended'))).toBe(true);
    // It works after all, without a change of the configuration.
    writeFileSync(
      file.path,
      `export default ${readFileSync(MISBEHAVING, 'utf8').split('export default ')[1]}`,
    );
    copyFileSync(MISBEHAVING, file.path);
    await eventually('it runs', async () => (await health(gateway))[0]?.status === 'ok');
  });
});

describe('the configuration', () => {
  test.each([
    [{ module: './no-such-plugin.ts' }, /plugins\[0\]\.module: there is no module/],
    [words({ words: {} }), /plugins\[0\]\.config\.words/],
    [words({ words: { a: 1 } }), /plugins\[0\]\.config\.words\.a/],
    [words({ words: { a: 'b' }, wrods: 1 }), /plugins\[0\]\.config\.wrods: is not a key of this plugin/],
    [words({ words: { a: 'b' } }, { memory_limit: 'much' }), /plugins\[0\]\.memory_limit/],
  ])('that is wrong stops the start, and names the field: %p', async (plugin, message) => {
    const error = await start([plugin]).then(
      () => '',
      (thrown: unknown) => String(thrown),
    );
    expect(error).toMatch(message);
  });

  test('that becomes wrong is rejected, and the running plugins go on', async () => {
    const plugins = [words({ words: { Titan: 'it' } })];
    const { gateway, mock } = await start(plugins);
    mock.respondAlways(completion('Titan'));
    gateway.writeConfig(mockConfig(mock.url, { plugins: [words({ words: 7 })] }));
    gateway.signal('SIGHUP');
    await gateway.waitForOutput(/plugins\[0\]\.config\.words/);
    expect(await (await post(gateway, chat())).text()).toContain('"it"');
    gateway.writeConfig(mockConfig(mock.url, { plugins: [words({ words: { Titan: 'that' } })] }));
    gateway.signal('SIGHUP');
    await eventually('the new words hold', async () =>
      (await (await post(gateway, chat())).text()).includes('"that"'),
    );
  });

  test('that is reloaded keeps a stream with its plugin, and runs a changed module', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-plugins-'));
    closers.push(() => rmSync(folder, { recursive: true, force: true }));
    const module = join(folder, 'stamp.mjs');
    const source = (stamp: string) =>
      `export default { apiVersion: 1, name: 'stamp', setup: () => ({ interceptor: {
        request: () => ({ headers: { 'x-stamp': '${stamp}' } }) } }) };`;
    writeFileSync(module, source('one'));
    for (const isolation of ['process', 'none']) {
      writeFileSync(module, source('one'));
      const { gateway, mock } = await start([{ module, isolation }]);
      mock.respondAlways(completion());
      expect((await post(gateway, chat())).headers.get('x-stamp')).toBe('one');
      writeFileSync(module, source('number two'));
      const more = { streams: { keep_alive: '7s' } };
      gateway.writeConfig({ ...mockConfig(mock.url, { plugins: [{ module, isolation }] }), ...more });
      gateway.signal('SIGHUP');
      await eventually(
        'the new module runs',
        async () => (await post(gateway, chat())).headers.get('x-stamp') === 'number two',
      );
    }
  });

  test('that disables a plugin starts nothing', async () => {
    const { gateway, mock } = await start([misbehaving({ do: 'mark' }, { enabled: false })]);
    mock.respondAlways(completion());
    const response = await post(gateway, chat());
    expect(response.headers.get('x-plugin')).toBeNull();
    expect(await health(gateway)).toEqual([]);
  });

  test('hides credentials from plugins', async () => {
    const file = pluginFile(
      `export default { apiVersion: 1, name: 'headers', setup: () => ({ interceptor: {
        request: ({ headers }) => ({ headers: { 'x-seen': Object.keys(headers).sort().join(' ') } }) } }) };`,
    );
    closers.push(file.remove);
    const { gateway, mock } = await start([{ module: file.path }]);
    mock.respondAlways(completion());
    const response = await post(gateway, chat(), {
      headers: { 'x-api-key': 'k', cookie: 'a=b', 'x-mine': '1', 'x-auth-token': 't' },
    });
    const seen = (response.headers.get('x-seen') ?? '').split(' ');
    expect(seen).toContain('x-mine');
    for (const hidden of ['authorization', 'x-api-key', 'cookie', 'x-auth-token']) {
      expect(seen).not.toContain(hidden);
    }
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
  const { gateway, mock } = await start([{ module: file.path, timeout: '60s' }]);
  mock.respondAlways(completion());
  post(gateway, chat()).catch(() => undefined);
  const pidFile = join(dirname(file.path), 'pid');
  await eventually('the plugin loops', () => existsSync(pidFile));
  const pid = Number(readFileSync(pidFile, 'utf8'));
  expect(isRunning(pid)).toBe(true);
  gateway.signal('SIGKILL');
  await gateway.exited;
  await eventually('the process of the plugin ends', () => !isRunning(pid));
});
