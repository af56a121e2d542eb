import type { ApiSnapshot } from '../api/services.ts';
import type { SimulatorAccess } from '../api/simulator-access.ts';
import type { Config } from '../config/schema.ts';
import { PromptCaching } from '../dispatch/prompt-caching.ts';
import { UseEstimates } from '../dispatch/use-estimates.ts';
import type { GrpcLimits } from '../grpc/grpc-limits.ts';
import type { CorsRules } from '../http/cors.ts';
import type { AddressLimits } from '../limits/per-address.ts';
import type { ModelData } from '../metering/model-data.ts';
import { Prices } from '../metering/prices.ts';
import { openFilesLimit } from '../observability/process-stats.ts';
import type { DownloadLimits } from '../platform/guarded-download.ts';
import type { Provider } from '../providers/types.ts';
import { type DiscoveredModels, ModelDirectory, type ModelRoute } from '../routing/directory.ts';
import type { OutlierSettings } from '../routing/health/outliers.ts';
import type { HealthSettings } from '../routing/health/target-state.ts';
import type { AdmissionSettings } from '../routing/health/target-states.ts';
import { Router, type RoutingState } from '../routing/router.ts';
import { isAddressAllowed } from '../tenancy/address-scope.ts';
import { modelDefinition, priceRules } from './model-definitions.ts';
import { promptCachingOf } from './prompt-caching.ts';
import { PROVIDERS } from './provider-registry.ts';
import { createProviders, type ProviderOptions } from './providers.ts';
import { checkRegionTls } from './regions.ts';
import {
  addressExemption,
  addressLimits,
  admissionSettings,
  corsRules,
  downloadLimits,
  healthSettings,
  outlierSettings,
  requestTimeouts,
  retrySettings,
  serverLimits,
} from './settings.ts';

/** Everything that one configuration decides, ready for use. Replaced whole when the configuration changes. */
export interface GatewaySnapshot extends Omit<ApiSnapshot, 'chain' | 'guardrails'> {
  readonly config: Config;
  readonly promptCaching: PromptCaching;
  readonly cors: CorsRules;
  readonly addressLimits: AddressLimits;
  /** Whether `addressLimits` do not hold for an address. */
  readonly isExemptAddress: (address: string) => boolean;
  readonly health: HealthSettings;
  readonly admission: AdmissionSettings;
  readonly outliers: OutlierSettings;
  readonly mediaLimits: DownloadLimits;
  readonly serverLimits: GrpcLimits;
  /** Closes idle connections. Requests in flight go on. */
  close(): void;
}

export interface SnapshotOptions extends ProviderOptions {
  /** Measured state of targets, which outlives configurations. */
  readonly routing: RoutingState;
  /** Absent in commands that need no prices. */
  readonly modelData?: ModelData;
  /** @returns 0 to 1, 1 excluded */
  readonly random: () => number;
  readonly discovered: () => DiscoveredModels;
}

/** Builds everything that depends on the configuration. Contacts no server and no database. */
export async function buildSnapshot(config: Config, options: SnapshotOptions): Promise<GatewaySnapshot> {
  const { limits, server } = config;
  const { modelData } = options;
  checkRegionTls(config);
  const { providers, close } = await createProviders(config, options);
  const directory = new ModelDirectory(config.models.map(modelDefinition), providers, options.discovered);
  const prices = new Prices(modelData ?? NO_DATA, priceRules(config.prices));
  const useEstimates = new UseEstimates(
    prices,
    modelData && ((target, facts) => modelData.of(target, facts)),
  );
  const promptCaching = promptCachingOf(config);
  const router = new Router({
    ...options.routing,
    directory,
    random: options.random,
    retry: retrySettings(config),
    ...(modelData ? { modelInfo: (target, facts) => modelData.of(target, facts) } : {}),
    priceOf: (target, facts, context) =>
      prices.of(target, facts, { at: options.clock.wallTime(), ...context }),
    warmCacheMs: (model) => promptCaching(model)?.stickyMs ?? 0,
  });
  const simulator = simulatorAccess(config, providers, directory, router);
  const proxies = server.trusted_proxies;
  return {
    config,
    prices,
    useEstimates,
    providers,
    directory,
    router,
    promptCaching: new PromptCaching(promptCaching, options.routing.promptPrefixes, () =>
      options.clock.now(),
    ),
    health: healthSettings(config),
    outliers: outlierSettings(config),
    admission: admissionSettings(config),
    limits: requestTimeouts(config),
    bodyLimit: server.body_limit,
    isProxy: proxies.length === 0 ? undefined : (address) => isAddressAllowed(proxies, address),
    sharedAddressRules: config.storage.redis_url === null ? null : limits.per_ip,
    startsEngines: config.engines.commands.length > 0,
    headAfterMs: config.streams.head_after ?? Number.POSITIVE_INFINITY,
    defaultModel:
      config.default_model ??
      config.models[0]?.id ??
      (simulator.mode === 'all' ? PROVIDERS.builtInId : undefined),
    simulator,
    moderationModel: config.moderation.model ?? undefined,
    cors: corsRules(config),
    mediaLimits: downloadLimits(config),
    addressLimits: addressLimits(config),
    isExemptAddress: addressExemption(config),
    serverLimits: serverLimits(config, openFilesLimit()),
    close,
  };
}

function simulatorAccess(
  config: Config,
  providers: readonly Provider[],
  directory: ModelDirectory,
  router: Router,
): SimulatorAccess {
  const hasOthers = providers.some(({ profile }) => !profile.isSimulated);
  const others = ({ escalation, experiments }: ModelRoute) =>
    [escalation?.model, experiments?.mirror?.model].flatMap((name) =>
      name === undefined ? [] : (directory.resolve(name) ?? []),
    );
  const isReachable = directory
    .routes()
    .flatMap((route) => [...router.possibleRoutes(route), ...others(route)])
    .some(({ targets }) => targets.some(({ provider }) => provider.profile.isSimulated));
  return { mode: config.simulator ?? (hasOthers ? 'admin' : 'all'), isReachable };
}

const NO_DATA: Pick<ModelData, 'of'> = { of: () => ({ capabilities: {}, sources: [] }) };
