import { describe, expect, test } from 'bun:test';
import { toBytes, toText } from '../../../test/support/bytes.ts';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { answering, FakeTransport, upstreamHeaders } from '../../../test/support/fake-transport.ts';
import { testCall, testContext, testProvider, testTarget } from '../../../test/support/inference.ts';
import type { GatewayError } from '../../core/errors.ts';
import type { Provider } from '../types.ts';
import {
  AZURE_OPENAI,
  azureError,
  azureFromEnvironment,
  azureModelsUrl,
  azureUrl,
  cloudOf,
  createAzureAdapter,
  entraTokens,
} from './index.ts';

const RESOURCE = 'https://name.openai.azure.com';

function azureProvider(more: Partial<Omit<Provider, 'profile'>> = {}): Provider {
  return testProvider({
    kind: 'azure-openai',
    baseUrl: RESOURCE,
    credential: 'azure-key-1',
    adapter: createAzureAdapter({ apiVersion: null, api: null }),
    ...more,
    profile: AZURE_OPENAI,
  });
}

describe('the address', () => {
  const classic = `${RESOURCE}/openai/deployments/my%20dep/chat/completions`;
  test.each([
    [RESOURCE, '2024-10-21', `${classic}?api-version=2024-10-21`],
    [`${RESOURCE}/`, '2024-10-21', `${classic}?api-version=2024-10-21`],
    [`${RESOURCE}/openai`, '2024-10-21', `${classic}?api-version=2024-10-21`],
    [RESOURCE, null, `${RESOURCE}/openai/v1/chat/completions`],
    [RESOURCE, 'v1', `${RESOURCE}/openai/v1/chat/completions`],
    [RESOURCE, 'preview', `${RESOURCE}/openai/v1/chat/completions?api-version=preview`],
    [`${RESOURCE}/openai/v1`, null, `${RESOURCE}/openai/v1/chat/completions`],
    [`${RESOURCE}/openai/v1/`, '2024-10-21', `${RESOURCE}/openai/v1/chat/completions`],
    [
      `${RESOURCE}/openai/deployments/other`,
      '2024-10-21',
      `${RESOURCE}/openai/deployments/other/chat/completions?api-version=2024-10-21`,
    ],
    [
      'https://apim.test/ai/openai',
      '2024-10-21',
      'https://apim.test/ai/openai/deployments/my%20dep/chat/completions?api-version=2024-10-21',
    ],
  ])('of chat: %s %s', (baseUrl, apiVersion, url) => {
    expect(azureUrl({ baseUrl, deployment: 'my dep', path: '/chat/completions', apiVersion })).toBe(url);
  });

  test.each([
    [RESOURCE, '2024-10-21', `${RESOURCE}/openai/v1/responses`],
    [`${RESOURCE}/openai/v1`, null, `${RESOURCE}/openai/v1/responses`],
    [`${RESOURCE}/openai/deployments/other`, '2024-10-21', `${RESOURCE}/openai/v1/responses`],
    [RESOURCE, 'preview', `${RESOURCE}/openai/v1/responses?api-version=preview`],
  ])('of responses is always the v1 one: %s %s', (baseUrl, apiVersion, url) => {
    expect(azureUrl({ baseUrl, deployment: 'd', path: '/responses', apiVersion })).toBe(url);
  });

  test('of embeddings and legacy completions', () => {
    const of = (path: '/embeddings' | '/completions') =>
      azureUrl({ baseUrl: RESOURCE, deployment: 'd', path, apiVersion: '2024-10-21' });
    expect([of('/embeddings'), of('/completions')]).toEqual([
      `${RESOURCE}/openai/deployments/d/embeddings?api-version=2024-10-21`,
      `${RESOURCE}/openai/deployments/d/completions?api-version=2024-10-21`,
    ]);
  });

  test.each([
    [RESOURCE, null, `${RESOURCE}/openai/v1/models`],
    [`${RESOURCE}/openai/v1/`, '2024-10-21', `${RESOURCE}/openai/v1/models`],
    [RESOURCE, 'preview', `${RESOURCE}/openai/v1/models?api-version=preview`],
    [`${RESOURCE}/openai`, '2024-10-21', `${RESOURCE}/openai/models?api-version=2024-10-21`],
    [`${RESOURCE}/openai/deployments/d`, '2024-10-21', `${RESOURCE}/openai/models?api-version=2024-10-21`],
    [
      'https://apim.test/ai/openai',
      '2024-10-21',
      'https://apim.test/ai/openai/models?api-version=2024-10-21',
    ],
  ])('of the models: %s %s', (baseUrl, apiVersion, url) => {
    expect(azureModelsUrl({ baseUrl, apiVersion })).toBe(url);
  });

  test('is what the adapter asks', () => {
    const provider = azureProvider({
      adapter: createAzureAdapter({ apiVersion: '2024-10-21', api: null }),
    });
    const { url, body } = provider.adapter.buildRequest(
      testCall({ model: 'asked', messages: [{ role: 'user', content: 'hi' }] }),
      testTarget(provider, 'dep'),
      testContext(),
    );
    expect(url).toBe(`${RESOURCE}/openai/deployments/dep/chat/completions?api-version=2024-10-21`);
    expect(JSON.parse(String(body)).model).toBe('dep');
  });

  test('is that of responses, where these are wanted', () => {
    const provider = azureProvider({ adapter: createAzureAdapter({ apiVersion: null, api: 'responses' }) });
    const { url, body } = provider.adapter.buildRequest(
      testCall({ model: 'asked', messages: [{ role: 'user', content: 'hi' }] }),
      testTarget(provider, 'dep'),
      testContext(),
    );
    expect(url).toBe(`${RESOURCE}/openai/v1/responses`);
    expect(JSON.parse(String(body))).toMatchObject({ model: 'dep', store: false });
  });
});

test('the environment tells of a resource by its endpoint', () => {
  expect(azureFromEnvironment({ AZURE_API_KEY: 'k' })).toBeUndefined();
  expect(azureFromEnvironment({ AZURE_API_KEY: ' k ', AZURE_ENDPOINT: `${RESOURCE}/` })).toEqual({
    api_key: 'k',
    base_url: RESOURCE,
    api_version: null,
    tenant_id: null,
    client_id: null,
    client_secret: null,
  });
  const entra = { AZURE_TENANT_ID: 't', AZURE_CLIENT_ID: 'c', AZURE_CLIENT_SECRET: 's' };
  const asked = { ...entra, AZURE_BASE_URL: 'http://x/openai/v1', AZURE_API_VERSION: 'v1' };
  expect(azureFromEnvironment(asked)).toMatchObject({ base_url: 'http://x/openai/v1', tenant_id: 't' });
  const withKey = { ...asked, AZURE_API_KEY: 'k' };
  expect(azureFromEnvironment(withKey)).toMatchObject({ api_key: 'k', tenant_id: null, api_version: 'v1' });
  expect(azureFromEnvironment({ AZURE_ENDPOINT: RESOURCE })).toBeUndefined();
});

describe('authorization', () => {
  const request = { method: 'POST', url: 'x', headers: { a: 'b' } } as const;

  test('is by key, or by nothing', async () => {
    const { adapter } = azureProvider();
    expect(await adapter.authorize(request, azureProvider())).toEqual({
      ...request,
      headers: { a: 'b', 'api-key': 'azure-key-1' },
    });
    expect(await adapter.authorize(request, azureProvider({ credential: undefined }))).toEqual(request);
  });

  const entra = { tenantId: 't', clientId: 'c', clientSecret: 'secret', baseUrl: RESOURCE };

  test('is by a token of Entra, fetched once', async () => {
    const transport = answering(200, '{"access_token":"token-1","expires_in":3600}');
    const tokens = entraTokens(entra, transport, new FakeClock());
    if (!tokens) throw new Error('no tokens');
    const { adapter } = azureProvider({
      adapter: createAzureAdapter({ apiVersion: null, api: null, tokens }),
    });
    const authorized = { ...request, headers: { a: 'b', authorization: 'Bearer token-1' } };
    expect(await adapter.authorize(request, azureProvider())).toEqual(authorized);
    expect(adapter.authorize(request, azureProvider())).toEqual(authorized);
    expect(transport.upstreamCalls).toHaveLength(1);
    expect(transport.last.request.url).toBe('https://login.microsoftonline.com/t/oauth2/v2.0/token');
    expect(String(transport.last.request.body)).toContain('cognitiveservices.azure.com%2F.default');
  });

  test('names the provider when no token can be had', async () => {
    const tokens = entraTokens(entra, answering(401, '{"error":"invalid_client"}'), new FakeClock());
    if (!tokens) throw new Error('no tokens');
    const { adapter } = azureProvider({
      adapter: createAzureAdapter({ apiVersion: null, api: null, tokens }),
    });
    const failed = await Promise.resolve(adapter.authorize(request, azureProvider())).catch(
      (error: unknown) => error,
    );
    expect(failed).toMatchObject({ code: 'upstream_auth_failed', details: { provider: 'p' } });
  });

  test('is configured wholly or not at all', () => {
    const none = { ...entra, tenantId: null, clientId: null, clientSecret: null };
    expect(entraTokens(none, new FakeTransport(), new FakeClock())).toBeUndefined();
    expect(() => entraTokens({ ...entra, clientId: null }, new FakeTransport(), new FakeClock())).toThrow(
      'go together',
    );
  });

  test('signs in at the cloud of the resource', () => {
    expect(cloudOf('https://x.openai.azure.us/openai/v1').authority).toBe('https://login.microsoftonline.us');
    expect(cloudOf('https://x.openai.azure.cn').scope).toBe('https://cognitiveservices.azure.cn/.default');
    expect(cloudOf('https://azure.us.test').authority).toBe('https://login.microsoftonline.com');
  });
});

describe('errors', () => {
  const explain = (status: number, body: unknown, headers: Record<string, string> = {}) =>
    azureError(
      {
        status,
        headers: upstreamHeaders(headers),
        body: toBytes(typeof body === 'string' ? body : JSON.stringify(body)),
      },
      testTarget(azureProvider(), 'gpt-4o'),
    );

  test('of the content filter', () => {
    const filtered = {
      message:
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
      type: null,
      param: 'prompt',
      code: 'content_filter',
      status: 400,
      innererror: {
        code: 'ResponsibleAIPolicyViolation',
        content_filter_result: { jailbreak: { detected: true, filtered: true } },
      },
    };
    const error = explain(400, { error: filtered });
    expect(error).toMatchObject({ code: 'content_policy_violation', status: 400, param: 'prompt' });
    expect(error.retryable).toBe(false);
    expect(error.details.upstreamBody?.error).toMatchObject({ innererror: filtered.innererror });
    const onlyInner = { message: 'no', code: null, innererror: { code: 'ResponsibleAIPolicyViolation' } };
    expect(explain(400, { error: onlyInner }).code).toBe('content_policy_violation');
  });

  test.each([
    [{ 'retry-after': '7' }, 'slow', 7],
    [{ 'retry-after-ms': '1200', 'retry-after': '2' }, 'slow', 2],
    [{}, 'Rate limit reached. Please retry after 26 seconds.', 26],
    [{}, 'slow', undefined],
  ])('of rate limits: %j %s', (headers, message, seconds) => {
    const error = explain(429, { error: { code: '429', message } }, headers as Record<string, string>);
    expect([error.code, error.shownCode, error.details.retryAfterSeconds]).toEqual([
      'upstream_rate_limited',
      'upstream_rate_limited',
      seconds,
    ]);
  });

  test('show clients the type and code of the meaning where the body names none', () => {
    const limited = explain(429, { error: { code: '429', message: 'slow' } });
    expect(limited.details.upstreamBody?.error).toMatchObject({ type: 'rate_limit_error' });
    const long = explain(400, { error: { message: "This model's maximum context length is 8192 tokens" } });
    expect(long.details.upstreamBody?.error).toMatchObject({
      type: 'invalid_request_error',
      code: 'context_length_exceeded',
    });
  });

  test('of names and addresses say what to change', () => {
    const missing = explain(404, {
      error: { code: 'DeploymentNotFound', message: 'The API deployment for this resource does not exist.' },
    });
    expect(missing).toMatchObject({
      code: 'upstream_rejected',
      status: 404,
      shownCode: 'DeploymentNotFound',
    });
    expect(missing.message).toBe(
      'The API deployment for this resource does not exist. A target\'s model must be the name of a deployment; no deployment is named "gpt-4o".',
    );
    expect(explain(404, { error: { code: '404', message: 'Resource not found' } }).message).toBe(
      "Resource not found. Check the provider's base_url and api_version.",
    );
    expect(explain(404, { statusCode: 404, message: 'Resource not found' }).message).toContain('base_url');
  });

  test.each([
    [
      401,
      { error: { code: '401', message: 'Access denied due to invalid subscription key' } },
      'upstream_auth_failed',
    ],
    [403, { error: { code: 'PermissionDenied', message: 'no role' } }, 'upstream_auth_failed'],
    [400, { error: { code: 'context_length_exceeded', message: 'long' } }, 'context_length_exceeded'],
    [
      400,
      { error: { message: "This model's maximum context length is 8192 tokens" } },
      'context_length_exceeded',
    ],
    [400, { error: { code: 'BadRequest', message: 'bad' } }, 'upstream_rejected'],
    [503, '<html>', 'upstream_overloaded'],
    [500, { error: 'oops' }, 'upstream_error'],
  ])('with their meaning: %d %j', (status, body, code) => {
    expect(explain(status, body).code).toBe(code as GatewayError['code']);
  });
});

describe('streams', () => {
  const FIRST =
    'data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]}\n\n';
  const chunk = (choice: string) =>
    `data: {"choices":[${choice}],"created":5,"id":"chatcmpl-1","model":"gpt-4o","object":"chat.completion.chunk"}\n\n`;
  const BODY = [
    FIRST,
    chunk('{"delta":{"role":"assistant","content":"hi"},"finish_reason":null,"index":0}'),
    chunk('{"delta":{},"finish_reason":"stop","index":0}'),
    'data: {"choices":[{"content_filter_offsets":{"end_offset":2},"finish_reason":null,"index":0}],"created":0,"id":"","model":"","object":""}\n\n',
    'data: [DONE]\n\n',
  ].join('');

  test('keep the results of content filters', () => {
    const provider = azureProvider();
    const call = testCall({ model: 'asked', messages: [], stream: true });
    const decoder = provider.adapter.streamDecoder(call, testTarget(provider), testContext(), 'bytes');
    let out = '';
    decoder.push(toBytes(BODY), ({ bytes }) => {
      out += toText(bytes);
    });
    expect([decoder.failure, decoder.finished]).toEqual([undefined, true]);
    expect(out).toContain('"prompt_filter_results":[{"prompt_index":0');
    expect(out).toContain('"content_filter_offsets":{"end_offset":2}');
  });
});
