/**
 * Edits of single members of a JSON object in its text. Re-serialising a parsed body would change what we were
 * only asked to pass on: integers above 2^53, the spelling of numbers, the order and repetition of keys.
 */

interface Member {
  readonly key: string;
  /** Offset of the key's opening quote. */
  readonly start: number;
  readonly valueStart: number;
  /** Offset behind the value. */
  readonly valueEnd: number;
}

const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) break;
    at += 1;
  }
  return at;
}

/** Offset behind the string that opens at `from`. Jumps from quote to quote, so that long strings cost little. */
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

function skipValue(text: string, from: number): number {
  const first = text.charCodeAt(from);
  if (first === QUOTE) return skipString(text, from);
  let at = from;
  if (first === OPEN_BRACE || first === OPEN_BRACKET) {
    let depth = 0;
    while (at < text.length) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        at = skipString(text, at);
        continue;
      }
      at += 1;
      if (code === OPEN_BRACE || code === OPEN_BRACKET) depth += 1;
      else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
        depth -= 1;
        if (depth === 0) return at;
      }
    }
    return at;
  }
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || code <= 32) break;
    at += 1;
  }
  return at;
}

/** The members of the object that `text` holds, in order. `text` must be valid JSON with an object at its top. */
function* members(text: string): Generator<Member> {
  let at = skipSpace(text, text.indexOf('{') + 1);
  while (at < text.length && text.charCodeAt(at) === QUOTE) {
    const start = at;
    const keyEnd = skipString(text, start);
    const quoted = text.slice(start, keyEnd);
    const key = quoted.includes('\\') ? String(JSON.parse(quoted)) : quoted.slice(1, -1);
    const valueStart = skipSpace(text, text.indexOf(':', keyEnd) + 1);
    const valueEnd = skipValue(text, valueStart);
    yield { key, start, valueStart, valueEnd };
    at = skipSpace(text, valueEnd);
    if (text.charCodeAt(at) !== COMMA) return;
    at = skipSpace(text, at + 1);
  }
}

/**
 * Sets or removes top-level members of a JSON object's text and leaves every other byte as it is.
 * @param text valid JSON text whose top is an object
 * @param edits by member name: the JSON text of the new value, or `null` to remove the member. A member that
 *   occurs more than once is changed everywhere, since parsers differ in which occurrence they believe; one that
 *   is absent is put first.
 */
export function editMembers(text: string, edits: Readonly<Record<string, string | null>>): string {
  const missing = new Set(Object.keys(edits));
  let out = '';
  let copied = 0;
  let kept = 0;
  for (const member of members(text)) {
    const edit = Object.hasOwn(edits, member.key) ? edits[member.key] : undefined;
    if (edit === undefined) {
      kept += 1;
      continue;
    }
    missing.delete(member.key);
    if (edit !== null) {
      out += text.slice(copied, member.valueStart) + edit;
      copied = member.valueEnd;
      kept += 1;
      continue;
    }
    const next = skipSpace(text, member.valueEnd);
    if (text.charCodeAt(next) === COMMA) {
      out += text.slice(copied, member.start);
      copied = skipSpace(text, next + 1);
    } else {
      // The last member goes with the comma before it, which stands in what was or will be copied.
      out += text.slice(copied, member.start);
      if (kept > 0) out = out.slice(0, out.lastIndexOf(','));
      copied = member.valueEnd;
    }
  }
  out += text.slice(copied);
  const added: string[] = [];
  for (const key of missing) {
    const value = edits[key];
    if (typeof value === 'string') added.push(`${JSON.stringify(key)}:${value}`);
  }
  if (added.length === 0) return out;
  const open = out.indexOf('{') + 1;
  return `${out.slice(0, open)}${added.join(',')}${kept > 0 ? ',' : ''}${out.slice(open)}`;
}

/** The text of a top-level member's value (its last occurrence, as parsers read it), or `undefined`. */
export function memberText(text: string, key: string): string | undefined {
  let found: string | undefined;
  for (const member of members(text)) {
    if (member.key === key) found = text.slice(member.valueStart, member.valueEnd);
  }
  return found;
}

/**
 * The text of an object up to and including a member's value, or `undefined` when the member is absent.
 * Event streams repeat this head in every chunk, so that it can be recognised without parsing.
 */
export function headThrough(text: string, keys: readonly string[]): string | undefined {
  const wanted = new Set(keys);
  for (const member of members(text)) {
    if (!wanted.delete(member.key)) return undefined;
    if (wanted.size === 0) return text.slice(0, member.valueEnd);
  }
  return undefined;
}
