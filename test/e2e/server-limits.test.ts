import { afterEach, describe, expect, test } from 'bun:test';
import { type Gateway, type GatewayOptions, startGateway } from '../support/gateway.ts';
import { openRaw, type RawConnection, type RawResponse, requestBytes } from '../support/http-raw.ts';
import { chat, errorIn, eventually, expectError, metric, post } from './harness.ts';

/** `limits` of the configuration that the servers enforce, in a gateway. */

const gateways: Gateway[] = [];
const connections: RawConnection[] = [];

async function start(limits: Record<string, unknown>, more: Record<string, unknown> = {}) {
  const options: GatewayOptions = { config: { limits, ...more } };
  const gateway = await startGateway(options);
  gateways.push(gateway);
  return gateway;
}

async function open(gateway: Gateway, url = gateway.url): Promise<RawConnection> {
  const connection = await openRaw(url);
  connections.push(connection);
  return connection;
}

afterEach(async () => {
  for (const connection of connections.splice(0)) connection.destroy();
  await Promise.all(gateways.splice(0).map((gateway) => gateway.stop()));
});

const head = (gateway: Gateway, target: string, length: number) =>
  requestBytes({
    method: 'POST',
    target,
    headers: {
      authorization: `Bearer ${gateway.adminKey}`,
      'content-type': 'application/json',
      'content-length': String(length),
    },
  });

describe('slow clients', () => {
  test('get 408 at every route for a body that does not arrive, in the dialect of the route', async () => {
    const gateway = await start({ min_rate: null, body_timeout: '2s' });
    const targets = [
      '/v1/auth/sign-in',
      '/v1/auth/invitations/accept',
      '/v1/auth/token',
      '/v1/estimate',
      '/v1/suggest-model',
      '/v1/chat/completions',
      '/v1/messages',
      '/v1/embeddings',
      '/inference',
      '/admin/v1/tenants',
      '/admin/v1/route',
    ];
    const responses = await Promise.all(
      targets.map(async (target): Promise<[string, RawResponse]> => {
        const raw = await open(gateway);
        await raw.send(head(gateway, target, 1_000), '{');
        return [target, await raw.readResponse()];
      }),
    );
    for (const [target, response] of responses) {
      expect([target, response.status, response.headers.get('connection')]).toEqual([target, 408, 'close']);
      const body = response.text();
      expect([target, body.includes('limits.body_timeout')]).toEqual([target, true]);
      if (target === '/v1/messages') expect(body).toContain('"type":"error"');
      else expect(errorIn(JSON.parse(body)).code).toBe('request_timeout');
    }
    expect(await metric(gateway, 'llm_requests_in_flight')).toBe(0);
    expect(await metric(gateway, 'weir_http_request_memory_bytes')).toBe(0);
  }, 60_000);

  test('get 408 for a head that does not arrive, on the metrics port too', async () => {
    const gateway = await start({ head_timeout: '3s' });
    for (const url of [gateway.url, gateway.metricsUrl]) {
      const raw = await open(gateway, url);
      await raw.send('GET /metrics HTTP/1.1\r\nhost: ');
      const response = await raw.readResponse();
      expect([response.status, response.text().includes('limits.head_timeout')]).toEqual([408, true]);
    }
  }, 60_000);
});

describe('bodies', () => {
  test('larger than 16 KiB are rejected before authentication, however they are framed', async () => {
    const gateway = await start({});
    const block = 'x'.repeat(20_000);
    for (const target of ['/v1/auth/sign-in', '/v1/auth/invitations/accept']) {
      const declared = await open(gateway);
      await declared.send(head(gateway, target, block.length), block);
      await expectError(await declared.readResponse(), 413, 'request_too_large');
      const chunked = await open(gateway);
      await chunked.send(
        `POST ${target} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n4e20\r\n${block}\r\n`,
      );
      await expectError(await chunked.readResponse(), 413, 'request_too_large');
    }
  });

  test('of all requests share `request_memory`: more get 503, health checks do not', async () => {
    const gateway = await start({ request_memory: '8MB' });
    const holders: RawConnection[] = [];
    for (let count = 0; count < 3; count += 1) {
      const raw = await open(gateway);
      await raw.send(head(gateway, '/v1/chat/completions', 2_500_000), 'x'.repeat(2_300_000));
      holders.push(raw);
    }
    await eventually(
      'the bodies are held',
      async () => (await metric(gateway, 'weir_http_request_memory_bytes')) >= 6_900_000,
    );
    const large = await post(gateway, chat({ user: 'x'.repeat(500_000) }));
    const error = await expectError(large, 503, 'gateway_overloaded');
    expect(error.message).toContain('limits.request_memory');
    expect(Number(large.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await fetch(`${gateway.url}/health/live`)).status).toBe(200);
    expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(200);
    expect((await post(gateway, chat({ model: 'simulator' }))).status).toBe(200);
    for (const holder of holders) holder.destroy();
    await eventually(
      'the memory is free again',
      async () => (await metric(gateway, 'weir_http_request_memory_bytes')) === 0,
    );
    expect((await post(gateway, chat({ model: 'simulator', user: 'x'.repeat(500) }))).status).toBe(200);
  }, 60_000);
});

describe('connections', () => {
  test('of one address are limited, a reload changes the limit, and the log says what to do', async () => {
    const gateway = await start({ max_connections_per_ip: 4 });
    const clients = await Promise.all(Array.from({ length: 8 }, () => open(gateway)));
    // Incomplete heads are not idle.
    for (const client of clients) await client.send('GET / HTTP/1.1\r\nhost: ').catch(() => undefined);
    if (process.env.WEIR_TEST_TLS !== '1') {
      const response = await Promise.any(clients.map((client) => client.readResponse()));
      expect(response.status).toBe(503);
      expect(response.text()).toContain('limits.max_connections_per_ip');
    }
    await Promise.any(clients.map(({ closed }) => closed));
    await gateway.waitForOutput(/max_connections_per_ip/);
    gateway.writeConfig({ limits: { max_connections_per_ip: 10 } });
    await gateway.waitForOutput(/configuration reloaded/);
    expect((await fetch(`${gateway.url}/health/live`)).status).toBe(200);
  }, 60_000);

  test('of trusted proxies are not limited by address', async () => {
    const gateway = await start(
      { max_connections_per_ip: 2 },
      { server: { trusted_proxies: ['127.0.0.0/8'] } },
    );
    for (let count = 0; count < 6; count += 1) {
      const raw = await open(gateway);
      await raw.send(requestBytes({ target: '/health/live' }));
      expect((await raw.readResponse()).status).toBe(200);
    }
  }, 60_000);
});
