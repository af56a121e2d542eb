import type { Random } from '../random.ts';
import { WORDS } from '../words.ts';
import { codePoints, numberOf, SchemaError, type SchemaObject } from './types.ts';
import { patternOf, type SchemaContext } from './validate.ts';

const MAX_STRING_LENGTH = 20_000;
const DAY_MS = 86_400_000;

/** Generates a number within the bounds. @throws SchemaError when there is none */
export function makeNumber(keywords: SchemaObject, integer: boolean, random: Random): number {
  const low = Math.max(
    numberOf(keywords, 'minimum') ?? -Infinity,
    numberOf(keywords, 'exclusiveMinimum') ?? -Infinity,
  );
  const high = Math.min(
    numberOf(keywords, 'maximum') ?? Infinity,
    numberOf(keywords, 'exclusiveMaximum') ?? Infinity,
  );
  const allowed = (value: number) =>
    value >= low &&
    value <= high &&
    value > (numberOf(keywords, 'exclusiveMinimum') ?? -Infinity) &&
    value < (numberOf(keywords, 'exclusiveMaximum') ?? Infinity);
  const step = stepOf(numberOf(keywords, 'multipleOf'), integer);
  const [from, to] = range(low, high, step ?? 1);
  const value =
    step === undefined ? fraction(from, to, allowed, random) : multiple(from, to, step, allowed, random);
  if (value === undefined || !allowed(value)) throw new SchemaError('no number is within the bounds');
  return value;
}

function stepOf(multipleOf: number | undefined, integer: boolean): number | undefined {
  if (multipleOf === undefined || multipleOf <= 0) return integer ? 1 : undefined;
  if (!integer || Number.isInteger(multipleOf)) return multipleOf;
  for (let factor = 2; factor <= 1000; factor++) {
    const product = multipleOf * factor;
    if (Math.abs(product - Math.round(product)) < 1e-9 && Math.round(product) > 0) return Math.round(product);
  }
  throw new SchemaError('no whole number is a multiple of the step');
}

function range(low: number, high: number, step: number): readonly [number, number] {
  const span = 100 * step;
  if (low === -Infinity && high === Infinity) return [step, span];
  if (low === -Infinity) return [high - span, high];
  return [low, high === Infinity ? low + span : high];
}

function multiple(
  from: number,
  to: number,
  step: number,
  allowed: (value: number) => boolean,
  random: Random,
): number | undefined {
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  if (last < first) return undefined;
  const picked = first + random.int(Math.min(last - first, 1000) + 1);
  // If a bound is excluded, its neighbour may be valid.
  return [picked, first + 1, last - 1, first, last].map((count) => timesStep(count, step)).find(allowed);
}

/** Multiplies without binary rounding errors: 3 x 0.1 is 0.3. */
function timesStep(count: number, step: number): number {
  const product = count * step;
  return Number.isInteger(step) ? product : Number(product.toPrecision(12));
}

function fraction(
  from: number,
  to: number,
  allowed: (value: number) => boolean,
  random: Random,
): number | undefined {
  const value = from + (to - from) * random.next();
  return [Math.round(value * 100) / 100, value, from + (to - from) / 2, from].find(allowed);
}

/**
 * Generates a string with the required length, pattern and format.
 * @param hints preferred words
 */
export function makeString(
  keywords: SchemaObject,
  random: Random,
  hints: readonly string[],
  context: SchemaContext,
): string {
  const min = numberOf(keywords, 'minLength') ?? 0;
  const max = numberOf(keywords, 'maxLength') ?? Infinity;
  if (min > max || min > MAX_STRING_LENGTH) throw new SchemaError('no string has such a length');
  context.budget.spend(min);
  if (typeof keywords.pattern === 'string') return fromPattern(keywords.pattern, min, max, random, context);
  const formatted = typeof keywords.format === 'string' ? makeFormat(keywords.format, random) : undefined;
  if (formatted !== undefined && formatted.length >= min && formatted.length <= max) return formatted;
  return plainText(min, max, random, hints);
}

function plainText(min: number, max: number, random: Random, hints: readonly string[]): string {
  let text = hints.length > 0 ? random.pick(hints.slice(0, 3)) : random.pick(WORDS.n);
  let length = codePoints(text);
  while (length < min) {
    const word = ` ${random.pick(WORDS.n)}`;
    text += word;
    length += word.length;
  }
  return length <= max ? text : Array.from(text).slice(0, max).join('').trimEnd().padEnd(min, 'x');
}

/** Tries short and random repetitions first, then every count, because a length may require an exact one. */
function fromPattern(
  source: string,
  min: number,
  max: number,
  random: Random,
  context: SchemaContext,
): string {
  const pattern = patternOf(context, source);
  const attempts: (() => number)[] = [];
  for (const most of [2, 2, 4, 8, 0, 16, 64]) attempts.push(() => random.int(most + 1));
  for (let exact = 0; exact <= 300; exact++) attempts.push(() => exact);
  for (const extra of attempts) {
    const text = pattern.generate(random, extra, context.budget);
    const length = codePoints(text);
    if (length >= min && length <= max && pattern.matches(text, context.budget)) return text;
  }
  throw new SchemaError(`no text was found for the pattern '${source}'`);
}

/** Generates a text in a format of JSON Schema. @returns undefined for an unknown format */
function makeFormat(format: string, random: Random): string | undefined {
  const word = () => random.pick(WORDS.n);
  switch (format) {
    case 'date-time':
      return moment(random).replace(/\.\d+/, '');
    case 'date':
      return moment(random).slice(0, 10);
    case 'time':
      return `${moment(random).slice(11, 19)}Z`;
    case 'duration':
      return `PT${1 + random.int(48)}H`;
    case 'email':
    case 'idn-email':
      return `${word()}@example.com`;
    case 'hostname':
    case 'idn-hostname':
      return `${word()}.example.com`;
    case 'ipv4':
      return `192.0.2.${1 + random.int(254)}`;
    case 'ipv6':
      return `2001:db8::${(1 + random.int(65_534)).toString(16)}`;
    case 'uuid':
      return uuid(random);
    case 'uri':
    case 'url':
    case 'iri':
      return `https://example.com/${word()}`;
    case 'uri-reference':
    case 'iri-reference':
    case 'json-pointer':
      return `/${word()}`;
    case 'byte':
      return btoa(word());
    default:
      return undefined;
  }
}

function moment(random: Random): string {
  return new Date(Date.UTC(2024, 0, 1) + random.int(730) * DAY_MS + random.int(86_400) * 1000).toISOString();
}

function uuid(random: Random): string {
  const digits = Array.from({ length: 32 }, () => random.int(16).toString(16)).join('');
  const variant = (8 + random.int(4)).toString(16);
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `4${digits.slice(13, 16)}`,
    `${variant}${digits.slice(17, 20)}`,
    digits.slice(20),
  ].join('-');
}
