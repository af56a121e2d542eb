import type { ChatRequest } from '../core/chat/request.ts';
import { type Vocabulary, vocabularyFactor } from '../providers/model-vocabulary.ts';
import type { TokenCount, TokenCounter } from './text-counter.ts';
import { countable } from './token-count.ts';

/** UTF-16 code units of a text that are counted; the rest is estimated by its length. */
const MAX_COUNTED_LENGTH = 400_000;
const CHARACTERS_PER_TOKEN = 4;

/** Estimates the tokens of conversations and counts those of texts. */
export class Tokenizer implements TokenCounter {
  constructor(private readonly counter: TokenCounter) {}

  /**
   * Estimates the input tokens of a conversation: text with a tokenizer, media by rule.
   *
   * @param model its vocabulary's size relative to `o200k_base` is taken into account
   * @returns an estimate, to be labelled as one
   * @throws Error when the tokenizer fails
   */
  async estimate(request: ChatRequest, model: string): Promise<number> {
    const { words, rest, fixed } = countable(request);
    const texts = [...words, ...rest].map((text) => text.slice(0, MAX_COUNTED_LENGTH));
    const uncounted = [...words, ...rest].reduce(
      (sum, text) => sum + Math.max(0, text.length - MAX_COUNTED_LENGTH),
      0,
    );
    const { tokens } = await this.count(texts, 'o200k_base');
    const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    const factor = vocabularyFactor(model);
    // No vocabulary has more tokens than bytes.
    return Math.ceil(
      fixed * factor + Math.min(tokens * factor, bytes) + (uncounted / CHARACTERS_PER_TOKEN) * factor,
    );
  }

  /** See `TokenCounter.count`. */
  count(texts: readonly string[], vocabulary: Vocabulary, enough?: number): Promise<TokenCount> {
    return this.counter.count(texts, vocabulary, enough);
  }
}
