import { createHash } from 'node:crypto';
import type { NameRule } from './vendor-limits.ts';

/** Characters of a fingerprint with its separator. */
const MARK_LENGTH = 9;

/** FNV-1a hash as eight hexadecimal digits, to distinguish shortened texts. */
function fingerprint(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/**
 * Shortens an id. Equal ids give equal results, and different ids different ones.
 * @param maxLength UTF-16 units, at least 10
 */
export function shortenedId(id: string, maxLength: number): string {
  return id.length <= maxLength ? id : `${id.slice(0, maxLength - MARK_LENGTH)}_${fingerprint(id)}`;
}

/** Converts a name to one that the rule permits. A permitted name stays; different names give different results. */
export function permittedName(name: string, { maxLength, permitted, forbidden, start }: NameRule): string {
  if (permitted.test(name)) return name;
  const plain = name.replaceAll(forbidden, '_');
  const led = start === undefined || start.test(plain) ? plain : `_${plain}`;
  return `${led.slice(0, maxLength - MARK_LENGTH)}_${fingerprint(name)}`;
}

/**
 * Hashes an identifier of an end user or a cache that is too long. Equal identifiers give equal hashes.
 * @param maxLength characters
 */
export function hashedIdentifier(identifier: string, maxLength: number): string {
  if (identifier.length <= maxLength) return identifier;
  return createHash('sha256').update(identifier).digest('hex').slice(0, maxLength);
}
