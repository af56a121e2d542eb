import type { Origin } from '../../core/chat/request.ts';
import type { Target } from '../types.ts';

/** Kinds whose encrypted reasoning OpenAI's models can read. */
const OPENAI_KINDS: ReadonlySet<string> = new Set(['openai', 'azure-openai']);

/** Who alone can read the encrypted reasoning of a target: others speak this format with keys of their own. */
export function originOf({ provider }: Target): Origin {
  return OPENAI_KINDS.has(provider.kind) ? 'openai' : 'other';
}
