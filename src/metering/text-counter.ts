import type { Vocabulary } from '../providers/model-vocabulary.ts';

type CountTokens = (text: string) => number;

/** UTF-16 code units counted before other tasks run: a few milliseconds. */
const TURN = 32_768;
/**
 * Longer runs without a space are cut: the tokenizer takes time quadratic in a run's length, so 50,000 letters in a row
 * would take minutes. Words, and sentences in scripts without spaces, are shorter.
 */
const MAX_RUN_LENGTH = 128;
const LONG_RUNS = new RegExp(`\\S{${MAX_RUN_LENGTH},}`, 'g');
/** Text of a client that looks like a control token is counted as text. */
const AS_TEXT = { disallowedSpecial: new Set<string>() };

const VOCABULARIES: Readonly<Record<Vocabulary, () => Promise<CountTokens>>> = {
  o200k_base: async () => {
    const { countTokens } = await import('gpt-tokenizer/encoding/o200k_base');
    return (text) => countTokens(text, AS_TEXT);
  },
  cl100k_base: async () => {
    const { countTokens } = await import('gpt-tokenizer/encoding/cl100k_base');
    return (text) => countTokens(text, AS_TEXT);
  },
};

/** Tokens of texts. `cuts` is the number of cuts inside texts, each of which may add a token or two. */
export interface TokenCount {
  readonly tokens: number;
  readonly cuts: number;
}

/** Counts the tokens of texts with published vocabularies. */
export interface TokenCounter {
  /**
   * @param enough counting stops at this number of tokens
   * @returns the tokens counted so far
   * @throws Error when the vocabulary cannot be loaded
   */
  count(texts: readonly string[], vocabulary: Vocabulary, enough?: number): Promise<TokenCount>;
}

/** Counts with the tokenizers of `gpt-tokenizer`, each loaded on first use: about 100 MB and 0.4 s. */
export class TextCounter implements TokenCounter {
  readonly #loading = new Map<Vocabulary, Promise<CountTokens>>();

  /** @param pause resolves after other tasks have run */
  constructor(
    private readonly pause: () => Promise<void> = () => new Promise((resume) => setImmediate(resume)),
  ) {}

  async count(
    texts: readonly string[],
    vocabulary: Vocabulary,
    enough = Number.POSITIVE_INFINITY,
  ): Promise<TokenCount> {
    const countTokens = await this.#counter(vocabulary);
    let tokens = 0;
    let cuts = 0;
    let turn = 0;
    for (const text of texts) {
      for (const piece of pieces(text)) {
        tokens += countTokens(piece);
        cuts += 1;
        turn += piece.length;
        if (tokens >= enough) return { tokens, cuts };
        if (turn < TURN) continue;
        turn = 0;
        await this.pause();
      }
      cuts -= 1;
    }
    return { tokens, cuts: Math.max(0, cuts) };
  }

  #counter(vocabulary: Vocabulary): Promise<CountTokens> {
    let loading = this.#loading.get(vocabulary);
    if (!loading) {
      loading = VOCABULARIES[vocabulary]();
      this.#loading.set(vocabulary, loading);
    }
    return loading;
  }
}

/** Cuts a text into pieces that are fast to count: before spaces, and inside runs that are too long. */
function* pieces(text: string): Generator<string> {
  let start = 0;
  while (start < text.length) {
    let end = Math.min(text.length, start + TURN);
    if (end < text.length) {
      const space = text.lastIndexOf(' ', end);
      if (space > start) end = space;
    }
    yield* withoutLongRuns(text.slice(start, end));
    start = end;
  }
}

function* withoutLongRuns(text: string): Generator<string> {
  let start = 0;
  for (const { index, 0: run } of text.matchAll(LONG_RUNS)) {
    for (let at = index; at < index + run.length; at += MAX_RUN_LENGTH) {
      const end = Math.min(at + MAX_RUN_LENGTH, index + run.length);
      if (end > start) yield text.slice(start, end);
      start = end;
    }
  }
  if (start < text.length) yield text.slice(start);
}
