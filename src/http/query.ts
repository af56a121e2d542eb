import type { HttpRequest } from '../core/http.ts';

/** @returns the query of a request. Read from its target: the URL is invalid where the header "host" is no host of a URL */
export function queryOf({ target }: Pick<HttpRequest, 'target'>): URLSearchParams {
  const at = target.indexOf('?');
  return new URLSearchParams(at < 0 ? '' : target.slice(at + 1));
}
