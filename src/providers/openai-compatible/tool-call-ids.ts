import { createHash } from 'node:crypto';

const SHORT = /^[A-Za-z0-9]{9}$/;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Converts a tool call id to nine letters or digits. An id of that form stays; equal ids give equal results. */
export function shortToolCallId(id: string): string {
  if (SHORT.test(id)) return id;
  const digest = createHash('sha256').update(id).digest();
  let short = '';
  for (let at = 0; at < 9; at += 1) short += ALPHABET[(digest[at] ?? 0) % ALPHABET.length] ?? '';
  return short;
}
