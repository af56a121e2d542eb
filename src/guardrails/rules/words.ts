import { foldWord } from '../injection/normalise.ts';
import type { Span, SpanFinder } from './spans.ts';

/** Words of a list, and the name of the rule that has them. */
export interface WordList {
  readonly kind: string;
  readonly words: readonly string[];
}

/** A word as people write it, also with signs in the place of letters, and with invisible characters within. */
const TOKEN =
  /[\p{L}\p{N}@$](?:[\p{L}\p{N}\p{M}@$!*|_'’\u00ad\u200b-\u200f\u2060\ufeff-]{0,62}[\p{L}\p{N}\p{M}@$])?/gu;
const SUFFIXES = ['s', 'es', 'ed', 'er', 'ers', 'ing', 'ings', 'n', 'en', 'e', 'd', 'ly'];
/** UTF-16 units at the end of a text in which the last words are. */
const MAX_TAIL = 600;
/** Single letters in a row that are read as one word. */
const MAX_LETTERS = 40;

interface Entry {
  readonly kind: string;
  readonly words: readonly string[];
}

/**
 * Finds words and phrases in any case, with their endings, with lookalike letters, signs for letters, repeated letters,
 * and letters that are separated. Time is linear in the text, whatever the number of words.
 */
export class WordFinder implements SpanFinder {
  /** By their first word, the longest first. */
  readonly #entries = new Map<string, Entry[]>();
  #longest = 1;
  /** First letters of all entries; signs are read as letters. */
  readonly #initials = new Set<string>();

  constructor(lists: readonly WordList[]) {
    for (const { kind, words } of lists) {
      for (const phrase of words) {
        const parts = [...phrase.matchAll(TOKEN)].map(([token]) => foldWord(token));
        const [first] = parts;
        if (first === undefined) continue;
        this.#initials.add(first.charAt(0));
        this.#longest = Math.max(this.#longest, parts.length);
        const known = this.#entries.get(first);
        if (known) known.push({ kind, words: parts });
        else this.#entries.set(first, [{ kind, words: parts }]);
      }
    }
    for (const list of this.#entries.values()) list.sort((a, b) => b.words.length - a.words.length);
  }

  find(text: string): readonly Span[] {
    const tokens = [...text.matchAll(TOKEN)];
    const spans: Span[] = [];
    for (let index = 0; index < tokens.length; index += 1) {
      const found = this.#at(tokens, index) ?? this.#spelled(tokens, index, text);
      if (!found) continue;
      const [first, last] = [tokens[index], tokens[index + found.count - 1]];
      if (!first || !last) continue;
      spans.push({ kind: found.kind, start: first.index, end: last.index + last[0].length });
      index += found.count - 1;
    }
    return spans;
  }

  /** The last words may belong to a phrase, and the last one may go on. */
  holdFrom(text: string): number {
    const tail = Math.max(0, text.length - MAX_TAIL);
    const tokens = [...text.slice(tail).matchAll(TOKEN)];
    let first = tokens.length - this.#longest;
    while (first > 0 && isLetter(tokens[first - 1]?.[0] ?? '')) first -= 1;
    const token = tokens[Math.max(0, first)];
    if (!token) return text.length;
    // A token may be the end of one that began before the tail.
    return first < 0 ? Math.min(tail, tail + token.index) : tail + token.index;
  }

  #at(tokens: readonly RegExpExecArray[], index: number): { kind: string; count: number } | undefined {
    const initial = tokens[index]?.[0].charAt(0).toLowerCase() ?? '';
    // Letters and signs that are folded may be any letter.
    if (initial >= 'a' && initial <= 'z' && !this.#initials.has(initial)) return undefined;
    for (const first of variantsOf(tokens[index]?.[0] ?? '')) {
      for (const { kind, words } of this.#entries.get(first) ?? []) {
        const matches = words.every(
          (word, offset) => offset === 0 || variantsOf(tokens[index + offset]?.[0] ?? '').includes(word),
        );
        if (matches) return { kind, count: words.length };
      }
    }
    return undefined;
  }

  /** Letters that are separated by spaces or signs. */
  #spelled(
    tokens: readonly RegExpExecArray[],
    index: number,
    text: string,
  ): { kind: string; count: number } | undefined {
    if (!isLetter(tokens[index]?.[0] ?? '') || isLetter(tokens[index - 1]?.[0] ?? '')) return undefined;
    let joined = '';
    let count = 0;
    while (count < MAX_LETTERS) {
      const token = tokens[index + count];
      if (!token || !isLetter(token[0])) break;
      const before = tokens[index + count - 1];
      if (count > 0 && before && text.slice(before.index + before[0].length, token.index).length > 3) break;
      joined += token[0];
      count += 1;
    }
    if (count < 3) return undefined;
    const entry = variantsOf(joined)
      .flatMap((word) => this.#entries.get(word) ?? [])
      .find(({ words }) => words.length === 1);
    return entry && { kind: entry.kind, count };
  }
}

function isLetter(token: string): boolean {
  return token.length === 1;
}

const LEET: Readonly<Record<string, string>> = {
  0: 'o',
  1: 'i',
  3: 'e',
  4: 'a',
  5: 's',
  7: 't',
  '@': 'a',
  $: 's',
  '!': 'i',
  '|': 'l',
};

/** @returns the forms of a token that may be in a list, the plainest first */
function variantsOf(token: string): readonly string[] {
  if (token === '') return [];
  const plain = foldWord(token);
  const forms = new Set([plain]);
  if (/[013457@$!|]/.test(plain) && /[a-z]/.test(plain)) {
    forms.add(plain.replace(/[013457@$!|]/g, (sign) => LEET[sign] ?? sign));
  }
  if (/[-_*'’]/.test(plain)) forms.add(plain.replace(/[-_*'’]/g, ''));
  if (/(.)\1\1/.test(plain)) {
    forms.add(plain.replace(/(.)\1{2,}/g, '$1'));
    forms.add(plain.replace(/(.)\1{2,}/g, '$1$1'));
  }
  for (const form of [...forms]) {
    for (const suffix of SUFFIXES) {
      if (!form.endsWith(suffix) || form.length < suffix.length + 3) continue;
      const stem = form.slice(0, -suffix.length);
      forms.add(stem);
      // "stopped" and "stop", "taking" and "take".
      if (/(.)\1$/.test(stem)) forms.add(stem.slice(0, -1));
      if (suffix.startsWith('e') || suffix.startsWith('i')) forms.add(`${stem}e`);
    }
  }
  return [...forms];
}
