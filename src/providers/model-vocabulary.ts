/** A published token vocabulary. */
export type Vocabulary = 'o200k_base' | 'cl100k_base';

/** Models whose vocabulary is published, so that their tokens can be counted exactly. */
const PUBLISHED: readonly (readonly [name: RegExp, vocabulary: Vocabulary])[] = [
  [/^(?:openai\/)?(?:gpt-(?:4o|4\.1|4\.5|5)|chatgpt-4o|o[134](?:-|$))/, 'o200k_base'],
  [/^(?:openai\/)?(?:gpt-4(?:-|$)|gpt-3\.5-turbo|gpt-35-turbo)/, 'cl100k_base'],
];

/** Tokens of other families per token of `o200k_base`, measured on ordinary text. */
const FACTORS: readonly (readonly [family: RegExp, factor: number])[] = [
  [/claude/, 1.2],
  [/command|mistral|mixtral|magistral|codestral|llama|qwen|deepseek/, 1.1],
];

/** @returns the published vocabulary of an upstream model; undefined where it has none */
export function publishedVocabulary(model: string): Vocabulary | undefined {
  const name = model.toLowerCase();
  return PUBLISHED.find(([pattern]) => pattern.test(name))?.[1];
}

/** @returns how many tokens an upstream model needs on average for one token of `o200k_base`; 1 where unknown */
export function vocabularyFactor(model: string): number {
  const name = model.toLowerCase();
  return FACTORS.find(([family]) => family.test(name))?.[1] ?? 1;
}
