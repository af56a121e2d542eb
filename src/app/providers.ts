import type { Config, ProviderConfig } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Transport } from '../core/transport.ts';
import type { ConnectionSettings, UpstreamTls } from '../platform/http-client.ts';
import {
  type ConnectionKeys,
  type ProviderTransports,
  providersFromEnvironment,
} from '../providers/registry.ts';
import type { LazyEngine, Provider } from '../providers/types.ts';
import { readClientTls } from './client-tls.ts';
import { PROVIDERS } from './provider-registry.ts';

export interface ProviderOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly simulator: Transport;
  readonly createTransport: (settings: TransportSettings) => Transport;
  /** Engines that were detected on this machine. */
  readonly engines: readonly ProviderConfig[];
  /** Engines that are started on demand. Absent in commands, which start none. */
  readonly engineManager?: {
    portOf(id: string): number;
    lazyEngine(id: string): LazyEngine;
  };
}

/** For commands that only read a configuration. */
const NO_ENGINES: NonNullable<ProviderOptions['engineManager']> = {
  portOf: () => 0,
  lazyEngine: (id) => ({
    loaded: false,
    ensureLoaded: () => {
      throw new GatewayError('engine_unavailable', `Engine "${id}" is not started by this command.`);
    },
  }),
};

/** How a transport connects: with `tls` where a provider has certificates of its own. */
export type TransportSettings = ConnectionSettings & { readonly tls?: UpstreamTls };

/** The transports of one snapshot: one for each combination of connection settings in use. */
class TransportPool implements ProviderTransports {
  readonly #bySettings = new Map<string, Transport>();

  constructor(
    readonly builtIn: Transport,
    private readonly defaults: Config['upstream'],
    private readonly create: (settings: TransportSettings) => Transport,
  ) {}

  upstream({ connect_timeout, upstream, tls }: ConnectionKeys): Transport {
    const files = tls === null ? undefined : readClientTls(tls, (name) => `"tls.${name}" of a provider`);
    const settings = {
      connectTimeoutMs: connect_timeout,
      maxConnections: upstream.max_connections ?? this.defaults.max_connections,
      maxIdle: upstream.keepalive ?? this.defaults.keepalive,
      idleTimeoutMs: upstream.keepalive_expiry ?? this.defaults.keepalive_expiry,
    };
    const key = JSON.stringify([settings, files]);
    let transport = this.#bySettings.get(key);
    if (!transport) {
      transport = this.create(files === undefined ? settings : { ...settings, tls: files });
      this.#bySettings.set(key, transport);
    }
    return transport;
  }

  close(): void {
    for (const transport of this.#bySettings.values()) transport.close();
  }
}

/** Whether providers come from the environment and from this machine, too. */
export function usesEnvironment({ providers, environment_providers: wanted }: Config): boolean {
  return wanted ?? providers === null;
}

/**
 * The providers of one configuration: those of the file, or else of the environment and those detected on this machine;
 * the simulator, unless it is off; and engines on demand.
 */
export async function createProviders(
  config: Config,
  options: ProviderOptions,
): Promise<{ readonly providers: readonly Provider[]; close(): void }> {
  const transports = new TransportPool(options.simulator, config.upstream, options.createTransport);
  const world = { transports, clock: options.clock, env: options.env };
  const given = config.providers ?? [];
  const found = usesEnvironment(config) ? [...providersFromEnvironment(options.env), ...options.engines] : [];
  const configured = [...given, ...found.filter(({ id }) => !given.some((other) => other.id === id))];
  const providers: Provider[] = [];
  const local = new Set(options.engines.map(({ id }) => id));
  for (const provider of configured) providers.push(await PROVIDERS.create(provider, world));
  if (config.simulator !== 'off' && !configured.some(({ id }) => id === PROVIDERS.builtInId))
    providers.push(await PROVIDERS.createBuiltIn(world));
  const engineManager = options.engineManager ?? NO_ENGINES;
  for (const engine of config.engines.commands) {
    const { id } = engine;
    providers.push(
      await PROVIDERS.createEngine(engine, engineManager.portOf(id), engineManager.lazyEngine(id), world),
    );
  }
  return {
    providers: providers.map((provider) => withOwnRegion(provider, config.region, local)),
    close: () => transports.close(),
  };
}

/** What runs on this machine is in the region of this gateway. @param local ids of engines that were detected on it */
function withOwnRegion(provider: Provider, region: string | null, local: ReadonlySet<string>): Provider {
  const isHere = provider.profile.isSimulated || provider.lazyEngine || local.has(provider.id);
  if (region === null || provider.region !== undefined || !isHere) return provider;
  const { accounts } = provider;
  return {
    ...provider,
    region,
    ...(accounts ? { accounts: accounts.map((account) => ({ ...account, region })) } : {}),
  };
}
