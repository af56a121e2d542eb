import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { type FakeIssuer, ISSUER_CLIENT, startFakeIssuer } from '../../test/support/fake-issuer.ts';
import { type IdentityProviderSettings, IdentityProviders } from './identity-providers.ts';

const CALLBACK = 'http://127.0.0.1:8080/v1/auth/oidc/test/callback';

let issuer: FakeIssuer;
beforeAll(async () => {
  issuer = await startFakeIssuer();
});
afterAll(() => issuer.close());
beforeEach(() => {
  issuer.forge = false;
  issuer.claims = { sub: 'ann', email: 'ann@example.com', email_verified: true, name: 'Ann' };
});

/** Signs in once. @returns the identity, or the code of the error */
async function signIn(settings: Partial<IdentityProviderSettings> = {}) {
  const provider: IdentityProviderSettings = {
    ...{ id: 'test', name: 'Test', kind: 'oidc', issuer: issuer.url, scopes: [], allowedDomains: [] },
    ...{ clientId: ISSUER_CLIENT.id, clientSecret: ISSUER_CLIENT.secret, signUp: null },
    ...settings,
  };
  const providers = new IdentityProviders(
    () => [provider],
    () => Date.now(),
  );
  const { attempt } = await providers.begin('test', CALLBACK);
  issuer.nonce = attempt.nonce;
  return providers
    .finish(attempt, new URL(`${CALLBACK}?code=c&state=${attempt.state}`))
    .catch((error: unknown) =>
      error instanceof Error && 'code' in error ? String(error.code) : String(error),
    );
}

describe('signing in with OpenID Connect', () => {
  test('returns the identity that the ID token names', async () => {
    expect(await signIn()).toMatchObject({ subject: 'ann', email: 'ann@example.com', name: 'Ann' });
  });

  test('verifies the signature of the ID token, also in the code flow', async () => {
    issuer.forge = true;
    expect(await signIn()).toBe('permission_denied');
  });

  test('admits only allowed domains, by the whole address', async () => {
    const allowedDomains = ['example.com'];
    expect(await signIn({ allowedDomains })).toMatchObject({ email: 'ann@example.com' });
    for (const email of [
      'mallory@example.com@evil.org',
      'mallory@evil.org@example.com',
      '"mallory@example.com"@evil.org',
      'mallory@example.com.evil.org',
      'mallory@sub.example.com',
      'mallory@example.com,x@evil.org',
      'mallory@example.com\n@evil.org',
      'example.com',
      '@example.com',
    ]) {
      issuer.claims = { sub: 'mallory', email, email_verified: true };
      expect([email, await signIn({ allowedDomains })]).toEqual([email, 'permission_denied']);
    }
  });

  test('ignores an address that is not verified, and one that is none', async () => {
    issuer.claims = { sub: 'ann', email: 'ann@example.com', email_verified: 'true' };
    expect(await signIn()).toMatchObject({ email: null });
    issuer.claims = { sub: 'ann', email: 'ann@example.com@evil.org', email_verified: true };
    expect(await signIn()).toMatchObject({ email: null });
    issuer.claims = { sub: 'ann', email: 'ANN@Example.com', email_verified: true };
    expect(await signIn()).toMatchObject({ email: 'ann@example.com' });
  });
});
