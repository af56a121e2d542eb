import { randomBytes } from 'node:crypto';
import { hmacSha256Hex, sha256Hex } from '../platform/hash.ts';

const HINT_LENGTH = 12;

/** Computes the digests of secrets that are stored in their place. */
export class SecretDigester {
  /** @param secret known to this installation only: without it, a copy of the database does not help to find a key */
  constructor(private readonly secret: string) {}

  /**
   * @returns HMAC-SHA256 of the secret's SHA-256, 64 hexadecimal digits. Secrets have 192 random bits, so a slow hash
   *   would only add latency.
   */
  digest(secret: string): string {
    return this.ofPlainDigest(sha256Hex(secret));
  }

  /** @returns SHA-256 of the secret, for caches within this process; never stored */
  plainDigest(secret: string): string {
    return sha256Hex(secret);
  }

  /** @param digest the plain SHA-256 of a secret, as early versions stored it. @returns the same as `digest` */
  ofPlainDigest(digest: string): string {
    return hmacSha256Hex(this.secret, digest);
  }
}

export type SecretKind = 'admin' | 'api_key' | 'session' | 'invitation';

const PREFIXES: Readonly<Record<SecretKind, string>> = {
  admin: 'wr-admin-',
  api_key: 'wr-',
  session: 'wr-session-',
  invitation: 'wr-invite-',
};

/** @returns a new secret with 192 random bits; its prefix shows its kind, also to secret scanners */
export function newSecret(kind: SecretKind, random: (bytes: number) => Uint8Array = randomBytes): string {
  return `${PREFIXES[kind]}${Buffer.from(random(24)).toString('hex')}`;
}

/** @returns the first 12 characters, which identify a key without revealing it */
export function hintOf(secret: string): string {
  return `${secret.slice(0, HINT_LENGTH)}...`;
}

/** Compares two digests in constant time. */
export function sameDigest(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let at = 0; at < a.length; at += 1) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference === 0;
}
