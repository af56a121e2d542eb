import type { ProviderCatalog } from '../config/catalog.ts';
import type { EngineConfig, ProviderConfig } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { Transport } from '../core/transport.ts';
import {
  type Environment,
  FAMILIES,
  familyOf,
  GENERIC_KIND,
  profileOf,
  SIMULATOR_ID,
  SIMULATOR_MODELS,
} from './families.ts';
import { ENGINES, VENDORS } from './openai-compatible/vendors.ts';
import type { LazyEngine, Provider, VendorProfile } from './types.ts';

export { SIMULATOR_ID } from './families.ts';

function settingsByKey(): Record<string, string[]> {
  const kinds: Record<string, string[]> = {};
  for (const [kind, { settings = [] }] of Object.entries(FAMILIES)) {
    for (const key of settings) {
      kinds[key] ??= [];
      kinds[key].push(kind);
    }
  }
  return kinds;
}

/** What the configuration may name; the one place that lists the providers of this build. */
export const PROVIDER_CATALOG: ProviderCatalog = {
  kinds: Object.keys(FAMILIES),
  genericKinds: [GENERIC_KIND],
  vendors: Object.keys(VENDORS).filter((vendor) => !Object.hasOwn(FAMILIES, vendor)),
  engines: Object.keys(ENGINES),
  nativeEngines: ['ollama'],
  settings: settingsByKey(),
  required: Object.fromEntries(
    Object.entries(FAMILIES).flatMap(([kind, { required }]) => (required ? [[kind, required]] : [])),
  ),
  builtinIds: [SIMULATOR_ID],
  builtinModels: SIMULATOR_MODELS,
  defaultBaseUrl: (provider) => profileOf(provider).baseUrl ?? FAMILIES[provider.kind]?.baseUrl?.({}),
};

export interface ProviderTransports {
  /** @param connectTimeoutMs how long connecting may take */
  upstream(connectTimeoutMs: number): Transport;
  readonly simulator: Transport;
}

export interface ProviderWorld {
  readonly transports: ProviderTransports;
  readonly clock: Clock;
  readonly env: Environment;
}

/** A provider as the configuration describes it. @throws Error for settings that can't be worked with */
export function createProvider(config: ProviderConfig, { transports, clock, env }: ProviderWorld): Provider {
  const profile = profileOf(config);
  const family = familyOf(config.kind);
  const simulated = config.kind === SIMULATOR_ID;
  const baseUrl = config.base_url ?? family.baseUrl?.(config) ?? profile.baseUrl;
  if (baseUrl === undefined) throw new Error(`provider "${config.id}" has no base_url`);
  const transport = simulated ? transports.simulator : transports.upstream(config.connect_timeout);
  const provider: Provider = {
    id: config.id,
    kind: config.kind,
    profile,
    baseUrl,
    credential: config.api_key ?? undefined,
    headers: config.headers,
    adapter: family.adapter(config, profile, { transport, clock, env }),
    transport,
    models: simulated ? [...SIMULATOR_MODELS, ...config.models] : config.models,
    discover: config.discover && !simulated,
    region: config.region ?? undefined,
  };
  if (config.more_api_keys.length === 0) return provider;
  const accounts = config.more_api_keys.map((key, index) => ({
    ...provider,
    credential: key,
    account: index + 2,
    // A token that was fetched, or a signature, is of one account.
    adapter: family.adapter({ ...config, api_key: key }, profile, { transport, clock, env }),
  }));
  return { ...provider, account: 1, accounts };
}

/** What a provider is where nothing else is said. */
export const DEFAULTS = {
  vendor: null,
  engine: null,
  base_url: null,
  api_key: null,
  more_api_keys: [],
  api: null,
  api_version: null,
  region: null,
  project: null,
  service_account: null,
  tenant_id: null,
  client_id: null,
  client_secret: null,
  access_key_id: null,
  secret_access_key: null,
  session_token: null,
  headers: {},
  models: [],
  discover: true,
  connect_timeout: 10_000,
} as const;

/** The provider that is always there. */
export function simulatorProvider(world: ProviderWorld): Provider {
  return createProvider({ ...DEFAULTS, id: SIMULATOR_ID, kind: SIMULATOR_ID }, world);
}

/** Where an engine tells that it is ready; without a path of its own, its list of models does. */
export function engineHealthPath({ engine }: EngineConfig): string {
  return profileOf({ kind: GENERIC_KIND, vendor: null, engine }).healthPath ?? 'models';
}

/** The provider that an engine is which the gateway starts. */
export function engineProvider(
  { id, engine, api_key, models }: EngineConfig,
  port: number,
  lazyEngine: LazyEngine,
  world: ProviderWorld,
): Provider {
  const config = {
    ...DEFAULTS,
    ...{ id, kind: GENERIC_KIND, engine, api_key, models, discover: false },
    base_url: `http://127.0.0.1:${port}/v1`,
  };
  return { ...createProvider(config, world), lazyEngine };
}

/** Providers for which the environment holds a key. A base URL alone names a server that needs none. */
export function providersFromEnvironment(env: Environment): ProviderConfig[] {
  const kinds = Object.entries(FAMILIES).flatMap(([kind, { profile, fromEnvironment }]) => {
    const found = fromEnvironment ? fromEnvironment(env) : byKeyAndUrl(profile, env);
    return found ? [{ ...DEFAULTS, id: kind, kind, ...found }] : [];
  });
  const vendors = Object.entries<VendorProfile>(VENDORS)
    .filter(([name]) => !Object.hasOwn(FAMILIES, name))
    .flatMap(([vendor, profile]) => {
      const found = byKeyAndUrl(profile, env);
      return found ? [{ ...DEFAULTS, id: vendor, kind: GENERIC_KIND, vendor, ...found }] : [];
    });
  return [...kinds, ...vendors];
}

function byKeyAndUrl(
  { environment }: VendorProfile,
  env: Environment,
): Pick<ProviderConfig, 'api_key' | 'base_url'> | undefined {
  if (!environment) return undefined;
  const key = env[environment.key]?.trim() || null;
  const baseUrl = env[environment.baseUrl]?.trim().replace(/\/+$/, '') || null;
  return key === null && baseUrl === null ? undefined : { api_key: key, base_url: baseUrl };
}

export interface EngineCandidate {
  readonly config: ProviderConfig;
  /** What the engine writes as the owner of its models; whoever writes something else is something else. */
  readonly ownedBy: string | undefined;
  readonly port: number;
}

/** Engines to look for on this machine. */
export function engineCandidates(): EngineCandidate[] {
  return Object.entries<VendorProfile>(ENGINES).flatMap(([engine, { localEngine }]) =>
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
