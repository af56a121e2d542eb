import type * as jose from 'jose';
import { GatewayError } from '../core/errors.ts';
import { asString } from '../core/json.ts';
import { RecentMap } from '../core/recent-map.ts';
import { sha256Hex } from '../platform/hash.ts';
import { type SealingKey, type SealingKeys, singleKey } from '../platform/secret-box.ts';

/** A configured issuer whose tokens are accepted instead of API keys. */
export interface TrustedIssuer {
  readonly issuer: string;
  readonly jwksUrl: string;
  readonly audience: string;
  /** Claim with the tenant's id; null for none. */
  readonly tenantClaim: string | null;
  /** Tenant of tokens without that claim; null rejects them. */
  readonly tenant: string | null;
}

/** The subject of a token: an API key, or a caller whom a trusted issuer authenticated. */
export type TokenSubject =
  | { readonly kind: 'key'; readonly tenant: string; readonly keyId: string }
  | { readonly kind: 'foreign'; readonly tenant: string; readonly id: string; readonly name: string };

interface Verified {
  readonly subject: TokenSubject;
  /** When the token expires; Unix milliseconds. */
  readonly expiresAt: number;
}

const ISSUER = 'weir';
const AUDIENCE = 'weir';
/** Bounds the cache of verified tokens; others are verified again. */
const MAX_KNOWN = 10_000;
/** How long a token counts as verified: keys that its issuer has withdrawn end within this time. */
const KNOWN_MS = 5 * 60_000;
/** Characters of a token beyond which the cache holds its digest instead. */
const MAX_CACHED_LENGTH = 512;
const JWT_PATTERN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Loaded with the first token, because most gateways get API keys only. */
const loadJose = () => import('jose');

/**
 * Short-lived tokens (JWT) instead of API keys: those that Weir issues, signed with HS256, and those of trusted issuers.
 *
 * @see https://datatracker.ietf.org/doc/html/rfc7519
 */
export class Tokens {
  readonly #keys: SealingKeys;
  readonly #known = new RecentMap<string, Verified>(MAX_KNOWN);
  readonly #keySets = new Map<string, ReturnType<typeof jose.createRemoteJWKSet>>();
  /** The issuers for which `#known` and `#keySets` hold. */
  #trusted: readonly TrustedIssuer[] = [];

  constructor(
    /** The installation's keys, from which signing keys are derived. */
    keys: string | SealingKeys,
    /** Another list after each change of the configuration, and the same one until then. */
    private readonly issuers: () => readonly TrustedIssuer[],
    /** Unix milliseconds. */
    private readonly now: () => number,
  ) {
    this.#keys = typeof keys === 'string' ? singleKey(keys) : keys;
  }

  /** @returns true when a secret has the form of a token, not of an API key */
  static isToken(secret: string): boolean {
    return JWT_PATTERN.test(secret);
  }

  /**
   * Issues a token for a key. The token becomes invalid with the key.
   *
   * @returns the token, and its expiry in Unix milliseconds
   */
  async issue(
    tenant: string,
    keyId: string,
    lifetimeMs: number,
  ): Promise<{ token: string; expiresAt: number }> {
    const now = Math.floor(this.now() / 1000);
    const until = now + Math.floor(lifetimeMs / 1000);
    const { SignJWT } = await loadJose();
    const { active } = this.#keys;
    const token = await new SignJWT({ tenant })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT', ...(active.id === '' ? {} : { kid: active.id }) })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setSubject(keyId)
      .setIssuedAt(now)
      .setExpirationTime(until)
      .sign(signingKey(active));
    return { token, expiresAt: until * 1000 };
  }

  /** @returns the subject of a token that was verified before and has not expired; undefined when it must be verified */
  known(token: string): TokenSubject | undefined {
    if (this.issuers() !== this.#trusted) return undefined;
    const found = this.#known.get(cacheKey(token));
    return found && found.expiresAt > this.now() ? found.subject : undefined;
  }

  /** Verifies signature, issuer, audience and expiry. @throws GatewayError `invalid_api_key` */
  async verify(token: string): Promise<TokenSubject> {
    let verified: Verified;
    const library = await loadJose();
    const trusted = this.issuers();
    if (trusted !== this.#trusted) {
      this.#known.clear();
      this.#keySets.clear();
      this.#trusted = trusted;
    }
    try {
      const issuer = library.decodeJwt(token).iss;
      verified =
        issuer === ISSUER ? await this.#own(library, token) : await this.#foreign(library, token, issuer);
    } catch (cause) {
      throw new GatewayError('invalid_api_key', 'The token is not valid, or has expired.', { cause });
    }
    // The issuer may have been removed while its keys were read.
    if (this.issuers() !== trusted) return this.verify(token);
    this.#remember(token, verified);
    return verified.subject;
  }

  #remember(token: string, { subject, expiresAt }: Verified): void {
    this.#known.set(cacheKey(token), { subject, expiresAt: Math.min(expiresAt, this.now() + KNOWN_MS) });
  }

  async #own({ jwtVerify, decodeProtectedHeader }: typeof jose, token: string): Promise<Verified> {
    const key = this.#keys.find(decodeProtectedHeader(token).kid ?? '');
    if (!key) throw new Error('the key of the token is unknown');
    const { payload } = await jwtVerify(token, signingKey(key), {
      ...{ issuer: ISSUER, audience: AUDIENCE, algorithms: ['HS256'] },
      requiredClaims: ['exp', 'sub'],
      currentDate: new Date(this.now()),
    });
    const tenant = asString(payload.tenant) ?? '';
    return { subject: { kind: 'key', tenant, keyId: payload.sub ?? '' }, expiresAt: expiryOf(payload) };
  }

  async #foreign(
    { createRemoteJWKSet, jwtVerify }: typeof jose,
    token: string,
    issuer: string | undefined,
  ): Promise<Verified> {
    const trusted = this.issuers().find((one) => one.issuer === issuer);
    if (!trusted) throw new Error('the issuer is not trusted');
    let keys = this.#keySets.get(trusted.jwksUrl);
    if (!keys) {
      keys = createRemoteJWKSet(new URL(trusted.jwksUrl));
      this.#keySets.set(trusted.jwksUrl, keys);
    }
    const { payload } = await jwtVerify(token, keys, {
      issuer: trusted.issuer,
      audience: trusted.audience,
      requiredClaims: ['exp', 'sub'],
      currentDate: new Date(this.now()),
    });
    const named = trusted.tenantClaim === null ? undefined : asString(payload[trusted.tenantClaim]);
    const tenant = named ?? trusted.tenant;
    if (!tenant) throw new Error('the token names no tenant');
    const name = (payload.sub ?? '').slice(0, 100);
    const id = `jwt_${sha256Hex(`${trusted.issuer}\n${payload.sub ?? ''}`).slice(0, 20)}`;
    return { subject: { kind: 'foreign', tenant, id, name }, expiresAt: expiryOf(payload) };
  }
}

function signingKey({ secret }: SealingKey): Uint8Array {
  return new TextEncoder().encode(sha256Hex(`weir tokens ${secret}`));
}

function cacheKey(token: string): string {
  return token.length > MAX_CACHED_LENGTH ? sha256Hex(token) : token;
}

function expiryOf({ exp = 0 }: jose.JWTPayload): number {
  return exp * 1000;
}
