import { isRecord, type JsonObject } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import {
  FORCED_TOOLS,
  forcesTool,
  schemaInstruction,
  schemaOf,
  warnOfSchema,
  withInstruction,
} from '../json-mode.ts';
import { changed } from '../limited-values.ts';
import { type Edits, MemberLimits } from '../member-limits.ts';
import {
  familyOf,
  isEffort,
  isRefusedDefault,
  type ModelFamily,
  nearestEffort,
  refusedParameters,
} from '../model-families.ts';
import type { Target } from '../types.ts';
import { METADATA_NEEDS_STORE } from './chat-parameters.ts';
import { lacksType, MessageRules } from './message-rules.ts';

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

function omit(name: string, value: unknown, edits: Edits, warn: Warn): void {
  edits[name] = null;
  // Vendors that reject the option send usage always.
  if (value === null || name === 'stream_options') return;
  warn({ kind: 'unsupported', param: name, message: `The target does not support "${name}".` });
}

class TargetRules implements ParameterRules {
  readonly #renames: readonly (readonly [from: string, to: string])[];
  readonly #unsupported: readonly string[];
  readonly #metadataNeedsStore: boolean;
  readonly #lacksJsonSchemas: boolean;
  readonly #family: ModelFamily;
  readonly #members: MemberLimits;
  readonly #messages: MessageRules;

  constructor(target: Target) {
    const { profile } = target.provider;
    this.#family = familyOf(target.model);
    const renamed = profile.namesByModel && this.#family.maxCompletionTokens;
    const byFamily = renamed ? { max_tokens: 'max_completion_tokens' } : {};
    this.#renames = Object.entries({ ...byFamily, ...profile.renames });
    this.#unsupported = profile.unsupported ?? [];
    this.#metadataNeedsStore = profile.metadataNeedsStore ?? false;
    this.#lacksJsonSchemas = profile.lacksJsonSchemas ?? false;
    this.#members = new MemberLimits(profile.limits ?? {}, this.#family);
    this.#messages = new MessageRules(target);
  }

  apply(body: JsonObject, edits: Edits, warn: Warn): void {
    for (const [from, to] of this.#renames) {
      const value = body[from];
      if (value === undefined) continue;
      edits[from] = null;
      if (body[to] === undefined) edits[to] = JSON.stringify(value);
    }
    for (const name of this.#unsupported) {
      if (body[name] !== undefined) omit(name, body[name], edits, warn);
    }
    if (this.#metadataNeedsStore && isRecord(body.metadata) && body.store !== true) {
      edits.metadata = null;
      warn({ kind: 'unsupported', param: 'metadata', message: METADATA_NEEDS_STORE });
    }
    this.#omitRefused(body, edits, warn);
    this.#setEffort(body, edits, warn);
    this.#allowForcedTools(body, edits, warn);
    this.#members.apply(body, edits, warn);
    if (!Array.isArray(body.tools) || body.tools.length === 0) {
      // Vendors reject these members without tools, and they mean nothing then.
      for (const name of ['tools', 'tool_choice', 'parallel_tool_calls']) {
        if (body[name] !== undefined) edits[name] = null;
      }
    } else if (body.tools.some(lacksType)) {
      const typed = body.tools.map((tool: unknown) =>
        isRecord(tool) && lacksType(tool) ? { type: 'function', ...tool } : tool,
      );
      edits.tools = JSON.stringify(typed);
    }
    if (Array.isArray(body.messages)) {
      const adapted = this.#messages.adapted(body.messages, warn) ?? body.messages;
      const messages = this.#withSchema(body, adapted, edits, warn);
      if (messages !== body.messages) edits.messages = JSON.stringify(messages);
    }
  }

  /** Sends a JSON schema as an instruction where the vendor takes none. */
  #withSchema(body: JsonObject, messages: readonly unknown[], edits: Edits, warn: Warn): readonly unknown[] {
    const schema = this.#lacksJsonSchemas ? schemaOf(body.response_format) : undefined;
    if (schema === undefined) return messages;
    warnOfSchema(warn);
    edits.response_format = '{"type":"json_object"}';
    return withInstruction(messages, schemaInstruction(schema));
  }

  /** Resolves a forced choice of tools that the model rejects while it reasons. */
  #allowForcedTools(body: JsonObject, edits: Edits, warn: Warn): void {
    if (!this.#family.forcesToolsWithoutReasoning || !forcesTool(body.tool_choice)) return;
    const { thinking, reasoning_effort: effort } = body;
    if ((isRecord(thinking) && thinking.type === 'disabled') || effort === 'none') return;
    if ((thinking ?? effort ?? undefined) === undefined) {
      edits.thinking = '{"type":"disabled"}';
      changed('tool_choice', FORCED_TOOLS.choice, warn);
    } else {
      edits.tool_choice = '"auto"';
      changed('tool_choice', FORCED_TOOLS.reasoning, warn);
    }
  }

  /** Removes parameters that the model rejects. */
  #omitRefused(body: JsonObject, edits: Edits, warn: Warn): void {
    const { name: family } = this.#family;
    for (const name of refusedParameters(this.#family, body.reasoning_effort ?? undefined)) {
      const value = body[name];
      if (value === undefined) continue;
      edits[name] = null;
      if (isRefusedDefault(name, value)) continue;
      const message = `Models of the family ${family} do not take "${name}".`;
      warn({ kind: 'unsupported', param: name, message });
    }
  }

  /** Replaces a reasoning effort that the model does not have. */
  #setEffort({ reasoning_effort: given }: JsonObject, edits: Edits, warn: Warn): void {
    const { efforts } = this.#family;
    if (efforts === undefined || !isEffort(given) || efforts.includes(given)) return;
    const nearest = nearestEffort(given, efforts);
    if (nearest === undefined) return;
    edits.reasoning_effort = JSON.stringify(nearest);
    const message = `The reasoning setting "${given}" was changed to "${nearest}" for this model.`;
    changed('reasoning_effort', message, warn);
  }
}
