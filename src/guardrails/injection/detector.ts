import type { TextRole } from '../guardrail.ts';
import { PIECE, piecesOf } from '../text-pieces.ts';
import { DATA_RULES } from './data-rules.ts';
import { decodedTexts } from './decode.ts';
import { EXTRACTION_RULES } from './extraction-rules.ts';
import { DELIMITER_RULES, JAILBREAK_RULES } from './jailbreak-rules.ts';
import { LANGUAGES, type LanguageRules } from './language-rules.ts';
import { normalise, readingsOf } from './normalise.ts';
import { OVERRIDE_RULES } from './override-rules.ts';
import type { InjectionKind, InjectionRule } from './rule.ts';
import { RegexIndex } from './rule-index.ts';

/** What the rules found in one text. */
export interface InjectionResult {
  /** 0 to 1: how sure the rules are that the text is an attack. */
  readonly score: number;
  /** Number of findings by kind. */
  readonly counts: ReadonlyMap<InjectionKind, number>;
}

interface Match {
  readonly rule: InjectionRule;
  readonly at: number;
  readonly weight: number;
}

/** Pieces share so much: longer than any pattern. */
export const OVERLAP = 600;
const NONE: InjectionResult = { score: 0, counts: new Map() };
const ENGLISH: readonly InjectionRule[] = [
  ...OVERRIDE_RULES,
  ...EXTRACTION_RULES,
  ...JAILBREAK_RULES,
  ...DELIMITER_RULES,
];
const RULE_INDEX = new RegexIndex(
  [...ENGLISH, ...DATA_RULES].map((rule) => ({ value: rule, pattern: rule.pattern })),
  'words',
);
const LANGUAGE_INDEX = new RegexIndex(
  LANGUAGES.map((language) => ({ value: language, pattern: language.trigger })),
  'anywhere',
);
/** UTF-16 units that are read together: attacks are shorter, and signs that are further apart say nothing together. */
const WINDOW = 900;
/** Matches of one window that count. */
const MAX_MATCHES = 200;
/** Around a quote, where it may say what the quote is for. */
const META_RANGE = 600;
/** Of the text before a match that shows how it is meant. */
const CONTEXT = 160;

const QUESTION =
  /^\W{0,3}(?:how (?:do|does|did|can|could|would|should|to|is|are|was|were|long|much|many|often)|why|what (?:does|do|is the|are the|is an?|are|is|happens|did|should|would|if)|which|when|who|where|is (?:it|there|this|that|the)|are there|does|did|should|explain|describe|compare|define|discuss|classify|review|rate|draft|debate|analy[sz]e|our|we|in our|in my|my|he|she|they|i read|write (?:an?|the|some) (?:unit|blog|paper|policy|story|poem|article|scene|test|yara|snort|short|regex|parody|letter|function|bash|script|dialogue))(?![\p{L}])/u;
const REPORTED =
  /(?<!\p{L})(?:told|tells?|telling|asks?|asked|asking|says?|said|saying|wants?|wanted|instructed|instructs?|orders?|ordered|convinced?|tricks?|tricked|wrote|write|writes|writing|try|tries|trying|tried|attempts?|used|uses|such as|called|like|who|users|people|attackers?|employees|detects?|detecting|blocks?|forbids?|against|about|that|means?|phrase|string|sentence|example|title|titled|headline|detect|match(?:es)?|filters?)(?:\W{1,4}(?:\p{L}{1,12}\W{1,3}){0,3}(?:to\W{1,3})?)$/u;
const NEGATED =
  /(?<!\p{L})(?:not|never|don['’]?t|doesn['’]?t|cannot|can['’]?t|without|must not|shouldn['’]?t)\W{1,3}(?:\p{L}{1,12}[\s,]{1,2}){0,4}$/u;
const META =
  /(?<!\p{L})(?:prompt injections?|injection attacks?|jailbreaks?|jailbreaking|red[ -]team\w{0,3}|attacks?|attackers?|adversarial|exploits?|detect(?:s|ed|ion|or)?|classif\w{2,8}|regex|regular expressions?|unit tests?|headline|examples?|phrases?|papers?|articles?|blog|block ?list|the log|soc|dataset|samples?|strings?|sentence|training|explain|means?|describe|novel|scene|story|lyrics|owasp|malicious|hackers?|security|filters?|translate this headline|quote|polite|rude|proofread|rewrite|is_injection|tests)(?!\p{L})/gu;
const QUOTES: Readonly<Record<string, string>> = {
  '"': '"',
  '“': '”',
  '„': '“',
  '«': '»',
  '`': '`',
  '‘': '’',
  "'": "'",
  '「': '」',
};

/** Scores attacks on the instructions of a model: own rules over a normalised text and what is decoded from it. */
export class InjectionDetector {
  /** @param role who wrote the text: in documents and results of tools, instructions to a model are attacks themselves */
  detect(original: string, role: TextRole): InjectionResult {
    const steps = this.steps(original, role);
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
    }
  }

  /**
   * Detects in steps, so that other work can run in between: a text may contain a megabyte of encoded texts.
   * @returns yields after each step the number of UTF-16 units that were read: at most `PIECE` in a text of as many
   */
  *steps(original: string, role: TextRole): Generator<number, InjectionResult> {
    const { text, invisible, hidden } = normalise(original);
    const plain = yield* this.#readPieces(text, role);
    let best = plain;
    const add = (result: InjectionResult) => {
      if (result.score > best.score) best = result;
    };
    for (const reading of readingsOf(text)) {
      const read = yield* this.#readPieces(reading.text, role);
      if (read.score > 0.3) add(withKind(read, reading.kind === 'hyphens' ? undefined : 'confusable', 0.1));
    }
    if (invisible >= 3 && plain.score > 0.3) add(withKind(plain, 'invisible', 0.1));
    if (hidden.length >= 8) add(withKind(yield* this.#readPieces(hidden, role), 'invisible', 0.6));
    for (const decoded of decodedTexts(original)) {
      if (decoded === undefined) {
        // It was searched for encoded texts.
        yield PIECE;
        continue;
      }
      const read = yield* this.#readPieces(normalise(decoded).text, role);
      if (read.score > 0.3) add(withKind(read, 'encoded', 0.15));
    }
    return best;
  }

  *#readPieces(text: string, role: TextRole): Generator<number, InjectionResult> {
    if (text.length <= PIECE) {
      const result = this.#read(text, role);
      yield text.length;
      return result;
    }
    let best = NONE;
    for (const [start, end] of piecesOf(text, OVERLAP)) {
      const result = this.#read(text.slice(start, end), role);
      if (result.score > best.score) best = result;
      yield end - start;
    }
    return best;
  }

  /** Reads one form of the text. */
  #read(text: string, role: TextRole): InjectionResult {
    const matches: Match[] = [];
    RULE_INDEX.search(
      text,
      (rule, at, length) => {
        matches.push(matchOf(rule, text, at, length));
        return false;
      },
      role === 'tool' ? undefined : isForAll,
    );
    const languages = new Set<LanguageRules>();
    LANGUAGE_INDEX.search(text, (language) => {
      languages.add(language);
      return true;
    });
    for (const { rules } of languages) collect(text, rules, matches);
    return matches.length === 0 ? NONE : bestWindow(matches);
  }
}

/** @returns the surest of all windows: signs that are far apart say nothing together */
function bestWindow(matches: Match[]): InjectionResult {
  matches.sort((one, other) => one.at - other.at);
  let best = NONE;
  let first = 0;
  for (let last = 0; last < matches.length; last += 1) {
    const at = matches[last]?.at ?? 0;
    while ((matches[first]?.at ?? at) < at - WINDOW) first += 1;
    const next = matches[last + 1]?.at;
    // The next match will be in the same window: it has all of these.
    if (next !== undefined && next - (matches[first]?.at ?? 0) <= WINDOW) continue;
    const result = scoreOf(matches.slice(Math.max(first, last - MAX_MATCHES), last + 1));
    if (result.score > best.score) best = result;
  }
  return best;
}

function isForAll({ onlyInData }: InjectionRule): boolean {
  return onlyInData !== true;
}

/** Adds the matches of rules. */
function collect(text: string, rules: readonly InjectionRule[], matches: Match[]): void {
  for (const rule of rules) {
    rule.pattern.lastIndex = 0;
    let found = rule.pattern.exec(text);
    for (; found; found = rule.pattern.exec(text)) {
      if (found[0].length === 0) break;
      matches.push(matchOf(rule, text, found.index, found[0].length));
    }
  }
}

/** Weighs a match by how it is meant. */
function matchOf(rule: InjectionRule, text: string, at: number, length: number): Match {
  let { weight } = rule;
  const quoted = quoteAround(text, at, at + length);
  if (quoted) weight *= hasMeta(text, quoted) ? 0.35 : 0.9;
  if (rule.isOrder) weight *= orderFactor(text, at);
  return { rule, at, weight };
}

/** Whether the text outside of a quote is about attacks, or about wording. */
function hasMeta(text: string, [from, to]: readonly [number, number]): boolean {
  META.lastIndex = 0;
  if (META.test(text.slice(Math.max(0, from - META_RANGE), from))) return true;
  META.lastIndex = 0;
  return META.test(text.slice(to, to + META_RANGE));
}

/** @returns the borders of the quote that a match is in; undefined for none */
function quoteAround(text: string, start: number, end: number): readonly [number, number] | undefined {
  const line = text.lastIndexOf('\n', start - 1) + 1;
  const from = Math.max(line, start - 400);
  for (let at = start - 1; at >= from; at -= 1) {
    const close = QUOTES[text.charAt(at)];
    if (close === undefined) continue;
    // An apostrophe is within a word.
    if (/[\p{L}\p{N}]/u.test(text.charAt(at - 1))) continue;
    const closing = text.indexOf(close, Math.max(end - 1, at + 1));
    if (closing < 0 || closing - end > 400) return undefined;
    return [at, closing];
  }
  return undefined;
}

/** @returns how likely a match is an order to the model, 0 to 1: less in a question, a report, or after a negation */
function orderFactor(text: string, index: number): number {
  const before = text.slice(Math.max(0, index - CONTEXT), index);
  const sentence = before.slice(lastBoundary(before) + 1);
  let factor = 1;
  if (NEGATED.test(sentence)) factor *= 0.4;
  if (sentence.trim() !== '' && QUESTION.test(sentence)) factor *= 0.45;
  else if (REPORTED.test(sentence)) factor *= 0.45;
  return factor;
}

function lastBoundary(text: string): number {
  for (let at = text.length - 1; at >= 0; at -= 1) {
    if ('.!?\n;。!?'.includes(text.charAt(at))) return at;
  }
  return -1;
}

/** Joins the signs of one window: of each group the surest, and groups as independent ones. */
function scoreOf(matches: readonly Match[]): InjectionResult {
  const groups = new Map<string, Match>();
  for (const match of matches) {
    const key = `${match.rule.kind} ${match.rule.group}`;
    if ((groups.get(key)?.weight ?? 0) < match.weight) groups.set(key, match);
  }
  let rest = 1;
  const counts = new Map<InjectionKind, number>();
  for (const { rule, weight } of groups.values()) {
    rest *= 1 - weight;
    if (weight >= 0.3) counts.set(rule.kind, (counts.get(rule.kind) ?? 0) + 1);
  }
  return { score: Math.round((1 - rest) * 1_000) / 1_000, counts };
}

/** Hiding an attack is a sign of its own. */
function withKind(
  { score, counts }: InjectionResult,
  kind: InjectionKind | undefined,
  more: number,
): InjectionResult {
  const all = new Map(counts);
  if (kind) all.set(kind, (all.get(kind) ?? 0) + 1);
  return { score: Math.round((1 - (1 - score) * (1 - more)) * 1_000) / 1_000, counts: all };
}
