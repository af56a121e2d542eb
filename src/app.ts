import { join } from 'node:path';
import { metricsResponse } from './api/operations.ts';
import type { ApiServices } from './api/services.ts';
import { createAdminServices } from './app/admin.ts';
import { createEngineManager } from './app/engine-manager.ts';
import { describeCanaries, describeEngines, describeModels, describeTargets } from './app/gauges.ts';
import { addRoutes } from './app/routes.ts';
import { dataFolder, openStores, type Stores, SYSTEM_ACTOR } from './app/stores.ts';
import { createUsage, type UsageParts } from './app/usage.ts';
import type { LoadedConfig } from './config/load.ts';
import type { Config, ProviderConfig } from './config/schema.ts';
import type { Clock } from './core/clock.ts';
import type { HttpResponse } from './core/http.ts';
import { DEFAULT_TENANT } from './core/principal.ts';
import type { EngineManager } from './engines/engine-manager.ts';
import { HttpRouter } from './http/http-router.ts';
import { DeadlineMonitor } from './inference/deadlines.ts';
import { Lifecycle } from './inference/lifecycle.ts';
import { GuardedMediaFetcher } from './inference/media.ts';
import { Recorder } from './inference/recorder.ts';
import { RequestLog } from './inference/request-log.ts';
import { InferenceService } from './inference/service.ts';
import { AddressLimiter } from './limits/per-address.ts';
import { ContextWindows } from './metering/context-window.ts';
import { CounterThread } from './metering/counter-thread.ts';
import { ModelData } from './metering/model-data.ts';
import { Prices } from './metering/prices.ts';
import { Tokenizer } from './metering/tokenizer.ts';
import type { Log } from './observability/log.ts';
import { Metrics } from './observability/metrics.ts';
import { readProcessStats } from './observability/process-stats.ts';
import { createFetchTransport } from './platform/fetch-transport.ts';
import { randomIds } from './platform/random-ids.ts';
import { createUpstreamTransport } from './platform/upstream-transport.ts';
import { createProvider } from './providers/registry.ts';
import { createSimulator } from './providers/simulator/index.ts';
import { type DiscoveryResult, ModelDiscovery } from './routing/discovery.ts';
import { detectEngines } from './routing/engine-detection.ts';
import { EngineLoads } from './routing/engine-loads.ts';
import { Experiments } from './routing/experiments/experiments.ts';
import { HealthChecks, readEngineLoads } from './routing/health/health-checks.ts';
import { ejectOutliers } from './routing/health/outliers.ts';
import { freshRoutingState } from './routing/router.ts';
import { buildSnapshot, type GatewaySnapshot, type SnapshotOptions } from './snapshot.ts';
import { ResponseKeeper } from './storage/response-keeper.ts';
import { SqlResponseStore } from './storage/sql/sql-response-store.ts';
import { assertAllowed } from './tenancy/actor.ts';
import type { CreatedKey } from './tenancy/keys.ts';

const KEY_REFRESH_MS = 500;
const USAGE_MS = 1_000;
const BEAT_MS = 2_000;
/** How often it is looked whether checks of engines are due. */
const TICK_MS = 500;
const OUTLIERS_MS = 5_000;
/** How often it is looked whether an engine is to be started or stopped. */
const ENGINE_TICK_MS = 250;
/** Gauges of engines say nothing of now when they are older. */
const LOADS_STALE_MS = 10_000;
const DISCOVERY_MS = 5 * 60_000;
const EXPIRY_MS = 60 * 60_000;

export interface AppOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly loaded: LoadedConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
}

/** What is made before the rest, some of it with waiting. */
interface Foundation {
  /** Whose configuration is replaced while all runs. */
  readonly live: Live;
  readonly stores: Stores;
  readonly usage: UsageParts;
  readonly tokenizer: Tokenizer;
  readonly discovery: ModelDiscovery;
  readonly modelData: ModelData;
  readonly snapshotOptions: AppSnapshotOptions;
  readonly created: CreatedKey | undefined;
  readonly lifecycle: Lifecycle;
  readonly metrics: Metrics;
  readonly startedAtSeconds: number;
}

/** What is replaced with the configuration, for those who live longer than one. */
interface Live {
  config: Config;
  prices: Prices;
}

type AppSnapshotOptions = SnapshotOptions & { readonly engineManager: EngineManager };

/** The gateway without its sockets: everything that is built once, and what may be swapped while it runs. */
export class App {
  readonly lifecycle: Lifecycle;
  readonly metrics: Metrics;
  readonly router: HttpRouter;
  /** The admin key that was made because there was none; to be shown once. */
  readonly createdAdminKey: CreatedKey | undefined;

  #snapshot: GatewaySnapshot;
  readonly #options: AppOptions;
  readonly #live: Live;
  readonly #stores: Stores;
  readonly #usage: UsageParts;
  readonly #responses: ResponseKeeper;
  readonly #discovery: ModelDiscovery;
  readonly #snapshotOptions: AppSnapshotOptions;
  readonly #health: HealthChecks;
  #healthCheckedAt = Number.NEGATIVE_INFINITY;
  #loadsReadAt = Number.NEGATIVE_INFINITY;
  readonly #timers: ReturnType<typeof setInterval>[] = [];

  /** @throws Error when a store can't be opened */
  static async create(options: AppOptions): Promise<App> {
    const { env, loaded, clock, log } = options;
    const modelData = new ModelData(() => new Date(clock.wallTime()));
    const live: Live = { config: loaded.config, prices: new Prices(modelData, []) };
    const stores = await openStores({
      config: () => live.config,
      env,
      clock,
      onWarning: (message, error) => log.logger.error({ err: error }, message),
    });
    let created: CreatedKey | undefined;
    if (!stores.access.hasAdmin) {
      created = await stores.keys.create(
        { tenant: DEFAULT_TENANT },
        { kind: 'admin', name: 'admin' },
        SYSTEM_ACTOR,
      );
    }
    const simulator = createSimulator({ clock });
    const discovery = new ModelDiscovery();
    const routing = {
      ...freshRoutingState(),
      engines: new EngineLoads(() => clock.now(), LOADS_STALE_MS),
      experiments: new Experiments(Math.random, (model, canary, reason) =>
        log.logger.error({ model, canary, reason }, 'canary was taken back'),
      ),
    };
    const lifecycle = new Lifecycle();
    const startedAtSeconds = Math.floor(clock.wallTime() / 1000);
    const metrics = new Metrics(
      () => readProcessStats(startedAtSeconds),
      () => lifecycle.active,
    );
    const tokenizer = new Tokenizer(new CounterThread());
    const usage = await createUsage({
      config: loaded.config,
      ...{ stores, clock, log, metrics, tokenizer },
      prices: () => live.prices,
    });
    const engineManager = createEngineManager({
      ...options,
      metrics,
      states: routing.states,
      ledgerFile: join(dataFolder(loaded.config), 'engines.json'),
    });
    await engineManager.prepare(loaded.config);
    const snapshotOptions: AppSnapshotOptions = {
      env,
      clock,
      routing,
      engineManager,
      modelData,
      random: Math.random,
      discovered: () => discovery.current,
      simulator: createFetchTransport((url, init) => simulator(new Request(url, init))),
      createTransport: (connectTimeoutMs) =>
        createUpstreamTransport({ env, clock, http1: { connectTimeoutMs } }),
      engines: loaded.config.providers === null ? await findEngines(options) : [],
    };
    return new App(options, {
      ...{
        live,
        stores,
        usage,
        tokenizer,
        discovery,
        modelData,
        snapshotOptions,
        created,
        lifecycle,
        metrics,
        startedAtSeconds,
      },
    });
  }

  private constructor(options: AppOptions, foundation: Foundation) {
    const { clock, log, version } = options;
    const { live, stores, discovery, modelData, snapshotOptions, startedAtSeconds } = foundation;
    this.#options = options;
    this.#live = live;
    this.#stores = stores;
    this.#usage = foundation.usage;
    this.#discovery = discovery;
    this.#snapshotOptions = snapshotOptions;
    this.createdAdminKey = foundation.created;
    this.lifecycle = foundation.lifecycle;
    this.metrics = foundation.metrics;
    this.#snapshot = buildSnapshot(options.loaded.config, snapshotOptions);
    this.#configureParts();
    this.#health = new HealthChecks(
      snapshotOptions.routing.states,
      () => clock.now(),
      (provider, healthy) => {
        if (healthy) log.logger.info({ provider }, 'engine answers its health checks again');
        else log.logger.warn({ provider }, 'engine does not answer its health checks: it gets no requests');
      },
    );

    const { metrics } = this;
    metrics.beforeRender = () => {
      const { directory, providers } = this.#snapshot;
      const { routing, engineManager } = this.#snapshotOptions;
      metrics.usagePending.labels().set(this.#usage.journal.pending);
      describeTargets(metrics, { directory, providers, states: routing.states, now: clock.now() });
      describeEngines(metrics, engineManager.pool);
      describeCanaries(metrics, routing.experiments);
    };
    const deadlines = new DeadlineMonitor(() => clock.now());
    const { tokenizer } = foundation;
    this.#responses = new ResponseKeeper(
      new SqlResponseStore(stores.control),
      () => clock.wallTime(),
      (count, reason) => log.logger.error({ err: reason, count }, 'responses could not be kept'),
    );
    const { experiments } = snapshotOptions.routing;
    const recorder = new Recorder(
      metrics,
      log,
      clock,
      () => this.#snapshot.config.log.requests,
      (part, sample) => experiments.record(part, sample, clock.now()),
    );
    const { usage } = foundation;
    const services: ApiServices = {
      clock,
      startedAtSeconds,
      access: stores.access,
      tokens: stores.tokens,
      assertOperator: async (exchange, permission) =>
        assertAllowed(await admin.actorOf(exchange), permission),
      lifecycle: this.lifecycle,
      deadlines,
      addressLimiter: new AddressLimiter(
        clock,
        () => this.#snapshot.addressLimits,
        () => metrics.rateLimited.labels('ip').inc(),
      ),
      meter: usage.meter,
      inference: new InferenceService({
        limiter: usage.limiter,
        clock,
        deadlines,
        states: snapshotOptions.routing.states,
        observer: recorder,
        media: new GuardedMediaFetcher(() => this.#snapshot.mediaLimits),
        estimateTokens: (request, model) => tokenizer.estimate(request, model),
        contextWindows: new ContextWindows(modelData, tokenizer),
      }),
      responses: this.#responses,
      modelData,
      states: snapshotOptions.routing.states,
      engines: snapshotOptions.engineManager.pool,
      requests: new RequestLog(),
      recorder,
      snapshot: () => this.#snapshot,
    };
    this.router = new HttpRouter({
      clock,
      newId: randomIds('req_'),
      cors: () => this.#snapshot.cors,
      observe: (method, route, status, seconds) => {
        const code = String(status);
        metrics.httpRequests.labels(method, route, code).inc();
        metrics.httpDuration.labels(method, route, code).observe(seconds);
      },
      onDefect: (error, requestId) => log.logger.error({ err: error, request_id: requestId }, 'defect'),
    });
    const admin = createAdminServices(stores, usage, services, () => this.#snapshot.config);
    addRoutes(this.router, {
      services,
      admin,
      stores,
      usage,
      tokenizer,
      metrics,
      version,
      config: () => this.#snapshot.config,
    });
    describeModels(this.metrics, this.config);
  }

  get config(): Config {
    return this.#snapshot.config;
  }

  get snapshot(): GatewaySnapshot {
    return this.#snapshot;
  }

  /** Begins the regular work beside the requests. */
  startBackground(): void {
    const { logger } = this.#options.log;
    const every = (ms: number, what: string, work: () => Promise<unknown>) => {
      let failing = false;
      const timer = setInterval(() => {
        work().then(
          () => {
            failing = false;
          },
          (error: unknown) => {
            // Once for each run of failures: what is tried twice a second would fill the log.
            if (!failing) logger.error({ err: error }, what);
            failing = true;
          },
        );
      }, ms);
      timer.unref();
      this.#timers.push(timer);
    };
    this.#publishLeftovers().catch((error: unknown) => {
      logger.error(
        { err: error },
        'changes that were left untold could not be told; they are at the next start',
      );
    });
    every(KEY_REFRESH_MS, 'API keys could not be read again; the known ones stay in force', () =>
      this.#stores.access.refresh(),
    );
    every(USAGE_MS, 'usage could not be kept; it is tried again', () => this.#usage.keep());
    every(BEAT_MS, 'the store of limits could not be told that this gateway lives', () =>
      this.#usage.heartbeat(),
    );
    every(ENGINE_TICK_MS, 'engines could not be looked after', async () =>
      this.#snapshotOptions.engineManager.pool.tick(),
    );
    every(OUTLIERS_MS, 'outliers could not be looked for', async () => this.#ejectOutliers());
    every(TICK_MS, 'engines could not be checked', () => this.#checkEngines());
    every(DISCOVERY_MS, 'model discovery failed', () => this.discover());
    every(EXPIRY_MS, 'old rows could not be deleted', () => this.#deleteOld());
    every(EXPIRY_MS, 'expired responses could not be deleted', () => this.#responses.deleteExpired());
  }

  /** Tells the control database what a gateway that died in between has left untold. */
  async #publishLeftovers(): Promise<void> {
    const { access, writer, tenants } = this.#stores;
    await tenants.dropRemoved();
    for (const { id, status } of [...access.tenants()]) {
      if (status !== 'deleted') await writer.publish({ tenant: id });
    }
  }

  async #deleteOld(): Promise<void> {
    await this.#stores.sessions.deleteExpired();
    await this.#usage.deleteOld();
    await this.#stores.tenants.dropRemoved();
  }

  #ejectOutliers(): void {
    const now = this.#options.clock.now();
    const { directory, outliers } = this.#snapshot;
    const { states } = this.#snapshotOptions.routing;
    for (const [model, targets] of directory.targetsByModel()) {
      const ejected = ejectOutliers(
        targets.map((target) => states.of(target)),
        outliers,
        now,
      );
      for (const index of ejected) {
        const target = targets[index];
        const name = target && { provider: target.provider.id, upstream_model: target.model };
        this.#options.log.logger.warn(
          { model, ...name },
          'target fails far more often than the others of its model: it is left alone for a while',
        );
      }
    }
  }

  /** Does those checks of engines that are due. */
  async #checkEngines(): Promise<void> {
    const now = this.#options.clock.now();
    const { config, directory } = this.#snapshot;
    // An engine that is not loaded is not dead; one that is, is watched by who has started it.
    const providers = this.#snapshot.providers.filter(({ lazyEngine }) => !lazyEngine);
    const { interval, timeout, failures, successes, load_interval: loadInterval } = config.routing.health;
    const due = (last: number, every: number) => now - last >= every - TICK_MS / 2;
    const work: Promise<void>[] = [];
    if (interval !== null && due(this.#healthCheckedAt, interval)) {
      this.#healthCheckedAt = now;
      work.push(this.#health.round(providers, { timeoutMs: timeout, failures, successes }));
    }
    const { engines } = this.#snapshotOptions.routing;
    if (engines && directory.uses('engine-load') && due(this.#loadsReadAt, loadInterval)) {
      this.#loadsReadAt = now;
      const loaded = this.#snapshot.providers.filter(({ lazyEngine }) => lazyEngine?.loaded !== false);
      work.push(readEngineLoads(loaded, engines, timeout));
    }
    await Promise.all(work);
  }

  /** Asks all providers for their models. */
  async discover(): Promise<DiscoveryResult[]> {
    const results = await this.#discovery.refresh(this.#snapshot.providers);
    for (const { provider, models, error } of results) {
      if (error === undefined) this.#options.log.logger.debug({ provider, models }, 'models discovered');
      else {
        const reason = error instanceof Error ? error.message : String(error);
        this.#options.log.logger.warn(
          { provider, reason },
          'provider did not list its models; it can still be asked by name',
        );
      }
    }
    return results;
  }

  /** Puts a new configuration in force. Requests in flight keep the old one. */
  async apply(loaded: LoadedConfig): Promise<void> {
    await this.#snapshotOptions.engineManager.prepare(loaded.config);
    const next = buildSnapshot(loaded.config, this.#snapshotOptions);
    const old = this.#snapshot;
    this.#snapshot = next;
    this.#configureParts();
    old.close();
    describeModels(this.metrics, this.config);
    this.#options.log.logger.level = loaded.config.log.level;
    await this.discover();
  }

  metricsPage(): Promise<HttpResponse> {
    return metricsResponse(this.metrics);
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#snapshotOptions.engineManager.pool.close();
    this.#snapshot.close();
    await this.#responses.flush();
    await this.#usage.close();
    await this.#stores.close();
  }

  /** Passes on what outlives configurations. */
  #configureParts(): void {
    const { health, admission, config } = this.#snapshot;
    this.#live.config = config;
    this.#live.prices = this.#snapshot.prices;
    this.#stores.access.forgetLimits();
    this.#snapshotOptions.engineManager.configure(config);
    this.#snapshotOptions.routing.experiments.configure(this.#snapshot.directory.defined());
    this.#snapshotOptions.routing.states.configure(health, admission, this.#options.clock.now());
  }
}

async function findEngines({ env, clock, loaded }: AppOptions): Promise<readonly ProviderConfig[]> {
  if (env.WEIR_DETECT_ENGINES === '0') return [];
  const transport = createUpstreamTransport({ env, clock, http1: { connectTimeoutMs: 300 } });
  try {
    const { port, metrics_port } = loaded.config.server;
    return await detectEngines(
      (config) =>
        createProvider(config, {
          transports: { upstream: () => transport, simulator: transport },
          clock,
          env,
        }),
      metrics_port === null ? [port] : [port, metrics_port],
    );
  } finally {
    transport.close();
  }
}
