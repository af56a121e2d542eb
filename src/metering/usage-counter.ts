import type { InferenceCall } from '../core/inference.ts';
import { estimateTokenCount } from '../core/token-estimate.ts';
import { vocabularyFactor } from '../providers/model-vocabulary.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Counts tokens that an upstream did not report. */
export class UsageCounter {
  constructor(private readonly tokenizer: Tokenizer) {}

  /** @returns an estimate of the call's input tokens. @throws Error when the tokenizer fails */
  async input(call: InferenceCall, model: string): Promise<number> {
    switch (call.operation) {
      case 'chat':
      case 'completion':
      case 'count-tokens':
        return this.tokenizer.estimate(call.chat(), model);
      case 'embedding':
      case 'rerank':
        return estimateTokenCount(call.text.length);
    }
  }

  /** @returns an estimate of the text's tokens. @throws Error when the tokenizer fails */
  async output(text: string, model: string): Promise<number> {
    const { tokens } = await this.tokenizer.count([text], 'o200k_base');
    return Math.ceil(tokens * vocabularyFactor(model));
  }
}
