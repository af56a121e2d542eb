import { afterEach, describe, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isRecord } from '../../src/core/json.ts';
import { freePort } from '../support/free-port.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { MISBEHAVING } from '../support/plugins.ts';
import { eventStream, hang, html, json, type Script } from '../support/scripts.ts';
import { chat, completion, eventually, expectError, mockConfig, post, streamPieces } from './harness.ts';

/** Guardrails that ask servers and plugins, through the public API. */

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Setup {
  readonly gateway: Gateway;
  readonly mock: MockUpstream;
  readonly server: MockUpstream;
}

async function start(
  guardrail: Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, unknown>> = {},
): Promise<Setup> {
  const [mock, server] = await Promise.all([startMockUpstream(), startMockUpstream()]);
  closers.push(() => Promise.all([mock.close(), server.close()]));
  const settings = {
    id: 'outside',
    kind: 'http',
    server: { url: `${server.url}/check`, cache: '0s' },
    ...guardrail,
  };
  const gateway = await startGateway({ config: mockConfig(mock.url, { guardrails: [settings], ...more }) });
  closers.push(() => gateway.stop());
  return { gateway, mock, server };
}

/** A server that finds and replaces the word "secret". */
function findsSecrets(request: { json(): unknown }): Script {
  const body = request.json();
  const given: unknown[] = isRecord(body) && Array.isArray(body.texts) ? body.texts : [];
  const texts = given.map((one) => (isRecord(one) ? String(one.text) : ''));
  return json({
    findings: texts.flatMap((text) => (text.includes('secret') ? [{ kind: 'secret_word' }] : [])),
    texts: texts.map((text) => text.replaceAll('secret', '[SECRET]')),
  });
}

const ask = (text: string) => chat({ messages: [{ role: 'user', content: text }] });

describe('a guardrail that asks a server', () => {
  test('blocks requests and responses', async () => {
    const { gateway, mock, server } = await start({ action: 'block' });
    server.respondAlways(findsSecrets);
    mock.respondAlways(completion('a secret'));
    await expectError(await post(gateway, ask('my secret')), 400, 'guardrail_blocked');
    expect(mock.requests).toHaveLength(0);
    const response = await (await post(gateway, ask('hello'))).text();
    expect(response).toContain('content_filter');
    expect(response).not.toContain('a secret');
  });

  test('redacts requests, responses and streams', async () => {
    const { gateway, mock, server } = await start({ action: 'redact' });
    server.respondAlways(findsSecrets);
    mock.respond(completion('one secret'));
    expect(await (await post(gateway, ask('my secret'))).text()).toContain('one [SECRET]');
    expect(mock.requests[0]?.text()).toContain('my [SECRET]');
    mock.respond(eventStream(streamPieces('a se', 'cret wo', 'rd')));
    const stream = await (await post(gateway, chat({ stream: true }))).text();
    expect(stream).not.toContain('cret wo');
    expect(stream).toContain('[SECRET]');
    expect(stream).toContain('[DONE]');
  });

  test('beside the provider, asks both at the same time', async () => {
    const { gateway, mock, server } = await start({ action: 'block', run: 'beside', on: ['input'] });
    const provider = Promise.withResolvers<void>();
    mock.respondAlways(() => {
      provider.resolve();
      return completion();
    });
    // It responds when the provider has the request: one after the other, it would never.
    server.respondAlways(async (request) => {
      await provider.promise;
      return findsSecrets(request);
    });
    await expectError(await post(gateway, ask('my secret')), 400, 'guardrail_blocked');
    expect(mock.requests).toHaveLength(1);
  });

  test.each([
    ['hangs', hang()],
    ['responds with HTML', html(200)],
    ['fails', html(500)],
  ])('that %s lets requests pass or blocks them, as "fail" says', async (_, script) => {
    const open = await start({ action: 'block', fail: 'open', timeout: '200ms', on: ['input'] });
    open.server.respondAlways(script);
    open.mock.respondAlways(completion());
    expect((await post(open.gateway, ask('hello'))).status).toBe(200);
    const closed = await start({ action: 'block', timeout: '200ms', on: ['input'] });
    closed.server.respondAlways(script);
    closed.mock.respondAlways(completion());
    expect((await post(closed.gateway, ask('hello'))).status).toBeGreaterThanOrEqual(400);
    expect(closed.mock.requests).toHaveLength(0);
  });
});

test('the example server speaks the contract', async () => {
  const port = await freePort();
  const program = fileURLToPath(new URL('../../examples/guardrail-server/server.mjs', import.meta.url));
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env.PATH ?? '', PORT: String(port) },
  });
  closers.push(() => child.kill('SIGKILL'));
  await eventually('the server listens', () =>
    fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    ),
  );
  const { gateway, mock } = await start({
    action: 'redact',
    server: { url: `http://127.0.0.1:${port}/check`, headers: { authorization: 'Bearer change-me' } },
  });
  mock.respondAlways(completion('The code name is Titan.'));
  const text = await (await post(gateway, ask('Tell me of titan'))).text();
  expect(text).toContain('The code name is [CODE NAME].');
  expect(mock.requests[0]?.text()).toContain('Tell me of [CODE NAME]');
});

describe('a guardrail that asks a plugin', () => {
  const plugin = { id: 'words', kind: 'plugin', plugin: 'misbehaving', server: undefined };
  const plugins = (config: Readonly<Record<string, unknown>> = {}) => ({
    plugins: [{ module: MISBEHAVING, timeout: '500ms', config: { at: 'check', do: 'fine', ...config } }],
  });

  test('redacts and blocks by its findings', async () => {
    const { gateway, mock } = await start({ ...plugin, action: 'redact' }, plugins());
    mock.respondAlways(completion('one secret'));
    expect(await (await post(gateway, ask('my secret'))).text()).toContain('one ***');
    expect(mock.requests[0]?.text()).toContain('my ***');
    const blocking = await start({ ...plugin, action: 'block' }, plugins());
    const error = await expectError(await post(blocking.gateway, ask('my secret')), 400, 'guardrail_blocked');
    expect(error.message).toContain('secret_word');
  });

  test.each(['throw', 'loop', 'exit', 'number'])('that does "%s" is contained', async (what) => {
    const { gateway, mock } = await start(
      { ...plugin, action: 'block', fail: 'open' },
      plugins({ do: what }),
    );
    mock.respondAlways(completion());
    expect((await post(gateway, ask('hello'))).status).toBe(200);
    const closed = await start({ ...plugin, action: 'block' }, plugins({ do: what }));
    closed.mock.respondAlways(completion());
    expect((await post(closed.gateway, ask('hello'))).status).toBeGreaterThanOrEqual(400);
    expect(closed.mock.requests).toHaveLength(0);
  });

  test('that is not configured is an error of the configuration', async () => {
    const error = await start({ ...plugin, action: 'block' }).then(
      () => '',
      (thrown: unknown) => String(thrown),
    );
    expect(error).toContain('guardrails[0].plugin: unknown plugin "misbehaving"');
  });
});
