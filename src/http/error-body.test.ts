import { describe, expect, test } from 'bun:test';
import { toText } from '../../test/support/bytes.ts';
import { GatewayError } from '../core/errors.ts';
import type { HeaderFields } from '../core/http.ts';
import { errorHeaders, openAiErrorBody, openAiErrorEvent } from './error-body.ts';

describe('openAiErrorBody', () => {
  test('is in OpenAI’s form', () => {
    expect(JSON.parse(openAiErrorBody(new GatewayError('invalid_request', 'bad', { param: 'n' })))).toEqual({
      error: { message: 'bad', type: 'invalid_request_error', param: 'n', code: 'invalid_request' },
    });
  });

  test('is the upstream’s own object where there is one', () => {
    const error = { message: 'm', extra: 1 };
    const upstreamBody = { dialect: 'openai-chat', error } as const;
    expect(JSON.parse(openAiErrorBody(new GatewayError('upstream_rejected', 'x', { upstreamBody })))).toEqual(
      { error },
    );
  });

  test('has an event form', () => {
    const error = new GatewayError('upstream_closed', 'line\nend');
    expect(toText(openAiErrorEvent(error))).toBe(`data: ${openAiErrorBody(error)}\n\n`);
  });
});

describe('errorHeaders', () => {
  test.each([
    [
      new GatewayError('rate_limit_exceeded', 'm', { retryAfterSeconds: 7, headers: { 'x-a': '1' } }),
      { 'retry-after': '7', 'x-a': '1' },
    ],
    [
      new GatewayError('quota_exceeded', 'm', {
        retryAfterSeconds: 9,
        rateLimit: { limit: '12.5', remaining: 0, resetSeconds: 9 },
        limit: { scope: 'tenant', of: 'cost', per: 'month', max: '12.5' },
      }),
      {
        'retry-after': '9',
        'x-ratelimit-limit': '12.5',
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': '9',
        'x-weir-limit': 'tenant; cost per month',
      },
    ],
    [
      new GatewayError('rate_limit_exceeded', 'm', {
        retryAfterSeconds: 7,
        rateLimit: { limit: 10, remaining: 0, resetSeconds: 7 },
        limit: { scope: 'key', of: 'tokens', per: 'minute', max: 10 },
      }),
      {
        'retry-after': '7',
        'x-ratelimit-limit': '10',
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': '7',
        'x-ratelimit-limit-tokens': '10',
        'x-ratelimit-remaining-tokens': '0',
        'x-ratelimit-reset-tokens': '7s',
        'x-weir-limit': 'key; tokens per minute',
      },
    ],
    [
      new GatewayError('upstream_rate_limited', 'm', { headers: { 'x-should-retry': 'false' } }),
      { 'x-should-retry': 'false' },
    ],
    [new GatewayError('shutting_down', 'm'), { 'retry-after': '1' }],
    [new GatewayError('quota_exceeded', 'm', { retryAfterSeconds: 60 }), { 'retry-after': '60' }],
    [
      new GatewayError('quota_exceeded', 'm', { retryAfterSeconds: 61 }),
      { 'retry-after': '61', 'x-should-retry': 'false' },
    ],
    [
      new GatewayError('model_unavailable', 'm', {
        retryAfterSeconds: 600,
        headers: { 'x-should-retry': 'true' },
      }),
      { 'retry-after': '600', 'x-should-retry': 'false' },
    ],
    [new GatewayError('missing_api_key', 'm'), { 'www-authenticate': 'Bearer realm="weir"' }],
    [
      new GatewayError('upstream_error', 'm', { provider: 'p', attempts: [] }),
      { 'x-weir-provider': 'p', 'x-weir-attempts': '0' },
    ],
    [new GatewayError('not_found', 'm'), {}],
  ])('of %s', (error, headers) => {
    expect<HeaderFields>(errorHeaders(error).fields()).toEqual(headers);
  });
});
