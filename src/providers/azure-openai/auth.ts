import { GatewayError } from '../../core/errors.ts';
import type { UpstreamRequest } from '../../core/transport.ts';
import type { TokenSource } from '../oauth-tokens.ts';
import type { ProviderAdapter } from '../types.ts';

/** The endpoints of one of Azure's clouds. */
export interface AzureCloud {
  /** URL of the sign-in service. */
  readonly authority: string;
  readonly scope: string;
}

const PUBLIC: AzureCloud = {
  authority: 'https://login.microsoftonline.com',
  scope: 'https://cognitiveservices.azure.com/.default',
};

const NATIONAL: readonly (readonly [RegExp, AzureCloud])[] = [
  [
    /\.azure\.us$/,
    { authority: 'https://login.microsoftonline.us', scope: 'https://cognitiveservices.azure.us/.default' },
  ],
  [
    /\.azure\.cn$/,
    { authority: 'https://login.chinacloudapi.cn', scope: 'https://cognitiveservices.azure.cn/.default' },
  ],
];

/** @returns the cloud of a resource; the public one for an unknown host */
export function cloudOf(baseUrl: string): AzureCloud {
  const host = URL.parse(baseUrl)?.hostname ?? '';
  return NATIONAL.find(([pattern]) => pattern.test(host))?.[1] ?? PUBLIC;
}

/** @returns an `authorize` function that adds an Entra access token, or the resource's key without a token source */
export function authorizeAzure(tokens?: TokenSource): ProviderAdapter['authorize'] {
  return (request, provider) => {
    if (!tokens) {
      return provider.credential === undefined
        ? request
        : withHeader(request, 'api-key', provider.credential);
    }
    const token = tokens.token();
    if (typeof token === 'string') return withHeader(request, 'authorization', `Bearer ${token}`);
    return token.then(
      (fetched) => withHeader(request, 'authorization', `Bearer ${fetched}`),
      (error: unknown) => {
        throw error instanceof GatewayError ? error.with({ provider: provider.id }) : error;
      },
    );
  };
}

function withHeader(request: UpstreamRequest, name: string, value: string): UpstreamRequest {
  return { ...request, headers: { ...request.headers, [name]: value } };
}
