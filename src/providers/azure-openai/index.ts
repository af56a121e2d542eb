import type { Clock } from '../../core/clock.ts';
import type { Transport } from '../../core/transport.ts';
import { createAdapter } from '../adapter.ts';
import { CachedTokenSource, clientCredentialsGrant, type TokenSource } from '../oauth-tokens.ts';
import { openAiChatFormat } from '../openai-compatible/chat-format.ts';
import { openAiEmbeddingFormat } from '../openai-compatible/embedding-format.ts';
import { openAiEmbeddingPassthrough, openAiPassthrough } from '../openai-compatible/passthrough.ts';
import { responsesFormatTo, responsesPassthroughTo } from '../openai-responses/index.ts';
import { rerankThroughEmbeddings } from '../rerank-through-embeddings.ts';
import type { ProviderAdapter, VendorProfile } from '../types.ts';
import { VENDOR_LIMITS } from '../vendor-limits.ts';
import { authorizeAzure, cloudOf } from './auth.ts';
import { azureEndpoint, azureModelsUrl } from './endpoint.ts';
import { azureError } from './errors.ts';

export { authorizeAzure, cloudOf } from './auth.ts';
export { azureEndpoint, azureModelsUrl, azureUrl } from './endpoint.ts';
export { azureError } from './errors.ts';

/** The profile of Azure OpenAI. */
export const AZURE_OPENAI: VendorProfile = {
  label: 'Azure OpenAI',
  environment: { key: 'AZURE_API_KEY', baseUrl: 'AZURE_ENDPOINT' },
  streamUsage: 'on-request',
  developerRole: true,
  limits: VENDOR_LIMITS.azure,
  metadataNeedsStore: true,
  allowedTools: true,
  openAiFiles: true,
  namesByModel: true,
  responsesApi: true,
  dataNames: { prices: 'azure', models: 'azure' },
  needsKey: true,
};

/** Settings of the adapter. */
export interface AzureSettings {
  readonly apiVersion: string | null;
  /**
   * As configured: `chat` only, `responses` only, or null for the API of the client's dialect, and chat for other dialects.
   */
  readonly api: 'chat' | 'responses' | null;
  /** Replaces the key. */
  readonly tokens?: TokenSource;
}

/** The adapter for Azure's deployments of OpenAI's APIs. The service has no list of deployments. */
export function createAzureAdapter({ apiVersion, api, tokens }: AzureSettings): ProviderAdapter {
  const at = (path: Parameters<typeof azureEndpoint>[1]) => azureEndpoint({ apiVersion }, path);
  const chatFormat = openAiChatFormat(at('/chat/completions'));
  const responsesFormat = responsesFormatTo(at('/responses'));
  const chat = openAiPassthrough(at('/chat/completions'), chatFormat);
  const completions = openAiPassthrough(at('/completions'));
  const responses = { ...responsesPassthroughTo(at('/responses')), canonical: responsesFormat };
  const embeddings = openAiEmbeddingFormat(at('/embeddings'));
  return createAdapter({
    kind: 'azure-openai',
    chat: api === 'responses' ? responsesFormat : chatFormat,
    passthrough: (wire) => {
      if (wire === 'openai-chat') return api === 'responses' ? undefined : chat;
      if (wire === 'openai-responses') return api === 'chat' ? undefined : responses;
      return wire === 'openai-completions' ? completions : undefined;
    },
    embeddings,
    embeddingPassthrough: openAiEmbeddingPassthrough(at('/embeddings')),
    rerank: rerankThroughEmbeddings(embeddings),
    authorize: authorizeAzure(tokens),
    mapError: azureError,
    buildAccessRequest: ({ baseUrl, headers }) => ({
      method: 'GET',
      url: azureModelsUrl({ baseUrl, apiVersion }),
      headers: { accept: 'application/json', 'accept-encoding': 'identity', ...headers },
    }),
  });
}

/** Settings of an Entra application. */
export interface EntraSettings {
  readonly tenantId: string | null;
  readonly clientId: string | null;
  readonly clientSecret: string | null;
  readonly baseUrl: string;
  /** URL of a sign-in service; the one of the resource's cloud when undefined. */
  readonly authority?: string | undefined;
}

/**
 * The token source of an Entra application.
 * @returns undefined when no application is configured
 * @throws Error when a setting is missing
 */
export function entraTokens(
  { tenantId, clientId, clientSecret, baseUrl, authority }: EntraSettings,
  transport: Transport,
  clock: Clock,
): TokenSource | undefined {
  if (tenantId === null && clientId === null && clientSecret === null) return undefined;
  if (tenantId === null || clientId === null || clientSecret === null) {
    throw new Error('tenant_id, client_id and client_secret go together: one of them is missing');
  }
  const cloud = cloudOf(baseUrl);
  const credentials = {
    tenantId,
    clientId,
    clientSecret,
    scope: cloud.scope,
    authority: authority ?? cloud.authority,
  };
  return new CachedTokenSource(clientCredentialsGrant(credentials, transport), clock);
}

/** Reads a resource from the usual variables. @returns undefined without its URL or a credential */
export function azureFromEnvironment(env: Readonly<Record<string, string | undefined>>) {
  const read = (name: string): string | null => env[name]?.trim() || null;
  const base = (read('AZURE_BASE_URL') ?? read('AZURE_ENDPOINT'))?.replace(/\/+$/, '');
  const key = read('AZURE_API_KEY');
  const application = {
    tenant_id: read('AZURE_TENANT_ID'),
    client_id: read('AZURE_CLIENT_ID'),
    client_secret: read('AZURE_CLIENT_SECRET'),
  };
  const complete = Object.values(application).every((value) => value !== null);
  if (base === undefined || (key === null && !complete)) return undefined;
  const signIn =
    key === null ? application : ({ tenant_id: null, client_id: null, client_secret: null } as const);
  return { api_key: key, base_url: base, api_version: read('AZURE_API_VERSION'), ...signIn };
}
