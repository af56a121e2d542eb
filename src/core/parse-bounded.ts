import type { z } from 'zod';

/** Values of a body of which all faults are counted. A million faults would take longer than the request itself. */
const MAX_COUNTED = 1_000;

/** The option by which zod's `validate` stops at the first fault; its type is internal. */
const STOP_AT_FIRST = { abortEarly: true, jitless: false };

/** Parses a value. Of a large value that is not valid, only the first fault is found. */
export function parseBounded<S extends z.ZodType>(
  schema: S,
  value: unknown,
): z.ZodSafeParseResult<z.output<S>> {
  const result = schema.safeParse(value, STOP_AT_FIRST);
  return result.success || isLarge(value) ? result : schema.safeParse(value);
}

function isLarge(value: unknown): boolean {
  const open: unknown[] = [value];
  let count = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    for (const key in next) {
      count += 1;
      if (count > MAX_COUNTED) return true;
      open.push(Reflect.get(next, key));
    }
  }
  return false;
}
