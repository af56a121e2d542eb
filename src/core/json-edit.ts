/**
 * Edits of single members in the text of a JSON object. Serialising a parsed body again would change integers above 2^53,
 * the spelling of numbers, and the order and repetition of keys. Every request uses these functions, so they allocate
 * nothing for members that stay.
 */

const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const MINUS = 45;
const ZERO = 48;
const NINE = 57;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code > 32 || (code !== 32 && code !== 10 && code !== 13 && code !== 9)) break;
    at += 1;
  }
  return at;
}

/** @returns the offset behind the string that opens at `from`. Searches quotes, so that long strings cost little. */
function skipString(text: string, from: number): number {
  let at = from;
  for (;;) {
    at = text.indexOf('"', at + 1);
    if (at < 0) return text.length;
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return at + 1;
  }
}

const NUMBERS = /[-+.,\deE\s]*/y;

function isNumberStart(code: number): boolean {
  return code === MINUS || (code >= ZERO && code <= NINE);
}

/** Skips the numbers of a vector, three times as fast as a loop does. */
function skipNumbers(text: string, from: number): number {
  NUMBERS.lastIndex = from;
  NUMBERS.test(text);
  return NUMBERS.lastIndex;
}

function skipNested(text: string, from: number): number {
  let at = from;
  let depth = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = skipString(text, at);
      continue;
    }
    at += 1;
    if (code === OPEN_BRACKET) {
      depth += 1;
      if (isNumberStart(text.charCodeAt(at))) at = skipNumbers(text, at);
    } else if (code === OPEN_BRACE) depth += 1;
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return at;
}

function skipValue(text: string, from: number): number {
  const first = text.charCodeAt(from);
  if (first === QUOTE) return skipString(text, from);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return skipNested(text, from);
  let at = from;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || code <= 32) break;
    at += 1;
  }
  return at;
}

/** Iterates over the members of an object. The text must be valid JSON with an object at its top. */
class MemberScanner {
  /** Offset of the current key's opening quote. */
  start = 0;
  valueStart = 0;
  /** Offset behind the current value. */
  valueEnd = 0;
  #keyLength = 0;
  /** The current key, when it has escapes. */
  #decoded: string | undefined;
  #next: number;

  constructor(private readonly text: string) {
    this.#next = skipSpace(text, text.indexOf('{') + 1);
  }

  /** Moves to the next member. @returns false behind the last one */
  advance(): boolean {
    const { text } = this;
    const start = this.#next;
    if (text.charCodeAt(start) !== QUOTE) return false;
    let end = start + 1;
    let escaped = false;
    for (let code = text.charCodeAt(end); code !== QUOTE && end < text.length; code = text.charCodeAt(end)) {
      if (code === BACKSLASH) {
        escaped = true;
        end += 1;
      }
      end += 1;
    }
    this.start = start;
    this.#keyLength = end - start - 1;
    this.#decoded = escaped ? String(JSON.parse(text.slice(start, end + 1))) : undefined;
    this.valueStart = skipSpace(text, skipSpace(text, end + 1) + 1);
    this.valueEnd = skipValue(text, this.valueStart);
    const behind = skipSpace(text, this.valueEnd);
    this.#next = text.charCodeAt(behind) === COMMA ? skipSpace(text, behind + 1) : text.length;
    return true;
  }

  /** Whether the current key is `name`. Compares in place, without a substring. */
  is(name: string): boolean {
    if (this.#decoded !== undefined) return this.#decoded === name;
    return this.#keyLength === name.length && this.text.startsWith(name, this.start + 1);
  }

  /** Offset of the next member's key, or of the end of the text behind the last. */
  get next(): number {
    return this.#next;
  }
}

/**
 * The text of a top-level member's value, as it was written.
 * @param text valid JSON text whose top is an object
 * @returns undefined where the member is absent; its last occurrence, as `JSON.parse` takes it
 */
export function memberText(text: string, name: string): string | undefined {
  const scanner = new MemberScanner(text);
  let found: string | undefined;
  while (scanner.advance()) {
    if (scanner.is(name)) found = text.slice(scanner.valueStart, scanner.valueEnd);
  }
  return found;
}

/**
 * The texts of a list's elements, as they were written.
 * @param text valid JSON text whose top is a list
 */
export function elementTexts(text: string): readonly string[] {
  const elements: string[] = [];
  let at = skipSpace(text, text.indexOf('[') + 1);
  while (at < text.length && text.charCodeAt(at) !== CLOSE_BRACKET) {
    const end = skipValue(text, at);
    elements.push(text.slice(at, end));
    const behind = skipSpace(text, end);
    at = text.charCodeAt(behind) === COMMA ? skipSpace(text, behind + 1) : text.length;
  }
  return elements;
}

/**
 * Sets or removes top-level members of a JSON object's text and leaves every other byte as it is.
 * @param text valid JSON text whose top is an object
 * @param edits by member name: the JSON text of the new value, or `null` to remove the member. A member that
 *   occurs more than once is changed everywhere, since parsers differ in which occurrence they believe; one that
 *   is absent is put first.
 */
export function editMembers(text: string, edits: Readonly<Record<string, string | null>>): string {
  const scanner = new MemberScanner(text);
  let met: string[] | undefined;
  let out = '';
  let copied = 0;
  let kept = 0;
  while (scanner.advance()) {
    let name: string | undefined;
    for (const candidate in edits) if (scanner.is(candidate)) name = candidate;
    if (name === undefined) {
      kept += 1;
      continue;
    }
    if (met) met.push(name);
    else met = [name];
    const value = edits[name] ?? null;
    if (value !== null) {
      out += text.slice(copied, scanner.valueStart) + value;
      copied = scanner.valueEnd;
      kept += 1;
    } else {
      out += text.slice(copied, scanner.start);
      if (scanner.next < text.length) copied = scanner.next;
      else {
        // The last member goes with the comma before it.
        if (kept > 0) out = out.slice(0, out.lastIndexOf(','));
        copied = scanner.valueEnd;
      }
    }
  }
  out += text.slice(copied);
  let added = '';
  for (const name in edits) {
    const value = edits[name];
    if (typeof value !== 'string' || met?.includes(name)) continue;
    added += `${added === '' ? '' : ','}${JSON.stringify(name)}:${value}`;
  }
  if (added === '') return out;
  const open = out.indexOf('{') + 1;
  return `${out.slice(0, open)}${added}${kept > 0 ? ',' : ''}${out.slice(open)}`;
}

/** @returns those of some top-level members of an object that occur more than once */
export function repeatedMembers(text: string, names: readonly string[]): readonly string[] {
  const scanner = new MemberScanner(text);
  const met = new Set<string>();
  const repeated = new Set<string>();
  while (scanner.advance()) {
    for (const name of names) {
      if (!scanner.is(name)) continue;
      if (met.has(name)) repeated.add(name);
      met.add(name);
    }
  }
  return [...repeated];
}

/**
 * The text of an object up to and including the last of some members, if they open the object in any order;
 * else `undefined`. Event streams repeat this head in every event, so that it can be recognised without parsing.
 */
export function headThrough(text: string, keys: readonly string[]): string | undefined {
  const scanner = new MemberScanner(text);
  const wanted = new Set(keys);
  while (scanner.advance()) {
    const name = keys.find((candidate) => wanted.has(candidate) && scanner.is(candidate));
    if (name === undefined) return undefined;
    wanted.delete(name);
    if (wanted.size === 0) return text.slice(0, scanner.valueEnd);
  }
  return undefined;
}

/**
 * Edits one item of a list that is a top-level member, and leaves every other byte as it is.
 * @param text valid JSON text whose top is an object
 * @param index of the item, from 0
 * @param edit receives the item's JSON text, and returns the one that replaces it
 * @returns the text unchanged where the member is absent, no list, or shorter
 */
export function editItem(
  text: string,
  member: string,
  index: number,
  edit: (item: string) => string,
): string {
  const scanner = new MemberScanner(text);
  let out = '';
  let copied = 0;
  while (scanner.advance()) {
    const { valueStart } = scanner;
    if (!scanner.is(member) || text.charCodeAt(valueStart) !== OPEN_BRACKET) continue;
    let start = skipSpace(text, valueStart + 1);
    for (let at = 0; text.charCodeAt(start) !== CLOSE_BRACKET && start < text.length; at += 1) {
      const end = skipValue(text, start);
      if (at === index) {
        out += text.slice(copied, start) + edit(text.slice(start, end));
        copied = end;
        break;
      }
      const behind = skipSpace(text, end);
      start = text.charCodeAt(behind) === COMMA ? skipSpace(text, behind + 1) : behind;
    }
  }
  return out + text.slice(copied);
}

/**
 * Edits the first item of a list that is a top-level member, and leaves every other byte as it is.
 * @param text valid JSON text whose top is an object
 * @param edit receives the item's JSON text, or `undefined` where the list is empty. It returns the JSON text that replaces
 *   the item, and of an item to put before it; either may be absent.
 * @returns the text unchanged where the member is absent or no list
 */
export function editFirstItem(
  text: string,
  member: string,
  edit: (item: string | undefined) => { readonly replace?: string; readonly before?: string },
): string {
  const scanner = new MemberScanner(text);
  let out = '';
  let copied = 0;
  while (scanner.advance()) {
    const { valueStart } = scanner;
    if (!scanner.is(member) || text.charCodeAt(valueStart) !== OPEN_BRACKET) continue;
    const start = skipSpace(text, valueStart + 1);
    const isEmpty = text.charCodeAt(start) === CLOSE_BRACKET;
    const end = isEmpty ? start : skipValue(text, start);
    const { replace, before } = edit(isEmpty ? undefined : text.slice(start, end));
    const item = replace ?? text.slice(start, end);
    out += text.slice(copied, start);
    if (before !== undefined) out += item === '' ? before : `${before},`;
    out += item;
    copied = end;
  }
  return out + text.slice(copied);
}
