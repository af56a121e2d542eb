import { RE2JS } from 're2js';
import { GuardrailFailure } from '../guardrail.ts';
import type { Span, SpanFinder } from './spans.ts';

/** A pattern of a configuration or tenant, in the syntax of RE2. */
export interface NamedPattern {
  readonly name: string;
  readonly pattern: string;
}

/** Characters of a pattern. */
export const MAX_PATTERN = 500;
/** Instructions of a compiled pattern: each may cost a step per character of the text. */
const MAX_PROGRAM = 1_500;
/** UTF-16 units of a finding. Streams hold back as many. */
export const MAX_PATTERN_MATCH = 256;
/** Findings of one pattern in one text that are kept. */
const MAX_FINDINGS = 10_000;
/** Milliseconds of one call. */
const MAX_MS = 250;

/** @returns why a pattern cannot be used; undefined for one that can */
export function patternFault(pattern: string): string | undefined {
  try {
    compile(pattern);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function compile(pattern: string): RE2JS {
  if (pattern.length > MAX_PATTERN) throw new Error(`is longer than ${MAX_PATTERN} characters`);
  const compiled = RE2JS.compile(pattern, RE2JS.CASE_INSENSITIVE);
  if (compiled.programSize() > MAX_PROGRAM) throw new Error('is too large: use smaller repetitions');
  if (compiled.matches('')) throw new Error('matches the empty text');
  return compiled;
}

/** Finds patterns with an engine that needs linear time for every pattern and text. */
export class PatternFinder implements SpanFinder {
  readonly #patterns: readonly { readonly name: string; readonly pattern: RE2JS }[];

  /** @throws Error for a pattern that cannot be used */
  constructor(patterns: readonly NamedPattern[]) {
    this.#patterns = patterns.map(({ name, pattern }) => ({ name, pattern: compile(pattern) }));
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
    return Math.max(0, text.length - MAX_PATTERN_MATCH);
  }
}
