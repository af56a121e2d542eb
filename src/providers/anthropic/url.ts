import type { HeaderReader } from '../../core/http.ts';
import type { Provider } from '../types.ts';

/** @returns the URL of an endpoint; the base URL may end with the version or not */
export function apiUrl({ baseUrl }: Pick<Provider, 'baseUrl'>, path: string): string {
  return `${baseUrl.replace(/\/v1$/, '')}/v1${path}`;
}

/** @returns the URL of the Messages endpoint */
export function messagesUrl(provider: Pick<Provider, 'baseUrl'>): string {
  return apiUrl(provider, '/messages');
}

const VERSION = '2023-06-01';

/** Headers with the API's version and the betas that the client requests. */
export function betaHeaders(client: HeaderReader | undefined): Readonly<Record<string, string>> {
  const beta = client?.get('anthropic-beta');
  return {
    'anthropic-version': client?.get('anthropic-version') ?? VERSION,
    ...(beta ? { 'anthropic-beta': beta } : {}),
  };
}
