import { MAX_PRIVATE_KEY } from './detectors/secrets.ts';
import type { Finding, SensitiveKind } from './kinds.ts';
import { isBetweenWords, QuietText } from './quiet-text.ts';
import type { Redacted, Redactor } from './redactor.ts';
import { countsOf } from './redactor.ts';

/** UTF-16 units that are held back at most, except for a private key. */
export const MAX_HELD = 4_096;
/** Units before a finding that decide what it is, such as the word "phone". */
const CONTEXT = 64;
/** Names of more words than this are found in whole texts only. */
const NAME_WORDS = 3;
const KEY_BEGIN = '-----BEGIN';
/** The first line of a private key, of which the end may be missing. */
const KEY_HEADER = /^-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY/;
const LONGEST_HEADER = 80;
const KEY_END = 'PRIVATE KEY';
/** An account number to which another group may belong. */
const OPEN_IBAN = /(?:^|[^\p{L}\p{N}])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){0,30}$/u;
/** Words that stand for `@` and `.` in an address. */
const SPELLED = ['at', 'dot', '(at)', '(dot)', '[at]', '[dot]', '{at}', '{dot}', '<at>', '<dot>'];

const NONE: ReadonlyMap<SensitiveKind, number> = new Map<SensitiveKind, number>();
const NOTHING_YET: Redacted = { text: '', counts: NONE };

/**
 * Redacts a text that arrives in pieces. The result is that of the whole text, wherever it was split: pieces are held back
 * until no finding can extend beyond their end, usually for one word.
 */
export class StreamRedactor {
  /** Original text that was sent on, as context, followed by what is held back. */
  #buffer = '';
  /** Length of the context in `#buffer`. */
  #sent = 0;
  readonly #quiet: QuietText | undefined;

  constructor(private readonly redactor: Redactor) {
    this.#quiet = redactor.finder.hasNames ? undefined : new QuietText();
  }

  /** UTF-16 units that are held back. */
  get held(): number {
    return this.#buffer.length - this.#sent;
  }

  /** @returns what can be sent on */
  push(piece: string): Redacted {
    const from = this.#buffer.length;
    this.#buffer += piece;
    const quiet = this.#quiet;
    if (!quiet) return this.#take(this.#cut());
    quiet.read(this.#buffer, from);
    const isQuiet = quiet.sinceSign >= this.#buffer.length && this.held < MAX_HELD;
    return isQuiet ? this.#takeQuiet() : this.#take(this.#cut());
  }

  /** @returns the rest; the stream may continue, as another text */
  end(): Redacted {
    const rest = this.#take(this.#buffer.length);
    this.#buffer = '';
    this.#sent = 0;
    this.#quiet?.reset();
    return rest;
  }

  /** Sends words on without a search: there is no sign of a finding, in the context either. */
  #takeQuiet(): Redacted {
    const buffer = this.#buffer;
    for (let index = buffer.length - 3; index > this.#sent; index -= 1) {
      if (!isSpace(buffer, index - 1) || isSpace(buffer, index) || !isBetweenWords(buffer, index)) continue;
      return { text: this.#advance(index), counts: NONE };
    }
    return NOTHING_YET;
  }

  /** @param cut index in the buffer; a finding that extends to it moves it before that finding */
  #take(cut: number): Redacted {
    if (cut <= this.#sent) return NOTHING_YET;
    const isAll = cut === this.#buffer.length;
    const found = this.redactor.finder.find(this.#buffer);
    if (found.length === 0) return { text: this.#advance(cut), counts: NONE };
    const findings = found
      .filter(({ end }) => end > this.#sent)
      .map((finding) => ({ ...finding, start: Math.max(finding.start, this.#sent) }));
    const crossing = findings.find(({ start, end }) => start < cut && end > cut);
    const end = crossing ? this.#endOf(crossing, isAll) : cut;
    if (end <= this.#sent) return NOTHING_YET;
    const within = findings.filter((finding) => finding.end <= end);
    const shifted = within.map((finding) => ({
      ...finding,
      start: finding.start - this.#sent,
      end: finding.end - this.#sent,
    }));
    const text = this.redactor.apply(this.#advance(end), shifted);
    return { text, counts: countsOf(within) };
  }

  /** @returns where to cut instead of within a finding */
  #endOf({ start, end }: Finding, isAll: boolean): number {
    if (isAll) return end;
    if (start > this.#sent) return start;
    // What follows it without a space may belong to it.
    const isOver = end < this.#buffer.length && isSpace(this.#buffer, end);
    return isOver || this.held > MAX_HELD ? end : this.#sent;
  }

  /** Keeps as much as context as decides what a finding is. @returns what was held back up to an index */
  #advance(end: number): string {
    const text = this.#buffer.slice(this.#sent, end);
    // Cutting the context off costs a copy: it is done for several words at once.
    const from = end > 2 * CONTEXT ? end - CONTEXT : 0;
    if (from > 0) this.#buffer = this.#buffer.slice(from);
    this.#sent = end - from;
    return text;
  }

  /** @returns the last index at which no finding can be cut in two, whatever follows */
  #cut(): number {
    const buffer = this.#buffer;
    const key = this.#openKey();
    const last = key ?? buffer.length;
    // A word is decided about when it has three letters, or its end.
    for (let index = last - (key === undefined ? 3 : 1); index > this.#sent; index -= 1) {
      if (isSpace(buffer, index - 1) && !isSpace(buffer, index) && this.#isBetween(index)) return index;
    }
    if (key === this.#sent && buffer.length - key > MAX_PRIVATE_KEY) return key + MAX_PRIVATE_KEY;
    return key === undefined && last - this.#sent > MAX_HELD ? last - MAX_HELD / 2 : this.#sent;
  }

  /** @returns where a private key begins whose end has not arrived */
  #openKey(): number | undefined {
    const buffer = this.#buffer;
    for (let at = buffer.indexOf(KEY_BEGIN, this.#sent); at >= 0; at = buffer.indexOf(KEY_BEGIN, at + 1)) {
      const header = buffer.slice(at, at + LONGEST_HEADER);
      if (header.length < LONGEST_HEADER && !header.includes('\n')) return at;
      if (!KEY_HEADER.test(header)) continue;
      const end = buffer.indexOf('-----END', at);
      if (end < 0 || buffer.indexOf('-----', buffer.indexOf(KEY_END, end)) < 0) return at;
      if (buffer.indexOf(KEY_END, end) < 0) return at;
    }
    return undefined;
  }

  /**
   * Decides the usual case, prose, without patterns.
   * @returns whether the words before and after an index cannot belong together; undefined where patterns have to decide
   */
  #isProse(index: number): boolean | undefined {
    const buffer = this.#buffer;
    let end = index - 1;
    while (end > 0 && isSpace(buffer, end - 1)) end -= 1;
    if (isPause(buffer.charCodeAt(end - 1))) end -= 1;
    let start = end;
    while (start > 0 && isLowerCase(buffer.charCodeAt(start - 1))) start -= 1;
    if (start > 0 && !isSpace(buffer, start - 1)) return undefined;
    // One or two letters may begin an account number, and "at" and "dot" stand for signs of an address.
    if (end - start < 3 || buffer.endsWith('at', end) || buffer.endsWith('dot', end)) return false;
    if (buffer.startsWith('at', index) || buffer.startsWith('dot', index)) return false;
    for (let at = index; at < index + 3; at += 1) if (!isLowerCase(buffer.charCodeAt(at))) return undefined;
    for (let at = Math.max(0, index - CONTEXT); at < start; at += 1) {
      const code = buffer.charCodeAt(at);
      if ((code >= 0x30 && code <= 0x39) || code > 0x7f) return undefined;
    }
    return true;
  }

  /** Whether the words before and after an index cannot belong to the same finding. */
  #isBetween(index: number): boolean {
    const isProse = this.redactor.finder.hasNames ? undefined : this.#isProse(index);
    if (isProse !== undefined) return isProse;
    const before = this.#buffer.slice(Math.max(0, index - CONTEXT), index).trimEnd();
    const after = this.#buffer.slice(index, index + CONTEXT);
    // Numbers, and e-mail addresses with spaces, may continue after a space.
    if (OPEN_IBAN.test(before)) return false;
    if (/[\p{Nd}+()./@:=-]$/u.test(before) || /^[@\p{Nd}(+]/u.test(after)) return false;
    const word = /^\S*/.exec(after)?.[0].toLowerCase() ?? '';
    const isWhole = word.length < after.length;
    if (SPELLED.some((one) => (isWhole ? word.startsWith(one) : one.startsWith(word)))) return false;
    const words = before.split(/\s+/).slice(-NAME_WORDS);
    const previous = words.at(-1)?.toLowerCase() ?? '';
    if (SPELLED.some((one) => previous.endsWith(one)) || /^[A-Za-z]{1,2}$/.test(previous)) return false;
    return !words.some((one) => this.redactor.finder.beginsName(one));
  }
}

function isLowerCase(code: number): boolean {
  return code >= 0x61 && code <= 0x7a;
}

/** Whether a unit is a comma, a semicolon, or ends a sentence without being a part of a number or address. */
function isPause(code: number): boolean {
  return code === 0x2c || code === 0x3b || code === 0x21 || code === 0x3f;
}

function isSpace(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}
