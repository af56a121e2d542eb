import { hashText } from '../platform/hash.ts';
import type { PromptCacheHint } from './prompt-cache-hint.ts';

/** A prompt in the order in which providers read it. */
export interface PromptSections {
  /** Members of the request; undefined or empty for none. */
  readonly tools: unknown;
  readonly system: unknown;
  /** What the cached messages depend on in addition, but not tools and instructions. */
  readonly settings: unknown;
  readonly messages: readonly unknown[];
}

/** The parts of a prompt whose end is a place for a cache breakpoint. */
export interface RepeatedPrefixes {
  /** Tools and instructions. */
  readonly head: boolean;
  /** Indexes of messages, the last one first. */
  readonly messages: readonly number[];
}

/** Only the ends of the last messages are compared: a conversation grows by a few with each request. */
const MAX_MESSAGES = 20;
/** UTF-16 units: a low estimate of the tokens, since the provider ignores a breakpoint after too few of them. */
const UNITS_PER_TOKEN = 4;

/**
 * Finds the prefixes of a prompt that were sent before, so that it pays to have them cached.
 * @param minTokens of the shortest prefix that the model caches
 * @returns undefined for none
 */
export function repeatedPrefixes(
  { tools, system, settings, messages }: PromptSections,
  minTokens: number,
  { seed, repeated }: PromptCacheHint,
): RepeatedPrefixes | undefined {
  if (!repeated) return undefined;
  const minUnits = minTokens * UNITS_PER_TOKEN;
  const prefixes: bigint[] = [];
  /** At the places of `prefixes`; -1 for tools and instructions. */
  const ends: number[] = [];
  let units = 0;
  let hash = seed;
  for (const part of [tools, system]) {
    const text = part === undefined ? '' : JSON.stringify(part);
    units += text.length;
    hash = hashText(text, hash);
  }
  if (units >= minUnits) {
    prefixes.push(hash);
    ends.push(-1);
  }
  hash = hashText(JSON.stringify(settings) ?? '', hash);
  for (const [index, message] of messages.entries()) {
    const text = JSON.stringify(message);
    units += text.length;
    hash = hashText(text, hash);
    if (units < minUnits || index < messages.length - MAX_MESSAGES) continue;
    prefixes.push(hash);
    ends.push(index);
  }
  if (prefixes.length === 0) return undefined;
  const seen = repeated(prefixes);
  const found = ends.filter((_, at) => seen[at]);
  if (found.length === 0) return undefined;
  return { head: found.includes(-1), messages: found.filter((end) => end >= 0).toReversed() };
}
