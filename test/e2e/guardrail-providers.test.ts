import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isRecord } from '../../src/core/json.ts';
import { freePort } from '../support/free-port.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { MISBEHAVING } from '../support/plugins.ts';
import { eventStream, hang, html, json, type Script, status } from '../support/scripts.ts';
import { completion, eventually, mockConfig, streamPieces } from './harness.ts';
import { askIn, DIALECTS, type DialectName, type DialectResponse } from './helpers/dialects.ts';

/**
 * Guardrails that ask servers and plugins, through the public API. One gateway has a model for each case, and its guardrails.
 */

/** What the servers of guardrails do, by their paths. */
const SERVERS: Readonly<Record<string, Script | ((request: { json(): unknown }) => Script)>> = {
  check: findsSecrets,
  hangs: hang(),
  html: html(200),
  error: html(500),
  redirects: status(302, '', { location: '/check' }),
  'no-list': json({ findings: 'none' }),
  'no-score': json({ findings: [{ kind: 'lie', score: 7 }] }),
  'fewer-texts': json({ findings: [{ kind: 'secret_word' }], texts: [] }),
  'no-texts': json({ findings: [{ kind: 'secret_word' }] }),
  deep: { ...json({}), body: `{"findings":${'['.repeat(5_000)}` },
};
const FAULTY = Object.keys(SERVERS).filter((path) => path !== 'check');
/** What plugins do with a check, all of it a fault. */
const MISBEHAVIOUR = ['throw', 'loop', 'exit', 'number'];

let mock: MockUpstream;
let server: MockUpstream;
let gateway: Gateway;
let example: ReturnType<typeof spawn>;
/** Held back until the provider has the request. */
let provider: PromiseWithResolvers<void>;

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

interface Case {
  readonly model: string;
  readonly [setting: string]: unknown;
}

function cases(url: string, examplePort: number): readonly Case[] {
  const http = (model: string, path: string, more: Readonly<Record<string, unknown>>): Case => ({
    ...{ model, kind: 'http', server: { url: `${url}/${path}`, cache: '0s' } },
    ...more,
  });
  const plugin = (model: string, of: string, more: Readonly<Record<string, unknown>>): Case => ({
    ...{ model, kind: 'plugin', plugin: of },
    ...more,
  });
  const faulty = (path: string) => ({
    on: ['input'],
    ...(path === 'hangs' ? { timeout: '100ms' } : {}),
  });
  return [
    http('blocks', 'check', { action: 'block' }),
    http('redacts', 'check', { action: 'redact' }),
    http('beside', 'beside', { action: 'block', run: 'beside', on: ['input'] }),
    ...FAULTY.flatMap((path) => [
      http(`${path}-open`, path, { action: 'redact', fail: 'open', ...faulty(path) }),
      http(`${path}-closed`, path, { action: 'redact', ...faulty(path) }),
      http(`${path}-output`, path, { action: 'redact', ...faulty(path), on: ['output'] }),
      http(`${path}-output-open`, path, {
        ...{ action: 'redact', fail: 'open', ...faulty(path), on: ['output'] },
      }),
    ]),
    {
      ...{ model: 'example', kind: 'http', action: 'redact' },
      server: {
        ...{ url: `http://127.0.0.1:${examplePort}/check`, headers: { authorization: 'Bearer change-me' } },
      },
    },
    plugin('plugin-redacts', 'fine', { action: 'redact' }),
    plugin('plugin-blocks', 'fine', { action: 'block' }),
    ...MISBEHAVIOUR.flatMap((what) => [
      plugin(`${what}-open`, what, { action: 'block', fail: 'open' }),
      plugin(`${what}-closed`, what, { action: 'block' }),
    ]),
  ];
}

beforeAll(async () => {
  [mock, server] = await Promise.all([startMockUpstream(), startMockUpstream()]);
  const port = await freePort();
  const program = fileURLToPath(new URL('../../examples/guardrail-server/server.mjs', import.meta.url));
  example = spawn(process.execPath, [program], {
    env: { PATH: process.env.PATH ?? '', PORT: String(port) },
  });
  for (const [path, responder] of Object.entries(SERVERS)) {
    server.when((request) => request.path === `/${path}`, responder);
  }
  // It responds when the provider has the request: one after the other, it would never.
  server.when(
    (request) => request.path === '/beside',
    async (request) => {
      await provider.promise;
      return findsSecrets(request);
    },
  );
  const all = cases(server.url, port);
  const models = all.map(({ model }) => ({
    id: model,
    targets: [{ provider: 'mock', model: 'upstream-chat' }],
  }));
  const guardrails = all.map(({ model, ...settings }) => ({
    ...settings,
    id: `of-${model}`,
    models: [model],
  }));
  const plugins = ['fine', ...MISBEHAVIOUR].map((what) => ({
    ...{ id: what, module: MISBEHAVING, timeout: '250ms', config: { at: 'check', do: what } },
  }));
  gateway = await startGateway({ config: mockConfig(mock.url, { models, guardrails, plugins }) });
}, 60_000);
beforeEach(() => {
  provider = Promise.withResolvers<void>();
  mock.respondAlways((request) => {
    provider.resolve();
    const isStream = request.text().includes('"stream":true');
    return isStream ? eventStream(streamPieces('one se', 'cret wo', 'rd')) : completion('one secret');
  });
});
afterAll(async () => {
  example.kill('SIGKILL');
  await gateway.stop();
  await Promise.all([mock.close(), server.close()]);
});

/** Runs something. @returns its result, and how many requests the provider received meanwhile */
async function counted<T>(run: () => Promise<T>): Promise<readonly [result: T, requests: number]> {
  const before = mock.requests.length;
  const result = await run();
  return [result, mock.requests.length - before];
}

const ask = (model: string, text: string, dialect: DialectName = 'chat', stream = false) =>
  askIn(gateway, dialect, { model, text, stream });
const expectBlocked = ({ status: code, raw }: DialectResponse) => {
  expect([code, raw]).toEqual([400, expect.stringContaining('secret_word')]);
};

describe.each(DIALECTS)('a guardrail that asks a server, in the dialect %s', (dialect) => {
  test('blocks requests and responses, also streams', async () => {
    const [request, sent] = await counted(() => ask('blocks', 'my secret', dialect));
    expectBlocked(request);
    expect(sent).toBe(0);
    for (const stream of [false, true]) {
      const response = await ask('blocks', 'hello', dialect, stream);
      expect(response.raw).toMatch(/content_filter|refusal/);
      expect(response.raw).not.toContain('secret');
    }
  });

  test('redacts requests, responses and streams', async () => {
    for (const stream of [false, true]) {
      const response = await ask('redacts', 'my secret', dialect, stream);
      expect(response.text).toBe(stream ? 'one [SECRET] word' : 'one [SECRET]');
      expect(mock.requests.at(-1)?.text()).toContain('my [SECRET]');
    }
  });

  test.each(FAULTY)('%s lets requests and responses pass or blocks them, as "fail" says', async (what) => {
    for (const stream of [false, true]) {
      const question = [what === 'no-texts' ? 'my secret' : 'hello', dialect, stream] as const;
      const text = stream ? 'one secret word' : 'one secret';
      const [open, sent] = await counted(() => ask(`${what}-open`, ...question));
      expect([open.status, open.text, sent]).toEqual([200, text, 1]);
      const [closed, unsent] = await counted(() => ask(`${what}-closed`, ...question));
      expect(closed.status).toBeGreaterThanOrEqual(400);
      expect(unsent).toBe(0);
      const output = await ask(`${what}-output`, ...question);
      expect(output.raw).not.toContain('secret');
      expect(output.raw).toMatch(/content_filter|refusal/);
      expect((await ask(`${what}-output-open`, ...question)).text).toBe(text);
    }
  });
});

test('a guardrail beside the provider asks both at the same time', async () => {
  const [response, sent] = await counted(() => ask('beside', 'my secret'));
  expectBlocked(response);
  expect(sent).toBe(1);
});

test('the example server speaks the contract', async () => {
  mock.respondAlways(completion('The code name is Titan.'));
  await eventually('the server listens', async () => (await ask('example', 'hello')).status === 200);
  const { text } = await ask('example', 'Tell me of titan');
  expect(text).toContain('The code name is [CODE NAME].');
  expect(mock.requests.at(-1)?.text()).toContain('Tell me of [CODE NAME]');
});

describe('a guardrail that asks a plugin', () => {
  test('redacts and blocks by its findings', async () => {
    expect((await ask('plugin-redacts', 'my secret')).text).toContain('one ***');
    expect(mock.requests.at(-1)?.text()).toContain('my ***');
    expectBlocked(await ask('plugin-blocks', 'my secret'));
  });

  test.each(MISBEHAVIOUR)('that does "%s" is contained', async (what) => {
    expect((await ask(`${what}-open`, 'hello')).status).toBe(200);
    const [closed, sent] = await counted(() => ask(`${what}-closed`, 'hello'));
    expect(closed.status).toBeGreaterThanOrEqual(400);
    expect(sent).toBe(0);
  });

  test('that is not configured is an error of the configuration', async () => {
    const guardrails = [{ id: 'words', kind: 'plugin', plugin: 'nowhere', action: 'block' }];
    const error = await startGateway({ config: mockConfig(mock.url, { guardrails }) }).then(
      () => '',
      (thrown: unknown) => String(thrown),
    );
    expect(error).toContain('guardrails[0].plugin: unknown plugin "nowhere"');
  });
});
