import type { Origin } from '../../core/chat/request.ts';
import type { Target } from '../types.ts';

/** Kinds of providers whose encrypted reasoning OpenAI's models can read. */
const OPENAI_KINDS: ReadonlySet<string> = new Set(['openai', 'azure-openai']);

/** @returns the vendor that can read a target's encrypted reasoning. Vendors with this format use different keys. */
export function originOf({ provider }: Target): Origin {
  return OPENAI_KINDS.has(provider.kind) ? 'openai' : 'other';
}
