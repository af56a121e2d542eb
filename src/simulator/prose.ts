import type { Random } from './random.ts';
import { tokenize } from './tokens.ts';
import { OPENINGS, PLAIN_OPENINGS, SENTENCES, THOUGHTS, WORDS } from './words.ts';

/** Characters of a tool's result that a response quotes, and UTF-16 units in which they are searched. */
const QUOTE_LENGTH = 160;
const QUOTE_WINDOW = 2_000;

/** The subject of a generated response. */
export interface ResponseSubject {
  /** Words that the text repeats. */
  readonly topics: readonly string[];
  /** Quotes of the tool results since the last question, in order. */
  readonly quotes: readonly { readonly tool: string; readonly text: string }[];
}

/**
 * Generates the tokens of a response text.
 * @param length number of tokens; undefined for 30 to 80 that end with a sentence
 */
export function* writeResponse(
  random: Random,
  subject: ResponseSubject,
  length: number | undefined,
): Generator<string, undefined> {
  yield* write(random, opening(random, subject), subject.topics, length);
}

/** Generates the tokens of reasoning. */
export function* writeReasoning(
  random: Random,
  topics: readonly string[],
  length: number,
): Generator<string, undefined> {
  const first =
    topics.length === 0
      ? 'Let me think.'
      : random.pick(THOUGHTS).replace('{topics}', () => enumerate(topics));
  yield* write(random, first, topics, length);
}

/**
 * Generates a refusal.
 * @returns its tokens
 */
export function writeRefusal(topics: readonly string[]): string[] {
  const subject = topics.length === 0 ? 'that' : enumerate(topics);
  return tokenize(`I'm sorry, but I can't help with ${subject}. This refusal is simulated.`);
}

function opening(random: Random, subject: ResponseSubject): string {
  if (subject.quotes.length > 0) {
    return subject.quotes.map(({ tool, text }) => `According to ${tool}: ${text}.`).join(' ');
  }
  if (subject.topics.length === 0) return random.pick(PLAIN_OPENINGS);
  return random.pick(OPENINGS).replace('{topics}', () => enumerate(subject.topics));
}

/** Generates sentences until there are enough tokens. A text of an exact length still ends with a full stop. */
function* write(
  random: Random,
  first: string,
  topics: readonly string[],
  length: number | undefined,
): Generator<string, undefined> {
  const enough = length ?? 30 + random.int(40);
  let count = 0;
  for (let text = first; ; text = ` ${sentence(random, topics)}`) {
    const tokens = tokenize(text);
    for (const [index, token] of tokens.entries()) {
      if (count === length) return;
      count += 1;
      const isCut = count === length && index < tokens.length - 1;
      yield isCut && count >= 4 ? '.' : token;
    }
    if (count >= enough) return;
  }
}

function sentence(random: Random, topics: readonly string[]): string {
  const filled = random.pick(SENTENCES).replace(/\{([npva])\}/g, (_slot, kind: string) => {
    if (kind === 'p') return random.pick(WORDS.p);
    if (kind === 'v') return random.pick(WORDS.v);
    return random.pick(kind === 'a' ? WORDS.a : WORDS.n);
  });
  const topic = topics.length === 0 ? `the ${random.pick(WORDS.n)}` : random.pick(topics);
  return filled.replace(/\b([Aa])(?= [aeiou])/g, '$1n').replace('{t}', () => topic);
}

/** @returns the beginning of a text on one line; "nothing" for white space */
export function quote(text: string): string {
  const flat = text.slice(0, QUOTE_WINDOW).replace(/\s+/g, ' ').trim();
  if (flat === '') return 'nothing';
  const characters = Array.from(flat);
  return characters.length <= QUOTE_LENGTH
    ? flat.replace(/[.]+$/, '')
    : `${characters.slice(0, QUOTE_LENGTH).join('')}…`;
}

/** @returns `a`, `a and b`, or `a, b and c` */
function enumerate(items: readonly string[]): string {
  const last = items.at(-1) ?? '';
  return items.length < 2 ? last : `${items.slice(0, -1).join(', ')} and ${last}`;
}
