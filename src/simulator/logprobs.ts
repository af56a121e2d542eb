import { createRandom } from './random.ts';
import { WORDS } from './words.ts';

/** The log probability of one token. */
export interface TokenLogprob {
  readonly token: string;
  /** Natural logarithm of the probability. */
  readonly logprob: number;
}

/**
 * Generates log probabilities for one token.
 * @param top largest number of alternatives, the token included
 * @returns the token itself first, then less likely ones
 */
export function tokenLogprobs(
  seed: string,
  place: number,
  token: string,
  top: number,
): readonly TokenLogprob[] {
  const random = createRandom(`${seed}/logprob/${place}`);
  let logprob = -round(0.01 + random.next() * 0.6);
  const found = [{ token, logprob }];
  const seen = new Set([token]);
  while (found.length < top) {
    const other = ` ${random.pick(WORDS.n)}`;
    if (seen.has(other)) continue;
    seen.add(other);
    logprob = round(logprob - 0.5 - random.next());
    found.push({ token: other, logprob });
  }
  return found;
}

function round(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
