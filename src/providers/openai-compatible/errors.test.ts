import { describe, expect, test } from 'bun:test';
import { toBytes } from '../../../test/support/bytes.ts';
import { upstreamHeaders } from '../../../test/support/fake-transport.ts';
import { testProvider, testTarget } from '../../../test/support/inference.ts';
import { readRetryAfter } from '../upstream-error.ts';
import { errorFromObject, errorFromResponse } from './errors.ts';

const SECRET = 'the-credential-of-the-gateway';
const target = testTarget(testProvider({ credential: SECRET }));
const respond = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  errorFromResponse(
    {
      status,
      headers: upstreamHeaders(headers),
      body: toBytes(typeof body === 'string' ? body : JSON.stringify(body)),
    },
    target,
  );

describe('errorFromResponse', () => {
  test.each([
    [301, 'upstream_invalid_response', 502],
    [400, 'upstream_rejected', 400],
    [401, 'upstream_auth_failed', 502],
    [403, 'upstream_rejected', 403],
    [404, 'upstream_rejected', 404],
    [408, 'upstream_timeout', 504],
    [422, 'upstream_rejected', 422],
    [429, 'upstream_rate_limited', 429],
    [500, 'upstream_error', 502],
    [503, 'upstream_overloaded', 503],
    [504, 'upstream_timeout', 504],
    [529, 'upstream_overloaded', 503],
  ] as const)('HTTP %d is %s', (status, code, shown) => {
    expect(respond(status, { error: { message: 'm' } })).toMatchObject({
      code,
      status: shown,
      details: { provider: 'p', upstreamStatus: status },
    });
  });

  test('forwards the message of the upstream about the request', () => {
    const error = respond(400, {
      error: {
        message: 'too long',
        type: 'invalid_request_error',
        code: 'context_length_exceeded',
        param: 'messages',
        x: 1,
      },
    });
    expect(error).toMatchObject({
      message: 'too long',
      shownCode: 'context_length_exceeded',
      param: 'messages',
    });
    expect(error.details.upstreamBody).toMatchObject({
      dialect: 'openai-chat',
      error: { message: 'too long', code: 'context_length_exceeded', x: 1 },
    });
  });

  test.each([
    { type: 'exceed_context_size_error', code: 400, message: 'No room.', n_ctx: 256 },
    { code: 400, message: 'request (900 tokens) exceeds the available context size (256 tokens)' },
    { type: 'too_many_prompt_tokens', code: '400', message: 'No room.' },
    { type: 'BadRequestError', code: 'invalid_value', message: 'Too many prompt tokens: 900.' },
  ])('a context overflow has the code on which agents compact: %j', (error) => {
    const mapped = respond(400, { error });
    expect(mapped).toMatchObject({ code: 'context_length_exceeded', shownCode: 'context_length_exceeded' });
    expect(mapped.details.upstreamBody?.error).toMatchObject({ ...error, code: 'context_length_exceeded' });
  });

  test.each([
    [429, 'rate_limit_error'],
    [403, 'permission_error'],
    [402, 'insufficient_quota'],
    [400, 'invalid_request_error'],
  ] as const)('the status %d gives an error without a type its type', (status, type) => {
    const { details } = respond(status, { error: { message: 'Provider returned error', code: status } });
    expect(details.upstreamBody?.error).toMatchObject({ type, code: String(status) });
  });

  test.each([
    [{ error: 'plain text' }, 'plain text'],
    [{ message: 'bare' }, 'bare'],
    [{ detail: [{ loc: ['body'], msg: 'bad' }] }, '[{"loc":["body"],"msg":"bad"}]'],
    [
      { error: { message: null, type: 'None', code: '', param: 'null' } },
      '{"error":{"message":null,"type":"None","code":"","param":"null"}}',
    ],
    ['', 'no reason given'],
    ['<!DOCTYPE html><p>Bad gateway', 'an HTML page instead of an API response'],
    ['upstream connect error', 'upstream connect error'],
  ])('finds the reason in %j', (body, reason) => {
    expect(respond(400, body).message).toBe(reason);
  });

  test('never shows the credential, wherever the upstream repeats it', () => {
    for (const status of [400, 401, 429, 500]) {
      const error = respond(status, {
        error: { message: `bad key ${SECRET}`, metadata: { raw: [`sent ${SECRET}`] } },
      });
      expect(JSON.stringify([error.message, error.details])).not.toContain(SECRET);
    }
    expect(respond(400, { error: { message: 'x'.repeat(1_990) + SECRET } }).message).not.toContain(
      'credential',
    );
    expect(respond(500, `oops ${SECRET}`).message).not.toContain(SECRET);
    expect(respond(500, 'x'.repeat(290) + SECRET).message).not.toContain('credential');
  });

  test('says whose key a 401 is about, and that a retry does not help', () => {
    const error = respond(401, { error: { message: 'bad' } });
    expect(error.message).toContain('api_key');
    expect(error.details.headers).toEqual({ 'x-should-retry': 'false' });
  });
});

describe('readRetryAfter', () => {
  const at = (headers: Readonly<Record<string, string>>) =>
    readRetryAfter(upstreamHeaders(headers), 1_000_000);
  test.each([
    [{ 'retry-after': '3' }, 3],
    [{ 'retry-after': '0.2' }, 1],
    [{ 'retry-after': new Date(1_003_000).toUTCString() }, 3],
    [{ 'retry-after': new Date(0).toUTCString() }, 0],
    [{ 'retry-after-ms': '1500', 'retry-after': '9' }, 2],
    [{ 'retry-after-ms': '', 'retry-after': '9' }, 9],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'retry-after': '-1' }, undefined],
    [{ 'retry-after': ' ' }, undefined],
    [{}, undefined],
  ])('of %j', (headers, seconds) => {
    expect<number | undefined>(at(headers)).toBe(seconds);
  });
});

describe('errorFromObject', () => {
  test('never shows the credential', () => {
    expect(errorFromObject({ error: `bad key ${SECRET}` }, 'p', SECRET).message).not.toContain(SECRET);
  });

  test.each([
    [{ error: { message: 'm', code: 429 } }, 'upstream_rate_limited'],
    [{ error: { message: 'm', code: '503' } }, 'upstream_overloaded'],
    [{ error: { message: 'm', code: 400 } }, 'upstream_rejected'],
    [{ error: { message: 'm', type: 'rate_limit_error' } }, 'upstream_rate_limited'],
    [{ error: { message: 'm', code: 'insufficient_quota' } }, 'upstream_rate_limited'],
    [{ error: { message: 'm', type: 'overloaded_error' } }, 'upstream_overloaded'],
    [{ error: { message: 'm', code: 'context_length_exceeded' } }, 'context_length_exceeded'],
    [{ error: 'm' }, 'upstream_error'],
  ] as const)('of %j', (json, code) => {
    expect(errorFromObject(json, 'p', undefined)).toMatchObject({
      code,
      message: 'Provider "p" reported an error: m',
    });
  });
});
