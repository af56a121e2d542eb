import type { CountTokensCall } from '../core/inference.ts';
import { sendBuffered } from '../providers/buffered-call.ts';
import type { AttemptContext, Target, TokenCountStep } from '../providers/types.ts';

/** Milliseconds for one request. Engines count without computing, so a slower one is better estimated. */
const TIMEOUT_MS = 5_000;
/** Bytes of one response: a token id has at most seven digits. */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Counts the tokens of a conversation at an engine, in one request or several.
 * @returns undefined where the engine has no such endpoint, or does not respond well
 */
export async function countAtEngine(
  call: CountTokensCall,
  target: Target,
  context: AttemptContext,
): Promise<number | undefined> {
  const { provider } = target;
  const { adapter } = provider;
  // Images become as many tokens as the model makes of them, which no tokenizer knows.
  if (call.view().hasImages()) return undefined;
  try {
    let next: number | TokenCountStep | undefined = adapter.tokenCountStep?.(call, target, context);
    while (typeof next === 'object') {
      const request = await adapter.authorize(next.request, provider);
      const response = await sendBuffered(provider, request, TIMEOUT_MS, MAX_BYTES);
      if (response.status !== 200) return undefined;
      next = next.read(response);
    }
    return next;
  } catch {
    // An estimate serves the client better than the reason.
    return undefined;
  }
}
