import { afterEach, describe, expect, test } from 'bun:test';
import { createTestCertificate, type TestCertificate } from '../../test/support/certificates.ts';
import { counts, HttpClientFixture, OK, requestTo, until } from '../../test/support/http-client-fixture.ts';
import { startScriptedUpstream } from '../../test/support/scripted-upstream.ts';
import { sendAndCollect } from '../../test/support/transport-collector.ts';
import type { Http1TransportOptions } from './http-client.ts';

/** Certificates and handshakes; the conformance suites run over TLS, too. */

const fixture = new HttpClientFixture();
const start = fixture.start.bind(fixture);
afterEach(() => fixture.close());

const good = createTestCertificate();

/** An upstream with this certificate, and what it has read. */
async function secured(
  certificate: TestCertificate,
  ca: string | undefined,
  more: Http1TransportOptions = {},
) {
  const read: string[] = [];
  const parts = await start(
    async (peer) => {
      for (;;) {
        read.push((await peer.request()).head);
        await peer.write(OK);
      }
    },
    { ...more, ...(ca === undefined ? {} : { tls: { ca } }) },
    certificate,
  );
  return { ...parts, read };
}

describe('a certificate', () => {
  test('of a known authority, for the host of the URL, is accepted', async () => {
    const { server, transport } = await secured(good, good.cert);
    for (const host of ['127.0.0.1', 'localhost']) {
      const url = `https://${host}:${server.port}/`;
      expect((await sendAndCollect(transport, requestTo(url)).done).text()).toBe('ok');
    }
  });

  test.each([
    ['of an unknown authority', good, undefined, '127.0.0.1'],
    ['that another authority signed', good, createTestCertificate().cert, '127.0.0.1'],
    ['for another host', good, good.cert, 'other.test'],
    ['for another address', good, good.cert, '127.0.0.2'],
  ])('%s is rejected, and nothing is sent', async (_name, certificate, ca, host) => {
    const { server, transport, read } = await secured(certificate, ca, {
      // As if the name led here.
      connect: (options) => Bun.connect({ ...options, hostname: '127.0.0.1' }),
    });
    const url = `https://${host}:${server.port}/`;
    const { error } = await sendAndCollect(transport, requestTo(url, new Uint8Array(10))).done;
    expect(error?.failure).toBe('connect');
    expect(error?.message).toMatch(/\((?:DEPTH_ZERO_SELF_SIGNED_CERT|\w*CERT\w*|UNABLE_TO_\w+)\)$/);
    await until(() => transport.stats().open === 0);
    expect(read).toEqual([]);
  });

  test('that has expired is rejected', async () => {
    const day = 86_400_000;
    const old = createTestCertificate({
      notBefore: new Date(Date.now() - 3 * day),
      notAfter: new Date(Date.now() - day),
    });
    const { server, transport, read } = await secured(old, old.cert);
    const { error } = await sendAndCollect(transport, requestTo(server.url)).done;
    expect([error?.failure, read]).toEqual(['connect', []]);
    expect(error?.message).toContain('CERT_HAS_EXPIRED');
  });
});

describe('a handshake', () => {
  test('that does not end fails after the connect timeout', async () => {
    const { server, transport } = await start((peer) => peer.closed, { connectTimeoutMs: 50 });
    const { error } = await sendAndCollect(transport, requestTo(server.url.replace('http:', 'https:'))).done;
    expect(error?.failure).toBe('connect_timeout');
    await until(() => transport.stats().open === 0);
    expect(counts(transport)).toEqual({ open: 0, idle: 0, active: 0 });
  });

  test.each(['end', 'reset', 'plain HTTP'] as const)(
    'that the server breaks off (%s) is a failure to connect',
    async (how) => {
      const { server, transport } = await start(async (peer) => {
        if (how === 'plain HTTP') await peer.write('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n');
        else peer[how]();
        await peer.closed;
      });
      const { error } = await sendAndCollect(transport, requestTo(server.url.replace('http:', 'https:')))
        .done;
      expect(error?.failure).toBe('connect');
      await until(() => transport.stats().open === 0);
    },
  );

  test('whose call is aborted closes the connection', async () => {
    const { server, transport } = await start((peer) => peer.closed);
    const call = sendAndCollect(transport, requestTo(server.url.replace('http:', 'https:')));
    await until(() => transport.stats().open === 1);
    call.upstreamCall.abort();
    await until(() => transport.stats().open === 0);
    expect(call.violations()).toEqual([]);
  });
});

test('connections of http and https to one host and port are not mixed', async () => {
  const plain = await startScriptedUpstream(async (peer) => {
    await peer.request();
    await peer.write(OK);
    await peer.closed;
  });
  fixture.closeLater(() => plain.close());
  const { transport } = await secured(good, good.cert, { connectTimeoutMs: 100 });
  expect((await sendAndCollect(transport, requestTo(plain.url)).done).text()).toBe('ok');
  const url = plain.url.replace('http:', 'https:');
  expect((await sendAndCollect(transport, requestTo(url)).done).error?.failure).toBe('connect_timeout');
  expect(plain.connections()).toBe(2);
});

test('a POST on a kept connection that closes is not sent again', async () => {
  const read: number[] = [];
  const { transport, server } = await start(
    async (peer, index) => {
      await peer.request();
      await peer.write(OK);
      read.push((await peer.request()).body.length);
      if (index === 0) peer.end();
      else await peer.write(OK);
    },
    { tls: { ca: good.cert } },
    good,
  );
  await sendAndCollect(transport, requestTo(server.url)).done;
  const { error } = await sendAndCollect(transport, requestTo(server.url, new Uint8Array(3))).done;
  expect([error?.failure, read, server.connections()]).toEqual(['closed_before_response', [3], 1]);
});

test('late bytes reach no other request', async () => {
  const { transport, server } = await start(
    async (peer) => {
      for (;;) {
        const { body } = await peer.request();
        await peer.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        await new Promise((resolve) => setImmediate(resolve));
        await peer.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
      }
    },
    { tls: { ca: good.cert } },
    good,
  );
  const texts: string[] = [];
  const client = async (name: string) => {
    for (let turn = 0; turn < 20; turn += 1) {
      const id = `${name}${turn}`;
      const result = await sendAndCollect(transport, requestTo(server.url, Buffer.from(id))).done;
      if (result.text() !== id) texts.push(result.error?.message ?? result.text());
    }
  };
  await Promise.all(['a', 'b', 'c', 'd'].map(client));
  expect(texts).toEqual([]);
});
