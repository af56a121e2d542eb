import type { RE2JS } from 're2js';
import { compilePattern } from '../../config/search-pattern.ts';
import { GuardrailFailure } from '../guardrail.ts';
import { parseRegex } from '../regex/parse.ts';
import { longestMatch } from '../regex/shape.ts';
import type { Span, SpanFinder } from './spans.ts';

/** A pattern of a configuration or tenant, in the syntax of RE2. */
export interface NamedPattern {
  readonly name: string;
  readonly pattern: string;
}

/** UTF-16 units of a finding. Streams hold back as many. */
export const MAX_PATTERN_MATCH = 256;
/** Findings of one pattern in one text that are kept. */
const MAX_FINDINGS = 10_000;
/** Milliseconds of one call. */
const MAX_MS = 250;

interface SearchedPattern {
  readonly name: string;
  readonly pattern: RE2JS;
  /** UTF-16 units of its longest match. */
  readonly longest: number;
}

/** Finds patterns with an engine that needs linear time for every pattern and text. */
export class PatternFinder implements SpanFinder {
  readonly #patterns: readonly SearchedPattern[];
  readonly #longest: number;

  /** @throws Error for a pattern that cannot be used */
  constructor(patterns: readonly NamedPattern[]) {
    this.#patterns = patterns.map(({ name, pattern }) => ({
      ...{ name, pattern: compilePattern(pattern), longest: longestOf(pattern) },
    }));
    this.#longest = this.#patterns.reduce((most, { longest }) => Math.max(most, longest), 0);
  }

  /** The engine is slow: half as much again as is held back is searched at once. */
  get step(): number {
    return Math.ceil(this.#longest / 2);
  }

  /** @throws GuardrailFailure `timeout` where the patterns take too long for one text */
  find(text: string): readonly Span[] {
    const endsAt = performance.now() + MAX_MS;
    const spans: Span[] = [];
    for (const { name, pattern } of this.#patterns) {
      const matcher = pattern.matcher(text);
      for (let count = 0; count < MAX_FINDINGS && matcher.find(); count += 1) {
        const [start, end] = [matcher.start(), matcher.end()];
        if (end > start && end - start <= MAX_PATTERN_MATCH) spans.push({ kind: name, start, end });
        if (performance.now() > endsAt) break;
      }
      if (performance.now() > endsAt) {
        throw new GuardrailFailure('timeout', `the pattern "${name}" took longer than ${MAX_MS} ms`);
      }
    }
    return spans;
  }

  holdFrom(text: string): number {
    return Math.max(0, text.length - this.#longest);
  }
}

/** @returns UTF-16 units of the longest match that counts, and one more, which a border at its end needs */
function longestOf(pattern: string): number {
  const node = parseRegex(pattern);
  return Math.min(MAX_PATTERN_MATCH, node ? longestMatch(node) + 1 : MAX_PATTERN_MATCH);
}
