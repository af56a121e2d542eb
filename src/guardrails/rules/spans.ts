import type { TextStream, TextVerdict } from '../guardrail.ts';

/** A place in a text, in UTF-16 units; `end` is exclusive. */
export interface Span {
  readonly kind: string;
  readonly start: number;
  readonly end: number;
}

/** Finds places in text. */
export interface SpanFinder {
  find(text: string): readonly Span[];
  /** UTF-16 units that arrive between two searches of a stream, where it should be more than usual. */
  readonly step?: number;
  /** @returns the index from which a text must be held back, because more text may make it part of a finding */
  holdFrom(text: string): number;
}

/** Writes what replaces a place. */
export type ReplaceSpan = (kind: string, value: string) => string;

const NOTHING: ReadonlyMap<string, number> = new Map<string, number>();
/** Of the text that was sent, so that finders see the border of a word. */
const CONTEXT = 64;
/** UTF-16 units that arrive between two searches, at least. */
const STEP = 16;
/** UTF-16 units that are held back at most. */
const MAX_HELD = 4_096;

/** @returns the spans of all finders in order; of those that overlap, the first and longest */
export function findSpans(finders: readonly SpanFinder[], text: string): readonly Span[] {
  const spans = finders.flatMap((finder) => finder.find(text));
  if (spans.length < 2) return spans;
  spans.sort((one, other) => one.start - other.start || other.end - one.end);
  const kept: Span[] = [];
  for (const span of spans) if (span.start >= (kept.at(-1)?.end ?? 0)) kept.push(span);
  return kept;
}

export function replaceSpans(text: string, spans: readonly Span[], replace: ReplaceSpan): string {
  if (spans.length === 0) return text;
  const parts: string[] = [];
  let last = 0;
  for (const { kind, start, end } of spans) {
    parts.push(text.slice(last, start), replace(kind, text.slice(start, end)));
    last = end;
  }
  parts.push(text.slice(last));
  return parts.join('');
}

export function countSpans(spans: readonly Span[]): ReadonlyMap<string, number> {
  if (spans.length === 0) return NOTHING;
  const counts = new Map<string, number>();
  for (const { kind } of spans) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/** Finds and replaces places in a text that arrives in pieces: the result is that of the whole text, wherever it is split. */
export class SpanStream implements TextStream {
  /** Text that was sent on, as context, followed by what is held back. */
  #buffer = '';
  #sent = 0;
  /** Units that arrived since the last search. */
  #fresh = 0;
  readonly #step: number;

  constructor(
    private readonly finders: readonly SpanFinder[],
    private readonly replace: ReplaceSpan,
  ) {
    this.#step = finders.reduce((most, { step = 0 }) => Math.max(most, step), STEP);
  }

  get held(): number {
    return this.#buffer.length - this.#sent;
  }

  push(piece: string): TextVerdict {
    this.#buffer += piece;
    this.#fresh += piece.length;
    if (this.#fresh < this.#step) return { text: '', counts: NOTHING };
    this.#fresh = 0;
    let cut = this.#buffer.length;
    for (const finder of this.finders) cut = Math.min(cut, finder.holdFrom(this.#buffer));
    if (this.#buffer.length - this.#sent > MAX_HELD) cut = Math.max(cut, this.#buffer.length - MAX_HELD / 2);
    return this.#take(cut, false);
  }

  end(): TextVerdict {
    const rest = this.#take(this.#buffer.length, true);
    this.#buffer = '';
    this.#sent = 0;
    this.#fresh = 0;
    return rest;
  }

  #take(wanted: number, isEnd: boolean): TextVerdict {
    if (wanted <= this.#sent) return { text: '', counts: NOTHING };
    const spans = findSpans(this.finders, this.#buffer).filter(({ start }) => start >= this.#sent);
    const crossing = isEnd ? undefined : spans.find(({ start, end }) => start < wanted && end > wanted);
    const cut = crossing ? crossing.start : wanted;
    if (cut <= this.#sent) return { text: '', counts: NOTHING };
    const within = spans
      .filter(({ end }) => end <= cut)
      .map((span) => ({ ...span, start: span.start - this.#sent, end: span.end - this.#sent }));
    const text = replaceSpans(this.#buffer.slice(this.#sent, cut), within, this.replace);
    const from = Math.max(0, cut - CONTEXT);
    this.#buffer = this.#buffer.slice(from);
    this.#sent = cut - from;
    return { text, counts: countSpans(within) };
  }
}
