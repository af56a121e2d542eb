import type { HttpRequest } from '../core/http.ts';

/** @returns the query of a request. Read from its target: the URL is invalid where the header "host" is no host of a URL */
export function queryOf({ target }: Pick<HttpRequest, 'target'>): URLSearchParams {
  const at = target.indexOf('?');
  return new URLSearchParams(at < 0 ? '' : target.slice(at + 1));
}

/** @returns the parameters of a query by name; a list for one that is repeated, which only schemas of lists accept */
export function queryFields(query: URLSearchParams): Record<string, string | string[]> {
  const fields = new Map<string, string | string[]>();
  for (const name of new Set(query.keys())) {
    const values = query.getAll(name);
    fields.set(name, values.length === 1 ? (values[0] ?? '') : values);
  }
  return Object.fromEntries(fields);
}
