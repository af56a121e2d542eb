import type { ChatRequest } from '../../core/chat/request.ts';
import type { Warn } from '../../core/warning.ts';
import type { ModelFamily } from '../model-families.ts';

/** Sampling parameters by the names of the Messages API. */
export type SamplingMembers = Partial<Record<'temperature' | 'top_p' | 'top_k', number>>;

/**
 * Selects the sampling parameters that a model accepts, with a warning for each other one.
 * @param reasons the request sets a reasoning budget
 */
export function acceptedSampling(
  { temperature, topP, topK }: Pick<ChatRequest, 'temperature' | 'topP' | 'topK'>,
  family: ModelFamily,
  reasons: boolean,
  warn: Warn,
): SamplingMembers {
  const members: SamplingMembers = {};
  const drop = (param: string, why: string) => {
    warn({ kind: 'unsupported', param, message: `"${param}" was omitted: ${why}.` });
  };
  const restriction = family.fixedSampling
    ? 'the model chooses the value'
    : reasons
      ? 'the model rejects it while it reasons'
      : undefined;
  if (temperature !== undefined) {
    if (restriction === undefined) members.temperature = temperature;
    else if (temperature !== 1) drop('temperature', restriction);
  }
  if (topP !== undefined) {
    if (family.fixedSampling) {
      if (topP !== 1) drop('top_p', 'the model chooses the value');
    } else if (restriction !== undefined && topP < 0.95) drop('top_p', restriction);
    else if (family.oneSamplingParameter && members.temperature !== undefined) {
      if (topP !== 1) drop('top_p', 'this model takes either temperature or top_p');
    } else members.top_p = topP;
  }
  if (topK !== undefined) {
    if (restriction !== undefined) drop('top_k', restriction);
    else members.top_k = topK;
  }
  return members;
}
