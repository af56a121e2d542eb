import { type FormSegment, type FormSentence, type FormToken, questionForm } from './question-form.ts';
import { isAntonym } from './synonyms.ts';
import { PLURAL } from './word-forms.ts';

/** Why two questions may not share a response. */
export type GuardReason =
  | 'length'
  | 'language'
  | 'code'
  | 'quoted'
  | 'number'
  | 'unit'
  | 'currency'
  | 'negation'
  | 'quantifier'
  | 'comparative'
  | 'antonym'
  | 'name'
  | 'intent'
  | 'tense'
  | 'preposition'
  | 'words'
  | 'order';

export type GuardVerdict =
  | { readonly matches: true }
  | { readonly matches: false; readonly reason: GuardReason; readonly detail: string };

const MATCH: GuardVerdict = { matches: true };

const NEGATIONS =
  /^(?:not|no|never|none|no(?:body|thing|where)|neither|nor|without|except|excluding|lack|fail|hardly|barely|unless|nicht|kein\p{L}*|nie|ohne|pas|jamais|sans|aucun\p{L}*|nunca|sin|ningun\p{L}*|non|senza|mai|não|sem|niet|geen|zonder|nooit)$/u;
const QUANTIFIERS =
  /^(?:all|every|each|any|some|most|many|several|few|afew|little|alittle|both|either|only|always|often|sometimes|rarely|seldom|usually|every(?:one|body)|any(?:one|body)|someone|half|dozen|alle|einige|manche|viele|jeder|tous|toutes|quelques|chaque|todos|todas|algunos|algunas|cada|tutti|alcuni|ogni|alguns|algumas|elke|sommige)$/;
const COMPARATIVES =
  /^(?:more|less|least|fewer|than|best|worst|better|worse|exactly|about|over|under|\p{L}{2,}(?:er|est))$/u;

/**
 * Decides whether the response to one question may be served for another. Everything that their answers may depend on must
 * be equal: numbers, dates, units, currencies, negations, quantifiers, comparatives, names, quotations, code, tense, what is
 * asked for, and all other words in their order. Only words of a fixed list may differ: synonyms, politeness, articles, and
 * ways to ask for the same.
 *
 * @returns `matches`, or the first difference in the order of `GuardReason`
 */
export function compareQuestions(asked: string, stored: string): GuardVerdict {
  const one = questionForm(asked);
  const other = questionForm(stored);
  if (!one || !other) return rejected('length', 'empty, too long, or a program');
  const difference = differenceOf(one.sentences, other.sentences);
  const named = difference && explain(difference);
  if (one.language !== other.language) return rejected('language', `${one.language}, ${other.language}`);
  const intents = [one, other].map(({ sentences }) => sentences.map(({ intent }) => intent).join(' '));
  const asksOther = named?.matches === false && named.reason === 'words' && intents[0] !== intents[1];
  if (asksOther) return rejected('intent', intents.join(' / '));
  if (named) return named;
  if (one.sentences.length !== other.sentences.length) return rejected('words', 'number of sentences');
  for (const [place, sentence] of one.sentences.entries()) {
    const verdict = compareSentences(sentence, other.sentences[place] ?? sentence);
    if (!verdict.matches) return verdict;
  }
  return MATCH;
}

function rejected(reason: GuardReason, detail: string): GuardVerdict {
  return { matches: false, reason, detail: detail.slice(0, 120) };
}

interface Difference {
  readonly onlyOne: readonly FormToken[];
  readonly onlyOther: readonly FormToken[];
}

/** The words that only one of two texts has, wherever they stand. */
function differenceOf(one: readonly FormSentence[], other: readonly FormSentence[]): Difference | undefined {
  const onlyOne: FormToken[] = [];
  const left = tokensOf(other);
  for (const token of tokensOf(one)) {
    const place = left.findIndex((candidate) => isSame(token, candidate));
    if (place === -1) onlyOne.push(token);
    else left.splice(place, 1);
  }
  return onlyOne.length === 0 && left.length === 0 ? undefined : { onlyOne, onlyOther: left };
}

function tokensOf(sentences: readonly FormSentence[]): FormToken[] {
  return sentences.flatMap(({ segments }) => segments.flatMap(({ tokens }) => tokens));
}

function isSame(a: FormToken, b: FormToken): boolean {
  // `Windows` is not `windows`, where both texts write names with capitals.
  const isOtherCase =
    (a.casing === 'name' && b.casing === 'plain') || (a.casing === 'plain' && b.casing === 'name');
  return !isOtherCase && a.forms.some((form) => b.forms.includes(form));
}

/** Names the kind of a difference that matters most. */
function explain({ onlyOne, onlyOther }: Difference): GuardVerdict {
  const all = [...onlyOne, ...onlyOther];
  const detail = `${textOf(onlyOne)} / ${textOf(onlyOther)}`;
  const has = (test: (token: FormToken) => boolean) => all.some(test);
  const matching = (pattern: RegExp) => (token: FormToken) =>
    token.kind === 'word' && (pattern.test(token.text) || token.forms.some((form) => pattern.test(form)));
  const kind = (['code', 'quoted', 'number', 'unit', 'currency'] as const).find((one) =>
    has((token) => token.kind === one),
  );
  if (kind) return rejected(kind, detail);
  if (has((token) => token.kind === 'symbol')) return rejected('code', detail);
  if (has(matching(NEGATIONS))) return rejected('negation', detail);
  if (has(matching(QUANTIFIERS))) return rejected('quantifier', detail);
  const someForms = (test: (x: string, y: string) => boolean) =>
    onlyOne.some((a) =>
      onlyOther.some((b) => a.forms.some((x) => b.forms.some((y) => test(singular(x), singular(y))))),
    );
  if (someForms(isAntonym)) return rejected('antonym', detail);
  if (has((token) => token.casing === 'name' || token.kind === 'name')) return rejected('name', detail);
  // One file or several, of one user or of all.
  if (has(({ text }) => text === "'s") || someForms((x, y) => x === y)) return rejected('quantifier', detail);
  if (has(({ kind: of, text }) => of === 'word' && COMPARATIVES.test(text)))
    return rejected('comparative', detail);
  return rejected('words', detail);
}

function singular(form: string): string {
  return form.endsWith(PLURAL) ? form.slice(0, -PLURAL.length) : form;
}

function textOf(tokens: readonly FormToken[]): string {
  return tokens.map(({ text }) => text).join(' ') || '-';
}

/** A time without saying how exact is asked for with `when`: it may be a year or a time of day. */
function isSameIntent(a: string, b: string): boolean {
  if (a === b) return true;
  const isTime = (intent: string) => intent === 'YEAR' || intent === 'TIME' || intent === 'DAY';
  return (a === 'WHEN' && isTime(b)) || (b === 'WHEN' && isTime(a));
}

function compareSentences(one: FormSentence, other: FormSentence): GuardVerdict {
  if (!isSameIntent(one.intent, other.intent)) return rejected('intent', `${one.intent}, ${other.intent}`);
  if (one.isPast !== other.isPast) return rejected('tense', one.isPast ? 'past / present' : 'present / past');
  const markers = (sentence: FormSentence) => sentence.segments.map(({ marker }) => marker);
  const [mine, theirs] = [markers(one), markers(other)];
  if (mine.toSorted().join(' ') !== theirs.toSorted().join(' ')) {
    return rejected('preposition', `${mine.join(' ').trim() || '-'} / ${theirs.join(' ').trim() || '-'}`);
  }
  // Parts may change places only where each has a marker of its own: `from A in May to B in June` is not `in June`.
  const isOrdered = new Set(mine).size !== mine.length;
  const left = [...other.segments];
  for (const [place, segment] of one.segments.entries()) {
    const at = isOrdered ? 0 : left.findIndex(({ marker }) => marker === segment.marker);
    const [candidate] = left.splice(at, 1);
    if (!candidate || !isSameSegment(segment, candidate)) {
      return rejected(
        'order',
        `part ${place + 1}: ${textOf(segment.tokens)} / ${textOf(candidate?.tokens ?? [])}`,
      );
    }
  }
  return MATCH;
}

function isSameSegment(one: FormSegment, other: FormSegment): boolean {
  return (
    one.marker === other.marker &&
    one.tokens.length === other.tokens.length &&
    one.tokens.every((token, place) => {
      const opposite = other.tokens[place];
      return opposite !== undefined && isSame(token, opposite);
    })
  );
}
