/** Letters of a token, about: where a guess is enough, or nothing better can be had. */
const LETTERS_PER_TOKEN = 4;

/** What a request costs a target beside its answer's tokens, in tokens: so that long answers do not look slow. */
const TOKENS_FOR_THE_START = 50;

/** About how many tokens a text of so many UTF-16 units has. */
export function estimateTokenCount(letters: number): number {
  return Math.ceil(letters / LETTERS_PER_TOKEN);
}

/** How long a text of so many tokens is, about. UTF-16 units. */
export function estimateLength(tokens: number): number {
  return tokens * LETTERS_PER_TOKEN;
}

/** Work of an attempt whose answer has so many tokens, in tokens: what time is divided by to compare answers of different length. */
export function workUnits(outputTokens: number): number {
  return TOKENS_FOR_THE_START + outputTokens;
}
