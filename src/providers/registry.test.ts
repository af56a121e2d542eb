import { describe, expect, test } from 'bun:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { FakeTransport } from '../../test/support/fake-transport.ts';
import type { ProviderConfig } from '../config/schema.ts';
import type { Transport } from '../core/transport.ts';
import {
  type ConnectionKeys,
  DEFAULTS,
  engineCandidates,
  ProviderRegistry,
  providersFromEnvironment,
} from './registry.ts';

const REGISTRY = new ProviderRegistry({
  kind: 'built-in',
  profile: {
    label: 'Built in',
    baseUrl: 'http://built-in.internal/v1',
    streamUsage: 'always',
    needsKey: false,
  },
  models: ['built-in-chat'],
});

const CONFIG: ProviderConfig = {
  ...DEFAULTS,
  id: 'mine',
  kind: 'openai-compatible',
  base_url: 'http://chat0.test/v1',
  models: ['m'],
  connect_timeout: 123,
};

function transports() {
  const builtIn: Transport = new FakeTransport();
  const upstreams = new Map<number, Transport>();
  return {
    builtIn,
    upstreams,
    upstream: ({ connect_timeout: connectTimeoutMs }: ConnectionKeys) => {
      const transport = new FakeTransport();
      upstreams.set(connectTimeoutMs, transport);
      return transport;
    },
  };
}

const world = (pool = transports()) => ({ transports: pool, clock: new FakeClock(), env: {} });

describe('ProviderRegistry', () => {
  test('follows the configuration', async () => {
    const pool = transports();
    const provider = await REGISTRY.create({ ...CONFIG, api_key: 'k', headers: { 'x-a': '1' } }, world(pool));
    expect(provider).toMatchObject({
      id: 'mine',
      baseUrl: 'http://chat0.test/v1',
      credential: 'k',
      headers: { 'x-a': '1' },
      models: ['m'],
      discover: true,
    });
    expect(pool.upstreams.get(123)).toBe(provider.transport);
  });

  test('takes address and peculiarities from vendor, engine or kind', async () => {
    const create = (more: Partial<ProviderConfig>) =>
      REGISTRY.create({ ...CONFIG, base_url: null, ...more }, world());
    expect((await create({ vendor: 'openrouter' })).profile.streamUsage).toBe('always');
    expect((await create({ engine: 'ollama' })).baseUrl).toBe('http://127.0.0.1:11434/v1');
    expect((await create({ kind: 'mistral' })).profile.floatEmbeddingsOnly).toBe(true);
    await expect(create({})).rejects.toThrow('provider "mine" has no base_url');
  });

  test('the built-in provider has its own transport and models', async () => {
    const pool = transports();
    const provider = await await REGISTRY.createBuiltIn(world(pool));
    expect(provider.transport).toBe(pool.builtIn);
    expect([provider.id, provider.discover, pool.upstreams.size]).toEqual(['built-in', false, 0]);
    expect(provider.models).toEqual(['built-in-chat']);
    expect(REGISTRY.catalog.kinds).toContain('built-in');
  });
});

describe('providersFromEnvironment', () => {
  const found = (env: Record<string, string>) =>
    providersFromEnvironment(env).map(({ id, kind, vendor, base_url, api_key }) => [
      id,
      kind,
      vendor,
      base_url,
      api_key,
    ]);

  test('finds nothing in an empty environment, or in empty variables', () => {
    expect(found({})).toEqual([]);
    expect(found({ OPENAI_API_KEY: ' ', OPENAI_BASE_URL: '' })).toEqual([]);
  });

  test('finds a provider by its key, its base URL, or both', () => {
    expect(found({ OPENAI_API_KEY: ' k ' })).toEqual([['openai', 'openai', null, null, 'k']]);
    expect(found({ GROQ_API_KEY: 'k', MISTRAL_BASE_URL: 'http://m.test/v1//' })).toEqual([
      ['mistral', 'mistral', null, 'http://m.test/v1', null],
      ['groq', 'openai-compatible', 'groq', null, 'k'],
    ]);
  });

  test('finds only what the configuration could say too', async () => {
    const env = Object.fromEntries(
      ['OPENAI', 'MISTRAL', 'GROQ', 'DEEPSEEK', 'TOGETHER', 'OPENROUTER', 'XAI'].map((name) => [
        `${name}_API_KEY`,
        'k',
      ]),
    );
    for (const config of providersFromEnvironment(env)) {
      expect(REGISTRY.catalog.kinds).toContain(config.kind);
      if (config.vendor !== null) expect(REGISTRY.catalog.vendors).toContain(config.vendor);
      expect((await REGISTRY.create(config, world())).baseUrl).toStartWith('https://');
    }
  });
});

test('engine candidates are engines of the catalog, on this machine only', async () => {
  for (const { config, port } of engineCandidates()) {
    expect(REGISTRY.catalog.engines).toContain(config.engine ?? '');
    const url = new URL((await REGISTRY.create(config, world())).baseUrl);
    expect([url.hostname, url.port]).toEqual(['127.0.0.1', String(port)]);
  }
});

test('the catalog lists no vendor twice, and knows which addresses go without saying', () => {
  const { kinds, vendors, genericKinds, defaultBaseUrl } = REGISTRY.catalog;
  expect(vendors.filter((vendor) => kinds.includes(vendor))).toEqual([]);
  expect(genericKinds.every((kind) => kinds.includes(kind))).toBe(true);
  expect(defaultBaseUrl({ kind: 'openai-compatible', vendor: null, engine: null })).toBeUndefined();
  expect(defaultBaseUrl({ kind: 'openai-compatible', vendor: 'groq', engine: null })).toContain('groq');
});
