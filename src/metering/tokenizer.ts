import type { ChatRequest } from '../core/chat/request.ts';
import { type CountTokens, estimateInputTokens } from './token-count.ts';

/** Beyond this, text is counted by its length: the tokenizer would hold up everybody else. UTF-16 units. */
const LONGEST_EXACT = 400_000;
const CHARACTERS_PER_TOKEN = 4;

/**
 * A real tokenizer, read into memory (about 100 MB and 0.4 s) when it is first needed: most gateways never count,
 * since providers do.
 */
export class Tokenizer {
  #loading: Promise<CountTokens> | undefined;

  /** An estimate of a conversation's input tokens. */
  async estimate(request: ChatRequest, model: string): Promise<number> {
    return estimateInputTokens(request, model, await this.#counter());
  }

  #counter(): Promise<CountTokens> {
    this.#loading ??= import('gpt-tokenizer/encoding/o200k_base').then(
      ({ countTokens }) =>
        (text) =>
          text.length > LONGEST_EXACT ? Math.ceil(text.length / CHARACTERS_PER_TOKEN) : countTokens(text),
    );
    return this.#loading;
  }
}
