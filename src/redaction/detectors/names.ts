import type { AddFinding } from '../kinds.ts';

const WORD = /\p{L}[\p{L}\p{M}'’-]*/gu;

/** Finds names of a list, as whole words in any case. */
export class NameFinder {
  /** By their first word, the longest first. */
  readonly #names = new Map<string, string[][]>();

  constructor(names: readonly string[]) {
    for (const name of names) {
      const words = wordsOf(name);
      const [first] = words;
      if (first === undefined) continue;
      const known = this.#names.get(first);
      if (known) known.push(words);
      else this.#names.set(first, [words]);
    }
    for (const list of this.#names.values()) list.sort((a, b) => b.length - a.length);
  }

  get isEmpty(): boolean {
    return this.#names.size === 0;
  }

  /** Whether a word begins a name of the list. */
  begins(word: string): boolean {
    return this.#names.has(word.toLowerCase());
  }

  find(text: string, add: AddFinding): void {
    if (this.#names.size === 0) return;
    const words = [...text.matchAll(WORD)];
    for (let index = 0; index < words.length; index += 1) {
      const count = this.#lengthAt(words, index);
      if (count === 0) continue;
      const [first, last] = [words[index], words[index + count - 1]];
      if (!first || !last) continue;
      add('name', first.index, last.index + last[0].length);
      index += count - 1;
    }
  }

  #lengthAt(words: readonly RegExpExecArray[], index: number): number {
    const first = words[index]?.[0].toLowerCase() ?? '';
    for (const name of this.#names.get(first) ?? []) {
      if (name.every((word, offset) => words[index + offset]?.[0].toLowerCase() === word)) return name.length;
    }
    return 0;
  }
}

function wordsOf(name: string): string[] {
  return [...name.toLowerCase().matchAll(WORD)].map(([word]) => word);
}
