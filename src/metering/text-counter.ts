/** A published vocabulary. */
export type Vocabulary = 'o200k_base' | 'cl100k_base';

/** Counts the tokens of a text. */
type CountTokens = (text: string) => number;

/** How much is counted before others have a turn: some milliseconds. UTF-16 units. */
const TURN = 32_768;
/**
 * The longest run without a space that is counted whole: the work grows with the square of a run's length, so that
 * 50,000 letters in a row would take minutes. Real words, and sentences in scripts without spaces, are shorter.
 */
const LONGEST_RUN = 128;
const LONG_RUNS = new RegExp(`\\S{${LONGEST_RUN},}`, 'g');
/** Text that looks like a vocabulary's control tokens is text, wherever a client wrote it. */
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

/** Tokens of texts; `cuts` is how often a text was cut where its tokenizer would not have cut it. */
export interface TokenCount {
  readonly tokens: number;
  readonly cuts: number;
}

/** Counts the tokens of texts with published vocabularies. */
export interface TokenCounter {
  /** @param enough counting stops here, and what was counted so far is given back */
  count(texts: readonly string[], vocabulary: Vocabulary, enough?: number): Promise<TokenCount>;
}

/** Real tokenizers, read into memory (about 100 MB and 0.4 s each) when first needed. */
export class TextCounter implements TokenCounter {
  readonly #loading = new Map<Vocabulary, Promise<CountTokens>>();

  /** @param pause gives others a turn; injected for tests */
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

/** A text in pieces that are quick to count: cut before spaces where it can be, inside long runs where it must be. */
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
    for (let at = index; at < index + run.length; at += LONGEST_RUN) {
      const end = Math.min(at + LONGEST_RUN, index + run.length);
      if (end > start) yield text.slice(start, end);
      start = end;
    }
  }
  if (start < text.length) yield text.slice(start);
}
