/**
 * The simulator's tokens: up to 16 letters, digits and underscores, or one other visible character, each with the white
 * space before it. A Han, kana or Hangul character is one token, and so is white space at the end. The joined tokens are
 * the text.
 */
const TOKEN =
  /\s*(?:[[\p{L}\p{M}\p{N}_]--[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]]{1,16}|\S)|\s+/gv;

/** Splits a text into tokens. */
export function tokenize(text: string): string[] {
  return text.match(TOKEN) ?? [];
}

/** @returns the number of tokens of a text */
export function countTokens(text: string): number {
  return tokenize(text).length;
}

/** A text within the client's limits. */
export interface CutTokens {
  readonly tokens: readonly string[];
  /** The reason for the end of the text. */
  readonly reason: 'stop' | 'length';
}

/**
 * Applies the client's limits to a response: at most `limit` tokens, and no text from the first stop sequence. A stop
 * sequence that the token limit cuts does not count.
 */
export function cutTokens(
  tokens: readonly string[],
  limit: number | undefined,
  stop: readonly string[],
): CutTokens {
  const limited = limit !== undefined && tokens.length > limit ? tokens.slice(0, limit) : tokens;
  const end = stop.length === 0 ? -1 : firstStop(limited.join(''), stop);
  if (end >= 0) return { tokens: takeUnits(limited, end), reason: 'stop' };
  return { tokens: limited, reason: limited === tokens ? 'stop' : 'length' };
}

function firstStop(text: string, stop: readonly string[]): number {
  let first = -1;
  for (const sequence of stop) {
    const at = text.indexOf(sequence);
    if (at >= 0 && (first < 0 || at < first)) first = at;
  }
  return first;
}

/** @returns the tokens of the first `units` UTF-16 units of the text; the last one may be cut */
function takeUnits(tokens: readonly string[], units: number): string[] {
  const taken: string[] = [];
  let left = units;
  for (const token of tokens) {
    if (left <= 0) break;
    taken.push(token.length <= left ? token : token.slice(0, left));
    left -= token.length;
  }
  return taken;
}
