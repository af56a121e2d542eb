import { isRecord, parseJsonText } from '../../core/json.ts';
import { INPUT } from './custom-tool.ts';

const OPENING = new RegExp(`^\\s*\\{\\s*"${INPUT}"\\s*:\\s*"`);
const MAX_OPENING = 64;
const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/**
 * Reads the text argument of a call while its JSON arrives. Where the arguments have another form, all of them are the text,
 * at the end.
 */
export class InputTextReader {
  #state: 'opening' | 'text' | 'done' | 'other' = 'opening';
  /** Not yet read: the opening, an escape that is not complete, or all of another form. */
  #rest = '';

  /** @returns the text that is complete */
  push(json: string): string {
    if (this.#state === 'done') return '';
    this.#rest += json;
    if (this.#state === 'opening') this.#open();
    return this.#state === 'text' ? this.#text() : '';
  }

  /** @returns the remaining text */
  end(): string {
    const rest = this.#rest;
    this.#rest = '';
    if (this.#state === 'text' || this.#state === 'done') return '';
    return otherText(rest);
  }

  #open(): void {
    const opening = OPENING.exec(this.#rest)?.[0];
    if (opening !== undefined) {
      this.#state = 'text';
      this.#rest = this.#rest.slice(opening.length);
    } else if (this.#rest.length > MAX_OPENING) this.#state = 'other';
  }

  #text(): string {
    const json = this.#rest;
    let text = '';
    let at = 0;
    while (at < json.length) {
      const next = endOfPlain(json, at);
      text += json.slice(at, next);
      at = next;
      if (at === json.length) break;
      if (json[at] === '"') {
        this.#state = 'done';
        at = json.length;
        break;
      }
      const size = json[at + 1] === 'u' ? 6 : 2;
      if (json.length - at < size) break;
      text += unescaped(json.slice(at, at + size));
      at += size;
    }
    this.#rest = json.slice(at);
    return text;
  }
}

/** @returns the text argument of a complete call */
export function inputText(json: string): string {
  const value = parseJsonText(json);
  if (isRecord(value) && typeof value[INPUT] === 'string') return value[INPUT];
  const reader = new InputTextReader();
  return reader.push(json) + reader.end();
}

function endOfPlain(json: string, from: number): number {
  let at = from;
  while (at < json.length && json[at] !== '"' && json[at] !== '\\') at += 1;
  return at;
}

function unescaped(sequence: string): string {
  const letter = sequence[1] ?? '';
  if (letter === 'u') {
    const code = Number.parseInt(sequence.slice(2), 16);
    return Number.isNaN(code) ? sequence : String.fromCharCode(code);
  }
  return ESCAPES[letter] ?? letter;
}

/** Models that do not follow the schema name the argument otherwise, or send the bare text. */
function otherText(json: string): string {
  const value = parseJsonText(json);
  if (typeof value === 'string') return value;
  if (!isRecord(value)) return json;
  if (typeof value[INPUT] === 'string') return value[INPUT];
  const [only, ...more] = Object.values(value);
  if (typeof only === 'string' && more.length === 0) return only;
  return Object.keys(value).length === 0 ? '' : json;
}
