import type { Provider } from '../types.ts';

/** The URL of an endpoint, whether the configured base ends in a version or not. */
export function apiUrl({ baseUrl }: Pick<Provider, 'baseUrl'>, path: string): string {
  return baseUrl.replace(/\/v[12]$/, '') + path;
}
