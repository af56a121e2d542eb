import { ASKED_REWRITES, FRONTED, INTENTS, PHRASES, WRAPPERS } from './english-rewrites.ts';
import { languageOf, OTHER_REWRITES, type Rewrite } from './languages.ts';
import { digitsOf } from './numbers.ts';
import { type ScannedText, type SpanKind, scanText, spanOf } from './scan-text.ts';
import { canonicalOf } from './synonyms.ts';
import { CURRENCY_NAMES, UNIT_NAMES, unitWord } from './units.ts';
import { nameForms, type VerbForm, wordForms } from './word-forms.ts';

export type TokenKind = 'word' | 'number' | 'unit' | 'currency' | SpanKind;

/** A word of a question that its answer depends on. */
export interface FormToken {
  readonly kind: TokenKind;
  /** As it is shown. */
  readonly text: string;
  /** Base forms; two tokens are the same where they share one. */
  readonly forms: readonly string[];
  /** `name` with a capital letter inside the sentence, `plain` without; `unknown` at its beginning, or in a text without any. */
  readonly casing: 'name' | 'plain' | 'unknown';
}

/** A part of a sentence that a preposition or a conjunction begins; the first part has none. */
export interface FormSegment {
  readonly marker: string;
  readonly tokens: readonly FormToken[];
}

export interface FormSentence {
  /** What is asked for, such as `HOWTO`, `WHY` or `SAY`. */
  readonly intent: string;
  readonly isPast: boolean;
  readonly segments: readonly FormSegment[];
}

/** A question without the words that its answer does not depend on. */
export interface QuestionForm {
  readonly language: string;
  readonly sentences: readonly FormSentence[];
}

/** Longer texts are not compared: the more a text says, the less a few words tell whether two are the same. Characters. */
export const MAX_QUESTION_LENGTH = 600;

/** Words and marks. Comparing takes quadratic time, and more of them in so short a text are no question. */
const MAX_WORDS = 160;

/** Indented lines, or lines that end as those of programs do. */
const LAYOUT = /\n[ \t]+\S|[{};]\s*\n/;

const DETERMINERS: ReadonlySet<string> = new Set(
  'the a an this that my your our his her their its'.split(' '),
);

/** Says nothing that changes an answer. */
const DROPPED: ReadonlySet<string> = new Set(
  "the a an is are am be being been so really actually basically please , . ? 's".split(' '),
);

const BE: ReadonlySet<string> = new Set('is are am was were be being been get gets got'.split(' '));
const OWNERS: ReadonlySet<string> = new Set('my your our'.split(' '));

/** What follows, up to the end of its part, are certain things: `the file` is not `the files`. */
const DEFINITE: ReadonlySet<string> = new Set("the my your our his her their its 's".split(' '));
/** Another thing follows. */
const INDEFINITE: ReadonlySet<string> = new Set('a an and or , any some'.split(' '));

/** Markers of segments, each with the one that stands for it. */
const MARKERS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    in: 'in on at within',
    with: 'with using via',
    about: 'about regarding concerning',
    to: 'to into',
  })
    .flatMap(([name, words]) => words.split(' ').map((word) => [word, name] as const))
    .concat(
      'for from by onto over under above below before after during since until between among against through across without inside outside near behind beyond per than as if because while when where unless toward towards'
        .split(' ')
        .map((word) => [word, word] as const),
    ),
);

/** Tools of which `in X` and `with X` mean the same. */
const TOOLS: ReadonlySet<string> = new Set(
  'python java javascript typescript css html sql ruby rust go golang php perl bash powershell excel pandas numpy react vue angular django flask swift kotlin scala r matlab git docker linux c++ c# photoshop word latex node'.split(
    ' ',
  ),
);

/**
 * Reads a question: its language, what it asks for, and the words that its answer depends on, in their order.
 * @returns undefined for texts that are too long, empty, or whose layout may matter
 */
export function questionForm(text: string): QuestionForm | undefined {
  if (text.length > MAX_QUESTION_LENGTH || LAYOUT.test(text)) return undefined;
  const scanned = scanText(text);
  if (!scanned || scanned.words === '') return undefined;
  const words = scanned.words.split(' ');
  if (words.length > MAX_WORDS) return undefined;
  const language = languageOf(words, scanned.names);
  const sentences = language === 'en' ? englishSentences(scanned) : otherSentences(scanned, language);
  return sentences.length === 0 ? undefined : { language, sentences };
}

function englishSentences(scanned: ScannedText): readonly FormSentence[] {
  const phrased = digitsOf(tidy(rewrite(scanned.words, PHRASES)).split(' '), 'en').join(' ');
  const whole = unwrapped(phrased);
  const [[spansSentences] = []] = INTENTS;
  const joined = spansSentences?.test(whole) ? [whole] : whole.split(/ ?[.?] ?/);
  return joined.flatMap((sentence) => {
    const asked = unwrapped(sentence);
    if (asked === '') return [];
    return [englishSentence(asked, scanned)];
  });
}

/** Without greetings, politeness and a clause in front. */
function unwrapped(sentence: string): string {
  let text = tidy(sentence);
  for (let round = 0; round < 8; round += 1) {
    const next = tidy(rewrite(text.replace(FRONTED[0], FRONTED[1]), WRAPPERS));
    if (next === text) break;
    text = next;
  }
  return text;
}

function tidy(text: string): string {
  return text
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/([.?,])(?: [.?,])+/g, '$1')
    .replaceAll(/^[ .,?]+|[ .,?]+$/g, '');
}

function rewrite(text: string, rules: readonly Rewrite[]): string {
  let changed = text;
  for (const [pattern, by] of rules) changed = changed.replace(pattern, by);
  return changed;
}

function englishSentence(sentence: string, scanned: ScannedText): FormSentence {
  const rule = INTENTS.find(([pattern]) => pattern.test(sentence));
  const asked = rewrite(rule ? sentence.replace(rule[0], rule[1]) : `$SAY ${sentence}`, ASKED_REWRITES);
  const [marked = '$SAY', ...rest] = asked.split(' ').filter((word) => word !== '');
  const intent = marked.slice(1);
  return formOf(intent, withoutAuxiliary(intent, rest), scanned);
}

/** Intents whose question begins with an auxiliary verb. */
const AUXILIARY_FIRST = /^(?:WHY|WHEN|YEAR|TIME|DAY|WHO|WHOSE|WHERE|HOW|OFTEN|MUCH|OBJECT)/;

function withoutAuxiliary(intent: string, words: readonly string[]): readonly string[] {
  const isAuxiliary = (word: string | undefined) => word === 'do' || word === 'does';
  if (AUXILIARY_FIRST.test(intent)) return isAuxiliary(words[0]) ? words.slice(1) : words;
  if (intent !== 'MANY' && intent !== 'WHICH') return words;
  const place = words.findIndex(isAuxiliary);
  // The last word is the verb itself: `which jobs do`.
  return place > 0 && place < words.length - 1 ? words.toSpliced(place, 1) : words;
}

function formOf(intent: string, words: readonly string[], scanned: ScannedText): FormSentence {
  const ordered = genitives(words);
  const dropsOwners = intent === 'HOWTO' || intent === 'SAY';
  const segments: { marker: string; tokens: FormToken[] }[] = [{ marker: '', tokens: [] }];
  let isPast = false;
  let followsBe = false;
  let isDefinite = false;
  let isOne = false;
  let followsNumber = false;
  for (const [place, word] of ordered.entries()) {
    if (BE.has(word)) followsBe = true;
    if (word === 'was' || word === 'were' || word === 'did') {
      isPast = true;
      continue;
    }
    const isHour = word === 'am' && followsNumber;
    const ownsAsOne = word === "'s" && isOne;
    if (DEFINITE.has(word)) isDefinite = true;
    else if (INDEFINITE.has(word)) isDefinite = false;
    if (DEFINITE.has(word) || INDEFINITE.has(word)) isOne = word === 'a' || word === 'an';
    if ((DROPPED.has(word) && !isHour && !ownsAsOne) || (dropsOwners && OWNERS.has(word))) continue;
    const marker = MARKERS.get(word);
    if (marker !== undefined) {
      segments.push({ marker, tokens: [] });
      followsNumber = false;
      isDefinite = false;
      isOne = false;
      continue;
    }
    // `the war` is not `the wars`, nor `a user's files` those of users.
    const keepsNumber = intent === 'SAY' || isDefinite || ordered[place + 1] === "'s";
    const { token, verb } = tokenOf(word, scanned, followsNumber, keepsNumber);
    followsNumber = token.kind === 'number';
    const isPassive = verb !== undefined && verb !== 'past' && followsBe;
    if (verb !== undefined && verb !== 'participle' && !isPassive) isPast = true;
    const voiced = isPassive ? { ...token, forms: token.forms.map((form) => `~${form}`) } : token;
    segments.at(-1)?.tokens.push(voiced);
  }
  return { intent, isPast, segments: segments.map(canonicalSegment) };
}

function canonicalSegment({ marker, tokens }: { marker: string; tokens: FormToken[] }): FormSegment {
  const [first, middle, last] = tokens;
  if (marker === 'with' && tokens.length === 1 && first?.forms.some((form) => TOOLS.has(form))) {
    return { marker: 'in', tokens };
  }
  // `between X and Y` says the same as `between Y and X`.
  if (marker === 'between' && tokens.length === 3 && middle?.text === 'and' && first && last) {
    const isSorted = (first.forms[0] ?? '') <= (last.forms[0] ?? '');
    return { marker, tokens: isSorted ? tokens : [last, middle, first] };
  }
  return { marker, tokens };
}

/** `the capital of France` becomes `France capital`, as `France's capital` does. */
function genitives(words: readonly string[]): readonly string[] {
  let text = words;
  for (let at = text.lastIndexOf('of'); at > 0; at = text.lastIndexOf('of', at - 1)) {
    let from = at - 1;
    while (from > 0 && !isBoundary(text[from - 1])) from -= 1;
    const hasDeterminer = DETERMINERS.has(text[from - 1] ?? '');
    if (isBoundary(text[at - 1])) continue;
    const head = hasDeterminer ? text.slice(from, at) : text.slice(at - 1, at);
    let until = at + 1;
    while (until < text.length && !MARKERS.has(text[until] ?? '') && text[until] !== ',') until += 1;
    const before = text.slice(0, at - head.length);
    const owner = text.slice(at + 1, until).filter((word) => !DROPPED.has(word));
    // `who is Ann the father of` keeps it.
    if (owner.length === 0) continue;
    // `a radius of 5` is `radius 5`, but `15 percent of 200` is not `percent 200`.
    const isValue = /^\d/.test(owner[0] ?? '') && head.at(-1) !== 'percent';
    const isOne = /^an?$/.test(text[at + 1] ?? '') && !isValue;
    const owned = isOne ? ['a', ...owner, "'s", ...head] : [...owner, ...head];
    text = [...before, ...(isValue ? [...head, ...owner] : owned), ...text.slice(until)];
  }
  return text;
}

function isBoundary(word: string | undefined): boolean {
  return word === undefined || DETERMINERS.has(word) || MARKERS.has(word) || word === ',' || word === 'of';
}

function tokenOf(
  word: string,
  scanned: ScannedText,
  followsNumber: boolean,
  keepsNumber: boolean,
): { readonly token: FormToken; readonly verb?: VerbForm | undefined } {
  const span = spanOf(word, scanned.spans);
  if (span) {
    const { kind, value } = span;
    const forms = kind === 'name' ? [canonicalOf(value)] : [`${kind} ${value}`];
    return { token: { kind, text: value, forms, casing: 'unknown' } };
  }
  const casing = casingOf(word, scanned);
  if (/^[-#]?\d/.test(word)) return { token: { kind: 'number', text: word, forms: [word], casing } };
  const unit = unitWord(word, followsNumber);
  if (unit !== undefined || UNIT_NAMES.has(word) || CURRENCY_NAMES.has(word) || word === 'percent') {
    const name = unit ?? word;
    const kind = CURRENCY_NAMES.has(name) ? 'currency' : 'unit';
    return { token: { kind, text: word, forms: [name], casing } };
  }
  if (casing === 'name') return { token: { kind: 'word', text: word, forms: nameForms(word), casing } };
  const { forms, verb } = wordForms(word, keepsNumber);
  return { token: { kind: 'word', text: word, forms, casing }, verb };
}

/** Other languages: the words as they are, in their order, with what they ask for in one form. */
function otherSentences(scanned: ScannedText, language: string): readonly FormSentence[] {
  const rules = OTHER_REWRITES[language] ?? [];
  return tidy(scanned.words)
    .split(/ ?[.?] ?/)
    .flatMap((sentence) => {
      let text = tidy(sentence);
      for (let round = 0; round < 3; round += 1) text = rewrite(text, rules).trim();
      const asked = tidy(text);
      if (asked === '') return [];
      const isMarked = /^\$[A-Z]+ /.test(asked);
      const [intent = '$SAY', ...rest] = isMarked ? asked.split(' ') : ['$SAY', ...asked.split(' ')];
      const tokens = digitsOf(rest, language)
        .filter((word) => word !== ',')
        .map((word) => plainToken(word, scanned));
      return [{ intent: intent.slice(1), isPast: false, segments: [{ marker: '', tokens }] }];
    });
}

function plainToken(word: string, scanned: ScannedText): FormToken {
  const span = spanOf(word, scanned.spans);
  if (span) {
    const form = span.kind === 'name' ? span.value : `${span.kind} ${span.value}`;
    return { kind: span.kind, text: span.value, forms: [form], casing: 'unknown' };
  }
  const isNumber = /^[-#]?\d/.test(word);
  return { kind: isNumber ? 'number' : 'word', text: word, forms: [word], casing: casingOf(word, scanned) };
}

function casingOf(word: string, { names, starts, hasCapitals }: ScannedText): FormToken['casing'] {
  if (names.has(word)) return 'name';
  return !hasCapitals || starts.has(word) ? 'unknown' : 'plain';
}
