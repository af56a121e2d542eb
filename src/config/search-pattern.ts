import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';
import { once } from '../core/once.ts';

/** Characters of a pattern. */
export const MAX_PATTERN = 500;
/** Instructions of a compiled pattern: each may cost a step per character of the text. */
const MAX_PROGRAM = 1_500;

/** The engine is loaded with the first pattern: most configurations have none. */
const engine = once((): typeof import('re2js') => createRequire(import.meta.url)('re2js'));

/**
 * Compiles a pattern of a configuration or tenant for an engine that needs linear time for every pattern and text.
 * @param pattern in the syntax of RE2; matches in any case
 * @throws Error that says what is wrong with the pattern
 */
export function compilePattern(pattern: string): RE2JS {
  if (pattern.length > MAX_PATTERN) throw new Error(`is longer than ${MAX_PATTERN} characters`);
  const { RE2JS: Engine } = engine();
  const compiled = Engine.compile(pattern, Engine.CASE_INSENSITIVE);
  if (compiled.programSize() > MAX_PROGRAM) throw new Error('is too large: use smaller repetitions');
  if (compiled.matches('')) throw new Error('matches the empty text');
  return compiled;
}

/** @returns why a pattern cannot be used; undefined for one that can */
export function patternFault(pattern: string): string | undefined {
  try {
    compilePattern(pattern);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
