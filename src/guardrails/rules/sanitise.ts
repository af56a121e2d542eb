import type { Span, SpanFinder } from './spans.ts';

/** Classes of characters and text that `sanitise` removes. */
export const SANITISED = ['null_bytes', 'control', 'invisible', 'markup'] as const;
export type Sanitised = (typeof SANITISED)[number];

const PATTERNS: Readonly<Record<Sanitised, string>> = {
  null_bytes: '\\u0000',
  // Tab and line ends stay.
  control: '[\\u0001-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]',
  // Joiners stay within emoji, Arabic and Indic words.
  invisible:
    '[\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u200b\\u200e\\u200f\\u202a-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0]|\\udb40[\\udc00-\\udfff]|(?<=[\\u0000-\\u024f])[\\u200c\\u200d]|[\\u200c\\u200d](?=[\\u0000-\\u024f])',
  markup: '<!--(?:(?!-->)[\\s\\S]){0,2000}-->|<\\/?[A-Za-z][A-Za-z0-9-]{0,40}(?:\\s[^<>]{0,2000})?\\/?>',
};

/** Finds what `sanitise` removes. */
export class UncleanFinder implements SpanFinder {
  readonly #patterns: readonly (readonly [Sanitised, RegExp])[];
  readonly #hasMarkup: boolean;

  constructor(classes: readonly Sanitised[]) {
    this.#patterns = classes.map((name) => [name, new RegExp(PATTERNS[name], 'g')] as const);
    this.#hasMarkup = classes.includes('markup');
  }

  find(text: string): readonly Span[] {
    return this.#patterns.flatMap(([kind, pattern]) =>
      [...text.matchAll(pattern)].map(({ index, 0: match }) => ({
        kind,
        start: index,
        end: index + match.length,
      })),
    );
  }

  /** Of the characters, only the last needs what follows; a tag may be open. */
  holdFrom(text: string): number {
    const from = text.length - 1;
    if (!this.#hasMarkup) return Math.max(0, from);
    const comment = openComment(text);
    if (comment !== undefined) return comment;
    const open = text.lastIndexOf('<');
    if (open < 0 || text.length - open > 2_050) return Math.max(0, from);
    return text.indexOf('>', open) < 0 ? open : Math.max(0, from);
  }
}

/** @returns where the first comment begins whose end may follow; undefined for none */
function openComment(text: string): number | undefined {
  let at = text.indexOf('<!--');
  while (at >= 0) {
    const end = text.indexOf('-->', at + 4);
    if (end < 0 && text.length - at < 2_010) return at;
    // A comment that is longer is none, and another one may begin in it.
    at = text.indexOf('<!--', end < 0 || end - at > 2_004 ? at + 4 : end + 3);
  }
  return undefined;
}
