import type { Provider } from '../types.ts';

/** @returns the URL of an endpoint; the base URL may end with a version or not */
export function apiUrl({ baseUrl }: Pick<Provider, 'baseUrl'>, path: string): string {
  return baseUrl.replace(/\/v[12]$/, '') + path;
}
