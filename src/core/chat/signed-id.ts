/**
 * Ids that carry an opaque value. Clients return ids of calls unchanged, also those that drop members which they do not know.
 * A signed id has letters, digits, `_` and `-` only, which every vendor accepts in ids.
 */

/** Separates an id from what it carries. */
export const SIGNED_ID_MARK = '__sig_';

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const CARRIED = /^([a-z]+)_([0-9a-f]{8})_([bu])([\w-]*)$/;

/** What an id carries. */
export interface CarriedValue {
  readonly origin: string;
  readonly value: string;
}

/**
 * @param id the vendor's id; one that another gateway has signed stays as it is
 * @param carried its origin is a word of lower-case letters
 */
export function signId(id: string, { origin, value }: CarriedValue): string {
  if (id.includes(SIGNED_ID_MARK)) return id;
  const isBase64 = value.length % 4 === 0 && BASE64.test(value);
  const form = isBase64 ? 'b' : 'u';
  const text = isBase64
    ? value.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
    : Buffer.from(value).toString('base64url');
  return `${id}${SIGNED_ID_MARK}${origin}_${checksum(text)}_${form}${text}`;
}

/** @returns the id before it was signed, and what it carries; nothing carried where the id was cut or changed */
export function splitSignedId(text: string): { readonly id: string; readonly carried?: CarriedValue } {
  const at = text.indexOf(SIGNED_ID_MARK);
  if (at < 0) return { id: text };
  const id = text.slice(0, at);
  const [, origin, sum, form, encoded] = CARRIED.exec(text.slice(at + SIGNED_ID_MARK.length)) ?? [];
  if (origin === undefined || encoded === undefined || sum !== checksum(encoded)) return { id };
  return { id, carried: { origin, value: form === 'b' ? base64(encoded) : decoded(encoded) } };
}

function base64(text: string): string {
  const standard = text.replaceAll('-', '+').replaceAll('_', '/');
  return standard + '='.repeat((4 - (standard.length % 4)) % 4);
}

function decoded(text: string): string {
  return Buffer.from(text, 'base64url').toString();
}

/** FNV-1a: finds ids that a client has shortened. */
function checksum(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}
