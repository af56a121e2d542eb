import { GatewayError } from '../core/errors.ts';
import type { InferenceCall } from '../core/inference.ts';
import type { Target } from '../providers/types.ts';
import type { ModelData, ModelOverrides } from './model-data.ts';
import type { TokenCounter, Vocabulary } from './text-counter.ts';
import { countable } from './token-count.ts';

/** Models whose vocabulary is published, so that their tokens can be counted and not only guessed. */
const PUBLISHED: readonly (readonly [name: RegExp, vocabulary: Vocabulary])[] = [
  [/^(?:openai\/)?(?:gpt-(?:4o|4\.1|4\.5|5)|chatgpt-4o|o[134](?:-|$))/, 'o200k_base'],
  [/^(?:openai\/)?(?:gpt-4(?:-|$)|gpt-3\.5-turbo|gpt-35-turbo)/, 'cl100k_base'],
];
/** Shorter bodies fit into any window there is: a token is rarely less than two letters. UTF-16 units. */
const SHORT = 8_000;
const LETTERS_PER_TOKEN = 2;
/** A cut adds a token or two to a count, never more than this. */
const PER_CUT = 4;

/** Finds conversations that are longer than a model's context window before a provider has to refuse them. */
export class ContextWindows {
  constructor(
    private readonly data: ModelData,
    private readonly tokenizer: TokenCounter,
  ) {}

  /**
   * Only what is sure is refused: the words alone, by the model's own vocabulary, fill the window. Where the
   * vocabulary is not published, or tools and media decide, the provider is asked.
   * @returns nothing where it may fit, at once if that is plain to see
   */
  check(
    call: InferenceCall,
    target: Target,
    facts: ModelOverrides | undefined,
  ): Promise<GatewayError | undefined> | undefined {
    if (call.text.length < SHORT || call.operation !== 'chat') return undefined;
    const { contextWindow } = this.data.of(target, facts);
    if (contextWindow === undefined || call.text.length < contextWindow * LETTERS_PER_TOKEN) return undefined;
    const name = target.model.toLowerCase();
    const vocabulary = PUBLISHED.find(([pattern]) => pattern.test(name))?.[1];
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
