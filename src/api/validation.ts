import type { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import { parseBounded } from '../core/parse-bounded.ts';
import { knownMembers } from './known-members.ts';

/** Fields that one message names besides the first. */
const MAX_ALSO = 3;
/** Members that a message lists as allowed. */
const MAX_MEMBERS = 30;
/** Characters of a client's own names in a message. */
const MAX_SHOWN = 100;

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'an integer',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
  null: 'null',
};

/**
 * Validates a value.
 * @returns the parsed value
 * @throws GatewayError `invalid_request` with the first invalid field, the fault, what is allowed, and the other fields, which
 *   are named in small values only
 */
export function validate<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = parseBounded(schema, value);
  if (result.success) return result.data;
  const [first, ...others] = result.error.issues.map((issue) => deepest(issue, []));
  const param = pathText(first?.path ?? []);
  const subject = param === '' ? 'The request' : `"${param}"`;
  const fault = first === undefined ? 'is not valid.' : faultOf(first, value, schema);
  throw new GatewayError('invalid_request', `${subject} ${fault}${alsoText(param, others)}`, {
    param: param === '' ? null : param,
  });
}

interface Located {
  readonly issue: z.core.$ZodIssue;
  readonly path: readonly PropertyKey[];
}

/** Of a union's alternatives, the issue that lies deepest: that alternative matched furthest. */
function deepest(issue: z.core.$ZodIssue, prefix: readonly PropertyKey[]): Located {
  const path = [...prefix, ...issue.path];
  let best: Located = { issue, path };
  if (issue.code !== 'invalid_union') return best;
  for (const alternative of issue.errors) {
    for (const inner of alternative) {
      const located = deepest(inner, path);
      if (located.path.length > best.path.length) best = located;
    }
  }
  return best;
}

function faultOf({ issue, path }: Located, root: unknown, schema: z.core.$ZodType): string {
  const value = valueAt(root, path);
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(TYPE_NAMES[issue.expected] ?? issue.expected, value);
    case 'invalid_value':
      return wrongChoice(issue.values.map((allowed) => JSON.stringify(allowed)).join(', '), value);
    case 'invalid_union':
      return issue.errors.length > 0 && issue.errors.every((alternative) => alternative.every(isOwnType))
        ? wrongType(
            [...new Set(issue.errors.flatMap((alternative) => alternative.map(typeOf)))].join(' or '),
            value,
          )
        : `has none of the forms that are allowed here${value === undefined ? '; it is missing' : ''}.`;
    case 'too_small':
      return sizeFault(issue.origin, 'at least', Number(issue.minimum), issue.inclusive !== false);
    case 'too_big':
      return sizeFault(issue.origin, 'at most', Number(issue.maximum), issue.inclusive !== false);
    case 'unrecognized_keys': {
      const names = issue.keys.slice(0, MAX_ALSO).map((key) => JSON.stringify(key.slice(0, MAX_SHOWN)));
      const fault = `has ${issue.keys.length === 1 ? 'an unknown member' : 'unknown members'}: ${names.join(', ')}.`;
      return `${fault}${allowedText(knownMembers(schema, path))}`;
    }
    default:
      return `is not valid: ${issue.message}${/[.!?]$/.test(issue.message) ? '' : '.'}`;
  }
}

function allowedText(members: readonly string[]): string {
  if (members.length === 0) return '';
  const more = members.length > MAX_MEMBERS ? ', ...' : '';
  return ` Allowed: ${members
    .slice(0, MAX_MEMBERS)
    .map((name) => JSON.stringify(name))
    .join(', ')}${more}.`;
}

/** The issue concerns the value itself and says which types or values it may have. */
function isOwnType(issue: z.core.$ZodIssue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value');
}

function typeOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return TYPE_NAMES[issue.expected] ?? issue.expected;
  return issue.code === 'invalid_value'
    ? issue.values.map((allowed) => JSON.stringify(allowed)).join(' or ')
    : '';
}

function wrongType(wanted: string, value: unknown): string {
  return value === undefined
    ? `is missing; it must be ${wanted}.`
    : `must be ${wanted}, not ${nameOf(value)}.`;
}

function wrongChoice(allowed: string, value: unknown): string {
  const isShort = typeof value === 'string' && value.length <= MAX_SHOWN;
  if (!isShort) return wrongType(`one of ${allowed}`, value);
  return `must be one of ${allowed}, not ${JSON.stringify(value)}.`;
}

/** Texts are not repeated: the message is logged, and a text may be a secret. */
function nameOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return 'a string';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return 'an object';
}

function sizeFault(origin: string, bound: string, limit: number, inclusive: boolean): string {
  if (origin === 'string') {
    if (bound === 'at least' && limit === 1) return 'must not be empty.';
    return `must have ${bound} ${limit} characters.`;
  }
  if (origin === 'array' || origin === 'set') {
    if (bound === 'at least' && limit === 1) return 'must not be an empty list.';
    return `must have ${bound} ${limit} ${limit === 1 ? 'entry' : 'entries'}.`;
  }
  if (inclusive) return `must be ${bound} ${limit}.`;
  return `must be ${bound === 'at least' ? 'more' : 'less'} than ${limit}.`;
}

function alsoText(param: string, others: readonly Located[]): string {
  const names = [...new Set(others.map(({ path }) => pathText(path)))].filter((name) => name !== param);
  if (names.length === 0) return '';
  const shown = names.slice(0, MAX_ALSO).map((name) => (name === '' ? 'the request' : `"${name}"`));
  const rest = names.length - shown.length;
  return ` Also not valid: ${shown.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}.`;
}

function pathText(path: readonly PropertyKey[]): string {
  let out = '';
  for (const part of path)
    out += typeof part === 'number' ? `[${part}]` : `${out === '' ? '' : '.'}${String(part)}`;
  return out;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}
