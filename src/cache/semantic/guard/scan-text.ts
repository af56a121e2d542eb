import { ordinalOf, romanValue } from './numbers.ts';
import { currencyOf, unitOf } from './units.ts';

/** What a part of a text is, beside a plain word. */
export type SpanKind = 'code' | 'quoted' | 'name' | 'symbol';

/** A part that is compared as it was written. */
export interface Span {
  readonly kind: SpanKind;
  readonly value: string;
}

/** A text as words in lower case. Parts that are compared as they are appear in it as one character of a private range. */
export interface ScannedText {
  /** Words and marks, separated by single spaces: `how do i cook rice .` */
  readonly words: string;
  readonly spans: readonly Span[];
  /** Words with a capital letter inside a sentence, in lower case. */
  readonly names: ReadonlySet<string>;
  /** First words of sentences. */
  readonly starts: ReadonlySet<string>;
  /** Whether the text uses capitals as usual: some, and not only those. */
  readonly hasCapitals: boolean;
}

const FIRST_SPAN = 0xe000;
/** Private range of Unicode; a text with more parts than that is not compared. */
const MAX_SPANS = 6_000;

const TOKEN = new RegExp(
  [
    '(?<code>```[\\s\\S]*?```|`[^`\\n]+`)',
    '(?<quoted>"[^"\\n]*"|“[^”\\n]*”|«[^»\\n]*»|„[^“”\\n]*[“”]|「[^」\\n]*」|(?<![\\p{L}\\p{N}])\'[^\'\\n]+\'(?![\\p{L}\\p{N}]))',
    '(?<address>https?://\\S+|www\\.\\S+|[\\w.+-]+@[\\w-]+\\.\\S+|(?<!\\S)(?:\\.{0,2}/[\\w.-][\\w./-]*|[A-Za-z]:\\\\\\S+))',
    '(?<language>(?<![\\p{L}\\p{N}])[CFJcf](?:\\+\\+|#)(?![\\p{L}\\p{N}])|(?<!\\S)\\.[Nn][Ee][Tt]\\b)',
    '(?<initials>(?<![\\p{L}\\p{N}])(?:\\p{L}\\.){2,})',
    '(?<flag>(?<!\\S)--?[A-Za-z][\\w-]*)',
    '(?<stamp>\\d{4}-\\d{2}-\\d{2}|\\d{1,2}[/.]\\d{1,2}[/.]\\d{2,4}|\\d{1,2}:\\d{2}(?::\\d{2})?|\\d+(?:\\.\\d+){2,})',
    '(?<number>(?:(?<![\\p{L}\\p{N})\\]] ?)[-+](?=\\d))?\\d+(?:,\\d{3})*(?:\\.\\d+)?)(?<suffix>[\\p{L}]+(?![\\p{N}]))?',
    '(?<identifier>[A-Za-z_][\\w]*(?:(?:\\.|::|->)[A-Za-z_]\\w*)+|[A-Za-z0-9]*_\\w*|[A-Za-z]+\\d\\w*)',
    // With the apostrophe of a plural that owns something.
    "(?<word>[\\p{L}\\p{M}]+(?:['’][\\p{L}\\p{M}]+)*(?:(?<=s)'(?=\\s+\\p{L}))?)",
    '(?<operator>(?<=[\\d)])!(?!!)|!(?==))',
    '(?<end>[.!?;\\n。！？]+)',
    '(?<comma>[,、:，]+)',
    '(?<symbol>[^\\s\\p{L}\\p{N}])',
  ].join('|'),
  'gu',
);

/** Words whose meaning depends on their capitals. */
const AMBIGUOUS: ReadonlySet<string> = new Set(
  'us it who may march turkey china polish aids apple amazon nice reading mobile bath cork jersey guinea chad jordan shell am an as at be by can do go he his if in is its me my no of on or so to up we will mark bill rose grace hope sue pat jack will art ray drew rob nick'.split(
    ' ',
  ),
);

/** Names that people write with and without capitals. */
const BRANDS =
  /^(?:i(?:phone|pad|mac|os|cloud|tunes)|mac(?:os|book)|javascript|typescript|github|gitlab|youtube|postgresql|mysql|mongodb|linkedin|whatsapp|ebay|paypal|openai|chatgpt|numpy|latex|wordpress|powerpoint|onedrive|facetime|airpods|macbook|wifi|graphql|devops|redis|tiktok|playstation|nodejs|vscode|https?|pdfs|apis|faqs|urls|sql|nosql|sqlite)$/;

/** Punctuation that separates and says nothing. */
const SEPARATORS = new Set(['"', "'", '’', '‘', '“', '”', '¿', '¡', '…', '-', '–', '—']);

/** Splits a text into words, numbers and parts that are compared as they are. @returns undefined where it has too many */
export function scanText(text: string): ScannedText | undefined {
  const source = plainDigits(text.normalize('NFKC').replaceAll('’', "'"));
  const isShouted = !/\p{Ll}/u.test(source);
  const spans: Span[] = [];
  const names = new Set<string>();
  const starts = new Set<string>();
  const out: string[] = [];
  const keep = (kind: SpanKind, value: string) => {
    out.push(String.fromCharCode(FIRST_SPAN + spans.length));
    spans.push({ kind, value });
  };
  let isStart = true;
  let followsName = false;
  let currency: string | undefined;
  for (const match of source.matchAll(TOKEN)) {
    const { groups = {} } = match;
    const [whole] = match;
    const wasStart = isStart;
    const wasName = followsName;
    if (groups.symbol === undefined && groups.comma === undefined) isStart = false;
    followsName = false;
    if (groups.code !== undefined) keep('code', whole.replaceAll(/^`+|`+$/g, ''));
    else if (groups.quoted !== undefined) keep('quoted', whole.slice(1, -1).trim());
    else if (groups.address !== undefined) keep('name', whole.replace(/[.,?!;:)]+$/, ''));
    else if (groups.language !== undefined) keep('name', whole.toLowerCase());
    else if (groups.initials !== undefined) {
      const letters = whole.replaceAll('.', '');
      if (/^[ap]m$/i.test(letters)) out.push(letters.toLowerCase());
      else keep('name', letters.toUpperCase());
    } else if (groups.flag !== undefined) keep('name', whole);
    else if (groups.stamp !== undefined) out.push(whole);
    else if (groups.number !== undefined) {
      pushNumber(out, groups.number, groups.suffix);
      if (currency !== undefined) out.push(currency);
      currency = undefined;
    } else if (groups.identifier !== undefined) {
      const lower = whole.toLowerCase();
      if (/^[a-z]+\d+$/.test(lower) || /\.(?:js|io|ai)$/.test(lower)) keep('name', lower);
      else keep('name', whole);
    } else if (groups.word !== undefined) {
      followsName = isCapitalised(whole) && !wasStart;
      if (wasStart) starts.add(withoutPossessive(whole.toLowerCase()));
      pushWord(whole, { out, keep, names, isShouted, wasStart, wasName });
    } else if (groups.operator !== undefined) keep('symbol', whole);
    else if (groups.end !== undefined) {
      out.push(whole.includes('?') || whole.includes('？') ? '?' : '.');
      isStart = true;
    } else if (groups.comma !== undefined) out.push(',');
    else {
      const sign = currencyOf(whole);
      if (sign === undefined) pushSymbol(whole, source, match.index, keep, out);
      else if (/^\s?\d/.test(source.slice(match.index + 1, match.index + 3))) currency = sign;
      else out.push(sign);
    }
    if (spans.length > MAX_SPANS) return undefined;
  }
  return { words: out.join(' '), spans, names, starts, hasCapitals: !isShouted && /\p{Lu}/u.test(source) };
}

/** @returns the part that stands for a character of `ScannedText.words`; undefined for plain words */
export function spanOf(word: string, spans: readonly Span[]): Span | undefined {
  const place = word.charCodeAt(0) - FIRST_SPAN;
  return place >= 0 && place < spans.length ? spans[place] : undefined;
}

interface WordPlace {
  readonly out: string[];
  readonly keep: (kind: SpanKind, value: string) => void;
  readonly names: Set<string>;
  readonly isShouted: boolean;
  readonly wasStart: boolean;
  readonly wasName: boolean;
}

function pushWord(word: string, { out, keep, names, isShouted, wasStart, wasName }: WordPlace): void {
  const lower = word.toLowerCase();
  if (isShouted || word === lower) {
    out.push(lower);
    return;
  }
  const isUpper = word === word.toUpperCase();
  const roman = isUpper && (word.length > 1 || wasName) ? romanValue(word) : undefined;
  if (roman !== undefined) out.push(String(roman));
  else if (isUpper && word.length > 1) {
    if (AMBIGUOUS.has(lower)) keep('name', word);
    else out.push(lower);
    names.add(lower);
  } else if (/^.\P{Lu}*$/u.test(word)) {
    if (!wasStart && word.length > 1) {
      names.add(withoutPossessive(lower));
      if (AMBIGUOUS.has(lower)) {
        keep('name', word);
        return;
      }
    }
    out.push(lower);
  } else if (BRANDS.test(lower) || /'s?$/.test(lower)) {
    names.add(withoutPossessive(lower));
    out.push(lower);
  } else keep('name', word);
}

function withoutPossessive(word: string): string {
  return word.replace(/'s?$/, '');
}

function isCapitalised(word: string): boolean {
  return /^\p{Lu}/u.test(word);
}

function pushNumber(out: string[], number: string, suffix: string | undefined): void {
  const value = number.replaceAll(',', '').replace(/^\+/, '');
  if (suffix === undefined) {
    out.push(value);
    return;
  }
  const unit = unitOf(suffix);
  const ordinal = ordinalOf(`${value}${suffix.toLowerCase()}`);
  if (ordinal !== undefined) out.push(ordinal);
  else if (unit !== undefined) out.push(value, unit);
  else out.push(`${value}${suffix.toLowerCase()}`);
}

function pushSymbol(
  symbol: string,
  source: string,
  at: number,
  keep: (kind: SpanKind, value: string) => void,
  out: string[],
): void {
  const before = source.slice(Math.max(0, at - 1), at);
  const after = source.slice(at + 1, at + 2);
  if (symbol === '%') out.push('percent');
  else if (!SEPARATORS.has(symbol)) keep('symbol', symbol);
  // Feet and inches.
  else if ((symbol === "'" || symbol === '"') && /\d$/.test(before)) keep('symbol', symbol);
  // A minus, where it does not join words.
  else if (/[-–—]/.test(symbol) && (/\s$/.test(before) || /^[\d(]/.test(after))) keep('symbol', '-');
}

/** Digits of any script as ASCII. */
function plainDigits(text: string): string {
  return text.replaceAll(/\p{Nd}/gu, (digit) => {
    const code = digit.codePointAt(0) ?? 0;
    let zero = code;
    while (code - zero < 9 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
    return String(code - zero);
  });
}
