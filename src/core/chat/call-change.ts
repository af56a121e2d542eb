import type { ChatRequest, Message } from './request.ts';

/** A change to a chat call, in terms that dialects share. */
export type CallChange =
  /** Puts instructions before those of the client. */
  | { readonly type: 'prepend-system'; readonly text: string }
  /** Asks for the log probabilities of the response's tokens. */
  | { readonly type: 'request-logprobs' }
  /** Allows at most this many output tokens, reasoning included. */
  | { readonly type: 'limit-output'; readonly max: number };

/** Applies a change to a canonical request. */
export function applyChange(request: ChatRequest, change: CallChange): ChatRequest {
  switch (change.type) {
    case 'prepend-system':
      return { ...request, messages: withInstructions(request.messages, change.text) };
    case 'request-logprobs':
      return { ...request, logprobs: request.logprobs ?? {} };
    case 'limit-output':
      return withOutputLimit(request, change.max);
  }
}

function withOutputLimit(request: ChatRequest, max: number): ChatRequest {
  const { maxOutputTokens = max, reasoning } = request;
  const limited = { ...request, maxOutputTokens: Math.min(maxOutputTokens, max) };
  if (reasoning?.budgetTokens === undefined || reasoning.budgetTokens < max) return limited;
  // An adapter raises the limit above the budget.
  return { ...limited, reasoning: { ...reasoning, budgetTokens: max - 1 } };
}

function withInstructions(messages: readonly Message[], text: string): readonly Message[] {
  const [first, ...rest] = messages;
  if (first?.role !== 'system' && first?.role !== 'developer') {
    return [{ role: 'system', content: [{ type: 'text', text }] }, ...messages];
  }
  const [part, ...parts] = first.content;
  const content =
    part?.type === 'text'
      ? [{ ...part, text: joinInstructions(text, part.text) }, ...parts]
      : [{ type: 'text', text } as const, ...first.content];
  return [{ ...first, content }, ...rest];
}

/** Joins instructions with an empty line between them. */
export function joinInstructions(before: string, own: string): string {
  return own === '' ? before : `${before}\n\n${own}`;
}
