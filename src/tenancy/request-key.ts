import { GatewayError } from '../core/errors.ts';
import type { HeaderReader } from '../core/http.ts';

/** @returns the error of a request without a key; it says what is wrong with an unusable `authorization` header */
export function missingKey(headers: HeaderReader): GatewayError {
  const authorization = headers.get('authorization');
  const scheme = authorization === null ? undefined : /^(\S+)\s+\S/.exec(authorization.trim())?.[1];
  const fault =
    authorization === null
      ? 'No API key was sent.'
      : scheme === undefined || /^bearer$/i.test(scheme)
        ? 'The header "authorization" has no "Bearer " before one key.'
        : `The header "authorization" has the scheme "${scheme.slice(0, 20)}", which is not supported.`;
  return new GatewayError(
    'missing_api_key',
    `${fault} Send the key as "Authorization: Bearer <key>", "x-api-key" or "api-key".`,
  );
}

const BEARER = 'Bearer ';

/** @returns the API key of `Authorization: Bearer`, `x-api-key` or `api-key`, in this order; undefined for none */
export function keyFromRequest(headers: HeaderReader): string | undefined {
  const authorization = headers.get('authorization');
  if (authorization !== null) {
    // The usual form first: a regular expression with groups costs more than reading all other headers.
    if (authorization.startsWith('Bearer wr-') && !/\s/.test(authorization.slice(BEARER.length))) {
      return authorization.slice(BEARER.length);
    }
    const match = /^bearer +(\S+)\s*$/i.exec(authorization);
    if (match) return match[1];
  }
  return headers.get('x-api-key')?.trim() || headers.get('api-key')?.trim() || undefined;
}
