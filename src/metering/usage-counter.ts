import type { InferenceCall } from '../core/inference.ts';
import { estimateTokenCount, estimateTokensOf } from '../core/token-estimate.ts';
import { vocabularyFactor } from '../providers/model-vocabulary.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Counts tokens that an upstream did not report. */
export class UsageCounter {
  constructor(private readonly tokenizer: Tokenizer) {}

  /** @returns an estimate of the call's input tokens. @throws Error when the tokenizer fails */
  async input(call: InferenceCall, model: string): Promise<number> {
    switch (call.operation) {
      case 'chat':
      case 'count-tokens':
        return this.tokenizer.estimate(call.chat(), model);
      case 'completion':
        // A list of prompts, or of token ids, has no chat that stands for it.
        return this.#tokens(call.view().promptParts(), model);
      case 'embedding':
      case 'moderation':
        return estimateTokensOf(call.text);
      case 'rerank':
        return estimateTokensOf(call.text) + estimateTokenCount(call.view().requestDemand().addedBytes);
    }
  }

  /** @returns an estimate of the text's tokens. @throws Error when the tokenizer fails */
  async output(text: string, model: string): Promise<number> {
    return this.#tokens([text], model);
  }

  async #tokens(texts: readonly string[], model: string): Promise<number> {
    const { tokens } = await this.tokenizer.count(texts, 'o200k_base');
    return Math.ceil(tokens * vocabularyFactor(model));
  }
}
