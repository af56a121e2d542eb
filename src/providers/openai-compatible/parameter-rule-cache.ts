import { isRecord, type JsonObject } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import { familyOf } from '../model-families.ts';
import type { Target } from '../types.ts';
import { hasWrappedMedia, plainMediaPart } from './plain-media.ts';
import { shortToolCallId } from './tool-call-ids.ts';

type Edits = Record<string, string | null>;

/** Changes to the parameters of forwarded bodies, for one target. */
export interface ParameterRules {
  /**
   * Adds the changed members of a body.
   * @param edits receives new JSON texts by member, or null to remove a member
   */
  apply(body: JsonObject, edits: Edits, warn: Warn): void;
}

/** Keeps the rules of each target, because every forwarded request needs them. */
export class ParameterRuleCache {
  readonly #rules = new WeakMap<Target, ParameterRules>();

  of(target: Target): ParameterRules {
    let rules = this.#rules.get(target);
    if (!rules) {
      rules = new TargetRules(target);
      this.#rules.set(target, rules);
    }
    return rules;
  }
}

class TargetRules implements ParameterRules {
  readonly #renames: readonly (readonly [from: string, to: string])[];
  readonly #unsupported: readonly string[];
  readonly #rewritesMessages: boolean;
  readonly #target: Target;

  constructor(target: Target) {
    const { profile } = target.provider;
    this.#target = target;
    const renamed = profile.namesByModel && familyOf(target.model).maxCompletionTokens;
    const byFamily = renamed ? { max_tokens: 'max_completion_tokens' } : {};
    this.#renames = Object.entries({ ...byFamily, ...profile.renames });
    this.#unsupported = profile.unsupported ?? [];
    this.#rewritesMessages =
      !profile.developerRole ||
      (profile.shortToolCallIds ?? false) ||
      (profile.emptyContent ?? false) ||
      (profile.plainMedia ?? false);
  }

  apply(body: JsonObject, edits: Edits, warn: Warn): void {
    for (const [from, to] of this.#renames) {
      const value = body[from];
      if (value === undefined) continue;
      edits[from] = null;
      if (body[to] === undefined) edits[to] = JSON.stringify(value);
    }
    for (const name of this.#unsupported) {
      if (body[name] === undefined) continue;
      edits[name] = null;
      if (body[name] === null) continue;
      warn({ kind: 'unsupported', param: name, message: `The target does not support "${name}".` });
    }
    if (this.#rewritesMessages && Array.isArray(body.messages)) {
      const messages: readonly unknown[] = body.messages;
      if (messages.some((message) => this.#needsRewriting(message))) {
        edits.messages = JSON.stringify(messages.map((message) => this.#rewritten(message)));
      }
    }
  }

  #needsRewriting(message: unknown): boolean {
    if (!isRecord(message)) return false;
    const { developerRole, shortToolCallIds, emptyContent, plainMedia } = this.#target.provider.profile;
    return (
      (plainMedia === true && hasWrappedMedia(message.content)) ||
      (!developerRole && message.role === 'developer') ||
      (shortToolCallIds === true && (message.role === 'tool' || Array.isArray(message.tool_calls))) ||
      (emptyContent === true && message.role === 'assistant' && (message.content ?? null) === null)
    );
  }

  #rewritten(message: unknown): unknown {
    if (!isRecord(message)) return message;
    const { developerRole, shortToolCallIds, emptyContent, plainMedia } = this.#target.provider.profile;
    const out: Record<string, unknown> = { ...message };
    if (!developerRole && message.role === 'developer') out.role = 'system';
    if (emptyContent && message.role === 'assistant') out.content ??= '';
    if (plainMedia && Array.isArray(out.content)) {
      out.content = out.content.map((part: unknown) => (isRecord(part) ? plainMediaPart(part) : part));
    }
    if (shortToolCallIds) {
      if (typeof out.tool_call_id === 'string') out.tool_call_id = shortToolCallId(out.tool_call_id);
      if (Array.isArray(out.tool_calls)) out.tool_calls = out.tool_calls.map(withShortId);
    }
    return out;
  }
}

function withShortId(call: unknown): unknown {
  return isRecord(call) && typeof call.id === 'string' ? { ...call, id: shortToolCallId(call.id) } : call;
}
