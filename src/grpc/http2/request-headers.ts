import type { HeaderReader } from '../../core/http.ts';
import type { HeaderEntry } from './hpack-decoder.ts';

/** The head of one request. */
export interface RequestHead {
  readonly method: string;
  readonly path: string;
  readonly scheme: string;
  readonly authority: string;
  /** Without pseudo-headers. */
  readonly headers: HeaderReader;
}

const PSEUDO = new Set([':method', ':path', ':scheme', ':authority']);
/** Belong to connections of HTTP/1.1 (RFC 9113, section 8.2.2). */
const FORBIDDEN = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** No control character, and no space at either end. */
const VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;

/**
 * Checks the header list of a request.
 * @returns why it is malformed (RFC 9113, section 8), as a text
 */
export function readRequestHead(entries: readonly HeaderEntry[]): RequestHead | string {
  const pseudo = new Map<string, string>();
  const fields = new Map<string, string>();
  for (const [name, value] of entries) {
    if (!VALUE.test(value)) return 'a header has a value that is not allowed';
    if (name.startsWith(':')) {
      if (!PSEUDO.has(name) || pseudo.has(name) || fields.size > 0) return 'a pseudo-header is not allowed';
      pseudo.set(name, value);
      continue;
    }
    const problem = fieldProblem(name, value);
    if (problem !== undefined) return problem;
    const before = fields.get(name);
    fields.set(name, before === undefined ? value : `${before}${name === 'cookie' ? '; ' : ', '}${value}`);
  }
  const method = pseudo.get(':method');
  const path = pseudo.get(':path');
  const scheme = pseudo.get(':scheme');
  if (!method || !path?.startsWith('/') || !scheme) return 'a pseudo-header is missing';
  const authority = pseudo.get(':authority') ?? fields.get('host') ?? '';
  const headers: HeaderReader = {
    get: (name) => fields.get(name) ?? null,
    has: (name) => fields.has(name),
    keys: () => fields.keys(),
  };
  return { method, path, scheme, authority, headers };
}

/** @returns why the trailers of a request are malformed */
export function trailerProblem(entries: readonly HeaderEntry[]): string | undefined {
  for (const [name, value] of entries) {
    if (!VALUE.test(value)) return 'a trailer has a value that is not allowed';
    const problem = fieldProblem(name, value);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function fieldProblem(name: string, value: string): string | undefined {
  if (!NAME.test(name)) return 'a header has a name that is not allowed';
  if (FORBIDDEN.has(name)) return 'a header belongs to HTTP/1.1';
  return name === 'te' && value.toLowerCase() !== 'trailers'
    ? 'the header "te" is not "trailers"'
    : undefined;
}
