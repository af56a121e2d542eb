import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { createTestCertificate, type TestCertificate } from '../support/certificates.ts';
import { createGate } from '../support/gate.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { openRaw, requestBytes } from '../support/http-raw.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { slow } from '../support/scripts.ts';
import { chat, completion, mockConfig, streamPieces } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-tls-'));
const paths = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') };
const env = { SERVER_TLS_CERT: paths.cert, SERVER_TLS_KEY: paths.key };
const first = createTestCertificate({ name: 'first.test' });
const second = createTestCertificate({ name: 'second.test' });
const ca = `${first.cert}${second.cert}`;

function write({ cert, key }: TestCertificate): void {
  writeFileSync(paths.cert, cert);
  writeFileSync(paths.key, key);
}

let mock: MockUpstream;
let gateway: Gateway;

beforeAll(async () => {
  write(first);
  mock = await startMockUpstream();
  mock.respondAlways(completion('Hello over TLS.'));
  gateway = await startGateway({ config: mockConfig(mock.url), env, ca });
});

afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Common name of the certificate that a new connection gets. */
function servedName(): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(gateway.url).port), ca });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      const { CN } = socket.getPeerCertificate().subject;
      socket.destroy();
      resolve(String(CN));
    });
  });
}

test('the start says https, and clients reach it', async () => {
  const port = new URL(gateway.url).port;
  expect(gateway.stdout()).toContain(`https://127.0.0.1:${port}/v1`);
  expect(gateway.stdout()).not.toContain(`http://127.0.0.1:${port}`);
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
    body: chat(),
    tls: { ca },
  });
  expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'Hello over TLS.' } }] });
  expect(response.headers.get('strict-transport-security')).toBe('max-age=31536000');
});

test('the official SDK works, streams included', async () => {
  const client = gateway.openai({ fetchOptions: { tls: { ca } } });
  const answer = await client.chat.completions.create({
    model: 'simulator',
    messages: [{ role: 'user', content: 'Hi' }],
  });
  expect(answer.choices[0]?.message.content).toBeString();
  const stream = await client.chat.completions.create({
    model: 'simulator',
    messages: [{ role: 'user', content: 'Hi' }],
    stream: true,
  });
  let chunks = 0;
  for await (const _ of stream) chunks += 1;
  expect(chunks).toBeGreaterThan(2);
});

test('plain HTTP is closed at once', async () => {
  const connection = await openRaw(gateway.url.replace('https:', 'http:'));
  await connection.send(requestBytes({}));
  expect(await connection.closed).toMatchObject({ by: 'server' });
});

describe('a renewed certificate', () => {
  test('is served after SIGHUP, while an open stream goes on', async () => {
    const gate = createGate();
    const parts = streamPieces('one', 'two');
    mock.respond(slow(parts, gate));
    gate.release();
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
      body: chat({ stream: true }),
      tls: { ca },
    });
    expect(await servedName()).toBe('first.test');
    write(second);
    gateway.signal('SIGHUP');
    await gateway.waitForOutput(/TLS certificate reloaded/);
    expect(await servedName()).toBe('second.test');
    gate.open();
    const text = await response.text();
    expect([text.includes('one'), text.includes('two'), text.endsWith('data: [DONE]\n\n')]).toEqual([
      true,
      true,
      true,
    ]);
  });

  test('that is broken is rejected with a reason, and the old one stays', async () => {
    const before = await servedName();
    writeFileSync(paths.key, first.key);
    gateway.signal('SIGHUP');
    await gateway.waitForOutput(/TLS certificate not reloaded; .*does not belong to the certificate/);
    expect(await servedName()).toBe(before);
    write(second);
  });
});

test.each([
  [
    'a key of another certificate',
    () => writeFileSync(paths.key, first.key),
    'does not belong to the certificate',
  ],
  ['a missing file', () => rmSync(paths.cert), '"server.tls.cert"): there is no such file'],
])('with %s it does not start, and says why', async (_name, damage, message) => {
  write(second);
  damage();
  const error = await startGateway({ env, ca }).catch((thrown: unknown) => thrown);
  expect(String(error)).toContain(message);
  expect(String(error)).toContain('ended (code');
});
