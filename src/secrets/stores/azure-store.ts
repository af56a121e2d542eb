import type { Config } from '../../config/schema.ts';
import {
  CachedTokenSource,
  clientCredentialsGrant,
  type FetchedToken,
  type FetchToken,
} from '../../providers/oauth-tokens.ts';
import { meaningful } from '../../providers/upstream-error.ts';
import { SecretError, type SecretStore } from '../secret-store.ts';
import { refusal, type StoreClient, type StoreResponse, signIn } from '../store-client.ts';
import { readSecretFile } from './local-stores.ts';
import type { StoreTools } from './tools.ts';

type Settings = Config['secrets']['azure'];

const API_VERSION = '7.4';
const PUBLIC_AUTHORITY = 'https://login.microsoftonline.com';
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/**
 * `azure-kv://vault/secret/version#key`: Azure Key Vault. The vault is its name, or its host in a national cloud.
 *
 * @see https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret
 */
export function createAzureStore(settings: Settings, tools: StoreTools): SecretStore {
  const client = tools.clientFor(null);
  // Each cloud has a resource of its own, and each resource tokens of its own.
  const byResource = new Map<string, CachedTokenSource>();
  return {
    async read({ parts: [vault = '', secret = '', version] }, signal) {
      const host = vault.includes('.') ? vault : `${vault}.vault.azure.net`;
      const resource = `https://${host.split('.').slice(1).join('.')}`;
      const tokens =
        byResource.get(resource) ??
        new CachedTokenSource(tokenFetcher(settings, resource, client, tools), tools.clock);
      byResource.set(resource, tokens);
      const token = await signIn(() => tokens.token());
      const base = settings.endpoint ?? `https://${host}`;
      const path = [secret, ...(version === undefined ? [] : [version])].map(encodeURIComponent).join('/');
      const request = {
        method: 'GET',
        url: `${base}/secrets/${path}?api-version=${API_VERSION}`,
        headers: { authorization: `Bearer ${token}` },
      } as const;
      const response = await client.send(request, [token], signal);
      if (response.status !== 200) throw refusal(request, response);
      const { value } = response.json;
      if (typeof value !== 'string') throw new SecretError('the secret has no value');
      return { kind: 'text', text: value };
    },
  };
}

/** An application's secret, the token of a workload identity, or the managed identity of the machine, in this order. */
function tokenFetcher(
  settings: Settings,
  resource: string,
  client: StoreClient,
  tools: StoreTools,
): FetchToken {
  const read = (name: string): string | null => tools.env[name]?.trim() || null;
  const tenantId = settings.tenant_id ?? read('AZURE_TENANT_ID');
  const clientId = settings.client_id ?? read('AZURE_CLIENT_ID');
  const clientSecret = settings.client_secret ?? read('AZURE_CLIENT_SECRET');
  const authority = settings.authority ?? read('AZURE_AUTHORITY_HOST') ?? PUBLIC_AUTHORITY;
  const scope = `${resource}/.default`;
  if (tenantId !== null && clientId !== null && clientSecret !== null) {
    return clientCredentialsGrant({ tenantId, clientId, clientSecret, scope, authority }, tools.transport);
  }
  const assertionFile = read('AZURE_FEDERATED_TOKEN_FILE');
  if (tenantId !== null && clientId !== null && assertionFile !== null) {
    const url = `${authority.replace(/\/+$/, '')}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`;
    return async () => {
      const assertion = (await readSecretFile(assertionFile)).trim();
      const form = {
        ...{ grant_type: 'client_credentials', client_id: clientId, scope },
        ...{ client_assertion_type: ASSERTION, client_assertion: assertion },
      };
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const request = { method: 'POST', url, headers, body: new URLSearchParams(form).toString() } as const;
      return tokenOf(request, await client.send(request, [assertion]), tools.clock);
    };
  }
  return async () => {
    const endpoint = read('IDENTITY_ENDPOINT');
    const header = read('IDENTITY_HEADER');
    const query = new URLSearchParams({ resource, ...(clientId === null ? {} : { client_id: clientId }) });
    // App Service and Container Apps have an endpoint of their own; machines and pods the metadata service.
    const request =
      endpoint !== null && header !== null
        ? {
            method: 'GET' as const,
            url: `${endpoint}?api-version=2019-08-01&${query}`,
            headers: { 'x-identity-header': header },
          }
        : {
            method: 'GET' as const,
            url: `${settings.metadata}/metadata/identity/oauth2/token?api-version=2018-02-01&${query}`,
            headers: { metadata: 'true' },
          };
    return tokenOf(request, await client.send(request, [header ?? undefined]), tools.clock);
  };
}

/** App Service tells when a token expires instead of its lifetime, as text. */
function tokenOf(
  request: { readonly url: string },
  response: StoreResponse,
  clock: StoreTools['clock'],
): FetchedToken {
  if (response.status !== 200) {
    const { message, retryable } = refusal(request, response);
    throw new SecretError(`no access token: ${message}`, retryable);
  }
  const { access_token, expires_in, expires_on } = response.json;
  const token = meaningful(access_token);
  const lifetime = Number(expires_in ?? Number(expires_on) - clock.wallTime() / 1000);
  if (token === undefined || !(lifetime > 0)) {
    throw new SecretError('no access token: the response has none, or it has expired');
  }
  return { token, expiresInSeconds: lifetime };
}
