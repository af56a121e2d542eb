import type { ChatCall } from '../../core/inference.ts';
import { isRecord, listOf } from '../../core/json.ts';
import type { Target } from '../types.ts';

/**
 * Whether a call of the target's own format must be translated, because it has free-text tools or a choice among several
 * tools, and the target knows neither.
 */
export function needsFunctions({ body, dialect }: ChatCall, { provider }: Target): boolean {
  if (provider.profile.functionsOnly !== true || dialect.name !== 'openai-chat') return false;
  const { tools, tool_choice: choice } = body;
  return (
    (isRecord(choice) && choice.type === 'allowed_tools') ||
    listOf(tools).some((tool) => isRecord(tool) && tool.type === 'custom')
  );
}
