import type { ChatRequest, ReasoningEffort } from '../../core/chat/request.ts';
import { isRecord } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import type { Item } from './media.ts';
import { effortOfBudget, type ModelRules, nearestEffort } from './model-rules.ts';

export interface ReasoningMembers {
  readonly settings: Item | undefined;
  readonly include: readonly string[];
  readonly effort: ReasoningEffort | undefined;
}

/** How much the model thinks, what is shown of it, and that it comes in a form that can be sent back. */
export function reasoningMembers(
  request: ChatRequest,
  rules: ModelRules,
  input: readonly Item[],
  warn: Warn,
): ReasoningMembers {
  const { reasoning = {}, extensions } = request;
  const given = extensions?.dialect === 'openai-responses' ? extensions.members.reasoning : undefined;
  const wanted = askedEffort(reasoning, warn);
  const effort = wanted === undefined ? undefined : fitting(wanted, rules, warn);
  const summary = rules.efforts?.length === 0 ? undefined : askedSummary(reasoning);
  const settings = {
    ...(isRecord(given) ? given : {}),
    ...(effort === undefined ? {} : { effort }),
    ...(summary === undefined || effort === 'none' ? {} : { summary }),
  };
  const encrypts = rules.encrypts || input.some((item) => item.type === 'reasoning');
  return {
    settings: Object.keys(settings).length === 0 ? undefined : settings,
    include: encrypts ? ['reasoning.encrypted_content'] : [],
    effort: effort ?? rules.defaultEffort,
  };
}

function askedEffort(
  { effort, budgetTokens, enabled }: NonNullable<ChatRequest['reasoning']>,
  warn: Warn,
): ReasoningEffort | undefined {
  if (enabled === false) return 'none';
  if (effort !== undefined) return effort;
  if (budgetTokens !== undefined) {
    const nearest = effortOfBudget(budgetTokens);
    warn({
      kind: 'changed',
      param: 'reasoning_effort',
      message: `The chosen target takes no budget for thinking: ${budgetTokens} tokens became the effort "${nearest}".`,
    });
    return nearest;
  }
  return enabled === true ? 'medium' : undefined;
}

function fitting(wanted: ReasoningEffort, { efforts }: ModelRules, warn: Warn): ReasoningEffort | undefined {
  if (efforts === undefined || efforts.includes(wanted)) return wanted;
  if (efforts.length === 0) {
    if (wanted !== 'none') {
      warn({
        kind: 'unsupported',
        param: 'reasoning_effort',
        message: 'The chosen model does not think before it answers.',
      });
    }
    return undefined;
  }
  const nearest = nearestEffort(wanted, efforts);
  warn({
    kind: 'changed',
    param: 'reasoning_effort',
    message: `The chosen model has no effort "${wanted}"; "${nearest}" was sent.`,
  });
  return nearest;
}

function askedSummary(reasoning: NonNullable<ChatRequest['reasoning']>): string | undefined {
  const { summary, budgetTokens, enabled } = reasoning;
  if (summary !== undefined) return summary === 'none' ? undefined : summary;
  // Dialects that switch thinking on, or give it a budget, want to see it; the API shows nothing unasked.
  return enabled === true || (budgetTokens !== undefined && enabled !== false) ? 'auto' : undefined;
}
