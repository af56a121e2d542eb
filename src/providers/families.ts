import type { ProviderConfig } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { Transport } from '../core/transport.ts';
import { anthropicAdapter } from './anthropic/index.ts';
import { cohereAdapter } from './cohere/index.ts';
import { createOpenAiAdapter } from './openai-compatible/adapter.ts';
import { ENGINES, GENERIC, VENDORS } from './openai-compatible/vendors.ts';
import { MODELS } from './simulator/index.ts';
import type { ProviderAdapter, VendorProfile } from './types.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What adapters that sign in somewhere need of the world. */
export interface FamilyTools {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly env: Environment;
}

/** What the environment says of a provider, where no file does. */
export type Found = Partial<ProviderConfig>;

/** One value of `providers[].kind`. */
export interface Family {
  readonly profile: VendorProfile;
  /** Keys of the configuration that only some kinds take: those of this one. */
  readonly settings?: readonly string[];
  /** Keys that it can't do without. */
  readonly required?: readonly string[];
  /** Where it is when nobody says so; depends on settings at some. */
  readonly baseUrl?: (config: Partial<ProviderConfig>) => string | undefined;
  readonly adapter: (config: ProviderConfig, profile: VendorProfile, tools: FamilyTools) => ProviderAdapter;
  /** For those that need more than a key and a base URL of the environment. */
  readonly fromEnvironment?: (env: Environment) => Found | undefined;
}

export const SIMULATOR_ID = 'simulator';
export const GENERIC_KIND = 'openai-compatible';
export const SIMULATOR_MODELS: readonly string[] = Object.keys(MODELS);
/** Never resolved: the simulator's transport answers in this process. */
const SIMULATOR_URL = 'http://simulator.internal/v1';

const openAiAdapter: Family['adapter'] = ({ api }, profile) =>
  createOpenAiAdapter({
    api: api ?? 'chat',
    responses: api === 'responses' || (profile.responsesApi ?? false),
  });

const ANTHROPIC: VendorProfile = {
  label: 'Anthropic',
  baseUrl: 'https://api.anthropic.com',
  environment: { key: 'ANTHROPIC_API_KEY', baseUrl: 'ANTHROPIC_BASE_URL' },
  streamUsage: 'always',
  modelPattern: /^claude-/,
  dataNames: { prices: 'anthropic', models: 'anthropic' },
  needsKey: true,
};

const COHERE: VendorProfile = {
  label: 'Cohere',
  baseUrl: 'https://api.cohere.com',
  environment: { key: 'COHERE_API_KEY', baseUrl: 'COHERE_BASE_URL' },
  streamUsage: 'always',
  modelPattern: /^(?:command-|c4ai-|embed-(?:v4|english|multilingual)|rerank-)/,
  dataNames: { prices: 'cohere' },
  needsKey: true,
};

const SIMULATOR: VendorProfile = {
  label: 'Simulator',
  baseUrl: SIMULATOR_URL,
  streamUsage: 'on-request',
  modelPattern: /^simulator(?:$|[-:])/,
  forwardHeaders: ['x-weir-simulate', 'x-stainless-retry-count'],
  topK: true,
  rerankPath: '/rerank',
  needsKey: false,
};

/** Every kind of provider. A new family is a new row. */
export const FAMILIES: Readonly<Record<string, Family>> = {
  openai: { profile: VENDORS.openai, settings: ['api'], adapter: openAiAdapter },
  anthropic: { profile: ANTHROPIC, adapter: () => anthropicAdapter },
  mistral: { profile: VENDORS.mistral, adapter: openAiAdapter },
  cohere: { profile: COHERE, adapter: () => cohereAdapter },
  [GENERIC_KIND]: { profile: GENERIC, settings: ['api'], adapter: openAiAdapter },
  [SIMULATOR_ID]: { profile: SIMULATOR, adapter: openAiAdapter },
};

const vendorProfiles: Readonly<Record<string, VendorProfile>> = VENDORS;
const engineProfiles: Readonly<Record<string, VendorProfile>> = ENGINES;

export function familyOf(kind: string): Family {
  const family = FAMILIES[kind];
  if (!family) throw new Error(`unknown kind of provider: ${kind}`);
  return family;
}

/** The profile of a configured provider: its vendor's or engine's, where it names one. */
export function profileOf(config: {
  readonly kind: string;
  readonly vendor: string | null;
  readonly engine: string | null;
}): VendorProfile {
  const { kind, vendor, engine } = config;
  const named = vendor === null ? undefined : vendorProfiles[vendor];
  const served = engine === null ? undefined : engineProfiles[engine];
  return named ?? served ?? FAMILIES[kind]?.profile ?? GENERIC;
}
