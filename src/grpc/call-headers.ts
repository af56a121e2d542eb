import type { HeaderFields, HeaderReader, ResponseHeaders } from '../core/http.ts';

/** Belong to the transport, or mean something else to routes over HTTP. */
const NOT_FORWARDED = new Set([
  ...[
    'te',
    'content-type',
    'content-length',
    'content-encoding',
    'accept',
    'accept-encoding',
    'cookie',
    'host',
  ],
  ...['origin', 'referer', 'expect', 'range', 'anthropic-version', 'anthropic-beta'],
]);

/**
 * The metadata of a call as the headers of the request that it becomes.
 * @param timeoutMs of `grpc-timeout`
 * @param authority the host that the client called
 */
export function requestHeaders(
  metadata: HeaderReader,
  timeoutMs: number | undefined,
  authority: string,
): HeaderReader {
  const own = new Map([['content-type', 'application/json']]);
  if (authority !== '') own.set('host', authority);
  if (timeoutMs !== undefined && !metadata.has('x-weir-timeout')) {
    own.set('x-weir-timeout', `${Math.min(Math.max(1, Math.ceil(timeoutMs)), MAX_TIMEOUT)}ms`);
  }
  const isForwarded = (name: string) => !NOT_FORWARDED.has(name) && !name.startsWith('grpc-');
  return {
    get: (name) => own.get(name) ?? (isForwarded(name) ? metadata.get(name) : null),
    has: (name) => own.has(name) || (isForwarded(name) && metadata.has(name)),
    keys: () => [...own.keys(), ...[...(metadata.keys?.() ?? [])].filter(isForwarded)],
  };
}

/** Nine digits, as the header allows. Milliseconds. */
const MAX_TIMEOUT = 999_999_999;

/** Headers of responses over HTTP that mean nothing to clients of gRPC. */
const NOT_RETURNED = new Set([
  ...[
    'content-type',
    'content-length',
    'content-encoding',
    'content-security-policy',
    'cache-control',
    'vary',
  ],
  ...[
    'x-content-type-options',
    'x-frame-options',
    'x-xss-protection',
    'x-accel-buffering',
    'referrer-policy',
  ],
  ...[
    'strict-transport-security',
    'www-authenticate',
    'date',
    'set-cookie',
    'connection',
    'transfer-encoding',
  ],
]);

/** Clients accept 8 KiB of metadata by default, with 32 bytes for each entry; status and message need some. Bytes. */
const MAX_METADATA = 6 * 1024;
const ENTRY_OVERHEAD = 32;

/** The headers of a response as metadata. Those that do not fit are left out, the explanation first. */
export function responseMetadata(headers: ResponseHeaders): [name: string, value: string][] {
  const fields: HeaderFields = headers.fields();
  const entries = Object.entries(fields)
    .filter(([name]) => !NOT_RETURNED.has(name) && !name.startsWith('access-control-'))
    .map(([name, value]): [string, string] => [name, typeof value === 'string' ? value : value.join(', ')])
    .sort((a, b) => a[1].length - b[1].length);
  let left = MAX_METADATA;
  return entries.filter(([name, value]) => {
    const size = name.length + value.length + ENTRY_OVERHEAD;
    if (size > left) return false;
    left -= size;
    return true;
  });
}
