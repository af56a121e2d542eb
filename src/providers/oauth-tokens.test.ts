import { describe, expect, test } from 'bun:test';
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { decodeProtectedHeader, jwtVerify } from 'jose';
import { runs } from '../../test/support/effort.ts';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { answering, FakeTransport } from '../../test/support/fake-transport.ts';
import { GatewayError } from '../core/errors.ts';
import {
  CachedTokenSource,
  clientCredentialsGrant,
  type FetchedToken,
  serviceAccountGrant,
} from './oauth-tokens.ts';

const MINUTE = 60_000;

/** A token endpoint whose answers the test gives one by one. */
function endpoint() {
  const waiting: PromiseWithResolvers<FetchedToken>[] = [];
  const state = { asked: 0 };
  const take = () => {
    const next = waiting.shift();
    if (!next) throw new Error('no token was requested');
    return next;
  };
  return {
    state,
    fetch: () => {
      state.asked += 1;
      const next = Promise.withResolvers<FetchedToken>();
      waiting.push(next);
      return next.promise;
    },
    give: (token: string, expiresInSeconds = 3600) => {
      take().resolve({ token, expiresInSeconds });
      return settle();
    },
    fail: (error: unknown) => {
      take().reject(error);
      return settle();
    },
    pending: () => waiting.length,
  };
}

/** What asking ended in. */
function failureOf(asked: string | Promise<string>): Promise<unknown> {
  return Promise.resolve(asked).catch((error: unknown) => error);
}

describe('CachedTokenSource', () => {
  test('fetches once for all who ask, then answers at once', async () => {
    const clock = new FakeClock();
    const { fetch, give, state } = endpoint();
    const source = new CachedTokenSource(fetch, clock);
    const both = Promise.all([source.token(), source.token()]);
    await give('one');
    expect(await both).toEqual(['one', 'one']);
    expect(source.token()).toBe('one');
    clock.advance(54 * MINUTE);
    expect([source.token(), state.asked]).toEqual(['one', 1]);
  });

  test('renews in the background in the last five minutes', async () => {
    const clock = new FakeClock();
    const { fetch, give, state } = endpoint();
    const source = new CachedTokenSource(fetch, clock);
    const first = source.token();
    await give('one');
    await first;
    clock.advance(56 * MINUTE);
    expect([source.token(), source.token(), state.asked]).toEqual(['one', 'one', 2]);
    await give('two');
    expect(source.token()).toBe('two');
  });

  test('keeps the old token while renewals fail, with a pause between them, and says why once it has run out', async () => {
    const clock = new FakeClock();
    const { fetch, give, fail, state } = endpoint();
    const source = new CachedTokenSource(fetch, clock);
    const first = source.token();
    await give('one');
    await first;
    clock.advance(56 * MINUTE);
    source.token();
    await fail(new Error('down'));
    expect([source.token(), state.asked]).toEqual(['one', 2]);
    clock.advance(11_000);
    expect([source.token(), state.asked]).toEqual(['one', 3]);
    await fail(new Error('down'));
    clock.advance(5 * MINUTE);
    const last = failureOf(source.token());
    await fail(new Error('down'));
    expect(await last).toMatchObject({
      code: 'upstream_auth_failed',
      message: 'Could not fetch an access token: down',
    });
  });

  test('does not keep a failure', async () => {
    const { fetch, give, fail } = endpoint();
    const source = new CachedTokenSource(fetch, new FakeClock());
    const first = failureOf(source.token());
    await fail(new GatewayError('upstream_unreachable', 'unreachable'));
    expect(await first).toMatchObject({ code: 'upstream_unreachable' });
    const second = source.token();
    await give('two');
    expect(await second).toBe('two');
  });

  test('never gives a token that has run out, and never asks twice at a time', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 30 * MINUTE }) }),
      fc.record({ kind: fc.constant('ask' as const) }),
      fc.record({ kind: fc.constant('give' as const), seconds: fc.integer({ min: 1, max: 4000 }) }),
      fc.record({ kind: fc.constant('fail' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const clock = new FakeClock();
        const { fetch, give, fail, pending } = endpoint();
        const source = new CachedTokenSource(fetch, clock);
        let askedAt = 0;
        let endOfLife = -1;
        for (const action of steps) {
          if (action.kind === 'advance') clock.advance(action.ms);
          else if (action.kind === 'ask') {
            if (pending() === 0) askedAt = clock.now();
            const output = source.token();
            if (typeof output === 'string') expect(clock.now()).toBeLessThan(endOfLife);
            else output.catch(() => undefined);
            expect(pending()).toBeLessThanOrEqual(1);
          } else if (pending() > 0) {
            if (action.kind === 'fail') await fail(new Error('down'));
            else {
              await give('token', action.seconds);
              endOfLife = askedAt + action.seconds * 1000;
            }
          }
        }
      }),
      { numRuns: runs(100) },
    );
  });
});

describe('clientCredentialsGrant', () => {
  const credentials = {
    tenantId: 'tenant-1',
    clientId: 'client-1',
    clientSecret: 'hush-hush-secret',
    scope: 'https://cognitiveservices.azure.com/.default',
  };

  test('asks Entra as RFC 6749 says', async () => {
    const transport = answering(200, '{"token_type":"Bearer","expires_in":3599,"access_token":"t"}');
    expect(await clientCredentialsGrant(credentials, transport)()).toEqual({
      token: 't',
      expiresInSeconds: 3599,
    });
    const { method, url, headers, body } = transport.last.request;
    expect([method, url]).toEqual(['POST', 'https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token']);
    expect(headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(Object.fromEntries(new URLSearchParams(String(body)))).toEqual({
      grant_type: 'client_credentials',
      client_id: 'client-1',
      client_secret: 'hush-hush-secret',
      scope: 'https://cognitiveservices.azure.com/.default',
    });
  });

  test('takes another authority, and a lifetime written as text', async () => {
    const transport = answering(200, '{"expires_in":"60","access_token":"t"}');
    const grant = clientCredentialsGrant({ ...credentials, authority: 'https://login.test/' }, transport);
    expect(await grant()).toEqual({ token: 't', expiresInSeconds: 60 });
    expect(transport.last.request.url).toBe('https://login.test/tenant-1/oauth2/v2.0/token');
  });

  test.each([
    [
      400,
      '{"error":"unauthorized_client","error_description":"AADSTS700016: no such app hush-hush-secret"}',
      'upstream_auth_failed',
      'AADSTS700016: no such app [redacted]',
    ],
    [401, '{"error":"invalid_client"}', 'upstream_auth_failed', 'invalid_client'],
    [429, '{}', 'upstream_rate_limited', '{}'],
    [503, '<html>', 'upstream_error', 'an HTML page'],
    [200, '{"token_type":"Bearer"}', 'upstream_error', 'no access_token'],
    [302, '', 'upstream_error', 'no reason given'],
  ])('explains HTTP %d %s', async (status, body, code, reason) => {
    const error = await clientCredentialsGrant(credentials, answering(status, body))().catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({ code });
    expect(String(error)).toContain(reason);
    expect(String(error)).toContain(`login.microsoftonline.com responded with HTTP ${status}`);
  });

  test('says so when the endpoint can’t be reached or answers without end', async () => {
    const failing = new FakeTransport((recordedCall) => recordedCall.fail('connect'));
    await expect(clientCredentialsGrant(credentials, failing)()).rejects.toMatchObject({
      code: 'upstream_unreachable',
    });
    const endless = new FakeTransport((recordedCall) => {
      recordedCall.head();
      while (recordedCall.open) recordedCall.data(new Uint8Array(400_000));
    });
    await expect(clientCredentialsGrant(credentials, endless)()).rejects.toThrow('sent a body of more than');
    expect(endless.last.state).toBe('aborted');
  });
});

describe('serviceAccountGrant', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const keyFile = {
    type: 'service_account',
    client_email: 'robot@project.test',
    private_key_id: 'key-1',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    token_uri: 'https://tokens.test/token',
  };

  test('signs an assertion with the account’s key', async () => {
    const clock = new FakeClock();
    const transport = answering(200, '{"access_token":"g","expires_in":3599}');
    const grant = serviceAccountGrant(JSON.stringify(keyFile), 'scope-1', transport, clock);
    expect(await grant()).toEqual({ token: 'g', expiresInSeconds: 3599 });
    expect(transport.last.request.url).toBe('https://tokens.test/token');
    const form = new URLSearchParams(String(transport.last.request.body));
    expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer');
    const assertion = form.get('assertion') ?? '';
    expect(decodeProtectedHeader(assertion)).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'key-1' });
    const { payload } = await jwtVerify(assertion, publicKey, { currentDate: new Date(clock.wallTime()) });
    expect(payload).toEqual({
      iss: 'robot@project.test',
      scope: 'scope-1',
      aud: 'https://tokens.test/token',
      iat: FakeClock.WALL_OFFSET / 1000,
      exp: FakeClock.WALL_OFFSET / 1000 + 3600,
    });
  });

  test.each([
    ['nonsense', 'not JSON'],
    ['[]', 'not a JSON object'],
    [JSON.stringify({ ...keyFile, type: 'authorized_user' }), '"authorized_user", not "service_account"'],
    [JSON.stringify({ ...keyFile, client_email: '' }), 'no client_email'],
    [JSON.stringify({ ...keyFile, private_key: undefined }), 'no private_key'],
    [JSON.stringify({ ...keyFile, token_uri: 'file:///etc/passwd' }), 'token_uri'],
  ])('refuses a key file at once: %#', (text, reason) => {
    expect(() => serviceAccountGrant(text, 's', new FakeTransport(), new FakeClock())).toThrow(reason);
  });

  test('says that the key is no key', async () => {
    const text = JSON.stringify({
      ...keyFile,
      private_key: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----',
    });
    const grant = serviceAccountGrant(text, 's', new FakeTransport(), new FakeClock());
    await expect(grant()).rejects.toMatchObject({ code: 'upstream_auth_failed' });
  });
});
