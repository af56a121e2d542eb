import type { Origin, Signature } from '../core/chat/request.ts';
import { ORIGINS } from '../providers/origins.ts';

const FOREIGN = /^weir:([a-z]+):(.*)$/s;
function isOrigin(value: string): value is Origin {
  return ORIGINS.some((origin) => origin === value);
}

/**
 * A signature as one dialect's opaque text. What comes from the dialect's own vendor stays as it is; anything else
 * carries its origin, so that it finds its way back when the client returns it.
 */
export function packSignature(signature: Signature, home: Origin): string {
  return isForeign(signature, home) ? `weir:${signature.origin}:${signature.value}` : signature.value;
}

/** Whether it comes from another vendor than that of the dialect it is put into. */
export function isForeign(signature: Signature, home: Origin): boolean {
  return signature.origin !== home;
}

/** The reverse of `packSignature`. */
export function unpackSignature(text: string, home: Origin): Signature {
  const match = FOREIGN.exec(text);
  const origin = match?.[1];
  if (origin !== undefined && isOrigin(origin)) return { origin, value: match?.[2] ?? '' };
  return { origin: home, value: text };
}
