import type { ChatCall } from '../../core/inference.ts';
import { isRecord, listOf } from '../../core/json.ts';
import type { Target } from '../types.ts';

/** Types of tools that targets with functions only reject. */
const SPECIAL: ReadonlySet<unknown> = new Set(['custom', 'namespace']);

/**
 * Whether a call of the target's own format must be translated, because it has free-text tools, groups of tools or a choice
 * among several tools, and the target knows none of them.
 */
export function needsFunctions({ body, dialect }: ChatCall, { provider }: Target): boolean {
  if (provider.profile.functionsOnly !== true) return false;
  // In Messages, functions have the type "custom".
  if (dialect.name !== 'openai-chat' && dialect.name !== 'openai-responses') return false;
  const { tools, tool_choice: choice } = body;
  return (
    (isRecord(choice) && choice.type === 'allowed_tools') ||
    listOf(tools).some((tool) => isRecord(tool) && SPECIAL.has(tool.type))
  );
}
