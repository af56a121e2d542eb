import type { Warn } from '../warning.ts';
import type { ChatRequest } from './request.ts';

function marksCache({ cacheControl, tools, messages }: ChatRequest): boolean {
  const marked = (part: object) => 'cacheControl' in part && part.cacheControl !== undefined;
  return (
    cacheControl !== undefined ||
    (tools?.some(marked) ?? false) ||
    messages.some(({ content }) =>
      content.some((part) => marked(part) || (part.type === 'tool-result' && part.content.some(marked))),
    )
  );
}

/** One warning for all cache marks of a request, for formats that have no such thing. */
export function warnOfCacheMarks(request: ChatRequest, warn: Warn): void {
  if (!marksCache(request)) return;
  warn({
    kind: 'unsupported',
    param: 'cache_control',
    message: 'Cache markers were left out: the target caches automatically.',
  });
}
