import type { ApiSnapshot } from './api/services.ts';
import type { Config, ModelConfig, ProviderConfig } from './config/schema.ts';
import type { Clock } from './core/clock.ts';
import { GatewayError } from './core/errors.ts';
import type { SubjectLimits } from './core/limit.ts';
import { type LimitDocument, limitOf } from './core/limit-schema.ts';
import type { Transport } from './core/transport.ts';
import type { ProxyCheck } from './http/client-address.ts';
import type { CorsRules } from './http/cors.ts';
import type { AddressLimits } from './limits/per-address.ts';
import type { ModelData, ModelInfo, ModelOverrides } from './metering/model-data.ts';
import type { ModelPrice } from './metering/price-data.ts';
import { type PriceRule, Prices } from './metering/prices.ts';
import type { DownloadLimits } from './platform/guarded-download.ts';
import {
  createProvider,
  engineProvider,
  type ProviderTransports,
  providersFromEnvironment,
  SIMULATOR_ID,
  simulatorProvider,
} from './providers/registry.ts';
import type { LazyEngine, Provider, Target } from './providers/types.ts';
import type { LimitSetting } from './routing/admission/concurrency-limit.ts';
import { type DiscoveredModels, type ModelDefinition, ModelDirectory } from './routing/directory.ts';
import type { ExperimentSettings } from './routing/experiments/settings.ts';
import { DEFAULT_OUTLIERS, type OutlierSettings } from './routing/health/outliers.ts';
import type { HealthSettings } from './routing/health/target-state.ts';
import type { AdmissionSettings } from './routing/health/target-states.ts';
import { Router, type RoutingState } from './routing/router.ts';
import { mayUseFrom } from './tenancy/address-scope.ts';

/** Everything that one configuration decides, ready for use. Replaced whole when the configuration changes. */
export interface GatewaySnapshot extends ApiSnapshot {
  readonly config: Config;
  readonly cors: CorsRules;
  readonly addressLimits: AddressLimits;
  readonly health: HealthSettings;
  readonly admission: AdmissionSettings;
  readonly outliers: OutlierSettings;
  readonly mediaLimits: DownloadLimits;
  /** Lets idle connections go. Requests in flight end as they will. */
  close(): void;
}

export interface SnapshotOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** What is known of targets, which outlives configurations. */
  readonly routing: RoutingState;
  readonly modelData?: ModelData;
  readonly random: () => number;
  readonly discovered: () => DiscoveredModels;
  readonly simulator: Transport;
  readonly createTransport: (connectTimeoutMs: number) => Transport;
  /** Engines that were found on this machine. */
  readonly engines: readonly ProviderConfig[];
  /** Engines that are started when they are needed. */
  readonly engineManager?: {
    portOf(id: string): number;
    lazyEngine(id: string): LazyEngine;
  };
}

/** For those who only look at a configuration. */
const NO_ENGINES: NonNullable<SnapshotOptions['engineManager']> = {
  portOf: () => 0,
  lazyEngine: (id) => ({
    loaded: false,
    ensureLoaded: () => {
      throw new GatewayError('engine_unavailable', `Engine "${id}" is not started here.`);
    },
  }),
};

/** Transports of one snapshot: one for each connect timeout in use. */
class TransportPool implements ProviderTransports {
  readonly #byTimeout = new Map<number, Transport>();

  constructor(
    readonly simulator: Transport,
    private readonly create: (connectTimeoutMs: number) => Transport,
  ) {}

  upstream(connectTimeoutMs: number): Transport {
    let transport = this.#byTimeout.get(connectTimeoutMs);
    if (!transport) {
      transport = this.create(connectTimeoutMs);
      this.#byTimeout.set(connectTimeoutMs, transport);
    }
    return transport;
  }

  close(): void {
    for (const transport of this.#byTimeout.values()) transport.close();
  }
}

/** A model as the configuration has it. */
function definition(model: ModelConfig): ModelDefinition {
  const { context_window: contextWindow, max_output_tokens: maxOutputTokens, price, capabilities } = model;
  const facts: ModelOverrides = {
    ...(contextWindow === null ? {} : { contextWindow }),
    ...(maxOutputTokens === null ? {} : { maxOutputTokens }),
    ...(price === null ? {} : { price: listPrice(price) }),
    ...(Object.keys(capabilities).length === 0 ? {} : { capabilities }),
  };
  const { hedge } = model;
  const hedging = hedge && {
    percent: hedge.percent,
    afterMs: hedge.after ?? undefined,
    maxPriceRatio: hedge.max_price_ratio,
  };
  return {
    ...model,
    limits: subjectLimits('model', model.id, model.limits),
    targets: model.targets.map((target) => {
      const name = `${target.provider}/${target.model}`;
      return { ...target, limits: subjectLimits('target', name, target.limits) };
    }),
    fallbacksOn: model.fallbacks_on,
    hedging: hedging ?? undefined,
    continueStreams: model.continue_streams,
    experiments: experimentsOf(model),
    escalation: model.escalate
      ? {
          model: model.escalate.model,
          when: model.escalate.when,
          minConfidence: model.escalate.min_confidence,
        }
      : undefined,
    facts,
  };
}

function subjectLimits(
  scope: 'model' | 'target',
  id: string,
  limits: readonly LimitDocument[],
): readonly SubjectLimits[] | undefined {
  return limits.length === 0
    ? undefined
    : [{ scope, id, name: id, limits: limits.map(limitOf), timeZone: 'UTC' }];
}

function priceRules(prices: Config['prices']): PriceRule[] {
  return prices.map((rule) => {
    const { input, output, cached_input, cache_write, gpu_hour, gpu_share } = rule;
    return {
      ...{ model: rule.model, provider: rule.provider, tenant: rule.tenant },
      from: rule.from ?? Number.NEGATIVE_INFINITY,
      until: rule.until ?? Number.POSITIVE_INFINITY,
      price: {
        ...(input === null || output === null ? {} : listPrice({ input, output, cached_input, cache_write })),
        ...(gpu_hour === null ? {} : { time: { perHour: gpu_hour, share: gpu_share } }),
      },
    };
  });
}

function experimentsOf({ split, canary, mirror }: ModelConfig): ExperimentSettings | undefined {
  if (split.length === 0 && !canary && !mirror) return undefined;
  return {
    split,
    canary: canary
      ? {
          model: canary.model,
          percent: canary.percent,
          minRequests: canary.min_requests,
          errorIncrease: canary.error_increase,
          latencyRatio: canary.latency_ratio,
          costRatio: canary.cost_ratio,
          windowMs: canary.window,
        }
      : undefined,
    mirror: mirror ?? undefined,
  };
}

/** What targets have of their own; of two models with the same target, the smaller number counts. */
function concurrencyLimits(models: Config['models']): ReadonlyMap<string, LimitSetting> {
  const limits = new Map<string, LimitSetting>();
  for (const { provider, model, max_concurrency: limit } of models.flatMap(({ targets }) => targets)) {
    if (limit === null) continue;
    const key = `${provider}/${model}`;
    const other = limits.get(key);
    limits.set(key, typeof other === 'number' && typeof limit === 'number' ? Math.min(other, limit) : limit);
  }
  return limits;
}

function listPrice(price: NonNullable<ModelConfig['price']>): ModelPrice {
  const { input, output, cached_input: cachedInput, cache_write: cacheWrite } = price;
  return {
    input: { base: input },
    output: { base: output },
    ...(cachedInput === null ? {} : { cachedInput: { base: cachedInput } }),
    ...(cacheWrite === null ? {} : { cacheWrite: { base: cacheWrite } }),
  };
}

export function buildSnapshot(config: Config, options: SnapshotOptions): GatewaySnapshot {
  const transports = new TransportPool(options.simulator, options.createTransport);
  const configured = config.providers ?? [...providersFromEnvironment(options.env), ...options.engines];
  const world = { transports, clock: options.clock, env: options.env };
  const providers: Provider[] = configured.map((provider) => createProvider(provider, world));
  if (!configured.some(({ id }) => id === SIMULATOR_ID)) providers.push(simulatorProvider(world));
  const engineManager = options.engineManager ?? NO_ENGINES;
  for (const engine of config.engines.commands) {
    const { id } = engine;
    providers.push(engineProvider(engine, engineManager.portOf(id), engineManager.lazyEngine(id), world));
  }
  const directory = new ModelDirectory(config.models.map(definition), providers, options.discovered);
  const { limits, media, routing, server } = config;
  const { modelData } = options;
  const prices = new Prices(modelData ?? NO_DATA, priceRules(config.prices));
  return {
    config,
    prices,
    providers,
    directory,
    router: new Router({
      ...options.routing,
      directory,
      random: options.random,
      retry: {
        attempts: routing.retry.attempts,
        baseMs: routing.retry.base,
        maxMs: routing.retry.max,
        budget: routing.retry.budget,
      },
      ...(modelData ? { modelInfo: pricedModel(modelData, prices, options.clock) } : {}),
    }),
    health: {
      breaker: {
        failures: routing.breaker.failures,
        errorRate: routing.breaker.error_rate,
        minRequests: routing.breaker.min_requests,
        openMs: routing.breaker.open,
      },
      coolDownMs: routing.cool_down.default,
      longestCoolDownMs: routing.cool_down.max,
      slowStartMs: routing.slow_start,
    },
    outliers: {
      ...DEFAULT_OUTLIERS,
      maxEjected: routing.outliers.max_ejected,
      minRequests: routing.outliers.min_requests,
      ejectMs: routing.outliers.eject,
    },
    admission: {
      limit: routing.admission.max_concurrency,
      limits: concurrencyLimits(config.models),
      maxQueued: routing.admission.max_queued,
    },
    limits: {
      firstTokenMs: limits.first_token,
      answerMs: limits.answer ?? Number.POSITIVE_INFINITY,
      streamIdleMs: limits.stream_idle,
      maxRequestMs: limits.max_request,
      queueTimeoutMs: limits.queue_timeout,
    },
    bodyLimit: server.body_limit,
    isProxy: proxyCheck(server.trusted_proxies),
    sharedAddressRules: config.storage.redis_url === null ? null : limits.per_ip,
    startsEngines: config.engines.commands.length > 0,
    defaultModel: config.default_model ?? config.models[0]?.id ?? SIMULATOR_ID,
    cors: {
      origins: server.cors.origins,
      allowCredentials: server.cors.allow_credentials,
      maxAgeSeconds: Math.floor(server.cors.max_age / 1000),
    },
    mediaLimits: {
      maxBytes: media.max_size,
      timeoutMs: media.timeout,
      allowedHosts: media.allowed_hosts,
    },
    addressLimits: { rules: limits.per_ip, queueTimeoutMs: limits.queue_timeout },
    close: () => transports.close(),
  };
}

/** What routing knows of a model: at the price that holds for everybody. */
function pricedModel(modelData: ModelData, prices: Prices, clock: Clock) {
  return (target: Target, facts: ModelOverrides | undefined): ModelInfo => {
    const info = modelData.of(target, facts);
    const price = prices.of(target, facts, EVERYBODY, clock.wallTime());
    // Nearly always it is the one that is there already.
    return price === undefined || price === info.price ? info : { ...info, price };
  };
}

/** No tenant has this name: rules of one tenant do not fit. */
const EVERYBODY = '';

/** For commands that know no prices. */
const NO_DATA: Pick<ModelData, 'of'> = { of: () => ({ capabilities: {}, sources: [] }) };

function proxyCheck(trusted: readonly string[]): ProxyCheck | undefined {
  return trusted.length === 0 ? undefined : (address) => mayUseFrom(trusted, address);
}
