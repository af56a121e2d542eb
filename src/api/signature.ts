import type { Origin, Signature } from '../core/chat/request.ts';
import { SIGNED_ID_MARK, signId, splitSignedId } from '../core/chat/signed-id.ts';
import { ORIGINS } from '../providers/origins.ts';

const FOREIGN_MARK = 'weir:';
const FOREIGN = /^weir:([a-z]+):(.*)$/s;

function isOrigin(value: string): value is Origin {
  return ORIGINS.some((origin) => origin === value);
}

/**
 * A signature as one dialect's opaque text. What comes from the dialect's own vendor stays as it is; anything else
 * carries its origin, so that it finds its way back when the client returns it.
 */
export function packSignature(signature: Signature, home: Origin): string {
  return isForeign(signature, home)
    ? `${FOREIGN_MARK}${signature.origin}:${signature.value}`
    : signature.value;
}

/** Whether it comes from another vendor than that of the dialect it is put into. */
export function isForeign(signature: Signature, home: Origin): boolean {
  return signature.origin !== home;
}

/** Whether an opaque text is a packed signature of another vendor than that of its dialect. */
export function isPacked(text: unknown): boolean {
  return typeof text === 'string' && text.startsWith(FOREIGN_MARK);
}

/** The reverse of `packSignature`. */
export function unpackSignature(text: string, home: Origin): Signature {
  const match = FOREIGN.exec(text);
  const origin = match?.[1];
  if (origin !== undefined && isOrigin(origin)) return { origin, value: match?.[2] ?? '' };
  return { origin: home, value: text };
}

/**
 * Stands for the signature of reasoning that has none. Vendors reject such reasoning; the mark lets it be recognised when it
 * returns in a request that is forwarded.
 */
export const UNSIGNED = `${FOREIGN_MARK}other:`;

/** The reverse of `packSignature`. @returns undefined for the mark of reasoning without a signature */
export function readSignature(text: string, home: Origin): Signature | undefined {
  return text === UNSIGNED ? undefined : unpackSignature(text, home);
}

/** The id for clients of a call or an item: it carries the signature, which so returns through every client. */
export function signedId(id: string, signature: Signature | undefined): string {
  return signature === undefined ? id : signId(id, signature);
}

/** The reverse of `signedId`. */
export function readSignedId(text: string): { readonly id: string; readonly signature?: Signature } {
  const { id, carried } = splitSignedId(text);
  if (carried === undefined || !isOrigin(carried.origin)) return { id };
  return { id, signature: { origin: carried.origin, value: carried.value } };
}

/** The id without its signature. */
export function plainId(id: string): string {
  return splitSignedId(id).id;
}

/** Whether the text of a request may have signatures of other vendors than that of its dialect. Fast, may be wrong. */
export function mayHaveForeignSignatures(text: string): boolean {
  return text.includes(SIGNED_ID_MARK) || text.includes(FOREIGN_MARK);
}
