import { GatewayError } from '../core/errors.ts';
import { isRecord } from '../core/json.ts';

const QUOTE = 34;
const BACKSLASH = 92;
const COLON = 58;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const SPACE = 32;
const MAX_RECURSION = 200;

/**
 * Rejects a JSON text in which an object has a key twice. Parsers differ in which one they believe, so a body that is
 * forwarded would mean one thing here and another one upstream. Escaped spellings of a key are the same key.
 *
 * Linear: compares the number of members in the text with the number that the parser kept. 0.3 µs for a short chat, 13 µs
 * for 30 tools (7 KB), about as long as parsing them.
 *
 * @param text valid JSON
 * @param json its value
 * @throws GatewayError `invalid_request` that names the key
 */
export function assertUniqueKeys(text: string, json: object): void {
  if (countKeys(text) === countMembers(json)) return;
  const path = findDuplicate(text) ?? [];
  const key = path.at(-1) ?? '';
  const where = path.length > 1 ? ` in "${shortened(path.slice(0, -1).join('.'))}"` : '';
  throw new GatewayError(
    'invalid_request',
    `The request body has the key "${shortened(key)}" twice${where}. Send each key once.`,
    { param: shortened(path.join('.')) },
  );
}

/** Strings that a colon follows. Searches quotes, so that long strings and lists of numbers cost little. */
function countKeys(text: string): number {
  let keys = 0;
  for (let at = text.indexOf('"'); at >= 0; ) {
    const next = skipSpace(text, endOfString(text, at));
    if (text.charCodeAt(next) === COLON) keys += 1;
    at = text.indexOf('"', next);
  }
  return keys;
}

/** Members of all objects in a value. */
function countMembers(value: object, depth = 0): number {
  if (depth > MAX_RECURSION) return countDeepMembers(value);
  let members = 0;
  if (Array.isArray(value)) {
    for (const item of value) if (isObject(item)) members += countMembers(item, depth + 1);
  } else if (isRecord(value)) {
    for (const key in value) {
      members += 1;
      const item = value[key];
      if (isObject(item)) members += countMembers(item, depth + 1);
    }
  }
  return members;
}

/** The same without recursion, which is slower: deep nesting would exhaust the stack. */
function countDeepMembers(value: object): number {
  let members = 0;
  const open = [value];
  for (let next = open.pop(); next; next = open.pop()) {
    const items: unknown[] = Object.values(next);
    if (!Array.isArray(next)) members += items.length;
    for (const item of items) if (isObject(item)) open.push(item);
  }
  return members;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** @returns the offset behind the string that opens at `from` */
function endOfString(text: string, from: number): number {
  let at = text.indexOf('"', from + 1);
  while (at >= 0 && text.charCodeAt(at - 1) === BACKSLASH) {
    let backslashes = 1;
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) break;
    at = text.indexOf('"', at + 1);
  }
  return at < 0 ? text.length : at + 1;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) <= SPACE) at += 1;
  return at;
}

/** An open object or list, and where in it the scan is. */
interface Level {
  /** Of an object; undefined for a list. */
  readonly keys: Set<string> | undefined;
  key: string;
}

/** @returns the path of the first key that its object has twice */
function findDuplicate(text: string): string[] | undefined {
  const levels: Level[] = [];
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const behind = endOfString(text, at);
      const level = levels.at(-1);
      if (level?.keys && text.charCodeAt(skipSpace(text, behind)) === COLON) {
        level.key = String(JSON.parse(text.slice(at, behind)));
        if (level.keys.has(level.key)) return levels.flatMap(({ keys, key }) => (keys ? [key] : []));
        level.keys.add(level.key);
      }
      at = behind;
      continue;
    }
    if (code === OPEN_BRACE) levels.push({ keys: new Set(), key: '' });
    else if (code === OPEN_BRACKET) levels.push({ keys: undefined, key: '' });
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) levels.pop();
    at += 1;
  }
  return undefined;
}

/** Names from clients, for messages and logs. */
function shortened(name: string): string {
  return name.length > 200 ? `${name.slice(0, 200)}…` : name;
}
