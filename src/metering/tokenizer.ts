import type { ChatRequest } from '../core/chat/request.ts';
import type { TokenCount, TokenCounter, Vocabulary } from './text-counter.ts';
import { countable, vocabularyFactor } from './token-count.ts';

/** Beyond this, the rest of a text is counted by its length. UTF-16 units. */
const LONGEST_COUNTED = 400_000;
const CHARACTERS_PER_TOKEN = 4;

/** Tokens of conversations and texts, as well as they can be told here. */
export class Tokenizer implements TokenCounter {
  constructor(private readonly counter: TokenCounter) {}

  /**
   * Input tokens of a conversation as well as they can be told here: text by a real tokenizer, media by rule.
   * An estimate, and to be shown as one.
   */
  async estimate(request: ChatRequest, model: string): Promise<number> {
    const { words, rest, fixed } = countable(request);
    const texts = [...words, ...rest].map((text) => text.slice(0, LONGEST_COUNTED));
    const uncounted = [...words, ...rest].reduce(
      (sum, text) => sum + Math.max(0, text.length - LONGEST_COUNTED),
      0,
    );
    const { tokens } = await this.count(texts, 'o200k_base');
    return Math.ceil((fixed + tokens + uncounted / CHARACTERS_PER_TOKEN) * vocabularyFactor(model));
  }

  /** @param enough counting stops here, and what was counted so far is given back */
  count(texts: readonly string[], vocabulary: Vocabulary, enough?: number): Promise<TokenCount> {
    return this.counter.count(texts, vocabulary, enough);
  }
}
