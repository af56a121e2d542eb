import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scanFolder } from '../../scripts/leak-scan.mjs';
import { collectOutput } from '../support/collected-outputs.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import planted from '../support/planted.json' with { type: 'json' };
import { closeBeforeResponse, eventStream, type Script } from '../support/scripts.ts';
import { completion, eventually, mockConfig, streamed, streamPieces } from './harness.ts';
import { done } from './helpers/admin.ts';

/**
 * Sends secrets and personal data wherever a client or an upstream can put them, to a gateway that records all it can: logs at
 * level debug and to files, traces, metrics, audited requests, usage. None of it may contain one. `npm test` scans the outputs
 * of all other tests in the same way.
 */

const EVERYTHING = Object.values(planted).join(' | ');
const PROMPT = `${planted.prompt}. ${EVERYTHING}`;
const REPLY = `${planted.response}. ${EVERYTHING}`;
/** What a provider's error message repeats: secrets and personal data among other words. */
const { prompt: _prompt, response: _response, 'password in a prompt': password, ...sensitive } = planted;
const ECHO = `invalid value "${Object.values(sensitive).join('", "')}" and password: ${password}`;

let mock: MockUpstream;
let collector: Server;
let gateway: Gateway;
let key: string;
const received: Buffer[] = [];
const dataDir = mkdtempSync(join(tmpdir(), 'weir-planted-'));
const outputs = mkdtempSync(join(tmpdir(), 'weir-planted-outputs-'));

beforeAll(async () => {
  mock = await startMockUpstream();
  collector = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => received.push(chunk));
    request.on('end', () => response.end('{}'));
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const address = collector.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  gateway = await startGateway({
    dataDir,
    config: mockConfig(mock.url, {
      log: { level: 'debug', files: {} },
      tracing: { endpoint: `http://127.0.0.1:${port}`, protocol: 'http/json' },
      cache: {},
      guardrails: [{ id: 'pii', kind: 'pii', on: ['input', 'output'], action: 'flag' }],
    }),
  });
  await done(gateway, 'POST', '/tenants', {
    ...{ id: 'acme', tier: null, audit_requests: true },
    // Prompts and responses, sealed.
    request_log: {},
  });
  key = String((await done(gateway, 'POST', '/tenants/acme/keys', { name: 'app' })).key);
}, 30_000);
afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
  collector?.close();
  for (const folder of [dataDir, outputs]) rmSync(folder, { recursive: true, force: true });
});

interface Sent {
  readonly path?: string;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

async function send({ path = '/v1/chat/completions', body, headers = {} }: Sent): Promise<string> {
  const response = await fetch(gateway.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return response.text();
}

const messages = [
  { role: 'system', content: PROMPT },
  { role: 'user', content: PROMPT },
];
let seed = 0;
/** Each is another one, or the cache would respond. */
const chat = (more: Readonly<Record<string, unknown>> = {}) => ({
  seed: ++seed,
  model: 'chat',
  messages,
  user: planted['e-mail address'],
  ...more,
});

const CASES: readonly (readonly [string, () => Script, readonly Sent[]])[] = [
  [
    'responses',
    () => completion(REPLY),
    [
      { body: chat() },
      {
        path: '/v1/messages',
        body: { model: 'chat', max_tokens: 9, messages: messages.slice(1), system: PROMPT },
      },
      { path: '/v1/responses', body: { model: 'chat', input: PROMPT, store: false } },
      { path: '/v1/completions', body: { model: 'chat', prompt: PROMPT } },
      { path: '/inference', body: { model: 'chat', prompt: `2. ${PROMPT}` } },
      { body: chat({ metadata: { note: planted['vendor key in a prompt'] } }) },
    ],
  ],
  [
    'streams',
    () => streamed(REPLY, REPLY),
    [{ body: chat({ stream: true }) }, { path: '/stream', body: { model: 'chat', prompt: `3. ${PROMPT}` } }],
  ],
  [
    'failures that repeat the request',
    () => ({ status: 500, body: JSON.stringify({ error: { message: ECHO } }) }),
    [{ body: chat() }, { body: chat({ stream: true }) }],
  ],
  [
    'rejections that repeat the request and the credential',
    () => ({
      status: 400,
      body: JSON.stringify({
        error: { message: `key ${planted['provider key']} and ${ECHO}`, type: 'bad', code: 'bad' },
      }),
    }),
    [{ body: chat() }],
  ],
  [
    'refused credentials',
    () => ({
      status: 401,
      body: `{"error":{"message":"Incorrect API key provided: ${planted['provider key']}"}}`,
    }),
    [{ body: chat() }],
  ],
  [
    'streams that break',
    () =>
      eventStream([
        ...streamPieces(REPLY).slice(0, 1),
        `data: {"error":{"message":${JSON.stringify(ECHO)}}}\n\n`,
      ]),
    [{ body: chat({ stream: true }) }],
  ],
  ['connections that break', () => closeBeforeResponse(), [{ body: chat() }]],
  [
    'responses that are none',
    () => ({ status: 200, body: `<html>${EVERYTHING}</html>` }),
    [{ body: chat() }],
  ],
];

test('nothing that the gateway writes has a planted secret or personal data', async () => {
  let count = 0;
  for (const [, script, requests] of CASES) {
    for (const request of requests) {
      mock.respond(script());
      const text = await send(request);
      count += 1;
      // The provider's key is in no response either.
      expect(text).not.toContain(`key ${planted['provider key']}`);
    }
  }
  expect(mock.requests.length).toBeGreaterThanOrEqual(count);
  // Nothing below reaches the upstream.
  await send({ body: `{"model":"chat","messages":[{"role":"user","content":${JSON.stringify(PROMPT)}` });
  await send({ body: { model: planted['vendor key in a prompt'], messages } });
  await send({ body: { model: planted['e-mail address'], messages } });
  await send({ body: chat({ temperature: PROMPT }) });
  await send({ body: chat(), headers: { authorization: `Bearer ${planted['bearer token in a header']}` } });
  await send({
    path: `/v1/chat/completions?key=${planted['vendor key in a prompt']}`,
    body: chat({ n: 'x' }),
  });
  await send({ path: `/nowhere/${planted['vendor key in a prompt']}`, body: chat() });
  await send({
    path: '/v1/auth/sign-in',
    body: { email: 'nobody@weir.test', password: planted['password in a prompt'] },
  });
  await send({
    body: chat({ max_tokens: -1 }),
    headers: { cookie: `weir_session=${planted['bearer token in a header']}` },
  });

  const logFiles = () => {
    const folder = join(dataDir, 'logs');
    return readdirSync(folder)
      .map((name) => readFileSync(join(folder, name), 'utf8'))
      .join('');
  };
  await eventually(
    'the requests are logged',
    () => (logFiles().match(/"msg":"request"/g) ?? []).length >= count,
    20_000,
  );
  await eventually(
    'the requests are audited',
    async () => {
      const { data } = await done(gateway, 'GET', '/tenants/acme/audit?action=inference.request&limit=200');
      return Array.isArray(data) && data.length >= count;
    },
    20_000,
  );
  await eventually('the requests are traced', () => received.length > 0, 20_000);
  const metrics = await (await fetch(`${gateway.metricsUrl}/metrics`)).text();
  await gateway.stop();

  const written: Readonly<Record<string, string | Uint8Array>> = {
    'output.log': gateway.stdout() + gateway.stderr(),
    'traces.json': Buffer.concat(received),
    'metrics.txt': metrics,
  };
  for (const [name, content] of Object.entries(written)) {
    await Bun.write(join(outputs, name), content);
    collectOutput(name, content);
  }
  for (const folder of [outputs, dataDir]) {
    const { files, leaks } = scanFolder(folder, { ...planted, 'key of a tenant': key });
    expect({ hasFiles: files > 0, leaks }).toEqual({ hasFiles: true, leaks: [] });
  }
}, 90_000);
