import { canonicalJson } from '../cache/canonical-json.ts';
import { CompleteResult } from '../core/complete-result.ts';
import type { EmbeddingResult } from '../core/embedding.ts';
import type { EmbeddingCall } from '../core/inference.ts';
import { isRecord, parseJsonText } from '../core/json.ts';
import { editMembers, elementTexts, memberText } from '../core/json-edit.ts';
import { splitCount } from '../core/split-count.ts';
import type { Usage } from '../core/usage.ts';

/** Members of a request that may differ between calls that are joined. */
const NOT_SHARED: ReadonlySet<string> = new Set(['input']);

const COUNTS = [
  'inputTokens',
  'outputTokens',
  'cachedInputTokens',
  'cacheWriteTokens',
  'longCacheWriteTokens',
  'reasoningTokens',
] as const;

/** The form of the inputs of one request; an upstream takes one form in a call. */
type InputForm = 'texts' | 'tokens';

/** One call's part of a joined response. */
export interface JoinedPart {
  readonly result: CompleteResult;
  /** Its usage is its share of the reported one, by the length of its inputs. */
  readonly isEstimated: boolean;
}

/**
 * What calls must have in common to be joined: all of the body but the inputs, members that this gateway does not know
 * included.
 * @returns undefined for a call that is sent alone because of the form of its inputs
 */
export function sharedForm({ body }: EmbeddingCall): string | undefined {
  const form = inputForm(body.input);
  return form && form + canonicalJson(body, NOT_SHARED);
}

function inputForm(input: unknown): InputForm | undefined {
  if (typeof input === 'string') return 'texts';
  if (!Array.isArray(input) || input.length === 0) return undefined;
  if (input.every((one) => typeof one === 'string')) return 'texts';
  return isTokens(input) || input.every(isTokens) ? 'tokens' : undefined;
}

function isTokens(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(Number.isInteger);
}

/** Embeds the inputs of several calls that have the same `sharedForm` with one call, and splits its response. */
export class JoinedCall {
  readonly call: EmbeddingCall;
  readonly inputs: number;
  readonly #calls: readonly EmbeddingCall[];
  readonly #weights: readonly number[];
  /** The response in canonical form, where the adapter makes one instead of forwarding. */
  #canonical: EmbeddingResult | undefined;

  constructor(first: EmbeddingCall, others: readonly EmbeddingCall[]) {
    this.#calls = [first, ...others];
    this.#weights = this.#calls.map(({ embedding }) =>
      embedding.inputs.reduce<number>((sum, input) => sum + weightOf(input), 0),
    );
    const inputs = this.#calls.flatMap(({ embedding }) => embedding.inputs);
    const body = { ...first.body, input: inputs };
    this.inputs = inputs.length;
    this.call = {
      ...first,
      ...{ body, text: JSON.stringify(body) },
      embedding: { ...first.embedding, inputs },
      render: (result) => {
        this.#canonical = result;
        return '';
      },
    };
  }

  /** @returns the part of each call, in their order; undefined where the response does not have one vector for each input */
  split(response: CompleteResult): readonly JoinedPart[] | undefined {
    const texts = this.#canonical ? this.#rendered(this.#canonical) : this.#forwarded(response.text);
    if (!texts) return undefined;
    const { usage } = response;
    const usages = this.#usages(usage);
    const isEstimated = usage !== undefined && !this.#isCounted(usage);
    return texts.map((text, index) => ({
      result: new CompleteResult(text, usages[index], undefined),
      isEstimated,
    }));
  }

  /** In the texts that the calls' clients get from this form of response. */
  #rendered({ vectors, usage }: EmbeddingResult): readonly string[] | undefined {
    if (vectors.length !== this.inputs) return undefined;
    const usages = this.#usages(usage);
    let from = 0;
    return this.#calls.map(({ embedding, render }, index) => {
      const own = vectors.slice(from, from + embedding.inputs.length);
      from += own.length;
      const used = usages[index];
      return render({ vectors: own, ...(used ? { usage: used } : {}) });
    });
  }

  /** With the texts of the vectors, and all other members, as the upstream wrote them. */
  #forwarded(text: string): readonly string[] | undefined {
    const items = this.#placedItems(memberText(text, 'data') ?? '[]');
    if (!items) return undefined;
    const usage = parseJsonText(memberText(text, 'usage') ?? 'null');
    const shell = editMembers(text, { data: '0', ...(usage === null ? {} : { usage: '0' }) });
    const usages = isRecord(usage) ? this.#usageObjects(usage) : [];
    let from = 0;
    return this.#calls.map(({ embedding }, index) => {
      const own = items.slice(from, from + embedding.inputs.length);
      from += own.length;
      const data = own.map((item, place) => editMembers(item, { index: String(place) }));
      const used = usages[index];
      return editMembers(shell, { data: `[${data.join(',')}]`, ...(used ? { usage: used } : {}) });
    });
  }

  /** @returns the items of a response at the places of their inputs */
  #placedItems(data: string): readonly string[] | undefined {
    const items = elementTexts(data);
    if (items.length !== this.inputs) return undefined;
    const placed: string[] = [];
    for (const [position, item] of items.entries()) {
      if (!item.startsWith('{')) return undefined;
      const index = Number(memberText(item, 'index') ?? position);
      if (!Number.isInteger(index) || index < 0 || index >= items.length || placed[index]) return undefined;
      placed[index] = item;
    }
    return placed;
  }

  /** The part of each call in the length of all inputs, 0 to 1. */
  get shares(): readonly number[] {
    const whole = this.#weights.reduce((sum, weight) => sum + weight, 0);
    return this.#weights.map((weight) => (whole === 0 ? 1 / this.#calls.length : weight / whole));
  }

  /** Whether the parts of the usage are known, not guessed: token ids are what providers count. */
  #isCounted({ inputTokens }: Usage): boolean {
    const [input] = this.#calls[0]?.embedding.inputs ?? [];
    return Array.isArray(input) && inputTokens === this.#weights.reduce((sum, weight) => sum + weight, 0);
  }

  #usages(usage: Usage | undefined): readonly Usage[] {
    if (!usage) return [];
    const weights = this.#weights;
    const parts = weights.map((): Usage => ({ raw: {} }));
    for (const name of COUNTS) {
      const count = usage[name];
      if (count === undefined) continue;
      const shares = splitCount(count, weights);
      for (const [index, part] of parts.entries()) Object.assign(part, { [name]: shares[index] });
    }
    return parts;
  }

  /** The counts of an upstream's usage object; its other members say nothing of a part. */
  #usageObjects(usage: Readonly<Record<string, unknown>>): readonly string[] {
    const weights = this.#weights;
    const counts = Object.entries(usage).flatMap(([name, count]) =>
      typeof count === 'number' && Number.isSafeInteger(count) && count >= 0
        ? [{ name, shares: splitCount(count, weights) }]
        : [],
    );
    return weights.map((_, index) =>
      JSON.stringify(Object.fromEntries(counts.map(({ name, shares }) => [name, shares[index]]))),
    );
  }
}

/** @returns the length of an input: its token ids, or quarters of the tokens that its text is estimated to have */
function weightOf(input: EmbeddingCall['embedding']['inputs'][number]): number {
  if (typeof input !== 'string') return Array.isArray(input) ? input.length : 0;
  return input.length + 2 * (Buffer.byteLength(input) - input.length);
}
