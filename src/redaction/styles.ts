import { createHmac } from 'node:crypto';
import { PLACEHOLDER_WORDS, type RedactionStyle, type SensitiveKind } from './kinds.ts';

/** Renders what replaces a value. */
export type Replace = (kind: SensitiveKind, value: string) => string;

const HASH_LENGTH = 12;

/**
 * @param secret the key of `hash`; equal values have equal hashes only under the same secret
 * @throws Error for `hash` without a secret
 */
export function replacerOf(style: RedactionStyle, secret?: string): Replace {
  switch (style) {
    case 'placeholder':
      return (kind) => `[${PLACEHOLDER_WORDS[kind]}]`;
    case 'label':
      return (kind) => `[REDACTED_${PLACEHOLDER_WORDS[kind]}]`;
    case 'mask':
      return mask;
    case 'hash': {
      if (!secret) throw new Error('The style "hash" needs a secret.');
      return (kind, value) => `[${PLACEHOLDER_WORDS[kind]}:${hash(value, secret)}]`;
    }
  }
}

function hash(value: string, secret: string): string {
  return createHmac('sha256', secret).update(value).digest('hex').slice(0, HASH_LENGTH);
}

/** Keeps as much as helps a person to recognise the value: the last digits, the domain, the first half of an address. */
function mask(kind: SensitiveKind, value: string): string {
  switch (kind) {
    case 'card':
    case 'phone':
    case 'iban':
      return keepLast(value, 4);
    case 'ssn':
    case 'national_id':
      return keepLast(value, 2);
    case 'email': {
      const at = value.lastIndexOf('@');
      return at > 0 ? `${value.slice(0, 1)}***${value.slice(at)}` : `[${PLACEHOLDER_WORDS[kind]}]`;
    }
    case 'ip': {
      const [first, second] = value.split('.');
      return value.includes(':') ? `${value.slice(0, value.indexOf(':'))}:***` : `${first}.${second}.*.*`;
    }
    default:
      return `[${PLACEHOLDER_WORDS[kind]}]`;
  }
}

/** Replaces letters and digits by `*`, but for the last few. */
function keepLast(value: string, count: number): string {
  let left = value.replace(/[^\p{L}\p{N}]/gu, '').length - count;
  return value.replace(/[\p{L}\p{N}]/gu, (character) => {
    left -= 1;
    return left >= 0 ? '*' : character;
  });
}
