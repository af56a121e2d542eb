import { PLACEHOLDER_WORDS, SENSITIVE_KINDS, type SensitiveKind } from './kinds.ts';

const WORDS = SENSITIVE_KINDS.map((kind) => PLACEHOLDER_WORDS[kind]).join('|');
const TOKEN = new RegExp(`\\[(?:${WORDS})_\\d{1,6}\\]`, 'g');
/** The beginning of a token at the end of a text. */
const OPEN_TOKEN = /\[(?:[A-Z_]{0,12}(?:_\d{0,6})?)?$/;
/** UTF-16 units of the longest token. */
export const MAX_TOKEN = 22;
const MAX_NUMBER = 999_999;

/**
 * Numbered placeholders of one conversation, such as `[EMAIL_1]`, and the values that they stand for. Equal values have the
 * same token, so that a model can tell people apart.
 */
export class Pseudonyms {
  readonly #tokens = new Map<string, string>();
  readonly #values = new Map<string, string>();
  readonly #taken = new Set<string>();
  readonly #next = new Map<SensitiveKind, number>();

  /** Number of values. */
  get size(): number {
    return this.#values.size;
  }

  /** Call it with every original text before `tokenOf`: a token that is in a text already is not given to a value. */
  reserve(text: string): void {
    if (!text.includes('[')) return;
    for (const [token] of text.matchAll(TOKEN)) this.#taken.add(token);
  }

  /** @throws RangeError above 999,999 values of a kind */
  tokenOf(kind: SensitiveKind, value: string): string {
    const key = `${kind} ${value}`;
    const known = this.#tokens.get(key);
    if (known !== undefined) return known;
    let token: string;
    do {
      const number = (this.#next.get(kind) ?? 0) + 1;
      if (number > MAX_NUMBER) throw new RangeError(`more than ${MAX_NUMBER} values of the kind ${kind}`);
      this.#next.set(kind, number);
      token = `[${PLACEHOLDER_WORDS[kind]}_${number}]`;
    } while (this.#taken.has(token));
    this.#tokens.set(key, token);
    this.#values.set(token, value);
    return token;
  }

  /** Puts values in the place of their tokens; other text stays as it is. */
  restore(text: string): string {
    if (this.#values.size === 0 || !text.includes('[')) return text;
    return text.replace(TOKEN, (token) => this.#values.get(token) ?? token);
  }
}

/** Restores the values in a stream of pieces; a token may be split among pieces. */
export class RestoringStream {
  #held = '';

  constructor(private readonly pseudonyms: Pick<Pseudonyms, 'restore'>) {}

  /** UTF-16 units that are held back. */
  get held(): number {
    return this.#held.length;
  }

  /** @returns what can be sent on; at most `MAX_TOKEN` units are held back */
  push(piece: string): string {
    const text = this.#held + piece;
    const from = Math.max(0, text.length - MAX_TOKEN);
    const open = OPEN_TOKEN.exec(text.slice(from));
    const end = open ? from + open.index : text.length;
    this.#held = text.slice(end);
    return this.pseudonyms.restore(text.slice(0, end));
  }

  /** @returns the rest; the stream may continue, as another text */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return this.pseudonyms.restore(rest);
  }
}
