import type { CachedResponse, CacheEntry } from '../cache/cache-entry.ts';
import type { StorableCall } from '../cache/cacheable.ts';
import { drainStream } from '../core/stream/drain.ts';
import type { Target } from '../providers/types.ts';
import { type ReplayServices, replay } from './cached-response.ts';
import type { RequestContext } from './request-context.ts';

/** @returns the text of a stored chat; undefined for one without, or that cannot be read */
export async function answerText(
  entry: CacheEntry<CachedResponse>,
  call: StorableCall,
  request: RequestContext,
  target: Target,
  services: ReplayServices,
): Promise<string | undefined> {
  if (call.operation !== 'chat') return undefined;
  const { onResponse: _, ...rest } = call;
  try {
    const whole = { ...rest, stream: false };
    const response = await replay({ entry, call: whole, request, target, isPaced: false }, services);
    if (response?.body.kind === 'stream') drainStream(response.body.stream);
    if (response?.body.kind !== 'complete') return undefined;
    const parts = response.body.result.chat()?.choices[0]?.content ?? [];
    const text = parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
    return text === '' ? undefined : text;
  } catch {
    // Damaged: serving it fails in the same way, and fetches it again.
    return undefined;
  }
}
