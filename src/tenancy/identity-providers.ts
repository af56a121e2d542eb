import type * as client from 'openid-client';
import { GatewayError } from '../core/errors.ts';
import { asString, isRecord } from '../core/json.ts';
import { email as emailAddress } from './names.ts';

/** A configured identity provider. */
export interface IdentityProviderSettings {
  readonly id: string;
  readonly name: string;
  readonly kind: 'oidc' | 'github';
  /** URL; null for github.com. */
  readonly issuer: string | null;
  readonly clientId: string;
  readonly clientSecret: string | null;
  readonly scopes: readonly string[];
  /** E-mail domains in lower case; empty for all. */
  readonly allowedDomains: readonly string[];
  /** Membership of users who sign in for the first time; null rejects them. */
  readonly signUp: {
    readonly tenant: string;
    readonly role: 'admin' | 'developer' | 'billing' | 'viewer';
  } | null;
}

/** State of one sign-in, kept between the redirect to the provider and the callback. */
export interface SignInAttempt {
  readonly provider: string;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

/** An identity that a provider has authenticated. */
export interface ExternalIdentity {
  readonly issuer: string;
  /** Unique within the issuer. */
  readonly subject: string;
  /** In lower case; null unless the provider has verified it. */
  readonly email: string | null;
  readonly name: string | null;
}

const GITHUB = 'https://github.com';
const GITHUB_API = 'https://api.github.com';
const ATTEMPT_MS = 10 * 60_000;
const LOOPBACK = /^http:\/\/(?:127\.\d+\.\d+\.\d+|localhost|\[::1\])(?::|\/|$)/;

/**
 * Signs users in with OpenID Connect, or with GitHub's OAuth 2.0; both with PKCE.
 *
 * @see https://openid.net/specs/openid-connect-core-1_0.html
 * @see https://datatracker.ietf.org/doc/html/rfc7636
 */
export class IdentityProviders {
  readonly #configurations = new Map<string, Promise<client.Configuration>>();

  constructor(
    private readonly settings: () => readonly IdentityProviderSettings[],
    /** Unix milliseconds. */
    private readonly now: () => number,
  ) {}

  list(): readonly IdentityProviderSettings[] {
    return this.settings();
  }

  /** @throws GatewayError `not_found` */
  get(id: string): IdentityProviderSettings {
    const found = this.settings().find((one) => one.id === id);
    if (!found) throw new GatewayError('not_found', 'There is no such identity provider.');
    return found;
  }

  /**
   * Starts a sign-in.
   *
   * @returns the URL to redirect the browser to, and the state to keep for `finish`; it expires after 10 minutes
   * @throws GatewayError `not_found`, or `store_unavailable` when the provider is unreachable
   */
  async begin(
    id: string,
    redirectUri: string,
  ): Promise<{ readonly url: string; readonly attempt: SignInAttempt }> {
    const settings = this.get(id);
    const [client, configuration] = await Promise.all([loadClient(), this.#configuration(settings)]);
    const attempt: SignInAttempt = {
      provider: id,
      state: client.randomState(),
      nonce: client.randomNonce(),
      verifier: client.randomPKCECodeVerifier(),
      expiresAt: this.now() + ATTEMPT_MS,
    };
    const own = settings.kind === 'oidc' ? ['openid', 'email', 'profile'] : ['read:user', 'user:email'];
    const url = client.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: [...new Set([...own, ...settings.scopes])].join(' '),
      code_challenge: await client.calculatePKCECodeChallenge(attempt.verifier),
      code_challenge_method: 'S256',
      state: attempt.state,
      ...(settings.kind === 'oidc' ? { nonce: attempt.nonce } : {}),
    });
    return { url: url.href, attempt };
  }

  /**
   * Completes a sign-in.
   *
   * @param callback the URL that the provider redirected to, as registered there
   * @throws GatewayError `permission_denied` when the callback does not belong to the attempt, or the user may not sign
   *   in; `store_unavailable` when the provider is unreachable
   */
  async finish(attempt: SignInAttempt, callback: URL): Promise<ExternalIdentity> {
    const settings = this.get(attempt.provider);
    if (attempt.expiresAt < this.now()) throw denied('Sign-in expired after 10 minutes. Start again.');
    const [client, configuration] = await Promise.all([loadClient(), this.#configuration(settings)]);
    let identity: ExternalIdentity;
    try {
      const tokens = await client.authorizationCodeGrant(configuration, callback, {
        pkceCodeVerifier: attempt.verifier,
        expectedState: attempt.state,
        ...(settings.kind === 'oidc' ? { expectedNonce: attempt.nonce, idTokenExpected: true } : {}),
      });
      identity =
        settings.kind === 'oidc'
          ? fromClaims(tokens.claims() ?? {}, configuration.serverMetadata().issuer)
          : await fromGitHub(configuration, tokens.access_token, settings.issuer);
    } catch (cause) {
      if (cause instanceof GatewayError) throw cause;
      throw denied(`${settings.name} rejected the sign-in. Start again.`, cause);
    }
    const { allowedDomains } = settings;
    // The address has exactly one "@": `emailOf` has seen to that.
    const domain = identity.email?.split('@')[1];
    if (allowedDomains.length > 0 && !(domain && allowedDomains.includes(domain))) {
      throw denied('Your e-mail domain may not sign in here. Ask an administrator.');
    }
    return identity;
  }

  #configuration(settings: IdentityProviderSettings): Promise<client.Configuration> {
    const key = JSON.stringify(settings);
    const current = new Set(this.settings().map((one) => JSON.stringify(one)));
    for (const old of this.#configurations.keys()) if (!current.has(old)) this.#configurations.delete(old);
    let known = this.#configurations.get(key);
    if (!known) {
      known = configure(settings);
      this.#configurations.set(key, known);
      // A failed discovery is retried at the next sign-in.
      known.catch(() => this.#configurations.delete(key));
    }
    return known;
  }
}

/** Loaded at the first sign-in. */
const loadClient = () => import('openid-client');

async function configure({ kind, issuer, clientId, clientSecret, name }: IdentityProviderSettings) {
  const client = await loadClient();
  const secret = clientSecret ?? undefined;
  if (kind === 'github') {
    const base = issuer ?? GITHUB;
    const configuration = new client.Configuration(
      {
        // The value of `iss` in its callbacks (RFC 9207).
        issuer: `${base}/login/oauth`,
        authorization_endpoint: `${base}/login/oauth/authorize`,
        token_endpoint: `${base}/login/oauth/access_token`,
      },
      clientId,
      secret,
    );
    if (LOOPBACK.test(base)) client.allowInsecureRequests(configuration);
    return configuration;
  }
  try {
    return await client.discovery(new URL(issuer ?? ''), clientId, secret, undefined, {
      // Plain HTTP is accepted for loopback addresses only, for tests on one machine.
      execute: [
        // The signature of the ID token, too: the token endpoint's TLS alone may end at a proxy.
        client.enableNonRepudiationChecks,
        ...(LOOPBACK.test(issuer ?? '') ? [client.allowInsecureRequests] : []),
      ],
    });
  } catch (cause) {
    throw new GatewayError('store_unavailable', `Identity provider "${name}" unreachable. Retry later.`, {
      cause,
    });
  }
}

function fromClaims(claims: Readonly<Record<string, unknown>>, issuer: string): ExternalIdentity {
  const subject = asString(claims.sub);
  if (subject === undefined) throw denied('The identity provider returned no subject.');
  return {
    issuer,
    subject,
    email: claims.email_verified === true ? emailOf(claims.email) : null,
    name: asString(claims.name) ?? null,
  };
}

async function fromGitHub(
  configuration: client.Configuration,
  accessToken: string,
  issuer: string | null,
): Promise<ExternalIdentity> {
  const api = issuer === null || issuer === GITHUB ? GITHUB_API : `${issuer}/api/v3`;
  const client = await loadClient();
  const get = async (path: string): Promise<unknown> => {
    const response = await client.fetchProtectedResource(
      configuration,
      accessToken,
      new URL(`${api}${path}`),
      'GET',
    );
    return response.json();
  };
  const user = await get('/user');
  if (!isRecord(user) || typeof user.id !== 'number') throw denied('GitHub returned no user id.');
  const emails = await get('/user/emails');
  const addresses: unknown[] = Array.isArray(emails) ? emails : [];
  const primary = addresses.find(
    (one) => isRecord(one) && one.primary === true && one.verified === true && typeof one.email === 'string',
  );
  return {
    issuer: issuer ?? GITHUB,
    subject: String(user.id),
    email: isRecord(primary) ? emailOf(primary.email) : null,
    name: asString(user.name) ?? asString(user.login) ?? null,
  };
}

/** @returns an e-mail address in the form that users have; null for any other value */
function emailOf(value: unknown): string | null {
  return emailAddress.safeParse(value).data ?? null;
}

function denied(message: string, cause?: unknown): GatewayError {
  return new GatewayError('permission_denied', message, { cause });
}
