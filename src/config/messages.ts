import type { z } from 'zod';
import type { JsonSchema } from './json-schema.ts';
import { knownKeys } from './json-schema.ts';
import type { Origins, Problem } from './origins.ts';
import { type ConfigPath, quote } from './path.ts';
import { didYouMean } from './suggest.ts';

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map',
  record: 'a map',
  array: 'a list',
};

/**
 * The message of an issue without a message of its own in the schema. Values are never quoted, except a wrong choice of
 * an enumeration, as written in the file.
 */
export function describeIssue(issue: z.core.$ZodRawIssue, origins: Origins): string {
  const path = toPath(issue.path ?? []);
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(issue.expected, issue.input);
    case 'invalid_value':
      return wrongChoice(issue.values.map(String), issue.input, path, origins);
    case 'too_small':
      return tooSmall(issue.origin, Number(issue.minimum), issue.inclusive !== false);
    case 'too_big':
      return tooBig(issue.origin, Number(issue.maximum));
    default:
      return 'is not valid';
  }
}

/** The problems of an issue; an unknown key is reported at the key. */
export function toProblems(issue: z.core.$ZodIssue, schema: JsonSchema): Problem[] {
  const path = toPath(issue.path);
  if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message }];
  const known = knownKeys(schema, path);
  return issue.keys.map((key) => ({
    path: [...path, key],
    message: `unknown key ${quote(key)}${didYouMean(key, known)}`,
    onKey: true,
  }));
}

function toPath(path: readonly PropertyKey[]): ConfigPath {
  return path.map((part) => (typeof part === 'number' ? part : String(part)));
}

function wrongType(expected: string, input: unknown): string {
  if (input === undefined) return 'is required';
  const wanted = TYPE_NAMES[expected] ?? expected;
  if (input === null) return `is empty; expected ${wanted}`;
  if (expected === 'string' && (typeof input === 'number' || typeof input === 'boolean')) {
    return `expected text but found ${nameOf(input)}; put it in quotes`;
  }
  if (expected === 'int' && typeof input === 'number') return 'expected a whole number';
  return `expected ${wanted} but found ${nameOf(input)}`;
}

function nameOf(input: unknown): string {
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'object') return 'a map';
  if (typeof input === 'number') return Number.isFinite(input) ? 'a number' : 'a number that is not finite';
  return typeof input === 'boolean' ? 'true or false' : 'text';
}

function wrongChoice(allowed: readonly string[], input: unknown, path: ConfigPath, origins: Origins): string {
  if (typeof input !== 'string') {
    const fault = input === undefined ? 'is required' : input === null ? 'is empty' : 'is not text';
    return `${fault}; allowed: ${allowed.join(', ')}`;
  }
  const shown = origins.show(path, input);
  return `unknown value ${shown}; allowed: ${allowed.join(', ')}${didYouMean(input, allowed)}`;
}

function tooSmall(origin: string, minimum: number, inclusive: boolean): string {
  if (origin === 'string')
    return minimum === 1 ? 'must not be empty' : `requires at least ${minimum} characters`;
  if (origin === 'array') return `requires at least ${minimum} ${minimum === 1 ? 'entry' : 'entries'}`;
  return inclusive ? `must be at least ${minimum}` : `must be more than ${minimum}`;
}

function tooBig(origin: string, maximum: number): string {
  return origin === 'string' ? `must be at most ${maximum} characters long` : `must be at most ${maximum}`;
}
