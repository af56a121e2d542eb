import { randomBytes } from 'node:crypto';
import { hmacSha256Hex, sha256Hex } from '../platform/hash.ts';

const HINT_LENGTH = 12;

/** Turns secrets into what is stored of them. */
export class SecretDigester {
  /** @param secret known to this installation only: a copy of the database without it does not help to find a key */
  constructor(private readonly secret: string) {}

  /**
   * HMAC-SHA256 of the secret's SHA-256, in hex. The secrets have 192 random bits, so that a slow hash would add nothing
   * but latency.
   */
  digest(secret: string): string {
    return this.ofPlainDigest(sha256Hex(secret));
  }

  /** Not what is stored: for remembering in this process only. */
  plainDigest(secret: string): string {
    return sha256Hex(secret);
  }

  /** From the plain SHA-256 of a secret, as it was stored of old. */
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

/** A new secret. The prefix tells people and secret scanners what it is. */
export function newSecret(kind: SecretKind, random: (bytes: number) => Uint8Array = randomBytes): string {
  return `${PREFIXES[kind]}${Buffer.from(random(24)).toString('hex')}`;
}

export function hintOf(secret: string): string {
  return `${secret.slice(0, HINT_LENGTH)}...`;
}

/** Compares two digests in a time that does not depend on where they differ. */
export function sameDigest(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let at = 0; at < a.length; at += 1) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference === 0;
}
