import { isRecord, type JsonObject } from '../core/json.ts';
import { editMembers } from '../core/json-edit.ts';
import type { Warn } from '../core/warning.ts';
import { temperatureRange } from './limited-format.ts';
import { clamped, firstStops, limitedIdentifier, limitedMetadata } from './limited-values.ts';
import type { ModelFamily } from './model-families.ts';
import type { NumberRange, VendorLimits } from './vendor-limits.ts';

/** New JSON texts of members by name; null removes a member. */
export type Edits = Record<string, string | null>;

/** Edits the members of a JSON text, if there is anything to change. */
export function editedMembers(text: string, edits: Readonly<Edits>): string {
  for (const _ in edits) return editMembers(text, edits);
  return text;
}

/** Applies the limits of a vendor to the members of a forwarded body, by the names of OpenAI's APIs. */
export class MemberLimits {
  readonly #numbers: readonly (readonly [name: string, range: NumberRange])[];
  readonly #identifiers: readonly (readonly [name: string, maxLength: number])[];
  readonly #limits: VendorLimits;

  constructor(limits: VendorLimits, family: ModelFamily) {
    this.#limits = limits;
    const numbers: readonly (readonly [string, NumberRange | undefined])[] = [
      ['temperature', temperatureRange(limits, family)],
      ['top_p', limits.topP],
      ['top_k', limits.topK],
      ['frequency_penalty', limits.frequencyPenalty],
      ['presence_penalty', limits.presencePenalty],
      ['seed', limits.seed],
      ['n', limits.choices],
      ['top_logprobs', limits.topLogprobs],
    ];
    this.#numbers = numbers.flatMap(([name, range]) => (range ? [[name, range] as const] : []));
    const identifiers: readonly (readonly [string, number | undefined])[] = [
      ['user', limits.user],
      ['safety_identifier', limits.user],
      ['prompt_cache_key', limits.promptCacheKey],
    ];
    this.#identifiers = identifiers.flatMap(([name, max]) =>
      max === undefined ? [] : [[name, max] as const],
    );
  }

  /** Changes the members beyond their limit that are sent at all. */
  apply(body: JsonObject, edits: Edits, warn: Warn): void {
    for (const [name, range] of this.#numbers) {
      const value = body[name];
      if (typeof value !== 'number' || edits[name] === null) continue;
      const nearest = clamped(name, value, range, warn);
      if (nearest !== value) edits[name] = JSON.stringify(nearest);
    }
    for (const [name, max] of this.#identifiers) {
      const value = body[name];
      if (typeof value !== 'string' || edits[name] === null) continue;
      const known = limitedIdentifier(name, value, max, warn);
      if (known !== value) edits[name] = JSON.stringify(known);
    }
    const { stopSequences, metadata } = this.#limits;
    if (stopSequences !== undefined && Array.isArray(body.stop) && edits.stop !== null) {
      const kept = firstStops(body.stop, stopSequences, warn);
      if (kept !== body.stop) edits.stop = JSON.stringify(kept);
    }
    if (metadata && isRecord(body.metadata) && edits.metadata !== null) {
      const kept = limitedMetadata(body.metadata, metadata, warn);
      if (kept !== body.metadata) edits.metadata = JSON.stringify(kept);
    }
  }
}
