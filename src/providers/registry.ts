import type { ProviderCatalog, ProviderKind } from '../config/catalog.ts';
import type { ProviderConfig } from '../config/schema.ts';
import type { Transport } from '../core/transport.ts';
import { openAiCompatibleAdapter } from './openai-compatible/adapter.ts';
import { ENGINES, GENERIC, VENDORS } from './openai-compatible/vendors.ts';
import { MODELS } from './simulator/index.ts';
import type { Provider, VendorProfile } from './types.ts';

export const SIMULATOR_ID = 'simulator';
const SIMULATOR_MODELS: readonly string[] = Object.keys(MODELS);
/** Never resolved: the simulator's transport answers in this process. */
const SIMULATOR_URL = 'http://simulator.internal/v1';

const SIMULATOR_PROFILE: VendorProfile = {
  label: 'Simulator',
  baseUrl: SIMULATOR_URL,
  streamUsage: 'on-request',
  modelPattern: /^simulator(?:$|[-:])/,
  forwardHeaders: ['x-weir-simulate', 'x-stainless-retry-count'],
  needsKey: false,
};

const GENERIC_KIND = 'openai-compatible';

const vendorProfiles: Readonly<Record<string, VendorProfile>> = VENDORS;
const engineProfiles: Readonly<Record<string, VendorProfile>> = ENGINES;

/** Kinds that stand for one vendor. */
const KIND_PROFILES: Readonly<Record<string, VendorProfile>> = {
  openai: VENDORS.openai,
  mistral: VENDORS.mistral,
  [SIMULATOR_ID]: SIMULATOR_PROFILE,
};

function profileOf({ kind, vendor, engine }: ProviderKind): VendorProfile {
  const named = vendor === null ? undefined : vendorProfiles[vendor];
  const served = engine === null ? undefined : engineProfiles[engine];
  return named ?? served ?? KIND_PROFILES[kind] ?? GENERIC;
}

/** What the configuration may name; the one place that lists the providers of this build. */
export const PROVIDER_CATALOG: ProviderCatalog = {
  kinds: [...Object.keys(KIND_PROFILES), GENERIC_KIND],
  genericKinds: [GENERIC_KIND],
  vendors: Object.keys(VENDORS).filter((vendor) => !Object.hasOwn(KIND_PROFILES, vendor)),
  engines: Object.keys(ENGINES),
  builtinIds: [SIMULATOR_ID],
  builtinModels: SIMULATOR_MODELS,
  defaultBaseUrl: (provider) => profileOf(provider).baseUrl,
};

export interface ProviderTransports {
  /** @param connectTimeoutMs how long connecting may take */
  upstream(connectTimeoutMs: number): Transport;
  readonly simulator: Transport;
}

/** A provider as the configuration describes it. */
export function createProvider(config: ProviderConfig, transports: ProviderTransports): Provider {
  const profile = profileOf(config);
  const simulated = profile === SIMULATOR_PROFILE;
  const baseUrl = config.base_url ?? profile.baseUrl;
  if (baseUrl === undefined) throw new Error(`provider "${config.id}" has no base_url`);
  return {
    id: config.id,
    kind: config.kind,
    profile,
    baseUrl,
    credential: config.api_key ?? undefined,
    headers: config.headers,
    adapter: openAiCompatibleAdapter,
    transport: simulated ? transports.simulator : transports.upstream(config.connect_timeout),
    models: simulated ? [...SIMULATOR_MODELS, ...config.models] : config.models,
    discover: config.discover && !simulated,
  };
}

const DEFAULTS = {
  vendor: null,
  engine: null,
  base_url: null,
  api_key: null,
  headers: {},
  models: [],
  discover: true,
  connect_timeout: 10_000,
} as const;

/** The provider that is always there. */
export function simulatorProvider(transports: ProviderTransports): Provider {
  return createProvider({ ...DEFAULTS, id: SIMULATOR_ID, kind: SIMULATOR_ID }, transports);
}

/** Providers for which the environment holds a key. A base URL alone names a server that needs none. */
export function providersFromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): ProviderConfig[] {
  const found: ProviderConfig[] = [];
  for (const [name, profile] of Object.entries(vendorProfiles)) {
    const { environment } = profile;
    if (!environment) continue;
    const key = env[environment.key]?.trim() || null;
    const baseUrl = env[environment.baseUrl]?.trim().replace(/\/+$/, '') || null;
    if (key === null && baseUrl === null) continue;
    const isKind = Object.hasOwn(KIND_PROFILES, name);
    found.push({
      ...DEFAULTS,
      id: name,
      kind: isKind ? name : GENERIC_KIND,
      vendor: isKind ? null : name,
      base_url: baseUrl,
      api_key: key,
    });
  }
  return found;
}

export interface EngineCandidate {
  readonly config: ProviderConfig;
  /** What the engine writes as the owner of its models; whoever writes something else is something else. */
  readonly ownedBy: string | undefined;
  readonly port: number;
}

/** Engines to look for on this machine. */
export function engineCandidates(): EngineCandidate[] {
  return Object.entries(engineProfiles).flatMap(([engine, { localEngine }]) =>
    localEngine
      ? [
          {
            config: { ...DEFAULTS, id: engine, kind: GENERIC_KIND, engine },
            ownedBy: localEngine.ownedBy,
            port: localEngine.port,
          },
        ]
      : [],
  );
}
