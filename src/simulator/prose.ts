import type { Random } from './random.ts';
import { tokenize } from './tokens.ts';
import { OPENINGS, PLAIN_OPENINGS, SENTENCES, THOUGHTS, WORDS } from './words.ts';

/** Characters of a tool's result that a response quotes. */
const QUOTE_LENGTH = 160;

/** The subject of a generated response. */
export interface ResponseSubject {
  /** Words that the text repeats. */
  readonly topics: readonly string[];
  /** Tool results since the last question, in order. */
  readonly toolResults: readonly { readonly tool: string; readonly text: string }[];
}

/**
 * Generates a response text.
 * @param length number of tokens; undefined for 30 to 80 that end with a sentence
 * @returns its tokens
 */
export function writeResponse(
  random: Random,
  subject: ResponseSubject,
  length: number | undefined,
): string[] {
  return write(random, opening(random, subject), subject.topics, length);
}

/** Generates reasoning. @returns its tokens */
export function writeReasoning(random: Random, topics: readonly string[], length: number): string[] {
  const first =
    topics.length === 0
      ? 'Let me think.'
      : random.pick(THOUGHTS).replace('{topics}', () => enumerate(topics));
  return write(random, first, topics, length);
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
  if (subject.toolResults.length > 0) {
    return subject.toolResults.map(({ tool, text }) => `According to ${tool}: ${quote(text)}.`).join(' ');
  }
  if (subject.topics.length === 0) return random.pick(PLAIN_OPENINGS);
  return random.pick(OPENINGS).replace('{topics}', () => enumerate(subject.topics));
}

function write(
  random: Random,
  first: string,
  topics: readonly string[],
  length: number | undefined,
): string[] {
  const enough = length ?? 30 + random.int(40);
  const tokens = tokenize(first);
  while (tokens.length < enough) {
    for (const token of tokenize(` ${sentence(random, topics)}`)) tokens.push(token);
  }
  return length === undefined ? tokens : trim(tokens, length);
}

/** Cuts a text to the length, so that it still ends with a full stop. */
function trim(tokens: string[], length: number): string[] {
  if (tokens.length === length) return tokens;
  const cut = tokens.slice(0, length);
  if (length >= 4) cut[length - 1] = '.';
  return cut;
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

function quote(text: string): string {
  const flat = text.replace(/\s+/g, ' ').trim();
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
