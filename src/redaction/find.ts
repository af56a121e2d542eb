import { findEmails } from './detectors/email.ts';
import { findIbans } from './detectors/iban.ts';
import { findAddresses } from './detectors/ip.ts';
import { NameFinder } from './detectors/names.ts';
import { findLetteredIds } from './detectors/national-id.ts';
import { findNumbers } from './detectors/numbers.ts';
import { findSecrets } from './detectors/secrets.ts';
import { fold } from './fold.ts';
import { type AddFinding, type Finding, SENSITIVE_KINDS, type SensitiveKind } from './kinds.ts';

export interface FinderOptions {
  /** Kinds to look for; all when absent. */
  readonly kinds?: readonly SensitiveKind[] | undefined;
  /** Names of people or products, as whole words in any case. */
  readonly names?: readonly string[] | undefined;
}

const NUMBER_KINDS: readonly SensitiveKind[] = ['card', 'ssn', 'national_id', 'phone'];
const SECRET_KINDS: readonly SensitiveKind[] = ['private_key', 'jwt', 'api_key'];

/** Text without any of these, and without a long word, has no finding, except names: most prose. */
const SIGN_OF_FINDING = /[\d@]|::|-----|[([{<]\s?(?:at|dot)/i;
const WORD_OF_FINDING = /\sdot\s|key|secret|token|passw|pwd|passphrase|bearer|basic/i;
/** UTF-16 units of the shortest secret without a sign. */
const LONG_WORD = 15;
const NO_FINDINGS: readonly Finding[] = [];

/** Finds personal data and secrets in text, in time that is linear in its length. */
export class SensitiveFinder {
  readonly #kinds: ReadonlySet<SensitiveKind>;
  readonly #names: NameFinder;

  constructor({ kinds = SENSITIVE_KINDS, names = [] }: FinderOptions = {}) {
    this.#kinds = new Set(kinds);
    this.#names = new NameFinder(this.#kinds.has('name') ? names : []);
  }

  /** @returns the places in order; none overlaps another */
  find(original: string): readonly Finding[] {
    const { text, originalIndex } = fold(original);
    if (this.#names.isEmpty && !mayHaveFinding(text)) return NO_FINDINGS;
    const found: Finding[] = [];
    const add: AddFinding = (kind, start, end) => {
      if (this.#kinds.has(kind))
        found.push({ kind, start: originalIndex(start), end: originalIndex(end - 1) + 1 });
    };
    const wants = (kinds: readonly SensitiveKind[]) => kinds.some((kind) => this.#kinds.has(kind));
    if (wants(SECRET_KINDS)) findSecrets(text, add);
    if (wants(['email'])) findEmails(text, add);
    if (/\d/.test(text)) {
      if (wants(['iban'])) findIbans(text, add);
      if (wants(NUMBER_KINDS)) findNumbers(text, this.#kinds, add);
      if (wants(['national_id'])) findLetteredIds(text, add);
      if (wants(['ip'])) findAddresses(text, add);
    } else if (wants(['ip']) && text.includes('::')) findAddresses(text, add);
    this.#names.find(text, add);
    return found.length > 1 ? withoutOverlaps(found) : found;
  }

  get hasNames(): boolean {
    return !this.#names.isEmpty;
  }

  /** Whether a word may be the beginning of a longer name. */
  beginsName(word: string): boolean {
    return this.#names.begins(word);
  }
}

function mayHaveFinding(text: string): boolean {
  return SIGN_OF_FINDING.test(text) || hasLongWord(text) || WORD_OF_FINDING.test(text);
}

/** Looks at every fifteenth unit only: a long word has one of them. */
function hasLongWord(text: string): boolean {
  for (let at = LONG_WORD - 1; at < text.length; at += LONG_WORD) {
    if (isSpace(text, at)) continue;
    let [start, end] = [at, at + 1];
    while (start > 0 && !isSpace(text, start - 1)) start -= 1;
    while (end < text.length && end - start < LONG_WORD && !isSpace(text, end)) end += 1;
    if (end - start >= LONG_WORD) return true;
  }
  return false;
}

function isSpace(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}

/** Joins findings that overlap: all of both is replaced, as the kind that comes first in `SENSITIVE_KINDS`. */
function withoutOverlaps(found: Finding[]): Finding[] {
  found.sort((a, b) => a.start - b.start || b.end - a.end);
  const joined: Finding[] = [];
  for (const finding of found) {
    const last = joined.at(-1);
    if (!last || finding.start >= last.end) {
      joined.push(finding);
      continue;
    }
    const first = SENSITIVE_KINDS.indexOf(finding.kind) < SENSITIVE_KINDS.indexOf(last.kind) ? finding : last;
    joined[joined.length - 1] = { kind: first.kind, start: last.start, end: Math.max(last.end, finding.end) };
  }
  return joined;
}
