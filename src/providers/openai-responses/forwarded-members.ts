import { isRecord, type JsonObject } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import { changed } from '../limited-values.ts';
import { type Edits, MemberLimits } from '../member-limits.ts';
import { familyOf, isEffort, isRefusedDefault, nearestEffort } from '../model-families.ts';
import type { Target } from '../types.ts';
import { callId } from './call-ids.ts';
import { type ModelRules, rulesOf } from './model-rules.ts';

const SAMPLING = ['temperature', 'top_p', 'top_logprobs'] as const;
const ENCRYPTED_REASONING = 'reasoning.encrypted_content';

/** Changes the members of forwarded bodies that a target rejects. */
export class ForwardedMembers {
  readonly #rules: ModelRules;
  readonly #limits: MemberLimits;

  constructor({ provider, model }: Target) {
    this.#rules = rulesOf(model);
    this.#limits = new MemberLimits(provider.profile.limits ?? {}, familyOf(model));
  }

  /** @param edits receives the changed members */
  apply(body: JsonObject, edits: Edits, warn: Warn): void {
    this.#sampling(body, edits, warn);
    this.#reasoning(body, edits, warn);
    this.#include(body, edits, warn);
    this.#limits.apply(body, edits, warn);
    if (Array.isArray(body.input) && body.input.some(hasLongId)) {
      edits.input = JSON.stringify(body.input.map(withShortId));
    }
  }

  #sampling(body: JsonObject, edits: Edits, warn: Warn): void {
    const { refusesSampling, defaultEffort } = this.#rules;
    if (refusesSampling === undefined) return;
    const given: unknown = isRecord(body.reasoning) ? body.reasoning.effort : undefined;
    if (refusesSampling === 'thinking' && (given ?? defaultEffort) === 'none') return;
    for (const name of SAMPLING) {
      const value = body[name];
      if (value === undefined) continue;
      edits[name] = null;
      if (isRefusedDefault(name, value)) continue;
      const message = `The model does not support ${name} while it reasons.`;
      warn({ kind: 'unsupported', param: name, message });
    }
  }

  #reasoning({ reasoning }: JsonObject, edits: Edits, warn: Warn): void {
    const { efforts } = this.#rules;
    if (efforts === undefined || !isRecord(reasoning)) return;
    const { effort, ...others } = reasoning;
    if (!isEffort(effort) || efforts.includes(effort)) return;
    const nearest = nearestEffort(effort, efforts);
    if (nearest !== undefined) {
      edits.reasoning = JSON.stringify({ ...reasoning, effort: nearest });
      const message = `The reasoning setting "${effort}" was changed to "${nearest}" for this model.`;
      changed('reasoning.effort', message, warn);
      return;
    }
    edits.reasoning = Object.keys(others).length === 0 ? null : JSON.stringify(others);
    if (effort === 'none') return;
    const message = 'The model does not support reasoning.';
    warn({ kind: 'unsupported', param: 'reasoning.effort', message });
  }

  #include({ include }: JsonObject, edits: Edits, warn: Warn): void {
    // An unknown model, such as a deployment with a name of its own, may have it.
    if (
      this.#rules.efforts?.length !== 0 ||
      !Array.isArray(include) ||
      !include.includes(ENCRYPTED_REASONING)
    )
      return;
    edits.include = JSON.stringify(include.filter((name) => name !== ENCRYPTED_REASONING));
    const message = 'The model has no encrypted reasoning.';
    warn({ kind: 'unsupported', param: 'include', message });
  }
}

function hasLongId(item: unknown): boolean {
  return isRecord(item) && typeof item.call_id === 'string' && callId(item.call_id) !== item.call_id;
}

/** Shortens the id of a call, and of its result: other providers have longer ids. */
function withShortId(item: unknown): unknown {
  return isRecord(item) && typeof item.call_id === 'string'
    ? { ...item, call_id: callId(item.call_id) }
    : item;
}
