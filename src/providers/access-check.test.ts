import { describe, expect, test } from 'bun:test';
import { answering, FakeTransport } from '../../test/support/fake-transport.ts';
import { testProvider } from '../../test/support/inference.ts';
import { checkAccess } from './access-check.ts';
import { AZURE_OPENAI, createAzureAdapter } from './azure-openai/index.ts';
import { createBedrockAdapter } from './bedrock/index.ts';
import type { Provider } from './types.ts';

const LIST = '{"object":"list","data":[{"id":"m"}]}';
const MODELS = [{ id: 'm', ownedBy: undefined }];

const check = (provider: Provider) => checkAccess(provider, 1_000);

describe('a provider with a model list', () => {
  test('accepts the key that its list needs', async () => {
    const transport = answering(200, LIST);
    const checked = await check(testProvider({ transport, credential: 'k', profile: { needsKey: true } }));
    expect(checked).toEqual({ credential: 'accepted', models: MODELS });
    expect(transport.upstreamCalls.map(({ request }) => request.url)).toEqual([
      'http://upstream.test/v1/models',
    ]);
  });

  test('without a key checks none', async () => {
    expect(await check(testProvider({ transport: answering(200, LIST) }))).toEqual({
      credential: 'none',
      models: MODELS,
    });
  });

  test('that needs a key is not called without one', async () => {
    const transport = new FakeTransport();
    expect(await check(testProvider({ transport, profile: { needsKey: true } }))).toEqual({
      credential: 'missing',
      models: undefined,
    });
    expect(transport.upstreamCalls).toEqual([]);
  });

  test('that rejects the key is an error', async () => {
    const provider = testProvider({
      transport: answering(401, '{"error":{"message":"bad key"}}'),
      credential: 'k',
    });
    expect(check(provider)).rejects.toMatchObject({ code: 'upstream_auth_failed' });
  });

  test('that turns out to have none has checked nothing', async () => {
    const provider = testProvider({ transport: answering(404, 'not found'), credential: 'k' });
    expect(await check(provider)).toEqual({ credential: 'not_checked', models: undefined });
  });
});

test('a public model list proves nothing about a key', async () => {
  const transport = answering(401, '{"error":{"message":"No auth credentials found"}}');
  const provider = testProvider({
    transport,
    credential: 'k',
    profile: { needsKey: true, accessPath: '/key' },
  });
  expect(check(provider)).rejects.toMatchObject({ code: 'upstream_auth_failed' });
  expect(transport.last.request.url).toBe('http://upstream.test/v1/key');
});

describe('Azure', () => {
  const azure = (transport: FakeTransport): Provider => ({
    ...testProvider({
      transport,
      baseUrl: 'https://name.openai.azure.com',
      credential: 'k',
      adapter: createAzureAdapter({ apiVersion: null, api: null }),
    }),
    profile: AZURE_OPENAI,
  });

  test('is asked for its models, which are not its deployments', async () => {
    const transport = answering(200, LIST);
    expect(await check(azure(transport))).toEqual({ credential: 'accepted', models: undefined });
    expect(transport.last.request).toMatchObject({
      url: 'https://name.openai.azure.com/openai/v1/models',
      headers: { 'api-key': 'k' },
    });
  });

  test('that does not respond is an error', async () => {
    const transport = new FakeTransport((call) => call.fail('connect'));
    expect(check(azure(transport))).rejects.toMatchObject({ code: 'upstream_unreachable' });
  });
});

test('a provider without any list is reachable, and its credential is not checked', async () => {
  const transport = answering(403, '{"message":"Missing Authentication Token"}');
  const provider = testProvider({
    transport,
    baseUrl: 'https://bedrock-runtime.us-east-1.amazonaws.com',
    adapter: createBedrockAdapter({
      region: 'us-east-1',
      credentials: async () => ({ accessKeyId: 'a', secretAccessKey: 's' }),
      now: () => new Date(0),
    }),
  });
  expect(await check(provider)).toEqual({ credential: 'not_checked', models: undefined });
});
