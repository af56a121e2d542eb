import type { HeaderReader } from '../../core/http.ts';
import type { Provider } from '../types.ts';

/** The URL of an endpoint, whether the configured base ends in the version or not. */
export function apiUrl({ baseUrl }: Pick<Provider, 'baseUrl'>, path: string): string {
  return `${baseUrl.replace(/\/v1$/, '')}/v1${path}`;
}

export function messagesUrl(provider: Pick<Provider, 'baseUrl'>): string {
  return apiUrl(provider, '/messages');
}

const VERSION = '2023-06-01';

/** The API's version, and the betas that a client of this dialect asks for. */
export function betaHeaders(client: HeaderReader | undefined): Readonly<Record<string, string>> {
  const beta = client?.get('anthropic-beta');
  return {
    'anthropic-version': client?.get('anthropic-version') ?? VERSION,
    ...(beta ? { 'anthropic-beta': beta } : {}),
  };
}
