import { asCount, isRecord, type JsonObject, parseJsonText } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import { changed, limitedIdentifier } from '../limited-values.ts';
import { type Edits, MemberLimits } from '../member-limits.ts';
import { familyOf, isEffort, type ModelFamily, nearestEffort } from '../model-families.ts';
import type { Target } from '../types.ts';
import { isBlank, toolUseId } from './blocks.ts';
import { limitedCacheMarks } from './cache-marks.ts';
import { acceptedSampling } from './sampling.ts';
import { thinkingOf } from './thinking.ts';

const SAMPLING = ['temperature', 'top_p', 'top_k'] as const;

/** Changes the members of forwarded Messages requests that the target rejects. */
export class ForwardedMembers {
  readonly #family: ModelFamily;
  readonly #limits: MemberLimits;
  readonly #maxUser: number | undefined;

  constructor({ provider, model }: Target) {
    this.#family = familyOf(model);
    const { limits = {} } = provider.profile;
    this.#limits = new MemberLimits(limits, this.#family);
    this.#maxUser = limits.user;
  }

  /** @param edits receives the changed members */
  apply(body: JsonObject, edits: Edits, warn: Warn): void {
    this.#thinking(body, edits, warn);
    this.#sampling(body, edits, warn);
    this.#limits.apply(body, edits, warn);
    this.#user(body, edits, warn);
    if (!Array.isArray(body.messages)) return;
    const messages: readonly unknown[] = body.messages;
    const accepted = messages.some(hasRejectedBlock) ? messages.flatMap(withoutRejected) : messages;
    const ended = this.#withAcceptedEnd(accepted, warn);
    const marked = limitedCacheMarks({ ...body, messages: ended }, warn);
    if (ended !== messages) edits.messages = JSON.stringify(ended);
    for (const [name, value] of Object.entries(marked ?? {})) edits[name] = JSON.stringify(value);
  }

  /** Converts reasoning settings of another generation of models, which requests for an alias or a fallback have. */
  #thinking(body: JsonObject, edits: Edits, warn: Warn): void {
    const family = this.#family;
    // Only families of this vendor are known.
    if (family.prefill === undefined) return;
    const thinking = isRecord(body.thinking) ? body.thinking : undefined;
    const config = isRecord(body.output_config) ? body.output_config : {};
    const effort = isEffort(config.effort) ? config.effort : undefined;
    const lacksEffort = effort !== undefined && !family.efforts?.includes(effort);
    const lacksKind =
      (thinking?.type === 'enabled' && family.thinkingBudget === undefined) ||
      (thinking?.type === 'adaptive' && !family.adaptiveThinking);
    if (!lacksEffort && !lacksKind) return;
    const set = (sent: string | undefined) => {
      const { effort: _, ...others } = config;
      const kept = sent === undefined ? others : { ...others, effort: sent };
      edits.output_config = Object.keys(kept).length === 0 ? null : JSON.stringify(kept);
    };
    if (!lacksKind) {
      const nearest = effort === undefined ? undefined : nearestEffort(effort, family.efforts ?? []);
      set(nearest);
      const message =
        nearest === undefined
          ? 'The model does not support a reasoning effort.'
          : `The reasoning effort "${effort}" was changed to "${nearest}" for this model.`;
      const kind = nearest === undefined ? 'unsupported' : 'changed';
      warn({ kind, param: 'output_config.effort', message });
      return;
    }
    const { type: _, budget_tokens: budget, ...others } = thinking ?? {};
    const reasoning = {
      enabled: true,
      ...(effort === undefined ? {} : { effort }),
      ...(typeof budget === 'number' ? { budgetTokens: budget } : {}),
    };
    const limit = asCount(body.max_tokens) ?? family.defaultMaxTokens ?? 0;
    const accepted = thinkingOf({ reasoning }, family, limit, warn);
    edits.thinking = accepted.wire === undefined ? null : JSON.stringify({ ...others, ...accepted.wire });
    if (accepted.maxTokens !== limit) edits.max_tokens = JSON.stringify(accepted.maxTokens);
    if (accepted.effort !== effort) set(accepted.effort);
  }

  #sampling(body: JsonObject, edits: Edits, warn: Warn): void {
    const { temperature, top_p: topP, top_k: topK, thinking: asked } = body;
    if (temperature === undefined && topP === undefined && topK === undefined) return;
    const given = {
      ...(typeof temperature === 'number' ? { temperature } : {}),
      ...(typeof topP === 'number' ? { topP } : {}),
      ...(typeof topK === 'number' ? { topK } : {}),
    };
    const thinking = edits.thinking === undefined ? asked : parseJsonText(edits.thinking ?? 'null');
    const reasons = isRecord(thinking) && thinking.type === 'enabled';
    const accepted: JsonObject = acceptedSampling(given, this.#family, reasons, warn);
    for (const name of SAMPLING) {
      if (typeof body[name] === 'number' && accepted[name] === undefined) edits[name] = null;
    }
  }

  #user({ metadata }: JsonObject, edits: Edits, warn: Warn): void {
    const given: unknown = isRecord(metadata) ? metadata.user_id : undefined;
    if (typeof given !== 'string' || this.#maxUser === undefined) return;
    const known = limitedIdentifier('metadata.user_id', given, this.#maxUser, warn);
    if (known !== given) edits.metadata = JSON.stringify({ ...Object(metadata), user_id: known });
  }

  /** Adds a message of the user where the model rejects a last message of the assistant. */
  #withAcceptedEnd(messages: readonly unknown[], warn: Warn): readonly unknown[] {
    const last = messages.at(-1);
    if (this.#family.prefill !== false || !isRecord(last) || last.role !== 'assistant') return messages;
    if (Array.isArray(last.content) && last.content.some((block) => isToolUse(block))) return messages;
    const message =
      'The target does not continue a message of the assistant; a request to continue was added.';
    changed(`messages[${messages.length - 1}]`, message, warn);
    return [...messages, { role: 'user', content: 'Continue.' }];
  }
}

function isToolUse(block: unknown): boolean {
  return isRecord(block) && block.type === 'tool_use';
}

/** Histories of other vendors have texts of white space and ids with dots and colons, which the API rejects. */
function isRejected(block: unknown): boolean {
  return isBlankText(block) || idEdit(block) !== undefined;
}

function isBlankText(block: unknown): boolean {
  return isRecord(block) && block.type === 'text' && typeof block.text === 'string' && isBlank(block.text);
}

/** @returns the id that the API accepts; undefined where the block has such an id, or none */
function idEdit(block: unknown): { readonly id: string } | { readonly tool_use_id: string } | undefined {
  if (!isRecord(block)) return undefined;
  const { type, id, tool_use_id: callId } = block;
  if (type === 'tool_use' && typeof id === 'string' && toolUseId(id) !== id) return { id: toolUseId(id) };
  if (type === 'tool_result' && typeof callId === 'string' && toolUseId(callId) !== callId) {
    return { tool_use_id: toolUseId(callId) };
  }
  return undefined;
}

function hasRejectedBlock(message: unknown): boolean {
  return isRecord(message) && Array.isArray(message.content) && message.content.some(isRejected);
}

/** A message without blank texts and with accepted ids; none where nothing remains of it. */
function withoutRejected(message: unknown): readonly unknown[] {
  if (!isRecord(message) || !Array.isArray(message.content) || !hasRejectedBlock(message)) return [message];
  const content = message.content
    .filter((block) => !isBlankText(block))
    .map((block: unknown) => (isRecord(block) ? { ...block, ...idEdit(block) } : block));
  return content.length === 0 ? [] : [{ ...message, content }];
}
