import { randomBytes } from 'node:crypto';
import { sha256Hex } from '../platform/hash.ts';

const HINT_LENGTH = 12;

/** SHA-256 in hex. The secrets have 192 random bits, so that a slow hash would add nothing but latency. */
export function digestOf(secret: string): string {
  return sha256Hex(secret);
}

/** A new secret. The prefix tells people and secret scanners what it is. */
export function newSecret(
  kind: 'admin' | 'api_key',
  random: (bytes: number) => Uint8Array = randomBytes,
): string {
  return `${kind === 'admin' ? 'wr-admin-' : 'wr-'}${Buffer.from(random(24)).toString('hex')}`;
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
