import type { ChatRequest, ReasoningEffort } from '../../core/chat/request.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import { budgetToEffort, effortToBudget, type ModelFamily, nearestEffort } from '../model-families.ts';

/** The reasoning settings that the model receives. */
export interface Thinking {
  /** The `thinking` member. */
  readonly wire: JsonObject | undefined;
  readonly effort: ReasoningEffort | undefined;
  /** The output limit. A reasoning budget counts towards it, so it may be higher than requested. */
  readonly maxTokens: number;
}

/** Output tokens that remain for the response in addition to reasoning. */
const ROOM = 1_024;

/** Converts reasoning settings to the members that the model supports, with a warning for each change. */
export function thinkingOf(
  { reasoning }: Pick<ChatRequest, 'reasoning'>,
  family: ModelFamily,
  maxTokens: number,
  warn: Warn,
): Thinking {
  const nothing = { wire: undefined, effort: undefined, maxTokens };
  if (reasoning === undefined) return nothing;
  const { effort: requested, budgetTokens, enabled, summary } = reasoning;
  const display = summary === undefined ? {} : { display: summary === 'none' ? 'omitted' : 'summarized' };
  const off = enabled === false || requested === 'none';
  if (off)
    return {
      ...nothing,
      wire: family.adaptiveThinking || family.thinkingBudget ? { type: 'disabled' } : undefined,
    };
  if (family.adaptiveThinking && (budgetTokens === undefined || !family.thinkingBudget)) {
    const effort = effortFor(
      requested ?? (budgetTokens === undefined ? undefined : budgetToEffort(budgetTokens)),
      family,
      warn,
    );
    if (budgetTokens !== undefined) {
      warn({
        kind: 'changed',
        param: 'thinking.budget_tokens',
        message: `This model has no token budget for reasoning; the effort "${effort}" was sent instead.`,
      });
    }
    // An effort alone does not turn reasoning on, so the `thinking` member is sent with it.
    return { wire: { type: 'adaptive', ...display }, effort, maxTokens };
  }
  if (!family.thinkingBudget) {
    warn({
      kind: 'unsupported',
      param: 'reasoning_effort',
      message: 'The model does not support reasoning.',
    });
    return nothing;
  }
  const { min, max } = family.thinkingBudget;
  const wanted = budgetTokens ?? effortToBudget(requested ?? 'medium', family.thinkingBudget);
  const budget = Math.min(max, Math.max(min, wanted));
  const limit = maxTokens > budget ? maxTokens : budget + ROOM;
  if (limit !== maxTokens) {
    warn({
      kind: 'changed',
      param: 'max_tokens',
      message: `Reasoning counts as output, so the limit was raised from ${maxTokens} to ${limit} tokens.`,
    });
  }
  // An effort stays an effort if the model accepts it.
  const effort =
    family.efforts && requested !== undefined && budgetTokens !== undefined ? requested : undefined;
  // Models with a budget show their reasoning by default.
  const hidden = summary === 'none' ? display : {};
  return { wire: { type: 'enabled', budget_tokens: budget, ...hidden }, effort, maxTokens: limit };
}

function effortFor(
  requested: ReasoningEffort | undefined,
  { efforts = [] }: ModelFamily,
  warn: Warn,
): ReasoningEffort | undefined {
  if (requested === undefined) return undefined;
  const nearest = nearestEffort(requested, efforts);
  if (nearest !== requested) {
    warn({
      kind: 'changed',
      param: 'reasoning_effort',
      message: `The reasoning effort "${requested}" was changed to "${nearest}" for this model.`,
    });
  }
  return nearest;
}
