import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createServer, type Server } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { Tokens, type TrustedIssuer } from './tokens.ts';

const MINUTE = 60_000;
const START = 1_790_000_000_000;

describe('tokens of a trusted issuer', () => {
  let server: Server;
  let issuer: TrustedIssuer;
  let keys: Awaited<ReturnType<typeof generateKeyPair>>;
  let published = true;
  beforeAll(async () => {
    keys = await generateKeyPair('ES256');
    const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'k', alg: 'ES256', use: 'sig' };
    server = createServer((_request, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ keys: published ? [jwk] : [] }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no address');
    const url = `http://127.0.0.1:${address.port}`;
    issuer = { issuer: url, jwksUrl: `${url}/jwks`, audience: 'weir', tenantClaim: null, tenant: 'acme' };
  });
  afterAll(() => {
    server.close();
  });

  function create() {
    const state = { now: START, trusted: [issuer] };
    const tokens = new Tokens(
      'secret',
      () => state.trusted,
      () => state.now,
    );
    const sign = (subject: string, lifetimeMs: number) =>
      new SignJWT({})
        .setProtectedHeader({ alg: 'ES256', kid: 'k' })
        .setIssuer(issuer.issuer)
        .setAudience('weir')
        .setSubject(subject)
        .setExpirationTime(Math.floor((START + lifetimeMs) / 1000))
        .sign(keys.privateKey);
    return { state, tokens, sign };
  }

  test('are known after the first check, for five minutes at most, and never beyond their expiry', async () => {
    const { state, tokens, sign } = create();
    const [long, short] = [await sign('long', 3_650 * 86_400_000), await sign('short', MINUTE)];
    await tokens.verify(long);
    await tokens.verify(short);
    expect([tokens.known(long), tokens.known(short)]).toMatchObject([{ tenant: 'acme' }, { tenant: 'acme' }]);
    state.now += MINUTE;
    expect([tokens.known(long)?.tenant, tokens.known(short)]).toEqual(['acme', undefined]);
    state.now += 4 * MINUTE;
    expect(tokens.known(long)).toBeUndefined();
    expect(await tokens.verify(long)).toMatchObject({ tenant: 'acme' });
  });

  test('end with the trust in their issuer, at once', async () => {
    const { state, tokens, sign } = create();
    const token = await sign('someone', 3_650 * 86_400_000);
    await tokens.verify(token);
    state.trusted = [];
    expect(tokens.known(token)).toBeUndefined();
    await expect(tokens.verify(token)).rejects.toMatchObject({ code: 'invalid_api_key' });
    state.trusted = [{ ...issuer, audience: 'another' }];
    expect(tokens.known(token)).toBeUndefined();
    await expect(tokens.verify(token)).rejects.toMatchObject({ code: 'invalid_api_key' });
  });

  test('are checked again when the issuer is removed while their keys are read', async () => {
    const { state, tokens, sign } = create();
    const verifying = tokens.verify(await sign('someone', MINUTE));
    state.trusted = [];
    await expect(verifying).rejects.toMatchObject({ code: 'invalid_api_key' });
  });

  test('of other keys are refused', async () => {
    const { tokens, sign } = create();
    published = false;
    await expect(tokens.verify(await sign('someone', MINUTE))).rejects.toMatchObject({
      code: 'invalid_api_key',
    });
    published = true;
  });
});

test('10,000 tokens at most are remembered, and the last 5,000 are', async () => {
  const issuers: readonly TrustedIssuer[] = [];
  const tokens = new Tokens(
    'secret',
    () => issuers,
    () => START,
  );
  const issued: string[] = [];
  for (let index = 0; index < 12_000; index += 1) {
    const { token } = await tokens.issue('acme', `key_${index}`, 10 * MINUTE);
    issued.push(token);
    await tokens.verify(token);
  }
  const knownOf = (some: readonly string[]) => some.filter((token) => tokens.known(token) !== undefined);
  expect(knownOf(issued.slice(-5_000))).toHaveLength(5_000);
  expect(knownOf(issued.slice(0, 2_000))).toEqual([]);
}, 60_000);
