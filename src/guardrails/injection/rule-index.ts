import { classOf, FOREIGN, OTHER, parseRegex } from '../regex/parse.ts';
import { prefixesOf } from '../regex/shape.ts';

/** Characters of a beginning by which expressions are found. */
const LENGTH = 3;
const CLASSES = [...'abcdefghijklmnopqrstuvwxyz0123456789', OTHER, FOREIGN];
const SIZE = CLASSES.length;
const OTHER_INDEX = SIZE - 2;
const FOREIGN_INDEX = SIZE - 1;
const ENTRIES = SIZE ** LENGTH;
const INDEX_OF = new Map(CLASSES.map((one, index) => [one, index]));

/** Indexes of the classes of the characters of ASCII. */
const CLASS_INDEX = Uint8Array.from({ length: 128 }, (_, code) =>
  CLASSES.indexOf(classOf(String.fromCharCode(code))),
);

/** An expression, and what it stands for. */
export interface IndexedRegex<T> {
  readonly value: T;
  /** Global, or without flags of position. */
  readonly pattern: RegExp;
}

interface Entry<T> {
  readonly value: T;
  /** Matches at one index only. */
  readonly sticky: RegExp;
  readonly order: number;
}

/** Called for each match. @returns true where the expression needs no more matches */
export type OnMatch<T> = (value: T, index: number, length: number) => boolean;

/**
 * Finds the matches of many expressions in one pass over a text: the next three characters at each index decide which
 * expressions may begin there. What it finds is what each expression finds alone.
 */
export class RegexIndex<T> {
  /** By the classes of three characters: 0 for none, or one more than an index of `#buckets`. */
  readonly #table = new Uint16Array(ENTRIES);
  readonly #buckets: (readonly Entry<T>[])[] = [];
  /** Expressions whose beginnings say nothing. */
  readonly #others: readonly IndexedRegex<T>[];

  /**
   * @param where `words`: the expressions begin with a border before a letter or digit of ASCII; those that do not are
   * searched alone. `anywhere`: they begin at any index
   */
  constructor(
    private readonly regexes: readonly IndexedRegex<T>[],
    private readonly where: 'words' | 'anywhere',
  ) {
    const others: IndexedRegex<T>[] = [];
    /** The bucket that follows from another one with one more expression. */
    const following = new Map<number, number>();
    for (const [order, regex] of regexes.entries()) {
      const ranges = this.#rangesOf(regex.pattern);
      if (!ranges) {
        others.push(regex);
        continue;
      }
      const { source, flags } = regex.pattern;
      const sticky = new RegExp(source, `${flags.replace(/[gy]/g, '')}y`);
      const entry = { value: regex.value, order, sticky };
      for (const [from, end] of ranges) {
        for (let key = from; key < end; key += 1) this.#addTo(key, entry, following);
      }
    }
    this.#others = others;
  }

  /** The number of expressions that are searched alone. */
  get unindexed(): number {
    return this.#others.length;
  }

  /**
   * @param text in lower case
   * @param reads which expressions are searched; all when absent
   */
  search(text: string, onMatch: OnMatch<T>, reads?: (value: T) => boolean): void {
    /** The first index at which each expression may match again. */
    const next = new Uint32Array(this.regexes.length);
    if (reads) {
      for (const [order, { value }] of this.regexes.entries()) if (!reads(value)) next[order] = text.length;
    }
    const anywhere = this.where === 'anywhere';
    let isAfterWord = false;
    let [first, second] = [classAt(text, 0), classAt(text, 1)];
    for (let at = 0; at < text.length; at += 1) {
      const third = classAt(text, at + 2);
      const isWord = first < OTHER_INDEX || text.charCodeAt(at) === 0x5f;
      if (anywhere || (isWord && !isAfterWord)) {
        const bucket = this.#table[(first * SIZE + second) * SIZE + third] ?? 0;
        if (bucket > 0) this.#try(this.#buckets[bucket - 1] ?? [], text, at, next, onMatch);
      }
      isAfterWord = isWord;
      first = second;
      second = third;
    }
    for (const { pattern, value } of this.#others) {
      if (!reads || reads(value)) searchAlone(pattern, text, value, onMatch);
    }
  }

  #try(bucket: readonly Entry<T>[], text: string, at: number, next: Uint32Array, onMatch: OnMatch<T>): void {
    for (const { sticky, value, order } of bucket) {
      if (at < (next[order] ?? 0)) continue;
      sticky.lastIndex = at;
      const match = sticky.exec(text);
      if (!match || match[0].length === 0) continue;
      const isEnough = onMatch(value, at, match[0].length);
      next[order] = isEnough ? text.length : at + match[0].length;
    }
  }

  #addTo(key: number, entry: Entry<T>, following: Map<number, number>): void {
    const before = this.#table[key] ?? 0;
    const list = before === 0 ? [] : (this.#buckets[before - 1] ?? []);
    // One expression may have the same beginning twice.
    if (list.at(-1) === entry) return;
    const name = before * (this.regexes.length + 1) + entry.order;
    let bucket = following.get(name);
    if (bucket === undefined) {
      bucket = this.#buckets.push([...list, entry]);
      following.set(name, bucket);
    }
    this.#table[key] = bucket;
  }

  /** @returns ranges of keys of all beginnings; undefined where the expression has to be searched alone */
  #rangesOf({ source }: RegExp): readonly (readonly [from: number, end: number])[] | undefined {
    if (this.where === 'words' && !source.startsWith('\\b(?:')) return undefined;
    const node = parseRegex(source);
    const prefixes = node && prefixesOf(node, LENGTH);
    if (!prefixes) return undefined;
    const ranges: (readonly [number, number])[] = [];
    for (const prefix of prefixes) {
      if (prefix === '') return undefined;
      const indexes = [...prefix].map((one) => INDEX_OF.get(one) ?? OTHER_INDEX);
      // A border before another character is the end of a word.
      if (this.where === 'words' && (indexes[0] ?? OTHER_INDEX) >= OTHER_INDEX) return undefined;
      const width = SIZE ** (LENGTH - indexes.length);
      const from = indexes.reduce((key, index) => key * SIZE + index, 0) * width;
      ranges.push([from, from + width]);
    }
    return ranges;
  }
}

/** The end of the text counts as another character. */
function classAt(text: string, index: number): number {
  const code = text.charCodeAt(index);
  return code < 128 ? (CLASS_INDEX[code] ?? OTHER_INDEX) : code >= 128 ? FOREIGN_INDEX : OTHER_INDEX;
}

function searchAlone<T>(pattern: RegExp, text: string, value: T, onMatch: OnMatch<T>): void {
  if (!pattern.global) {
    const match = pattern.exec(text);
    if (match) onMatch(value, match.index, match[0].length);
    return;
  }
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    if (match[0].length === 0 || onMatch(value, match.index, match[0].length)) break;
  }
  pattern.lastIndex = 0;
}
