import type { ChatRequest, ReasoningEffort } from '../../core/chat/request.ts';
import type { Warn } from '../../core/warning.ts';
import type { Item } from './media.ts';
import type { ModelRules } from './model-rules.ts';

/** Builds the sampling parameters that the model accepts. */
export function samplingMembers(
  { temperature, topP, logprobs }: ChatRequest,
  { refusesSampling }: ModelRules,
  effort: ReasoningEffort | undefined,
  warn: Warn,
): { readonly members: Item; readonly include: readonly string[] } {
  const refused = refusesSampling === 'always' || (refusesSampling === 'thinking' && effort !== 'none');
  if (!refused) {
    return {
      members: { temperature, top_p: topP, top_logprobs: logprobs?.top },
      include: logprobs === undefined ? [] : ['message.output_text.logprobs'],
    };
  }
  const refuse = (param: string, given: boolean) => {
    if (!given) return;
    warn({ kind: 'unsupported', param, message: `The model does not support ${param} while it reasons.` });
  };
  // 1 is the model's default.
  refuse('temperature', temperature !== undefined && temperature !== 1);
  refuse('top_p', topP !== undefined && topP !== 1);
  refuse('logprobs', logprobs !== undefined);
  return { members: {}, include: [] };
}
