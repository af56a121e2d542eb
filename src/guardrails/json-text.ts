import type { TextStream, TextVerdict } from './guardrail.ts';

/** Receives the parts of a JSON text, in order; joined, their raw texts are the text. */
interface JsonParts {
  /** Punctuation, spaces, and the quotes of strings. */
  structure(raw: string): void;
  /** A piece of the open string. `raw` is its form in the JSON text; the same as `value` where it has no escape. */
  string(value: string, raw: string): void;
  stringEnd(): void;
  /** A number, true, false or null. */
  scalar(raw: string): void;
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };
const SCALAR_END = /[\s,\]}[{:"]/;
const HEX4 = /^[0-9a-fA-F]{4}$/;

/** Reads JSON text in pieces, wherever it is split. It checks no grammar: invalid text passes through as structure. */
class JsonReader {
  #state: 'structure' | 'string' | 'scalar' = 'structure';
  /** The beginning of an escape or scalar that is not complete. */
  #open = '';

  constructor(private readonly parts: JsonParts) {}

  push(piece: string): void {
    let at = 0;
    while (at < piece.length) {
      if (this.#state === 'string') at = this.#string(piece, at);
      else if (this.#state === 'scalar') at = this.#scalar(piece, at);
      else at = this.#structure(piece, at);
    }
  }

  end(): void {
    if (this.#state === 'scalar') this.#endScalar();
    else if (this.#state === 'string') {
      this.parts.stringEnd();
      if (this.#open !== '') this.parts.structure(this.#open);
    }
    this.#open = '';
    this.#state = 'structure';
  }

  #structure(piece: string, from: number): number {
    for (let at = from; at < piece.length; at += 1) {
      const code = piece.charCodeAt(at);
      if (code === 0x22) {
        this.parts.structure(piece.slice(from, at + 1));
        this.#state = 'string';
        return at + 1;
      }
      if (!isStructure(code)) {
        if (at > from) this.parts.structure(piece.slice(from, at));
        this.#state = 'scalar';
        return at;
      }
    }
    this.parts.structure(piece.slice(from));
    return piece.length;
  }

  #string(piece: string, from: number): number {
    if (this.#open !== '') return this.#escape(piece, from);
    for (let at = from; at < piece.length; at += 1) {
      const code = piece.charCodeAt(at);
      if (code !== 0x22 && code !== 0x5c) continue;
      if (at > from) this.#plain(piece.slice(from, at));
      if (code === 0x5c) {
        this.#open = '\\';
        return at + 1;
      }
      this.parts.stringEnd();
      this.parts.structure('"');
      this.#state = 'structure';
      return at + 1;
    }
    this.#plain(piece.slice(from));
    return piece.length;
  }

  #plain(text: string): void {
    this.parts.string(text, text);
  }

  #escape(piece: string, from: number): number {
    this.#open += piece.charAt(from);
    const kind = this.#open.charAt(1);
    if (kind === 'u' && this.#open.length < 6) return from + 1;
    const raw = this.#open;
    this.#open = '';
    if (kind === 'u') {
      const hex = raw.slice(2);
      this.parts.string(HEX4.test(hex) ? String.fromCharCode(Number.parseInt(hex, 16)) : raw, raw);
    } else this.parts.string(ESCAPES[kind] ?? kind, raw);
    return from + 1;
  }

  #scalar(piece: string, from: number): number {
    for (let at = from; at < piece.length; at += 1) {
      if (!SCALAR_END.test(piece.charAt(at))) continue;
      this.#open += piece.slice(from, at);
      this.#endScalar();
      return at;
    }
    this.#open += piece.slice(from);
    return piece.length;
  }

  #endScalar(): void {
    this.parts.scalar(this.#open);
    this.#open = '';
    this.#state = 'structure';
  }
}

function isStructure(code: number): boolean {
  // Space, tab, line ends, comma, colon, brackets and braces.
  if (code === 0x20 || (code >= 0x09 && code <= 0x0d) || code === 0x2c || code === 0x3a) return true;
  return code === 0x5b || code === 0x5d || code === 0x7b || code === 0x7d;
}

/** Whether a text is an object or a list in JSON. */
export function isJsonText(text: string): boolean {
  if (!/^\s*[{[]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** A string or number of a JSON text, and the key before it; '' for none. */
export interface JsonValue {
  readonly value: string;
  readonly key: string;
}

/** Names that may say that a value is secret; without digits, so that no name is a finding itself. */
const KEY_NAME = /^[A-Za-z_][A-Za-z_ .-]{0,60}$/;

/** @returns the text before a value that shows a check what the value is, such as `password: `; '' for none */
export function keyPrefix(key: string): string {
  return KEY_NAME.test(key) ? `${key}: ` : '';
}

/** Follows the keys of a JSON text. */
class KeyTracker {
  #last = '';
  #key = '';

  structure(raw: string): void {
    if (raw.includes(':')) this.#key = this.#last;
    else if (/[,{]/.test(raw)) this.#key = '';
    if (raw !== '"') this.#last = '';
  }

  string(value: string): void {
    this.#last = value;
  }

  get key(): string {
    return this.#key;
  }
}

/**
 * Checks the strings and numbers of a JSON text, such as the arguments of a tool call, as it arrives. The text stays valid
 * JSON, and parts without a finding keep their bytes. A number with a finding becomes a string.
 */
export class JsonTextStream implements TextStream {
  readonly #reader: JsonReader;
  readonly #keys = new KeyTracker();
  #string: OpenString | undefined;
  #out: string[] = [];
  #counts = new Map<string, number>();
  #score = 0;
  /** Whether a verdict of this piece suffices to act. */
  #acts = false;
  #taken = 0;
  #given = 0;

  /** @param inner makes the check of one string */
  constructor(private readonly inner: () => TextStream) {
    this.#reader = new JsonReader({
      structure: (raw) => {
        this.#keys.structure(raw);
        this.#emit(raw, raw.length);
      },
      string: (value, raw) => this.#take(value, raw),
      stringEnd: () => this.#endString(),
      scalar: (raw) => this.#scalar(raw),
    });
  }

  /** UTF-16 units of the JSON text that are held back. */
  get held(): number {
    return this.#taken - this.#given;
  }

  push(piece: string): TextVerdict {
    this.#taken += piece.length;
    this.#reader.push(piece);
    return this.#verdict();
  }

  end(): TextVerdict {
    this.#reader.end();
    const verdict = this.#verdict();
    this.#taken = 0;
    this.#given = 0;
    return verdict;
  }

  #emit(text: string, rawLength: number): void {
    this.#given += rawLength;
    if (text !== '') this.#out.push(text);
  }

  #take(value: string, raw: string): void {
    if (!this.#string) {
      this.#string = new OpenString(this.inner(), keyPrefix(this.#keys.key));
      this.#add(this.#string.begin());
    }
    this.#add(this.#string.push(value, raw));
  }

  #endString(): void {
    if (!this.#string) return;
    this.#keys.string(this.#string.beginning);
    this.#add(this.#string.end());
    this.#string = undefined;
  }

  #scalar(raw: string): void {
    const string = new OpenString(this.inner(), keyPrefix(this.#keys.key));
    const parts = [string.begin(), string.push(raw, raw), string.end()];
    const text = parts.map((part) => part.text).join('');
    for (const { verdict } of parts) this.#count(verdict);
    this.#emit(text === raw ? raw : JSON.stringify(text), raw.length);
  }

  #add({ text, rawLength, verdict }: CheckedPart): void {
    this.#emit(text, rawLength);
    this.#count(verdict);
  }

  #count({ counts, score = 1, action }: TextVerdict): void {
    if (counts.size === 0) return;
    if (action !== 'allow') this.#acts = true;
    this.#score = Math.max(this.#score, score);
    for (const [kind, count] of counts) this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + count);
  }

  #verdict(): TextVerdict {
    const text = this.#out.join('');
    this.#out = [];
    if (this.#counts.size === 0) return { text, counts: NOTHING };
    const verdict: TextVerdict = {
      ...{ text, counts: this.#counts, score: this.#score },
      ...(this.#acts ? {} : { action: 'allow' }),
    };
    this.#counts = new Map();
    this.#score = 0;
    this.#acts = false;
    return verdict;
  }
}

const NOTHING: ReadonlyMap<string, number> = new Map<string, number>();
/** UTF-16 units of a string that may be a key. */
const MAX_KEY_LENGTH = 64;

/** A part of a string that was checked, as it is written in the JSON text. */
interface CheckedPart {
  readonly text: string;
  /** Units of the original JSON text that it stands for. */
  readonly rawLength: number;
  readonly verdict: TextVerdict;
}

/** A string of which the end has not arrived, with the raw form of what its stream holds back. */
class OpenString {
  #value = '';
  /** Raw forms of the units of `#value`; a text without escapes is one entry. */
  readonly #raw: { value: string; raw: string }[] = [];
  /** Units of the prefix that the stream still holds back. */
  #prefixLeft: number;
  #beginning = '';

  /** @param prefix is checked before the string, and not written */
  constructor(
    private readonly stream: TextStream,
    private readonly prefix: string,
  ) {
    this.#prefixLeft = prefix.length;
  }

  /** The first units of the string. */
  get beginning(): string {
    return this.#beginning;
  }

  begin(): CheckedPart {
    return this.#push(this.prefix, '');
  }

  push(value: string, raw: string): CheckedPart {
    if (this.#beginning.length < MAX_KEY_LENGTH) this.#beginning += value.slice(0, MAX_KEY_LENGTH);
    return this.#push(value, raw);
  }

  end(): CheckedPart {
    return this.#take(this.stream.end());
  }

  #push(value: string, raw: string): CheckedPart {
    if (value === '') return { text: '', rawLength: 0, verdict: { text: '', counts: NOTHING } };
    this.#value += value;
    this.#raw.push({ value, raw });
    return this.#take(this.stream.push(value));
  }

  #take(verdict: TextVerdict): CheckedPart {
    const units = this.#value.length - this.stream.held;
    const before = this.#value.slice(0, units);
    this.#value = this.#value.slice(units);
    const raw = this.#takeRaw(units);
    const ofPrefix = Math.min(this.#prefixLeft, verdict.text.length);
    this.#prefixLeft -= ofPrefix;
    const isSame = verdict.text === before;
    const text = isSame ? raw : JSON.stringify(verdict.text.slice(ofPrefix)).slice(1, -1);
    return { text, rawLength: raw.length, verdict };
  }

  #takeRaw(units: number): string {
    let left = units;
    let raw = '';
    while (left > 0) {
      const [first] = this.#raw;
      if (!first) break;
      if (first.value.length > left) {
        // Only the prefix and texts without escapes are longer than one unit.
        raw += first.raw.slice(0, left);
        this.#raw[0] = { value: first.value.slice(left), raw: first.raw.slice(left) };
        break;
      }
      raw += first.raw;
      left -= first.value.length;
      this.#raw.shift();
    }
    return raw;
  }
}

/** Reads a whole JSON text. @returns its strings and numbers with their keys, in order; keys are strings, too */
export function jsonValues(text: string): readonly JsonValue[] {
  const values: JsonValue[] = [];
  rewrite(text, (value, key) => {
    values.push({ value, key });
    return value;
  });
  return values;
}

/** Replaces the strings and numbers of a whole JSON text. @param values in the order of `jsonValues` */
export function withJsonValues(text: string, values: readonly string[]): string {
  let index = -1;
  return rewrite(text, (value) => {
    index += 1;
    return values[index] ?? value;
  });
}

function rewrite(text: string, map: (value: string, key: string) => string): string {
  const out: string[] = [];
  const keys = new KeyTracker();
  let open: { value: string[]; raw: string[] } | undefined;
  const reader = new JsonReader({
    structure: (raw) => {
      keys.structure(raw);
      out.push(raw);
    },
    string: (value, raw) => {
      open ??= { value: [], raw: [] };
      open.value.push(value);
      open.raw.push(raw);
    },
    stringEnd: () => {
      if (open === undefined) return;
      const value = open.value.join('');
      const mapped = map(value, keys.key);
      out.push(mapped === value ? open.raw.join('') : JSON.stringify(mapped).slice(1, -1));
      keys.string(value);
      open = undefined;
    },
    scalar: (raw) => {
      const mapped = map(raw, keys.key);
      out.push(mapped === raw ? raw : JSON.stringify(mapped));
    },
  });
  reader.push(text);
  reader.end();
  return out.join('');
}
