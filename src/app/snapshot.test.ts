import { describe, expect, test } from 'bun:test';
import { loadText } from '../../test/support/config-source.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { FakeTransport } from '../../test/support/fake-transport.ts';
import type { ConnectionSettings } from '../platform/http-client.ts';
import { createRoutingState } from '../routing/router.ts';
import { buildSnapshot } from './snapshot.ts';

async function build(text: string, env: Readonly<Record<string, string>> = {}) {
  const transports = new Map<number, FakeTransport>();
  const settings: ConnectionSettings[] = [];
  const simulator = new FakeTransport();
  const snapshot = await buildSnapshot(loadText(text).config, {
    env,
    clock: new FakeClock(),
    routing: createRoutingState(),
    random: () => 0,
    discovered: () => new Map(),
    simulator,
    createTransport: (wanted) => {
      const transport = new FakeTransport();
      transports.set(wanted.connectTimeoutMs, transport);
      settings.push(wanted);
      return transport;
    },
    engines: [],
  });
  return { snapshot, transports, settings, simulator, ids: snapshot.providers.map(({ id }) => id) };
}

const PROVIDERS = `
providers:
  - { id: a, kind: openai-compatible, base_url: "http://a.test/v1", connect_timeout: 1s }
  - { id: b, kind: openai-compatible, base_url: "http://b.test/v1", connect_timeout: 1s }
  - { id: c, kind: openai-compatible, base_url: "http://c.test/v1", connect_timeout: 2s }
`;

describe('buildSnapshot', () => {
  test('takes providers from the environment only when the file names none', async () => {
    const env = { OPENAI_API_KEY: 'k' };
    expect((await build('{}', env)).ids).toEqual(['openai', 'simulator']);
    expect((await build('providers: []', env)).ids).toEqual(['simulator']);
    expect((await build(PROVIDERS, env)).ids).toEqual(['a', 'b', 'c', 'simulator']);
  });

  test('has one transport for each connect timeout, and closes those that are its own', async () => {
    const { snapshot, transports, simulator } = await build(PROVIDERS);
    expect([...transports.keys()]).toEqual([1_000, 2_000]);
    expect(snapshot.providers.map(({ transport }) => transport)).toEqual([
      ...[1_000, 1_000, 2_000].map((timeout) => transports.get(timeout) ?? new FakeTransport()),
      simulator,
    ]);
    snapshot.close();
    expect([...transports.values(), simulator].map(({ closed }) => closed)).toEqual([true, true, false]);
  });

  test('gives each provider the connection limits of the file, or its own', async () => {
    const { snapshot, settings } = await build(`
upstream: { max_connections: 20, keepalive: 10, keepalive_expiry: 7s }
providers:
  - { id: a, kind: openai-compatible, base_url: "http://a.test/v1" }
  - { id: b, kind: openai-compatible, base_url: "http://b.test/v1", upstream: { keepalive: 0, max_connections: 5 } }
  - { id: c, kind: openai-compatible, base_url: "http://c.test/v1", upstream: { keepalive_expiry: 7s } }
`);
    const common = { connectTimeoutMs: 10_000, idleTimeoutMs: 7_000 };
    expect(settings).toEqual([
      { ...common, maxConnections: 20, maxIdle: 10 },
      { ...common, maxConnections: 5, maxIdle: 0 },
    ]);
    const [a, b, c] = snapshot.providers;
    expect([a?.transport === c?.transport, a?.transport === b?.transport]).toEqual([true, false]);
  });

  test('carries the limits over, in the units that their users expect', async () => {
    const { snapshot } = await build(
      'limits: { per_ip: { rps: 2, burst: 3, inflight: 4 }, queue_timeout: 5s, first_token: 6s, stream_idle: 7s, max_request: 8s }\nupstream: { max_response: 1MB }\nserver: { body_limit: 9KB, cors: { origins: ["https://x.test"], max_age: 10s } }',
    );
    expect(snapshot.addressLimits).toEqual({
      rules: { rps: 2, burst: 3, inflight: 4 },
      queueTimeoutMs: 5_000,
    });
    expect(snapshot.limits).toEqual({
      firstTokenMs: 6_000,
      answerMs: Number.POSITIVE_INFINITY,
      streamIdleMs: 7_000,
      maxRequestMs: 8_000,
      queueTimeoutMs: 5_000,
      maxResponseBytes: 1_000_000,
      forwardsRateLimits: true,
    });
    expect(snapshot.cors).toEqual({
      origins: ['https://x.test'],
      allowCredentials: false,
      maxAgeSeconds: 10,
    });
    expect(snapshot.bodyLimit).toBe(snapshot.config.server.body_limit);
  });

  test('exempts loopback addresses by default, and trusted proxies always', async () => {
    const exempt = async (text: string) => {
      const { snapshot } = await build(text);
      return ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '10.1.2.3', '192.0.2.1', 'unix'].filter(
        snapshot.isExemptAddress,
      );
    };
    const loopback = ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'];
    expect(await exempt('{}')).toEqual(loopback);
    expect(await exempt('server: { trusted_proxies: [10.0.0.0/8] }')).toEqual([...loopback, '10.1.2.3']);
    expect(await exempt('limits: { per_ip: { rps: 1 } }')).toEqual([]);
    expect(await exempt('limits: { per_ip: { rps: 1 }, per_ip_exempt: [192.0.2.0/24] }')).toEqual([
      '192.0.2.1',
    ]);
  });

  test('answers requests without a model with the configured, the first, or the simulated one', async () => {
    const models = `${PROVIDERS}models: [{ id: m, targets: [{ provider: a, model: x }] }]\n`;
    expect((await build(`${models}default_model: b/y`)).snapshot.defaultModel).toBe('b/y');
    expect((await build(models)).snapshot.defaultModel).toBe('m');
    expect((await build('{}')).snapshot.defaultModel).toBe('simulator');
  });
});
