import type { ProviderCatalog } from '../config/catalog.ts';
import type { EngineConfig, ProviderConfig } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { Transport } from '../core/transport.ts';
import { type Environment, FAMILIES, type Family, GENERIC_KIND, openAiAdapter } from './families.ts';
import { ENGINES, GENERIC, VENDORS } from './openai-compatible/vendors.ts';
import type { LazyEngine, Provider, VendorProfile } from './types.ts';

const vendorProfiles: Readonly<Record<string, VendorProfile>> = VENDORS;
const engineProfiles: Readonly<Record<string, VendorProfile>> = ENGINES;

/** A kind of provider inside this process, in OpenAI's format. */
export interface BuiltInKind {
  /** Value of `providers[].kind`, and id of the provider that is always configured. */
  readonly kind: string;
  readonly profile: VendorProfile;
  /** Its models; clients name them without a prefix. */
  readonly models: readonly string[];
}

/** The keys of a provider that are about its connections. */
export type ConnectionKeys = Pick<ProviderConfig, 'connect_timeout' | 'upstream' | 'tls'>;

/** Transports of the providers of one configuration. */
export interface ProviderTransports {
  /** @param provider its `connect_timeout`, `upstream` and `tls` select the transport */
  upstream(provider: ConnectionKeys): Transport;
  /** Carries requests to the built-in provider. */
  readonly builtIn: Transport;
}

/** Dependencies of providers. */
export interface ProviderWorld {
  readonly transports: ProviderTransports;
  readonly clock: Clock;
  readonly env: Environment;
}

/** The kinds of providers of this build: the families of this folder, and the built-in kind from the application. */
export class ProviderRegistry {
  /** The names that the configuration accepts. */
  readonly catalog: ProviderCatalog;
  readonly #builtIn: BuiltInKind;
  readonly #families: Readonly<Record<string, Family>>;

  constructor(builtIn: BuiltInKind) {
    this.#builtIn = builtIn;
    this.#families = { ...FAMILIES, [builtIn.kind]: { profile: builtIn.profile, adapter: openAiAdapter } };
    const families = Object.entries(this.#families);
    this.catalog = {
      kinds: Object.keys(this.#families),
      genericKinds: [GENERIC_KIND],
      vendors: Object.keys(VENDORS).filter((vendor) => !Object.hasOwn(FAMILIES, vendor)),
      engines: Object.keys(ENGINES),
      nativeEngines: ['ollama'],
      settings: settingsByKey(),
      required: Object.fromEntries(
        families.flatMap(([kind, { required }]) => (required ? [[kind, required]] : [])),
      ),
      builtinIds: [builtIn.kind],
      builtinModels: builtIn.models,
      defaultBaseUrl: (provider) =>
        this.#profileOf(provider).baseUrl ?? this.#families[provider.kind]?.baseUrl?.({}),
    };
  }

  /** Id of the provider that is always configured. */
  get builtInId(): string {
    return this.#builtIn.kind;
  }

  /**
   * Creates a provider as the configuration describes it, and loads its format.
   * @throws Error for an unknown kind or a missing base URL
   */
  async create(config: ProviderConfig, { transports, clock, env }: ProviderWorld): Promise<Provider> {
    const profile = this.#profileOf(config);
    const family = this.#families[config.kind];
    if (!family) throw new Error(`provider "${config.id}" has the unknown kind "${config.kind}"`);
    const isBuiltIn = config.kind === this.#builtIn.kind;
    const baseUrl = config.base_url ?? family.baseUrl?.(config) ?? profile.baseUrl;
    if (baseUrl === undefined) throw new Error(`provider "${config.id}" has no base_url`);
    const transport = isBuiltIn ? transports.builtIn : transports.upstream(config);
    const provider: Provider = {
      id: config.id,
      kind: config.kind,
      profile,
      baseUrl,
      credential: config.api_key ?? undefined,
      headers: config.headers,
      timeoutMs: config.timeout ?? undefined,
      adapter: await family.adapter(config, profile, { transport, clock, env }),
      transport,
      models: isBuiltIn ? [...this.#builtIn.models, ...config.models] : config.models,
      discover: config.discover && !isBuiltIn,
      region: config.region ?? undefined,
    };
    const withBatches = async (one: Provider): Promise<Provider> =>
      config.forward_batches && family.batches ? { ...one, batches: await family.batches(one) } : one;
    if (config.more_api_keys.length === 0) return withBatches(provider);
    const accounts = await Promise.all(
      config.more_api_keys.map(async (key, index) =>
        withBatches({
          ...provider,
          credential: key,
          account: index + 2,
          // Access tokens and signatures belong to one account.
          adapter: await family.adapter({ ...config, api_key: key }, profile, { transport, clock, env }),
        }),
      ),
    );
    return { ...(await withBatches({ ...provider, account: 1 })), accounts };
  }

  /** Creates the built-in provider. */
  createBuiltIn(world: ProviderWorld): Promise<Provider> {
    const { kind } = this.#builtIn;
    return this.create({ ...DEFAULTS, id: kind, kind }, world);
  }

  /** Creates the provider of an engine that the gateway starts on this machine. */
  async createEngine(
    { id, engine, api_key, models }: EngineConfig,
    port: number,
    lazyEngine: LazyEngine,
    world: ProviderWorld,
  ): Promise<Provider> {
    const config = {
      ...DEFAULTS,
      ...{ id, kind: GENERIC_KIND, engine, api_key, models, discover: false },
      base_url: `http://127.0.0.1:${port}/v1`,
    };
    return { ...(await this.create(config, world)), lazyEngine };
  }

  /** The profile of a provider's vendor or engine, else of its kind. */
  #profileOf(config: {
    readonly kind: string;
    readonly vendor: string | null;
    readonly engine: string | null;
  }): VendorProfile {
    const { kind, vendor, engine } = config;
    const named = vendor === null ? undefined : vendorProfiles[vendor];
    const served = engine === null ? undefined : engineProfiles[engine];
    return named ?? served ?? this.#families[kind]?.profile ?? GENERIC;
  }
}

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

/** Default settings of a provider. */
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
  forward_batches: null,
  headers: {},
  models: [],
  discover: true,
  timeout: null,
  connect_timeout: 10_000,
  tls: null,
  upstream: { max_connections: null, keepalive: null, keepalive_expiry: null },
} as const;

/** @returns the path of an engine's readiness check; its model list when the engine has no other */
export function engineHealthPath({ engine }: EngineConfig): string {
  return (engine === null ? undefined : engineProfiles[engine]?.healthPath) ?? GENERIC.healthPath ?? 'models';
}

/** A vendor that is configured by an environment variable. */
export interface NamedVendor {
  readonly label: string;
  /** The variable of its key. */
  readonly key: string;
}

/** @returns the environment variables that hold providers' keys */
export function secretVariables(): string[] {
  const profiles = [...Object.values(FAMILIES).map(({ profile }) => profile), ...Object.values(VENDORS)];
  const keys = profiles.flatMap(({ environment }) => (environment ? [environment.key] : []));
  return [...new Set([...keys, ...SIGN_IN_VARIABLES])];
}

/** Of families that sign in by other means than one key. */
const SIGN_IN_VARIABLES = ['AWS_BEARER_TOKEN_BEDROCK', 'AZURE_CLIENT_SECRET'];

/** @returns the vendors whose models have names of this form */
export function vendorsOfModel(model: string): NamedVendor[] {
  const profiles = [...Object.values(FAMILIES).map(({ profile }) => profile), ...Object.values(VENDORS)];
  return [...new Set<VendorProfile>(profiles)].flatMap(({ label, environment, modelPattern }) =>
    environment && modelPattern?.test(model) ? [{ label, key: environment.key }] : [],
  );
}

/** @returns the providers with a key or a base URL in the environment */
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

/** An engine that may run on this machine. */
export interface EngineCandidate {
  readonly config: ProviderConfig;
  /** The owner that this engine writes in its model list; another owner means another engine. */
  readonly ownedBy: string | undefined;
  readonly port: number;
}

/** @returns the engines that detection probes on this machine */
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
