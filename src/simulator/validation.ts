import type { z } from 'zod';
import { parseBounded } from '../core/parse-bounded.ts';
import { type ApiError, invalidRequest } from './api-error.ts';

/** Parses a body. @throws ApiError with status 400 for its first fault, as OpenAI's API does */
export function parseBody<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const parsed = parseBounded(schema, body);
  if (parsed.success) return parsed.data;
  throw toApiError(parsed.error, body);
}

function toApiError(error: z.ZodError, body: unknown): ApiError {
  const [first] = error.issues;
  if (first === undefined) return invalidRequest('Invalid request.', null);
  const { issue, path } = deepest(first, []);
  const param = formatPath(path);
  const value = valueAt(body, path);
  if (value === undefined) {
    return invalidRequest(`Missing required parameter: '${param}'.`, param, 'missing_required_parameter');
  }
  if (issue.code === 'invalid_type') {
    const message = `Invalid type for '${param}': expected ${expectedName(issue.expected)}, but got ${typeName(value)} instead.`;
    return invalidRequest(message, param, 'invalid_type');
  }
  return invalidRequest(`Invalid value for '${param}': ${issue.message}.`, param);
}

interface Located {
  readonly issue: z.core.$ZodIssue;
  readonly path: readonly PropertyKey[];
}

/** Chooses the alternative of a union that matched furthest, whose issue is the most helpful. */
function deepest(issue: z.core.$ZodIssue, prefix: readonly PropertyKey[]): Located {
  const path = [...prefix, ...issue.path];
  if (issue.code !== 'invalid_union') return { issue, path };
  let best: Located = { issue, path };
  for (const alternative of issue.errors) {
    for (const inner of alternative) {
      const located = deepest(inner, path);
      if (located.path.length > best.path.length) best = located;
    }
  }
  return best;
}

function formatPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else text += text === '' ? String(key) : `.${String(key)}`;
  }
  return text === '' ? 'body' : text;
}

function valueAt(body: unknown, path: readonly PropertyKey[]): unknown {
  let value: unknown = body;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}

function expectedName(expected: string): string {
  if (expected === 'int') return 'an integer';
  if (expected === 'record') return 'an object';
  return expected === 'array' || expected === 'object' ? `an ${expected}` : `a ${expected}`;
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
