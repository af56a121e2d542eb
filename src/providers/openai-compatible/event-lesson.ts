import { ByteSlice } from '../../core/byte-slice.ts';
import { END_OF_BLOCK } from '../../core/sse.ts';
import { EventPattern, type Hole, type Kept, type Place } from './event-pattern.ts';

/** What the full reading of an event tells: its words, and the event that goes to the client. */
export interface Example {
  /** Everything in it that counts as the answer's text. */
  readonly words: readonly string[];
  /** The whole block, with the empty line behind it. */
  readonly out: string;
}

/** A member that is the same in all events of a stream, and another one in every stream. */
export interface Constant {
  readonly name: string;
  /** Its JSON text. */
  readonly value: string;
}

export interface Lesson {
  readonly pattern: EventPattern;
  /** It is good for streams with other constants, too. */
  readonly isShared: boolean;
}

/** So many characters of a text, from the first to behind the last. */
interface Range {
  readonly from: number;
  readonly to: number;
}

/** Where a hole is, by the number that it has in both what comes and what goes out. */
interface Gap extends Range {
  readonly number: number;
}

const QUOTE = 34;
const BACKSLASH = 92;
const NAME_BEHIND = /^"\s*:/;
/** Texts that vary, at most: more would be another kind of stream. */
const MAX_HOLES = 4;

/**
 * What two events have in common, and what becomes of an event that has it, too.
 * @param first JSON, like `second`
 * @param read reads another event of the same stream in full; undefined when it says more than words
 * @returns undefined where they differ in more than texts, of which one is the words
 */
export function learnPattern(
  first: string,
  second: string,
  constants: readonly Constant[],
  read: (text: string) => Example | undefined,
): Lesson | undefined {
  const varying = differingStrings(first, second);
  if (!varying || varying.length === 0) return undefined;
  let salt = 'hole';
  while (second.includes(salt)) salt += '-';
  const markers = varying.map((_, index) => `weir-${salt}-${index}`);
  const coming = textsBetween(second, varying)
    .map((part, index) => part + (markers[index] ?? ''))
    .join('');
  const example = read(coming);
  // Exactly one of them is the words, and nothing else is.
  if (example?.words.length !== 1) return undefined;
  const words = markers.indexOf(example.words[0] ?? '');
  if (words < 0) return undefined;
  const going = example.out;
  const inside = markersIn(coming, markers);
  const outside = markersIn(going, markers);
  if (!inside || !outside) return undefined;
  const isShared = addConstants(inside, outside, coming, going, constants);
  inside.sort(byPlace);
  outside.sort(byPlace);
  const parts = textsBetween(coming, inside).map((text, index) =>
    Buffer.from(index === 0 ? `data: ${text}` : text),
  );
  const holes = inside.map(({ number }): Hole => {
    if (number >= markers.length) return number - markers.length;
    return number === words ? 'words' : 'other';
  });
  const cut = {
    texts: textsBetween(going, outside).map((text) => Buffer.from(text)),
    holes: outside.map((gap) => inside.findIndex(({ number }) => number === gap.number)),
  };
  return { pattern: new EventPattern(parts, holes, taken(cut, parts)), isShared };
}

/**
 * The strings of `second` in whose place others stand in `first`; undefined where anything else is different, such as a
 * name, a number, or how many of something there are.
 */
function differingStrings(first: string, second: string): Range[] | undefined {
  const ranges: Range[] = [];
  let inString = false;
  let escaped = false;
  /** Where the string begins that is being read, in both. */
  let before = 0;
  let from = 0;
  let left = 0;
  let right = 0;
  while (left < first.length && right < second.length) {
    const code = second.charCodeAt(right);
    if (first.charCodeAt(left) === code) {
      left += 1;
      right += 1;
      if (!inString) {
        inString = code === QUOTE;
        before = left;
        from = right;
      } else if (escaped) escaped = false;
      else if (code === BACKSLASH) escaped = true;
      else if (code === QUOTE) inString = false;
      continue;
    }
    if (!inString || ranges.length === MAX_HOLES) return undefined;
    left = endOfString(first, before);
    right = endOfString(second, from);
    if (NAME_BEHIND.test(second.slice(right, right + 9))) return undefined;
    ranges.push({ from, to: right });
    escaped = false;
  }
  return left === first.length && right === second.length ? ranges : undefined;
}

/** Where the quote is that ends the string which `from` is the beginning of. */
function endOfString(json: string, from: number): number {
  for (let at = from; at < json.length; at += 1) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code === BACKSLASH) at += 1;
  }
  return json.length;
}

/** The texts around the ranges: one more than there are of these. */
function textsBetween(text: string, ranges: readonly Range[]): string[] {
  const texts: string[] = [];
  let at = 0;
  for (const range of ranges) {
    texts.push(text.slice(at, range.from));
    at = range.to;
  }
  texts.push(text.slice(at));
  return texts;
}

/** Where the markers stand, as far as they do; undefined where one comes twice. */
function markersIn(text: string, markers: readonly string[]): Gap[] | undefined {
  const gaps: Gap[] = [];
  for (const [number, marker] of markers.entries()) {
    const from = text.indexOf(marker);
    if (from < 0) continue;
    if (text.indexOf(marker, from + 1) >= 0) return undefined;
    gaps.push({ from, to: from + marker.length, number });
  }
  return gaps;
}

/** Adds the places of the constants, if they are all clear. @returns whether they are */
function addConstants(
  inside: Gap[],
  outside: Gap[],
  coming: string,
  going: string,
  constants: readonly Constant[],
): boolean {
  const places = constants.map((constant) => ({
    from: memberIn(coming, constant),
    to: memberIn(going, constant),
  }));
  if (places.length === 0 || places.some(({ from, to }) => !from || !to)) return false;
  let number = inside.length;
  for (const { from, to } of places) {
    if (from) inside.push({ ...from, number });
    if (to) outside.push({ ...to, number });
    number += 1;
  }
  return true;
}

/** Where the value of this member stands; undefined where it is not there, or more than once. */
function memberIn(text: string, { name, value }: Constant): Range | undefined {
  const key = `"${name}":`;
  let found: Range | undefined;
  for (let at = text.indexOf(key); at >= 0; at = text.indexOf(key, at + 1)) {
    let from = at + key.length;
    while (text[from] === ' ') from += 1;
    const to = from + value.length;
    if (!text.startsWith(value, from) || !/^[\s,}]/.test(text.slice(to, to + 1))) continue;
    if (found) return undefined;
    found = { from, to };
  }
  return found;
}

function byPlace(one: Range, other: Range): number {
  return one.from - other.from;
}

/** What goes out: texts, and the numbers of the holes between them. */
interface Cut {
  /** One more than there are holes. */
  readonly texts: readonly Buffer[];
  /** As they are counted in what comes. */
  readonly holes: readonly number[];
}

/** What goes out, as far as it can be had by taking parts of what comes. */
function taken({ texts, holes }: Cut, parts: readonly Buffer[]): (Kept | ByteSlice)[] {
  const last = parts.length - 1;
  // An event is looked at only when its empty line has come with it.
  const incoming = parts.map((part, index) =>
    index === last ? Buffer.concat([part, Buffer.from(END_OF_BLOCK)]) : part,
  );
  const list: (Kept | ByteSlice)[] = [];
  const keep = (from: Place, to: Place) => {
    const before = list.at(-1);
    if (before && !(before instanceof ByteSlice) && isSame(before.to, from)) {
      list[list.length - 1] = { from: before.from, to };
    } else if (!isSame(from, to)) list.push({ from, to });
  };
  for (const [index, text] of texts.entries()) {
    // What stands behind the hole before it, and before the hole behind it, where it comes from.
    const opening = index === 0 ? 0 : (holes[index - 1] ?? 0) + 1;
    const closing = holes[index] ?? last;
    const open = incoming[opening] ?? Buffer.alloc(0);
    const close = incoming[closing] ?? Buffer.alloc(0);
    const same = samePrefix(text, open);
    const rest = text.subarray(same);
    const end = sameSuffix(rest, opening === closing ? close.subarray(same) : close);
    keep({ anchor: opening, offset: 0 }, { anchor: opening, offset: same });
    if (end < rest.length) list.push(ByteSlice.of(Buffer.from(rest.subarray(0, rest.length - end))));
    const to = { anchor: closing, offset: close.length };
    keep({ anchor: closing, offset: close.length - end }, to);
    if (index < holes.length) keep(to, { anchor: closing + 1, offset: 0 });
  }
  return list;
}

function isSame(one: Place, other: Place): boolean {
  return one.anchor === other.anchor && one.offset === other.offset;
}

function samePrefix(one: Buffer, other: Buffer): number {
  let length = 0;
  while (length < one.length && length < other.length && one[length] === other[length]) length += 1;
  return length;
}

function sameSuffix(one: Buffer, other: Buffer): number {
  let length = 0;
  while (length < one.length && length < other.length && one.at(-1 - length) === other.at(-1 - length)) {
    length += 1;
  }
  return length;
}
