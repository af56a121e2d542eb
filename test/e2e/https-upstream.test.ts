import { afterEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestCertificate, type TestCertificate } from '../support/certificates.ts';
import { startGateway } from '../support/gateway.ts';
import { startScriptedUpstream } from '../support/scripted-upstream.ts';
import { chat, errorIn, post, provider } from './harness.ts';

/** Providers behind TLS, with authorities of their own. */

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

const BODY = JSON.stringify({
  ...{ id: 'x', object: 'chat.completion', created: 1, model: 'm' },
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello.' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
});

/** @param trusted the authority that the gateway knows beside the public ones */
async function start(certificate: TestCertificate, trusted: TestCertificate) {
  const posts: string[] = [];
  const upstream = await startScriptedUpstream(async (peer) => {
    for (;;) {
      const { head } = await peer.request();
      if (head.startsWith('POST')) posts.push(head);
      await peer.write(
        `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
      );
    }
  }, certificate);
  opened.push(() => upstream.close());
  const folder = mkdtempSync(join(tmpdir(), 'weir-ca-'));
  opened.push(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'ca.pem');
  writeFileSync(file, trusted.cert);
  const gateway = await startGateway({
    env: { NODE_EXTRA_CA_CERTS: file },
    config: {
      providers: [provider({ id: 'up', url: upstream.url })],
      models: [{ id: 'chat', targets: [{ provider: 'up', model: 'm' }] }],
      routing: { retry: { attempts: 1 } },
    },
  });
  opened.push(() => gateway.stop());
  return { gateway, posts };
}

test('requests reach a provider whose authority NODE_EXTRA_CA_CERTS names', async () => {
  const certificate = createTestCertificate();
  const { gateway, posts } = await start(certificate, certificate);
  for (let turn = 0; turn < 3; turn += 1) {
    const response = await post(gateway, chat());
    expect([response.status, (await response.json()).choices[0].message.content]).toEqual([200, 'Hello.']);
  }
  expect(posts.length).toBe(3);
});

test('nothing is sent to a provider of an unknown authority', async () => {
  const { gateway, posts } = await start(
    createTestCertificate(),
    createTestCertificate({ name: 'other.test' }),
  );
  const response = await post(gateway, chat());
  const { code, message } = errorIn(await response.json());
  expect([response.status, code]).toEqual([502, 'upstream_unreachable']);
  expect(message).toContain('DEPTH_ZERO_SELF_SIGNED_CERT');
  expect(posts).toEqual([]);
});
