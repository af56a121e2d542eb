import type { UpstreamHeaders } from '../core/transport.ts';

/**
 * Headers by which vendors steer their clients, and which clients parse: `x-should-retry` and `retry-after-ms` (OpenAI's and
 * Anthropic's SDKs), `anthropic-ratelimit-*` (Claude Code), `x-ratelimit-*` (OpenAI and many others).
 */
const STEERING =
  /^(?:x-should-retry|retry-after-ms|anthropic-(?:ratelimit|priority)-[\w-]+|x-ratelimit-[\w-]+|ratelimit(?:-\w+|bysize-[\w-]+))$/;
/** Of these names, the gateway sends headers with a meaning of its own. */
const OWN = new Set(['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset']);
const SENDABLE = /^[\t\x20-\x7e]*$/;
const MAX_VALUE = 256;
const MAX_HEADERS = 40;

/** @returns whether a name can be one of the headers: nearly all other headers fail this test, which costs little */
function mayBeSteering(name: string): boolean {
  const first = name.charCodeAt(0);
  return first === 0x78 || first === 0x72 || first === 0x61;
}

/**
 * Reads the headers of a vendor's response that its clients would have got without the gateway.
 * @returns undefined where there are none
 */
export function steeringHeaders(headers: UpstreamHeaders): Record<string, string> | undefined {
  let found: Record<string, string> | undefined;
  let count = 0;
  for (const name of headers.keys?.() ?? []) {
    if (!mayBeSteering(name) || !STEERING.test(name) || OWN.has(name)) continue;
    const value = headers.get(name);
    if (value === null || value.length > MAX_VALUE || !SENDABLE.test(value)) continue;
    found ??= {};
    found[name] = value;
    count += 1;
    if (count === MAX_HEADERS) break;
  }
  return found;
}

/** The same without what is about a retry: beside a response there is none. */
export function rateLimitHeaders(headers: UpstreamHeaders): Record<string, string> | undefined {
  const found = steeringHeaders(headers);
  if (found) {
    delete found['x-should-retry'];
    delete found['retry-after-ms'];
  }
  return found;
}

/** The vendor asks its clients not to send the request again. */
export function forbidsRetry(headers: UpstreamHeaders): boolean {
  return headers.get('x-should-retry')?.trim().toLowerCase() === 'false';
}
