import { isValidIBAN } from 'ibantools';
import type { AddFinding } from '../kinds.ts';

/** Country, check digits, and groups of up to four, with or without spaces. */
const CANDIDATE = /(?<![\p{L}\p{N}])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}(?![\p{L}\p{N}])/gu;
const CANDIDATE_LOWER = /(?<![\p{L}\p{N}])[a-z]{2}\d{2}(?:[ -]?[a-z0-9]){11,30}(?![\p{L}\p{N}])/gu;
const SHORTEST = 15;

/** International bank account numbers whose length and check digits are right. */
export function findIbans(text: string, add: AddFinding): void {
  for (const pattern of [CANDIDATE, CANDIDATE_LOWER]) {
    for (const { index, 0: found } of text.matchAll(pattern)) {
      const length = validLength(found);
      if (length > 0) add('iban', index, index + length);
    }
  }
}

/** @returns the length of the longest valid beginning that ends with a group: words may follow; 0 for none */
function validLength(candidate: string): number {
  for (let end = candidate.length; end >= SHORTEST; end -= 1) {
    const next = candidate[end];
    if (next !== undefined && next !== ' ' && next !== '-') continue;
    if (isValidIBAN(candidate.slice(0, end).replace(/[ -]/g, '').toUpperCase())) return end;
  }
  return 0;
}
