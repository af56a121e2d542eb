import type { ConfigMap } from './config-document.ts';
import { type Environment, interpolate } from './interpolate.ts';

/** Deeper files are left to the parser, which reports them. */
const MAX_DEPTH = 32;

/** Tabs and other line ends than `\n` have rules of their own. */
const UNUSUAL = /[^\n\x20-\x7e\xa0-\u1fff\u2030-\ud7ff\ue000-\ufefe\uff00-\uffef]/;

/** A key of letters, or a JSON string; then a colon, and a value after blanks. */
const ENTRY = /^(?:([A-Za-z_][A-Za-z0-9_./-]*)|("(?:[^"\\]|\\["\\/bfnrt])*")):(?: +(.*))?$/;
const ITEM = /^-(?:( +)(.*))?$/;
/** One word or several; no character of it has a meaning in YAML where it stands. */
const PLAIN = /^(?:[A-Za-z0-9_./$]|-[A-Za-z0-9_.])(?:[^\s#:]|:(?=[^\s])|#(?<=\S#)| (?=[^\s#]))*$/;
const SINGLE_QUOTED = /^'((?:[^']|'')*)'$/;
const DOUBLE_QUOTED = /^"(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"$/;

const NUMBER = /^-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?$/;
/** What is, or looks like, a number in a notation that people disagree about. */
const LIKE_A_NUMBER = /^[-+]?\.?\d[\d._+-]*(?:[eE][\d+-]*)?$|^0[xob]|^[-+]?\.(?:inf|nan)$/i;
const ADDRESS_OR_DATE = /^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$|^\d{4}-\d{2}-\d{2}$/;
const LIKE_A_WORD = /^(?:null|true|false)$/i;

const BLANK = /[ ]*/y;
const FLOW_STRING = /"(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
/** As `PLAIN`, without blanks and brackets. */
const FLOW_PLAIN = /(?:[A-Za-z0-9_./]|-[A-Za-z0-9_.])(?:[A-Za-z0-9_./@=+*-]|:(?=[A-Za-z0-9_./]))*/y;
const FLOW_KEY = /(?:([A-Za-z_][A-Za-z0-9_./-]*)|("(?:[^"\\]|\\["\\/bfnrt])*")):(?= )/y;
const FLOW_JSON_KEY = /("(?:[^"\\]|\\["\\/bfnrt])*"):/y;

/** The text needs the parser. */
class NotPlain extends Error {}

interface Line {
  readonly indent: number;
  readonly text: string;
}

/**
 * Reads YAML that needs no knowledge of its finer rules: maps and lists by indentation, words, numbers, quoted text, and
 * lists and maps in brackets on one line. The YAML parser takes 50 times as long, half a second for a thousand models.
 *
 * @param env the variables that `${NAME}` refers to
 * @returns the value that the parser would return; undefined for anything else, and for text with an error
 */
export function readPlainYaml(text: string, env: Environment): ConfigMap | undefined {
  try {
    return new PlainReader(text, env).read();
  } catch (error) {
    if (error instanceof NotPlain) return undefined;
    throw error;
  }
}

class PlainReader {
  readonly #lines: Line[] = [];
  #at = 0;
  #depth = 0;
  /** Of the list or map in brackets that is being read. */
  #flow = '';
  #position = 0;

  constructor(
    text: string,
    private readonly env: Environment,
  ) {
    if (UNUSUAL.test(text)) throw new NotPlain();
    for (const line of text.split('\n')) {
      // Only blanks are space to YAML, unlike to `trim`.
      const content = /^( *)(.*?) *$/.exec(line);
      const [, blanks = '', words = ''] = content ?? [];
      if (words === '' || words.startsWith('#')) continue;
      this.#lines.push({ indent: blanks.length, text: words });
    }
  }

  read(): ConfigMap {
    const map = this.#map(0);
    if (this.#at < this.#lines.length) throw new NotPlain();
    return map;
  }

  get #line(): Line | undefined {
    return this.#lines[this.#at];
  }

  /** The value below a line that ends after a colon or dash; null where there is none. */
  #below(indent: number, isListAllowedBeside: boolean): unknown {
    const line = this.#line;
    if (!line) return null;
    const isList = line.text.startsWith('- ') || line.text === '-';
    if (line.indent > indent) return isList ? this.#list(line.indent) : this.#map(line.indent);
    return isList && isListAllowedBeside && line.indent === indent ? this.#list(indent) : null;
  }

  #map(indent: number): ConfigMap {
    this.#descend();
    const map: ConfigMap = Object.create(null);
    for (let line = this.#line; line && line.indent >= indent; line = this.#line) {
      if (line.indent > indent) throw new NotPlain();
      if (line.text.startsWith('-')) break;
      this.#entry(map, line.text, indent);
    }
    if (Object.keys(map).length === 0) throw new NotPlain();
    this.#depth -= 1;
    return map;
  }

  #entry(map: ConfigMap, text: string, indent: number): void {
    const match = ENTRY.exec(text);
    if (!match) throw new NotPlain();
    const [, plain, quoted, value] = match;
    this.#at += 1;
    this.#set(map, plain ?? JSON.parse(quoted ?? ''), () =>
      value === undefined || value === '' ? this.#below(indent, true) : this.#inline(value, indent),
    );
  }

  #set(map: ConfigMap, key: unknown, read: () => unknown): void {
    if (typeof key !== 'string' || key === '__proto__' || key in map) throw new NotPlain();
    map[key] = read();
  }

  #list(indent: number): unknown[] {
    this.#descend();
    const list: unknown[] = [];
    for (let line = this.#line; line && line.indent >= indent; line = this.#line) {
      const match = ITEM.exec(line.text);
      if (!match && line.indent === indent) break;
      if (!match || line.indent > indent) throw new NotPlain();
      const [, blanks = '', content = ''] = match;
      list.push(this.#item(content, indent, indent + 1 + blanks.length));
    }
    this.#depth -= 1;
    return list;
  }

  /** @param inner the column of its content */
  #item(content: string, indent: number, inner: number): unknown {
    if (content.startsWith('- ') || content === '-') throw new NotPlain();
    if (content === '') {
      this.#at += 1;
      return this.#below(indent, false);
    }
    if (!ENTRY.test(content)) {
      this.#at += 1;
      return this.#inline(content, indent);
    }
    // The entries of a map, the first of them beside the dash.
    this.#lines[this.#at] = { indent: inner, text: content };
    return this.#map(inner);
  }

  /** A value on the line of its key or dash. */
  #inline(text: string, indent: number): unknown {
    // It would go on there.
    const next = this.#line;
    if (next && next.indent > indent) throw new NotPlain();
    const first = text[0];
    if (first === '{' || first === '[') {
      this.#flow = text;
      this.#position = 0;
      const value = this.#flowValue();
      if (this.#position < text.length) throw new NotPlain();
      return value;
    }
    if (first === '"') return this.#doubleQuoted(text);
    const single = SINGLE_QUOTED.exec(text);
    if (single) return this.#interpolated((single[1] ?? '').replaceAll("''", "'"));
    if (!PLAIN.test(text)) throw new NotPlain();
    return this.#plain(text);
  }

  #doubleQuoted(text: string): string {
    if (!DOUBLE_QUOTED.test(text)) throw new NotPlain();
    return this.#interpolated(String(JSON.parse(text)));
  }

  #plain(text: string): unknown {
    if (NUMBER.test(text) && text !== '-0') return Number(text);
    switch (text) {
      case 'null':
        return null;
      case 'true':
        return true;
      case 'false':
        return false;
    }
    if (LIKE_A_WORD.test(text) || (LIKE_A_NUMBER.test(text) && !ADDRESS_OR_DATE.test(text)))
      throw new NotPlain();
    return this.#interpolated(text);
  }

  #interpolated(template: string): string {
    const { text, problems } = interpolate(template, this.env);
    if (problems.length > 0) throw new NotPlain();
    return text;
  }

  #flowValue(): unknown {
    const first = this.#flow[this.#position];
    if (first === '{') return this.#flowMap();
    if (first === '[') return this.#flowList();
    if (first === '"') return this.#doubleQuoted(this.#take(FLOW_STRING));
    return this.#plain(this.#take(FLOW_PLAIN));
  }

  #flowMap(): ConfigMap {
    const map: ConfigMap = Object.create(null);
    this.#flowItems('}', () => {
      // Only quoted keys may have their value right after the colon.
      const isJson = this.#flow[this.#position] === '"';
      const key = this.#take(isJson ? FLOW_JSON_KEY : FLOW_KEY).slice(0, -1);
      this.#take(BLANK);
      this.#set(map, isJson ? JSON.parse(key) : key, () => this.#flowValue());
    });
    return map;
  }

  #flowList(): unknown[] {
    const list: unknown[] = [];
    this.#flowItems(']', () => list.push(this.#flowValue()));
    return list;
  }

  /** Reads what is between the bracket at the position and the closing one, with commas between. */
  #flowItems(close: string, read: () => void): void {
    this.#descend();
    this.#position += 1;
    this.#take(BLANK);
    for (let isFirst = true; this.#flow[this.#position] !== close; isFirst = false) {
      if (!isFirst) {
        if (this.#flow[this.#position] !== ',') throw new NotPlain();
        this.#position += 1;
        this.#take(BLANK);
      }
      read();
      this.#take(BLANK);
    }
    this.#position += 1;
    this.#depth -= 1;
  }

  /** @returns the match at the position */
  #take(expression: RegExp): string {
    expression.lastIndex = this.#position;
    const match = expression.exec(this.#flow)?.[0];
    if (match === undefined) throw new NotPlain();
    this.#position += match.length;
    return match;
  }

  #descend(): void {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw new NotPlain();
  }
}
