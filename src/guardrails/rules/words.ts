import { foldWord } from '../injection/normalise.ts';
import type { Span, SpanFinder } from './spans.ts';
import { Tokens } from './tokens.ts';
import { WordBeginnings } from './word-beginnings.ts';

/** Words of a list, and the name of the rule that has them. */
export interface WordList {
  readonly kind: string;
  readonly words: readonly string[];
}

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
  readonly #beginnings = new WordBeginnings();

  constructor(lists: readonly WordList[]) {
    for (const { kind, words } of lists) {
      for (const phrase of words) {
        const tokens = new Tokens(phrase);
        const parts = Array.from({ length: tokens.length }, (_, index) => foldWord(tokens.at(index)));
        const [first] = parts;
        if (first === undefined) continue;
        this.#beginnings.add(first);
        this.#longest = Math.max(this.#longest, parts.length);
        const known = this.#entries.get(first);
        if (known) known.push({ kind, words: parts });
        else this.#entries.set(first, [{ kind, words: parts }]);
      }
    }
    for (const list of this.#entries.values()) list.sort((a, b) => b.words.length - a.words.length);
  }

  find(text: string): readonly Span[] {
    const tokens = new Tokens(text);
    const spans: Span[] = [];
    for (let index = 0; index < tokens.length; index += 1) {
      const found = this.#at(tokens, index) ?? this.#spelled(tokens, index);
      if (!found) continue;
      const last = index + found.count - 1;
      spans.push({ kind: found.kind, start: tokens.startOf(index), end: tokens.endOf(last) });
      index = last;
    }
    return spans;
  }

  /** The last words may belong to a phrase, and the last one may go on. */
  holdFrom(text: string): number {
    const tail = Math.max(0, text.length - MAX_TAIL);
    const tokens = new Tokens(tail === 0 ? text : text.slice(tail));
    let first = tokens.length - this.#longest;
    while (first > 0 && tokens.isLetter(first - 1)) first -= 1;
    if (tokens.length === 0) return text.length;
    const start = tail + tokens.startOf(Math.max(0, first));
    // A token may be the end of one that began before the tail.
    return first < 0 ? Math.min(tail, start) : start;
  }

  #at(tokens: Tokens, index: number): { kind: string; count: number } | undefined {
    if (!this.#beginnings.mayBegin(tokens.source, tokens.startOf(index), tokens.endOf(index)))
      return undefined;
    for (const first of variantsOf(tokens.at(index))) {
      for (const { kind, words } of this.#entries.get(first) ?? []) {
        const matches = words.every(
          (word, offset) => offset === 0 || variantsOf(tokens.at(index + offset)).includes(word),
        );
        if (matches) return { kind, count: words.length };
      }
    }
    return undefined;
  }

  /** Letters that are separated by spaces or signs. */
  #spelled(tokens: Tokens, index: number): { kind: string; count: number } | undefined {
    if (!tokens.isLetter(index) || tokens.isLetter(index - 1)) return undefined;
    let joined = '';
    let count = 0;
    while (count < MAX_LETTERS && tokens.isLetter(index + count)) {
      const at = index + count;
      if (count > 0 && tokens.startOf(at) - tokens.endOf(at - 1) > 3) break;
      joined += tokens.at(at);
      count += 1;
    }
    if (count < 3) return undefined;
    const entry = variantsOf(joined)
      .flatMap((word) => this.#entries.get(word) ?? [])
      .find(({ words }) => words.length === 1);
    return entry && { kind: entry.kind, count };
  }
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
