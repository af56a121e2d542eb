import type { ChatRequest, ReasoningEffort, ReasoningSettings } from '../../core/chat/request.ts';
import { isRecord } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import { budgetToEffort, nearestEffort } from '../model-families.ts';
import type { Item } from './media.ts';
import type { ModelRules } from './model-rules.ts';

/** The reasoning members of a request. */
export interface ReasoningMembers {
  readonly settings: Item | undefined;
  readonly include: readonly string[];
  /** The effort that applies; undefined when unknown. */
  readonly effort: ReasoningEffort | undefined;
}

/** Builds the reasoning members: effort, summary, and encrypted content that can be sent back. */
export function reasoningMembers(
  request: ChatRequest,
  rules: ModelRules,
  input: readonly Item[],
  warn: Warn,
): ReasoningMembers {
  const { reasoning = {}, extensions } = request;
  const given = extensions?.dialect === 'openai-responses' ? extensions.members.reasoning : undefined;
  const effort = effortFor(reasoning, rules, warn);
  const summary = rules.efforts?.length === 0 || effort === 'none' ? undefined : summaryFor(reasoning, rules);
  const settings = {
    ...(isRecord(given) ? given : {}),
    ...(effort === undefined ? {} : { effort }),
    ...(summary === undefined ? {} : { summary }),
  };
  const encrypts = rules.encrypts || input.some((item) => item.type === 'reasoning');
  return {
    settings: Object.keys(settings).length === 0 ? undefined : settings,
    include: encrypts ? ['reasoning.encrypted_content'] : [],
    effort: effort ?? rules.defaultEffort,
  };
}

function effortFor(
  { effort: requested, budgetTokens, enabled }: ReasoningSettings,
  { efforts }: ModelRules,
  warn: Warn,
): ReasoningEffort | undefined {
  const off = enabled === false || requested === 'none';
  if (efforts === undefined) {
    if (requested !== undefined && enabled !== false) return requested;
    if (budgetTokens !== undefined && !off)
      refuse('The target does not support a token budget for reasoning.', warn);
    return undefined;
  }
  if (efforts.length === 0) {
    if (!off && (requested ?? budgetTokens ?? enabled) !== undefined) {
      refuse('The model does not support reasoning.', warn);
    }
    return undefined;
  }
  const wanted = wantedEffort(off ? 'none' : requested, budgetTokens, enabled, efforts);
  if (wanted === undefined) return undefined;
  const nearest = nearestEffort(wanted, efforts);
  if (
    nearest !== requested &&
    !(off && nearest === 'none') &&
    (requested ?? budgetTokens ?? (off || undefined))
  ) {
    const wish = off ? 'none' : (requested ?? `${budgetTokens} tokens`);
    warn({
      kind: 'changed',
      param: 'reasoning_effort',
      message: `The reasoning setting "${wish}" was changed to "${nearest}" for this model.`,
    });
  }
  return nearest;
}

function wantedEffort(
  requested: ReasoningEffort | undefined,
  budgetTokens: number | undefined,
  enabled: boolean | undefined,
  efforts: readonly ReasoningEffort[],
): ReasoningEffort | undefined {
  if (requested !== undefined) return requested;
  if (budgetTokens !== undefined) return budgetToEffort(budgetTokens);
  // Models with optional reasoning need an explicit effort; the others reason by default.
  return enabled === true && efforts.includes('none') ? 'medium' : undefined;
}

function refuse(message: string, warn: Warn): void {
  warn({ kind: 'unsupported', param: 'reasoning_effort', message });
}

function summaryFor(
  { summary, budgetTokens, enabled }: ReasoningSettings,
  { efforts }: ModelRules,
): string | undefined {
  if (summary !== undefined) return summary === 'none' ? undefined : summary;
  if (efforts === undefined || enabled === false) return undefined;
  // Clients that turn reasoning on, or send a budget, expect to see it; the API shows none by default.
  return enabled === true || budgetTokens !== undefined ? 'auto' : undefined;
}
