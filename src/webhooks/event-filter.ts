import { z } from 'zod';
import { DURABLE_EVENT_TYPES } from '../events/catalogue.ts';

/** A type, or a pattern with `*` for any number of characters: `budget.*`, `*.failed`, `*`. */
const PATTERN = /^[a-z_.*]{1,100}$/;
const MAX_PATTERNS = 50;

/** The filter of an endpoint: it receives events that one of the patterns matches. */
export const eventFilter = z
  .array(
    z
      .string()
      .regex(PATTERN, 'must be a type such as "budget.exceeded", or a pattern such as "budget.*"')
      .refine(
        (pattern) => matchesAny(pattern),
        'matches no type of event; GET /admin/v1/events/types lists them',
      ),
  )
  .min(1)
  .max(MAX_PATTERNS);

/** @returns whether one of the patterns matches a type */
export function isWanted(patterns: readonly string[], type: string): boolean {
  return patterns.some((pattern) => matches(pattern, type));
}

function matchesAny(pattern: string): boolean {
  return DURABLE_EVENT_TYPES.some((type) => matches(pattern, type));
}

/** Without a regular expression: a pattern with many `*` would make one slow. */
function matches(pattern: string, type: string): boolean {
  const [first = '', ...parts] = pattern.split('*');
  if (parts.length === 0) return pattern === type;
  const last = parts.pop() ?? '';
  if (!type.startsWith(first) || type.length < first.length + last.length || !type.endsWith(last))
    return false;
  let at = first.length;
  for (const part of parts) {
    const found = type.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= type.length - last.length;
}
