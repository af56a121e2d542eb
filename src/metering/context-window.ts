import { GatewayError } from '../core/errors.ts';
import type { InferenceCall } from '../core/inference.ts';
import { publishedVocabulary, type Vocabulary } from '../providers/model-vocabulary.ts';
import type { Target } from '../providers/types.ts';
import type { ModelData, ModelOverrides } from './model-data.ts';
import type { TokenCounter } from './text-counter.ts';
import { countable } from './token-count.ts';

/** Shorter bodies fit into every context window: a token is rarely less than two characters. UTF-16 code units. */
const SHORT = 8_000;
const LETTERS_PER_TOKEN = 2;
/** A cut adds one or two tokens to a count, at most this many. */
const PER_CUT = 4;

/** Rejects conversations that are longer than a model's context window, before an attempt is sent. */
export class ContextWindows {
  constructor(
    private readonly data: ModelData,
    private readonly tokenizer: TokenCounter,
  ) {}

  /**
   * Rejects only when the text alone, counted with the model's own vocabulary, exceeds the window. Without a published
   * vocabulary, or when tools and media decide, the provider decides.
   *
   * @param facts the model's configured facts, which override the data
   * @returns the error `context_length_exceeded`; undefined when the conversation may fit, without a promise where its
   *   length alone shows that
   */
  check(
    call: InferenceCall,
    target: Target,
    facts: ModelOverrides | undefined,
  ): Promise<GatewayError | undefined> | undefined {
    if (call.text.length < SHORT || call.operation !== 'chat') return undefined;
    const { contextWindow } = this.data.of(target, facts);
    if (contextWindow === undefined || call.text.length < contextWindow * LETTERS_PER_TOKEN) return undefined;
    const vocabulary = publishedVocabulary(target.model);
    if (vocabulary === undefined) return undefined;
    return this.#count(countable(call.chat()).words, target, contextWindow, vocabulary);
  }

  async #count(
    words: readonly string[],
    { model, provider }: Target,
    contextWindow: number,
    vocabulary: Vocabulary,
  ): Promise<GatewayError | undefined> {
    const enough = Math.ceil(contextWindow * 1.02) + PER_CUT;
    const { tokens, cuts } = await this.tokenizer.count(words, vocabulary, enough);
    const least = tokens - cuts * PER_CUT;
    if (least <= contextWindow) return undefined;
    return new GatewayError(
      'context_length_exceeded',
      `The messages are longer than the context window of ${model}: more than ${least} tokens, where ` +
        `${contextWindow} is the most. Shorten them, or choose a model with a larger window.`,
      { param: 'messages', provider: provider.id },
    );
  }
}
