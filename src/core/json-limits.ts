import { GatewayError } from './errors.ts';

/**
 * Limits on the structure of JSON texts, checked before they are parsed: code that walks a parsed value may recurse, and a
 * text of distinct member names takes a parser a hundred times as long as other text of its length.
 */

/** Levels of lists and objects. Common parsers of other languages accept as many. */
export const MAX_JSON_DEPTH = 128;
/** Items of lists and members of objects in a request. */
export const MAX_JSON_VALUES = 1_000_000;
/** Distinct names of members. */
export const MAX_JSON_NAMES = 20_000;

/** UTF-16 units. A shorter text cannot have so many names that they matter. */
const NAMES_MATTER = 128 * 1024;
/** Steps of a path that an error shows. */
const SHOWN_STEPS = 6;
/** UTF-16 units of a name that an error shows. */
const SHOWN_NAME = 60;

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN_BRACKET = 91;
const BACKSLASH = 92;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

/** The limits that a text exceeds. */
export interface JsonExcess {
  readonly limit: 'depth' | 'values' | 'names';
  /** Offset of the first value that is too much. */
  readonly at: number;
}

/**
 * Searches a JSON text for more than the limits allow. Linear; faster than parsing.
 * @param text need not be valid JSON
 * @param maxValues largest number of items and members
 * @returns undefined for a text within the limits
 */
export function findJsonExcess(text: string, maxValues = Number.POSITIVE_INFINITY): JsonExcess | undefined {
  // Each level takes one character.
  if (text.length <= MAX_JSON_DEPTH) return undefined;
  const names = text.length < NAMES_MATTER ? undefined : new Set<string>();
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE: {
        const start = at;
        at = endOfString(text, at);
        if (names && isName(text, at) && names.add(text.slice(start, at)).size > MAX_JSON_NAMES) {
          return { limit: 'names', at: text.indexOf(':', at) + 1 };
        }
        break;
      }
      case OPEN_BRACE:
      case OPEN_BRACKET:
        depth += 1;
        values += 1;
        if (depth > MAX_JSON_DEPTH) return { limit: 'depth', at };
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        depth -= 1;
        break;
      case COMMA:
        values += 1;
        if (values > maxValues) return { limit: 'values', at };
        break;
    }
  }
  return undefined;
}

/**
 * Checks the text of a request body.
 * @throws GatewayError `invalid_request` that names the limit and where the text exceeds it
 */
export function assertJsonLimits(text: string): void {
  const excess = findJsonExcess(text, MAX_JSON_VALUES);
  if (!excess) return;
  const param = jsonPath(text, excess.at);
  const where = param === '' ? '' : ` at "${param}"`;
  const problem = {
    depth: `is nested too deeply${where}: at most ${MAX_JSON_DEPTH} levels of lists and objects are accepted`,
    values: `has too many values${where}: at most ${MAX_JSON_VALUES} items and members are accepted`,
    names: `has too many different member names${where}: at most ${MAX_JSON_NAMES} are accepted`,
  }[excess.limit];
  throw new GatewayError('invalid_request', `The request body ${problem}.`, {
    param: param === '' ? null : param,
  });
}

/**
 * Parses a JSON text from outside, such as one inside of another.
 * @returns undefined for a text that is not JSON, or that is nested too deeply
 */
export function parseShallowJson(text: string): unknown {
  if (findJsonExcess(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * The path of a value, such as `tools[0].function.parameters`; a long one ends after a few steps with `...`.
 * @param text JSON text; need not be valid behind the offset
 * @param offset of the value, or of the comma before it
 */
export function jsonPath(text: string, offset: number): string {
  const steps: (number | string)[] = [];
  let name = '';
  for (let at = 0; at < offset; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE: {
        const start = at;
        at = endOfString(text, at);
        if (isName(text, at)) name = text.slice(start + 1, Math.min(at, start + 1 + SHOWN_NAME));
        break;
      }
      case COLON:
        steps[steps.length - 1] = name;
        break;
      case OPEN_BRACE:
        steps.push('');
        break;
      case OPEN_BRACKET:
        steps.push(0);
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        steps.pop();
        break;
      case COMMA: {
        const last = steps.at(-1);
        if (typeof last === 'number') steps[steps.length - 1] = last + 1;
        break;
      }
    }
  }
  let path = '';
  for (const step of steps.slice(0, SHOWN_STEPS)) {
    if (step === '') break;
    path += typeof step === 'number' ? `[${step}]` : `${path === '' ? '' : '.'}${step}`;
  }
  return steps.length > SHOWN_STEPS ? `${path}...` : path;
}

/** @returns the offset of the quote that ends a string; the text's length for an open one */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return at;
  }
  return text.length;
}

/** Whether the string that ends at a quote is the name of a member. */
function isName(text: string, end: number): boolean {
  let at = end + 1;
  while (at < text.length && text.charCodeAt(at) <= 32) at += 1;
  return text.charCodeAt(at) === COLON;
}
