export interface CutTexts<Part extends string> {
  readonly parts: Readonly<Record<Part, unknown>>;
  /** Parts that were cut. */
  readonly cut: readonly Part[];
}

/** Texts are not cut below this many bytes: then the JSON itself is. */
const SHORTEST = 64;
/** Bytes of the mark at the end of a text that was cut, at most. */
const MARK = 60;

/**
 * Shortens JSON values to a number of bytes together. The longest texts in them are cut, to the same length, and end with a
 * mark; structure and short texts stay. Where that is not enough, a part becomes a text: the beginning of its JSON.
 * @param maxBytes of the parts as JSON
 */
export function cutTexts<Part extends string>(
  parts: Readonly<Record<Part, unknown>>,
  maxBytes: number,
): CutTexts<Part> {
  const names = Object.keys(parts) as Part[];
  const total = bytesOf(parts);
  if (total <= maxBytes) return { parts, cut: [] };
  const lengths: number[] = [];
  visitTexts(parts, (text) => lengths.push(bytesOf(text)));
  const longest = longestAllowed(lengths, total - maxBytes);
  if (longest < SHORTEST) {
    const share = Math.floor(maxBytes / names.length) - names.join('').length;
    const whole = names.map((name) => [name, cutJson(parts[name], share)] as const);
    return {
      parts: fromEntries(whole.map(([name, { value }]) => [name, value])),
      cut: whole.flatMap(([name, { isCut }]) => (isCut ? [name] : [])),
    };
  }
  const cut: Part[] = [];
  const shortened = names.map((name) => {
    let isCut = false;
    const value = withTexts(parts[name], (text) => {
      if (bytesOf(text) <= longest) return text;
      isCut = true;
      return cutText(text, longest);
    });
    if (isCut) cut.push(name);
    return [name, value] as const;
  });
  return { parts: fromEntries(shortened), cut };
}

/** @returns the length to which the longest texts are cut so that all of them have so many bytes less */
function longestAllowed(lengths: number[], excess: number): number {
  lengths.sort((a, b) => b - a);
  let saved = 0;
  for (const [index, length] of lengths.entries()) {
    const next = lengths[index + 1] ?? 0;
    const texts = index + 1;
    // Cutting these to the length of the next one saves enough.
    if (saved + texts * (length - next) >= excess) return length - Math.ceil((excess - saved) / texts);
    saved += texts * (length - next);
  }
  return 0;
}

/** @returns the beginning of a text with a mark, of at most so many bytes as JSON */
function cutText(text: string, maxBytes: number): string {
  const wanted = Math.max(0, maxBytes - MARK);
  let length = Math.floor((text.length * wanted) / bytesOf(text));
  while (length > 0 && bytesOf(text.slice(0, length)) > wanted) length = Math.floor(length * 0.9);
  // Half of a pair of surrogates is no character.
  const last = text.charCodeAt(length - 1);
  if (last >= 0xd800 && last <= 0xdbff) length -= 1;
  return `${text.slice(0, length)} [cut: ${length} of ${text.length} characters]`;
}

function cutJson(value: unknown, maxBytes: number): { readonly value: unknown; readonly isCut: boolean } {
  if (bytesOf(value) <= maxBytes) return { value, isCut: false };
  return { value: cutText(JSON.stringify(value), maxBytes), isCut: true };
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value) ?? '');
}

function visitTexts(value: unknown, visit: (text: string) => void): void {
  if (typeof value === 'string') visit(value);
  else if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) visitTexts(member, visit);
  }
}

function withTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => withTexts(item, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withTexts(member, change)]));
}

function fromEntries<Part extends string>(
  entries: readonly (readonly [Part, unknown])[],
): Readonly<Record<Part, unknown>> {
  return Object.fromEntries(entries) as Record<Part, unknown>;
}
