import type { z } from 'zod';
import { GatewayError } from '../core/errors.ts';

function pathText(path: readonly PropertyKey[]): string {
  let out = '';
  for (const part of path)
    out += typeof part === 'number' ? `[${part}]` : `${out === '' ? '' : '.'}${String(part)}`;
  return out;
}

/**
 * Validates a value.
 * @returns the parsed value
 * @throws GatewayError `invalid_request` with the first invalid field, the reason, and the allowed values
 */
export function validate<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [first] = result.error.issues;
  const param = first ? pathText(first.path) : '';
  const more = result.error.issues.length - 1;
  throw new GatewayError(
    'invalid_request',
    `${param === '' ? 'The request' : `"${param}"`} is not valid: ${first?.message ?? 'unknown reason'}${more > 0 ? ` (and ${more} more)` : ''}`,
    { param: param === '' ? null : param },
  );
}
