import type { InferenceCall } from '../core/inference.ts';
import { estimateTokenCount } from '../core/token-estimate.ts';
import { vocabularyFactor } from './token-count.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Counts what upstreams have not counted, with a real tokenizer. */
export class UsageCounter {
  constructor(private readonly tokenizer: Tokenizer) {}

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

  async output(text: string, model: string): Promise<number> {
    const { tokens } = await this.tokenizer.count([text], 'o200k_base');
    return Math.ceil(tokens * vocabularyFactor(model));
  }
}
