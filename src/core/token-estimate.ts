/** UTF-16 units per token: for estimates where no tokenizer is used. */
const LETTERS_PER_TOKEN = 4;

/** Work of a request in addition to its output tokens, in tokens. */
const TOKENS_FOR_THE_START = 50;

/**
 * Estimates the number of tokens of a text.
 * @param letters UTF-16 units
 */
export function estimateTokenCount(letters: number): number {
  return Math.ceil(letters / LETTERS_PER_TOKEN);
}

/**
 * Estimates the length of a text.
 * @returns UTF-16 units
 */
export function estimateLength(tokens: number): number {
  return tokens * LETTERS_PER_TOKEN;
}

/**
 * The work of an attempt in tokens. Durations are divided by it to compare responses of different length.
 * @param outputTokens tokens of the response
 */
export function workUnits(outputTokens: number): number {
  return TOKENS_FOR_THE_START + outputTokens;
}
