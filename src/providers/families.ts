import { readFileSync } from 'node:fs';
import type { ProviderConfig } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { Transport } from '../core/transport.ts';
import { type AwsCredentialSource, defaultAwsCredentials } from '../platform/aws-signature.ts';
import { AZURE_OPENAI, azureFromEnvironment, createAzureAdapter, entraTokens } from './azure-openai/index.ts';
import type { BatchUpstream } from './batch-upstream.ts';
import { bedrockUrl } from './bedrock/url.ts';
import { GEMINI_URL, vertexUrl } from './gemini/url.ts';
import { CachedTokenSource, serviceAccountGrant, type TokenSource } from './oauth-tokens.ts';
import { createOpenAiAdapter } from './openai-compatible/adapter.ts';
import { GENERIC, VENDORS } from './openai-compatible/vendors.ts';
import type { Provider, ProviderAdapter, VendorProfile } from './types.ts';
import { VENDOR_LIMITS } from './vendor-limits.ts';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Dependencies of adapters that fetch tokens. */
export interface FamilyTools {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly env: Environment;
}

/** A provider's settings from the environment, used without a configuration file. */
export type FamilyMatch = Partial<ProviderConfig>;

/** One value of `providers[].kind`. */
export interface Family {
  readonly profile: VendorProfile;
  /** Configuration keys that are specific to some kinds, as far as this one accepts them. */
  readonly settings?: readonly string[];
  /** Required configuration keys. */
  readonly required?: readonly string[];
  /** The default base URL; some families derive it from other settings. */
  readonly baseUrl?: (config: Partial<ProviderConfig>) => string | undefined;
  /**
   * Creates the adapter of a provider. A format that many gateways never use is imported here, with its first provider.
   * @throws Error for settings that the family cannot use
   */
  readonly adapter: (
    config: ProviderConfig,
    profile: VendorProfile,
    tools: FamilyTools,
  ) => ProviderAdapter | Promise<ProviderAdapter>;
  /** Opens the batch API of a provider; absent where there is none that the gateway can use. */
  readonly batches?: (provider: Provider) => Promise<BatchUpstream>;
  /** Reads the environment, for families that need more than a key and a base URL. */
  readonly fromEnvironment?: (env: Environment) => FamilyMatch | undefined;
}

/** The kind for any server with OpenAI's format. */
export const GENERIC_KIND = 'openai-compatible';

/** Creates the adapter of a server with OpenAI's format. */
export const openAiAdapter = ({ api }: ProviderConfig, profile: VendorProfile): ProviderAdapter =>
  createOpenAiAdapter({
    api: api ?? 'chat',
    responses: api === 'responses' || (api === null && (profile.responsesApi ?? false)),
  });

const ANTHROPIC: VendorProfile = {
  label: 'Anthropic',
  baseUrl: 'https://api.anthropic.com',
  environment: { key: 'ANTHROPIC_API_KEY', baseUrl: 'ANTHROPIC_BASE_URL' },
  streamUsage: 'always',
  modelPattern: /^claude-/,
  limits: VENDOR_LIMITS.anthropic,
  prefill: 'plain',
  dataNames: { prices: 'anthropic', models: 'anthropic' },
  needsKey: true,
};

const GEMINI: VendorProfile = {
  label: 'Google Gemini',
  baseUrl: GEMINI_URL,
  environment: { key: 'GOOGLE_API_KEY', baseUrl: 'GOOGLE_BASE_URL' },
  streamUsage: 'always',
  modelPattern: /^(?:models\/)?(?:gemini-|gemma-|text-embedding-00|gemini-embedding)/,
  limits: VENDOR_LIMITS.gemini,
  dataNames: { prices: 'google', models: 'google' },
  needsKey: true,
};

/** Reads the key of a service account, given as JSON or as the path of a file. */
function serviceAccountKey(given: string): string {
  if (given.trimStart().startsWith('{')) return given;
  try {
    return readFileSync(given, 'utf8');
  } catch (cause) {
    throw new Error(`service_account: cannot read the file "${given}"`, { cause });
  }
}

function googleTokens(
  { service_account: key }: ProviderConfig,
  { transport, clock }: FamilyTools,
): TokenSource | undefined {
  if (key === null) return undefined;
  const scope = 'https://www.googleapis.com/auth/cloud-platform';
  return new CachedTokenSource(serviceAccountGrant(serviceAccountKey(key), scope, transport, clock), clock);
}

const BEDROCK: VendorProfile = {
  label: 'Amazon Bedrock',
  streamUsage: 'always',
  modelPattern:
    /^(?:(?:us|eu|apac|jp|au|global)\.)?(?:amazon|anthropic|meta|mistral|deepseek|ai21|qwen)\.|^arn:aws/,
  limits: VENDOR_LIMITS.bedrock,
  dataNames: { prices: 'aws', models: 'amazon-bedrock' },
  needsKey: false,
};

/** Reads the usual AWS variables. */
function bedrockFromEnvironment(env: Environment): FamilyMatch | undefined {
  const region = env.AWS_REGION?.trim() || env.AWS_DEFAULT_REGION?.trim();
  const key = env.AWS_BEARER_TOKEN_BEDROCK?.trim() || null;
  if (!region || (key === null && !env.AWS_ACCESS_KEY_ID?.trim() && !env.AWS_PROFILE?.trim()))
    return undefined;
  return { region, api_key: key, base_url: env.BEDROCK_BASE_URL?.trim().replace(/\/+$/, '') || null };
}

function awsCredentials(config: ProviderConfig): AwsCredentialSource {
  const {
    access_key_id: accessKeyId,
    secret_access_key: secretAccessKey,
    session_token: sessionToken,
  } = config;
  if (accessKeyId === null || secretAccessKey === null) return defaultAwsCredentials();
  const given = { accessKeyId, secretAccessKey, ...(sessionToken === null ? {} : { sessionToken }) };
  return () => Promise.resolve(given);
}

const COHERE: VendorProfile = {
  label: 'Cohere',
  baseUrl: 'https://api.cohere.com',
  environment: { key: 'COHERE_API_KEY', baseUrl: 'COHERE_BASE_URL' },
  streamUsage: 'always',
  modelPattern: /^(?:command-|c4ai-|embed-(?:v4|english|multilingual)|rerank-)/,
  limits: VENDOR_LIMITS.cohere,
  toolsOrFormat: true,
  dataNames: { prices: 'cohere' },
  needsKey: true,
};

/** Every kind of provider by its name. To add a family, add a row. */
export const FAMILIES: Readonly<Record<string, Family>> = {
  openai: {
    profile: VENDORS.openai,
    settings: ['api', 'forward_batches'],
    adapter: openAiAdapter,
    batches: async (provider) => {
      const { fileBatches, OPENAI_BATCHES } = await import('./openai-compatible/file-batches.ts');
      return fileBatches(OPENAI_BATCHES, provider);
    },
  },
  anthropic: {
    profile: ANTHROPIC,
    settings: ['forward_batches'],
    batches: async (provider) => (await import('./anthropic/batches.ts')).messageBatches(provider),
    adapter: async () => (await import('./anthropic/index.ts')).anthropicAdapter,
  },
  'azure-openai': {
    profile: AZURE_OPENAI,
    settings: ['api', 'api_version', 'tenant_id', 'client_id', 'client_secret'],
    required: ['base_url'],
    fromEnvironment: azureFromEnvironment,
    adapter: ({ api, api_version: apiVersion, base_url: baseUrl, ...config }, _profile, tools) => {
      const tokens = entraTokens(
        {
          tenantId: config.tenant_id,
          clientId: config.client_id,
          clientSecret: config.client_secret,
          baseUrl: baseUrl ?? '',
          authority: tools.env.AZURE_AUTHORITY_HOST,
        },
        tools.transport,
        tools.clock,
      );
      return createAzureAdapter({
        apiVersion,
        api: api === 'native' ? null : api,
        ...(tokens ? { tokens } : {}),
      });
    },
  },
  gemini: {
    profile: GEMINI,
    settings: ['project', 'region', 'service_account'],
    baseUrl: ({ project, region }) => (project ? vertexUrl(project, region ?? 'global') : undefined),
    adapter: async (config, _profile, tools) => {
      const tokens = googleTokens(config, tools);
      const { createGeminiAdapter } = await import('./gemini/index.ts');
      return createGeminiAdapter(tokens === undefined ? {} : { tokens });
    },
  },
  mistral: {
    profile: VENDORS.mistral,
    settings: ['forward_batches'],
    adapter: openAiAdapter,
    batches: async (provider) => {
      const { fileBatches, MISTRAL_BATCHES } = await import('./openai-compatible/file-batches.ts');
      return fileBatches(MISTRAL_BATCHES, provider);
    },
  },
  bedrock: {
    profile: BEDROCK,
    settings: ['region', 'access_key_id', 'secret_access_key', 'session_token'],
    required: ['region'],
    baseUrl: ({ region }) => bedrockUrl(region ?? 'us-east-1'),
    adapter: async (config, _profile, { clock }) => {
      const { createBedrockAdapter } = await import('./bedrock/index.ts');
      return createBedrockAdapter({
        region: config.region ?? 'us-east-1',
        credentials: awsCredentials(config),
        now: () => new Date(clock.wallTime()),
      });
    },
    fromEnvironment: bedrockFromEnvironment,
  },
  cohere: { profile: COHERE, adapter: async () => (await import('./cohere/index.ts')).cohereAdapter },
  [GENERIC_KIND]: { profile: GENERIC, settings: ['api'], adapter: openAiAdapter },
};
