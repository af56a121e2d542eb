import { isRecord } from '../../core/json.ts';
import { GuardrailFailure } from '../guardrail.ts';
import type { ServerVerdict } from './server-adapter.ts';

/** Kinds of findings of one verdict; more are of no use, and each is a label of a metric. */
const MAX_KINDS = 50;
const MAX_KIND = 40;

/** A response does not conform to the API of its service. */
export function invalidResponse(what: string): GuardrailFailure {
  return new GuardrailFailure('invalid_response', what);
}

/** @throws GuardrailFailure `invalid_response` for anything but a JSON object */
export function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (isRecord(value)) return value;
  throw invalidResponse('the response is not a JSON object');
}

/** @returns a name of a service as the kind of a finding: lower-case letters, digits and "_" */
export function kindOf(name: unknown): string {
  if (typeof name !== 'string' || name === '') throw invalidResponse('a finding has no name');
  const kind = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '');
  return (kind === '' ? 'other' : kind).slice(0, MAX_KIND);
}

/** The findings of one verdict, as they are read. */
export class Findings {
  readonly #counts = new Map<string, number>();
  #score = 0;

  /** @param score 0 to 1; other values count as 1 */
  add(name: unknown, score: unknown = 1): void {
    const kind = kindOf(name);
    if (!this.#counts.has(kind) && this.#counts.size >= MAX_KINDS) return;
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    const sure = typeof score === 'number' && score >= 0 && score <= 1 ? score : 1;
    this.#score = Math.max(this.#score, sure);
  }

  get isEmpty(): boolean {
    return this.#counts.size === 0;
  }

  verdict(texts?: readonly string[]): ServerVerdict {
    if (this.isEmpty) return { counts: this.#counts };
    return { counts: this.#counts, score: this.#score, ...(texts ? { texts } : {}) };
  }
}

/** A part of a text that a service found. */
export interface FoundSpan {
  /** UTF-16 units; `end` is exclusive. */
  readonly start: number;
  readonly end: number;
  readonly kind: string;
}

/** Replaces parts of a text by the names of their kinds, such as `[EMAIL_ADDRESS]`. Parts that overlap become one. */
export function withoutSpans(text: string, spans: readonly FoundSpan[]): string {
  const parts: string[] = [];
  let at = 0;
  for (const { start, end, kind } of spans.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    if (start >= at) parts.push(text.slice(at, start), `[${kind.toUpperCase()}]`);
    at = Math.max(at, end);
  }
  parts.push(text.slice(at));
  return parts.join('');
}

/** @returns for offsets in code points, as Python counts, the offset in UTF-16 units */
export function codePointOffsets(text: string): (offset: number) => number {
  // Texts of the basic plane need no table.
  if (!/[\ud800-\udfff]/.test(text)) return (offset) => offset;
  const starts: number[] = [];
  for (let at = 0; at < text.length; at += 1) {
    starts.push(at);
    if ((text.codePointAt(at) ?? 0) > 0xffff) at += 1;
  }
  return (offset) => starts[offset] ?? text.length;
}
