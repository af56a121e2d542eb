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

/** Warns once of all cache markers in a request, for formats without them. */
export function warnOfCacheMarks(request: ChatRequest, warn: Warn): void {
  if (!marksCache(request)) return;
  warn({
    kind: 'unsupported',
    param: 'cache_control',
    message: 'Cache markers were omitted: the target caches automatically.',
  });
}
