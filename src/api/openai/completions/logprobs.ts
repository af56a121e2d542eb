import type { TokenLogprobs } from '../../../core/chat/result.ts';
import { asString, records } from '../../../core/json.ts';

/** Log probabilities in the form of legacy completions. */
export interface WireLogprobs {
  readonly tokens: readonly string[];
  readonly token_logprobs: readonly (number | null)[];
  /** For each token the most likely ones; null when none were requested. */
  readonly top_logprobs: readonly Readonly<Record<string, number>>[] | null;
  /** Where each token begins in the text of the choice, in Unicode code points. */
  readonly text_offset: readonly number[];
}

/** Converts the log probabilities of one choice, whose offsets continue from chunk to chunk. */
export class CompletionLogprobs {
  #offset = 0;

  /** @param entries of the chat format, for the next tokens of the choice */
  next(entries: TokenLogprobs): WireLogprobs {
    const tops = entries.map(({ top_logprobs: top }) => topOf(top));
    return {
      tokens: entries.map(({ token }) => asString(token) ?? ''),
      token_logprobs: entries.map(({ logprob }) => (typeof logprob === 'number' ? logprob : null)),
      top_logprobs: tops.some((top) => Object.keys(top).length > 0) ? tops : null,
      text_offset: entries.map(({ token }) => {
        const start = this.#offset;
        for (const _ of asString(token) ?? '') this.#offset += 1;
        return start;
      }),
    };
  }
}

function topOf(value: unknown): Readonly<Record<string, number>> {
  const pairs = records(value).flatMap(({ token, logprob }): [string, number][] =>
    typeof token === 'string' && typeof logprob === 'number' ? [[token, logprob]] : [],
  );
  return Object.fromEntries(pairs);
}
