import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { connect, type SecureVersion } from 'node:tls';
import { sharedCertificate } from '../support/certificates.ts';
import { createGate, type Gate } from '../support/gate.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { json, slow, status } from '../support/scripts.ts';
import {
  hasHaproxy,
  hasNginx,
  startEdge,
  startHaproxy,
  startNginxForEngines,
  type TestProxy,
} from '../support/services/proxies.ts';
import { chat, completion, eventually, mockConfig, streamPieces } from './harness.ts';

/** The configurations of deploy/nginx and deploy/haproxy, run by real servers. */

const ca = sharedCertificate().cert;
const portOf = (gateway: Gateway) => Number(new URL(gateway.url).port);

describe.skipIf(!hasNginx)('nginx in front of two gateways', () => {
  let upstream: MockUpstream;
  let gateways: Gateway[] = [];
  let edge: TestProxy;
  const adminKey = () => gateways[0]?.adminKey ?? '';

  beforeAll(async () => {
    upstream = await startMockUpstream();
    const options = { config: mockConfig(upstream.url, { server: { trusted_proxies: ['127.0.0.1'] } }) };
    gateways = await Promise.all([startGateway(options), startGateway(options)]);
    edge = await startEdge(gateways.map(portOf));
  }, 60_000);
  afterAll(async () => {
    await edge?.dispose();
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await upstream?.close();
  });

  const send = (path: string, init: RequestInit = {}) =>
    fetch(`https://127.0.0.1:${edge.port}${path}`, {
      ...init,
      redirect: 'manual',
      headers: { authorization: `Bearer ${adminKey()}`, ...Object(init.headers) },
      tls: { ca },
    });
  const sendChat = (more: object = {}) =>
    send('/v1/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: chat({ ...more }),
    });

  /** The protocol of a handshake, or the code of its failure. */
  const handshake = (version: SecureVersion, ciphers?: string): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect({
        host: '127.0.0.1',
        port: edge.port,
        ca,
        minVersion: version,
        maxVersion: version,
        ...(ciphers !== undefined && { ciphers }),
      });
      socket.once('secureConnect', () => {
        resolve(socket.getProtocol() ?? 'none');
        socket.destroy();
      });
      socket.once('error', () => resolve('refused'));
    });

  test('speaks TLS 1.2 and 1.3 with strong ciphers only', async () => {
    expect(await handshake('TLSv1.2')).toBe('TLSv1.2');
    expect(await handshake('TLSv1.3')).toBe('TLSv1.3');
    expect(await handshake('TLSv1.1')).toBe('refused');
    expect(await handshake('TLSv1.2', 'AES128-SHA')).toBe('refused');
    expect(await handshake('TLSv1.2', 'ECDHE-ECDSA-AES128-SHA')).toBe('refused');
  });

  test('sends one HSTS header, also with errors', async () => {
    for (const path of ['/health/live', '/v1/unknown']) {
      const response = await send(path);
      expect(response.headers.get('strict-transport-security')).toBe('max-age=31536000; includeSubDomains');
    }
  });

  test('passes each event of a stream on before the next exists', async () => {
    const gate: Gate = createGate();
    const pieces = streamPieces('one', 'two', 'three');
    upstream.respond(slow(pieces, gate));
    gate.release();
    const response = await sendChat({ stream: true });
    expect(response.status).toBe(200);
    const decoder = new TextDecoder();
    let text = '';
    const wanted = ['one', 'two', 'three'];
    if (response.body === null) throw new Error('no body');
    for await (const bytes of response.body) {
      text += decoder.decode(bytes, { stream: true });
      // The next piece leaves the upstream only when this one has come through.
      while (wanted[0] !== undefined && text.includes(wanted[0])) {
        wanted.shift();
        gate.release();
      }
      if (wanted.length === 0) gate.open();
    }
    expect(text).toEndWith('data: [DONE]\n\n');
  });

  test('rejects large bodies and heads in JSON', async () => {
    const large = await send('/v1/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': String(30_000_000) },
      body: 'x'.repeat(30_000_000),
    });
    expect([large.status, (await large.json()).error.code]).toEqual([413, 'body_too_large']);
    const head = await send('/v1/models', { headers: { 'x-large': 'x'.repeat(40_000) } });
    expect([head.status, (await head.json()).error.code]).toEqual([431, 'headers_too_large']);
  });

  test('plain HTTP redirects pages, and rejects what was sent in the clear', async () => {
    const plain = `http://127.0.0.1:${edge.secondPort}`;
    const page = await fetch(`${plain}/console?x=1`, { redirect: 'manual' });
    expect([page.status, page.headers.get('location')]).toEqual([301, 'https://127.0.0.1/console?x=1']);
    const key = await fetch(`${plain}/v1/models`, { headers: { authorization: `Bearer ${adminKey()}` } });
    expect([key.status, (await key.json()).error.code]).toEqual([403, 'https_required']);
    const body = await fetch(`${plain}/v1/chat/completions`, { method: 'POST', body: chat() });
    expect(body.status).toBe(403);
  });

  test('uses both gateways, and goes on without one that has stopped', async () => {
    upstream.respondAlways(completion());
    const requests = async (count: number) => {
      const responses = await Promise.all(Array.from({ length: count }, () => sendChat()));
      return responses.map((response) => response.status);
    };
    expect(await requests(20)).toEqual(Array.from({ length: 20 }, () => 200));
    // A gateway writes the line of a request when the response has been sent.
    await eventually('both have served', () =>
      gateways.every((gateway) => gateway.logs().some((line) => line.route === '/v1/chat/completions')),
    );
    await gateways[1]?.stop();
    const before = upstream.requests.length;
    expect(await requests(20)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(upstream.requests.length - before).toBe(20);
  }, 30_000);

  test('logs neither keys nor queries', () => {
    expect(edge.accessLog()).toContain('"path":"/console"');
    expect(edge.accessLog()).not.toContain('x=1');
    expect(edge.accessLog()).not.toContain(adminKey());
  });
});

describe.skipIf(!hasNginx)('nginx in front of anything', () => {
  let upstream: MockUpstream;
  let edge: TestProxy;
  beforeAll(async () => {
    upstream = await startMockUpstream();
    upstream.respondAlways(json({ ok: true }));
    edge = await startEdge([upstream.port]);
  });
  afterAll(async () => {
    await edge?.dispose();
    await upstream?.close();
  });

  test('names the client itself, whatever the client claims', async () => {
    await fetch(`https://127.0.0.1:${edge.port}/v1/models`, {
      headers: { 'x-forwarded-for': '192.0.2.1', forwarded: 'for=192.0.2.1', 'x-forwarded-proto': 'http' },
      tls: { ca },
    });
    const request = upstream.requests.at(-1);
    expect(request?.headers.get('x-forwarded-for')).toBe('127.0.0.1');
    expect(request?.headers.get('x-forwarded-proto')).toBe('https');
    expect(request?.headers.get('forwarded')).toBeNull();
    expect(request?.headers.get('host')).toBe(`127.0.0.1:${edge.port}`);
  });

  test('limits one address, and says when to retry', async () => {
    const responses = await Promise.all(
      Array.from({ length: 400 }, () => fetch(`https://127.0.0.1:${edge.port}/v1/models`, { tls: { ca } })),
    );
    const limited = responses.filter((response) => response.status === 429);
    expect(limited.length).toBeGreaterThan(0);
    expect(limited[0]?.headers.get('retry-after')).toBe('1');
    expect((await limited[0]?.json())?.error.type).toBe('rate_limit_error');
  });

  test('says that no gateway can be reached', async () => {
    await upstream.close();
    await eventually('the address may send again', async () => {
      const response = await fetch(`https://127.0.0.1:${edge.port}/v1/models`, { tls: { ca } });
      if (response.status === 429) return false;
      expect([response.status, (await response.json()).error.code]).toEqual([503, 'gateway_unreachable']);
      return true;
    });
  });
});

const BALANCERS = [
  { name: 'nginx', available: hasNginx, start: startNginxForEngines },
  { name: 'HAProxy', available: hasHaproxy, start: startHaproxy },
];
describe.each(BALANCERS)('$name in front of engines', ({ available, start }) => {
  test.skipIf(!available)('spreads requests, streams, and limits an address', async () => {
    const engines = await Promise.all([startMockUpstream(), startMockUpstream()]);
    const healthy = (path: string | undefined) => path === '/health';
    for (const engine of engines) {
      engine.when((request) => healthy(request.path), status(200, {}));
      engine.respondAlways(completion());
    }
    const [first, second] = engines;
    if (!first || !second) throw new Error('no engines');
    const balancer = await start([first.port, second.port]);
    try {
      const served = (engine: MockUpstream) =>
        engine.requests.filter(({ method }) => method === 'POST').length;
      const ask = () =>
        fetch(`http://127.0.0.1:${balancer.port}/v1/chat/completions`, { method: 'POST', body: chat() });
      for (let round = 0; round < 5; round += 1) {
        const responses = await Promise.all([ask(), ask()]);
        expect(responses.map((response) => response.status)).toEqual([200, 200]);
      }
      expect(served(first) + served(second)).toBe(10);
      expect(Math.min(served(first), served(second))).toBeGreaterThan(0);
      const many = await Promise.all(Array.from({ length: 200 }, ask));
      expect(many.filter((response) => response.status === 429).length).toBeGreaterThan(0);
      expect(many.filter((response) => ![200, 429].includes(response.status))).toEqual([]);
    } finally {
      await balancer.dispose();
      await Promise.all(engines.map((engine) => engine.close()));
    }
  });
});
