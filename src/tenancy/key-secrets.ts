import { createHash, randomBytes } from 'node:crypto';

const HINT_LENGTH = 12;

/** SHA-256 in hex. The secrets have 192 random bits, so that a slow hash would add nothing but latency. */
export function digestOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
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
