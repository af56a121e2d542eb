import type { ChatCall, InferenceCall, RerankCall } from '../core/inference.ts';
import { hasExactNumbers } from './exact-numbers.ts';

/** A call whose response can be stored as a whole. */
export type StorableCall = ChatCall | RerankCall;

/** Whether a call is of an operation whose responses the exact cache stores. Embeddings have a cache of their own. */
export function isStorable(call: InferenceCall): call is StorableCall {
  return call.operation === 'chat' || call.operation === 'completion' || call.operation === 'rerank';
}

/** Whether the response to a call may differ each time it is made, because it is sampled or uses tools. */
export function isSampled(call: StorableCall): boolean {
  if (call.operation === 'rerank') return false;
  const { temperature } = call.body;
  return (typeof temperature === 'number' && temperature > 0) || call.view().hasTools;
}

/**
 * Whether a key says all that a target may read in the request: targets of the client's dialect get the text, whose parsed form
 * the key is made of.
 */
export function isUnambiguous(call: StorableCall): boolean {
  if (call.operation === 'rerank' || call.dialect.edit === undefined) return true;
  return hasExactNumbers(call.text);
}

/** Reasons with which a response is not the whole, regular one. */
const IRREGULAR = /filter|safety|refus|error|fail|cancel|pause|blocklist|prohibited|recitation|incomplete/i;

/** Whether a response that ended for a reason may be stored. Chats without a reason may have been cut. */
export function isWhole(call: StorableCall, finishReason: string | undefined): boolean {
  if (call.operation === 'rerank') return true;
  return finishReason !== undefined && !IRREGULAR.test(finishReason);
}
