import { join } from 'node:path';
import { clientErrorOf } from '../api/client-error.ts';
import type { LoadedConfig } from '../config/assemble.ts';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { ReportInterval } from '../core/report-interval.ts';
import { EventBus } from '../events/event-bus.ts';
import { clientOrigin } from '../http/client-address.ts';
import { HttpRouter } from '../http/http-router.ts';
import { HttpStage } from '../http/http-stage.ts';
import { CounterThread } from '../metering/counter-thread.ts';
import { ModelData } from '../metering/model-data.ts';
import { Tokenizer } from '../metering/tokenizer.ts';
import { Activity } from '../observability/activity.ts';
import { EventLoopDelay, threadCpuMs } from '../observability/event-loop-delay.ts';
import { HttpHandles } from '../observability/http-handles.ts';
import type { Log } from '../observability/log.ts';
import { Metrics } from '../observability/metrics.ts';
import type { MetricsFormat } from '../observability/openmetrics.ts';
import { readProcessLimits, readProcessStats } from '../observability/process-stats.ts';
import { Rates } from '../observability/rates.ts';
import { Lifecycle } from '../pipeline/lifecycle.ts';
import { randomIds } from '../platform/random-ids.ts';
import { createUpstreamTransport } from '../platform/upstream-transport.ts';
import { ModelDiscovery } from '../routing/discovery.ts';
import { EngineLoads } from '../routing/engine-loads.ts';
import { Experiments } from '../routing/experiments/experiments.ts';
import { createRoutingState, type RoutingState } from '../routing/router.ts';
import { type AuditLoss, AuditQueue } from '../tenancy/audit-queue.ts';
import { ConfigItems } from '../tenancy/config-items.ts';
import { ActiveSnapshot } from './active-snapshot.ts';
import { createAdminServices } from './admin.ts';
import { AuditAnchors } from './audit-anchors.ts';
import { CHECK_EVERY_MS, jobsOf, publishPendingChanges } from './background-jobs.ts';
import { BackupWatch } from './backup-watch.ts';
import { createBatches } from './batches.ts';
import { CacheParts } from './cache.ts';
import { createChain } from './chain.ts';
import { ConfigAudit } from './config-audit.ts';
import { configOperations, EffectiveConfig } from './config-overlay.ts';
import { ConfigSecrets } from './config-secrets.ts';
import { Gateway } from './constructed-gateway.ts';
import { DataRetention } from './data-retention.ts';
import { dataFolder } from './database-servers.ts';
import { createDurableEvents } from './durable-events.ts';
import { createEngineManager } from './engine-manager.ts';
import { eventLoopIntervalMs } from './event-loop-interval.ts';
import { ExportJobs } from './exports.ts';
import { findEngines } from './find-engines.ts';
import { ensureAdminKey, homeTenants } from './first-start.ts';
import { describeModels, readGauges } from './gauges.ts';
import { createHardware } from './hardware.ts';
import { JobRunner } from './job-runner.ts';
import { createJobs } from './jobs.ts';
import { LazyAlerts } from './lazy-alerts.ts';
import { LazyBilling } from './lazy-billing.ts';
import { LazyReports } from './lazy-reports.ts';
import type { LogKeeper } from './log-files.ts';
import { LogLossCounter } from './log-losses.ts';
import { subscribeLog } from './log-subscribers.ts';
import { createMetricExport } from './metric-export.ts';
import { subscribeMetrics } from './metric-subscribers.ts';
import { openChangeChannel } from './open-change-channel.ts';
import { PluginParts } from './plugins.ts';
import { simulatorTransport } from './provider-registry.ts';
import { RegionParts } from './regions.ts';
import { createReplayStore } from './replay-store.ts';
import { createRequestLog } from './request-log.ts';
import { addRoutes } from './routes.ts';
import { observeSecrets, readSecretGauges, SecretRefresh } from './secret-refresh.ts';
import { ServerMonitor } from './server-monitor.ts';
import { createServices } from './services.ts';
import { buildSnapshot, type SnapshotOptions } from './snapshot.ts';
import { StorageSizes } from './storage-sizes.ts';
import { openStores } from './stores.ts';
import { TargetMonitor } from './target-monitor.ts';
import { testProvider } from './test-provider.ts';
import { createTracing } from './tracing.ts';
import { createUsage } from './usage.ts';
import { UsageArchiver } from './usage-archive.ts';
import { UsageCopies } from './usage-copies.ts';
import type { WorkerStatus } from './workers/worker-pool.ts';
import type { WorkerSide } from './workers/worker-side.ts';

export { Gateway };

/** Engine loads that are older are not used for routing. */
const LOADS_STALE_MS = 10_000;
/** Shortest time between two reports of lost audit entries. */
const LOST_REPORT_MS = 60_000;

export interface GatewayOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly loaded: LoadedConfig;
  /** Which have read the secrets of `loaded`; absent where it refers to none. */
  readonly secrets?: ConfigSecrets | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Absent where the log is not written to files. */
  readonly logKeeper?: LogKeeper | undefined;
  readonly version: string;
  /** Set in a worker: its parent serves what is not inference, and has the databases open. */
  readonly worker?: WorkerSide | undefined;
  /** Set in the parent of workers. */
  readonly pool?: PoolView | undefined;
}

/** What a parent needs of its workers. */
export interface PoolView {
  readonly status: WorkerStatus;
  inFlight(): Promise<number>;
  metrics(own: string, format: MetricsFormat): Promise<string>;
}

/**
 * The gateway without its sockets, and the place where everything is constructed, in this order: events, stores,
 * services, configuration snapshot with the interceptor chain, routes, background jobs.
 * @throws Error when a store cannot be opened
 */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const { loaded, clock, log, logKeeper, version, worker, pool } = options;
  const secrets = options.secrets ?? new ConfigSecrets({ env: options.env, clock });
  const initial = await secrets.resolve(loaded, 'start');
  const { env } = secrets;
  const active = new ActiveSnapshot(initial);
  const config = () => active.config;

  // Events, and who listens to them.
  const lifecycle = new Lifecycle();
  const startedAtSeconds = Math.floor(clock.wallTime() / 1000);
  const eventLoop = new EventLoopDelay({
    intervalMs: eventLoopIntervalMs(env),
    now: () => clock.now(),
    cpuMs: threadCpuMs,
  });
  const metrics = new Metrics(
    () => readProcessStats(startedAtSeconds),
    () => lifecycle.active,
    eventLoop,
    {
      version,
      limits: () => readProcessLimits(),
      traffic: () => servers.traffic(),
      nowSeconds: () => clock.wallTime() / 1000,
    },
  );
  const activity = new Activity();
  const events = new EventBus({
    validate: env.NODE_ENV === 'test' || env.NODE_ENV === 'development',
    onSubscriberError: (error, event, subscriber) =>
      log.logger.error({ err: error, event, subscriber }, 'event subscriber failed'),
  });
  subscribeLog(events, log.logger);
  subscribeMetrics(events, metrics);
  const servers = new ServerMonitor(clock, metrics, events);

  // Regions, which decide what this gateway looks after.
  const regions = new RegionParts({ config, env, clock, events, metrics });
  const { region } = loaded.config;

  // Stores, and the channel on which gateways notify each other of changes.
  const changes = await openChangeChannel(initial, events);
  const stores = await openStores({
    ...{ config, env, clock, events, publishEvents: !worker, remote: worker?.remote },
    portionOf: (residency) => regions.current.portion(residency),
    processes: 1 + (worker?.start.count ?? pool?.status.configured ?? 0),
    publishChange: (tenant) => changes?.publish('access', tenant),
    connectTimeoutMs: initial.storage.connect_timeout,
    onQuery: (backend, operation, seconds) =>
      metrics.storage.duration.labels(backend, operation).observe(seconds),
    onMissing: (error) => {
      throw error;
    },
  });
  const createdAdminKey = await ensureAdminKey(stores);
  changes?.onChange('access', () => stores.access.refreshNow());

  // Services that outlive configurations.
  const modelData = new ModelData(() => new Date(clock.wallTime()));
  const tokenizer = new Tokenizer(new CounterThread());
  const prices = () => active.current.prices;
  const cache = new CacheParts({ clock, metrics, events, box: stores.cacheBox });
  const usage = await createUsage({
    ...{ config: initial, stores, clock, events, metrics, tokenizer, prices, worker },
    onPromptCache: (use) => cache.promptCacheUsed(use),
    regions: () => regions.current,
    modelLimits: () => active.current.directory.routes().flatMap(({ limits }) => limits ?? []),
  });
  const routing: RoutingState = {
    ...createRoutingState(),
    engines: new EngineLoads(() => clock.now(), LOADS_STALE_MS),
    experiments: new Experiments(Math.random, events),
  };
  const engineManager = createEngineManager({
    ...{ env, clock, events, states: routing.states },
    writes: stores.writes,
    ledgerFile: join(dataFolder(initial), worker ? `engines-${worker.start.number}.json` : 'engines.json'),
  });
  const engines = engineManager.pool;
  const replays = await createReplayStore({
    ...{ config: initial, box: stores.box, now: () => clock.wallTime() },
    newId: () => stores.sources.newId('run'),
  });
  const instance = randomIds('gw_')();
  const durableEvents = createDurableEvents({
    ...{ config, env, stores, clock, events, instance, isWorker: worker !== undefined },
  });
  const queued = createJobs({
    regions: () => regions.current,
    ...{ config: initial, stores, clock, events, instance, metrics },
    ...{ activeConfig: config, services: () => services, loadInferenceApi: () => loadInferenceApi() },
    isReady: () => lifecycle.state === 'ready',
  });
  const { tracer, exporter } = createTracing({ config, clock, metrics, events, version, instance });
  const metricExporter = createMetricExport({
    ...{ config, clock, metrics, events, version, instance, startedAtSeconds },
  });
  const plugins = new PluginParts({ env, clock, events, metrics, file: loaded.file });
  const auditLosses = new ReportInterval<AuditLoss>(
    LOST_REPORT_MS,
    () => clock.now(),
    (count, reason) => events.emit('audit.lost', { count, reason }),
  );
  const auditQueue = new AuditQueue({
    ...{ control: stores.control, databases: stores.databases, sources: stores.sources },
    onLost: (count, reason) => {
      metrics.losses.auditLost.labels(reason).inc(count);
      auditLosses.add(count, reason);
    },
  });
  const services = createServices({
    ...{ tracer, auditQueue, asyncRequests: queued.asyncRequests },
    isWorker: worker !== undefined,
    workers: pool && { status: () => pool.status, inFlight: () => pool.inFlight() },
    plugins: () => plugins.status(),
    ...{ clock, log, metrics, activity, events, lifecycle, startedAtSeconds, active, stores },
    ...{ modelData, routing, engines, replays: replays.store, rejected: usage.rejected },
  });
  const requestLog = createRequestLog({ stores, clock, events, prices });
  const discovery = new ModelDiscovery();
  const { deadlines, recorder } = services;
  const guardrailTransport = createUpstreamTransport({ env, clock });
  const chainParts = {
    clock,
    deadlines,
    recorder,
    states: routing.states,
    usage,
    tokenizer,
    modelData,
    cache,
    requestLog: requestLog.writer,
    hashSecret: stores.digester.digest('redaction'),
    guardrailTransport,
  };

  // The configuration snapshot with its interceptor chain, built again for each new configuration.
  const snapshotOptions: SnapshotOptions = {
    get env() {
      return secrets.env;
    },
    ...{ clock, routing, engineManager, modelData, random: Math.random },
    discovered: () => discovery.current,
    simulator: simulatorTransport(clock),
    createTransport: (http1) => createUpstreamTransport({ env, clock, http1 }),
    engines: await findEngines(initial, { env, clock }),
  };
  const { control, digester, sources } = stores;
  const configAudit = new ConfigAudit({ control, digester, sources, file: loaded.file });
  const activate = async (next: Config, of: LoadedConfig) => {
    await engineManager.prepare(next);
    await cache.prepare(next);
    const prepared = await plugins.prepare(next);
    const build = async () => {
      const built = await buildSnapshot(next, snapshotOptions);
      return { ...built, ...(await createChain(built, { ...chainParts, plugins: prepared.hosts })) };
    };
    const snapshot = await build().catch(async (error: unknown) => {
      await prepared.discard();
      throw error;
    });
    const previous = active.replace(snapshot);
    prepared.commit();
    stores.access.clearLimits();
    usage.reconciler.scheduleAll();
    engineManager.configure(next);
    routing.experiments.configure(snapshot.directory.defined());
    routing.states.configure(snapshot.health, snapshot.admission, clock.now());
    metrics.maxSeries = next.metrics.max_series;
    describeModels(metrics, next);
    log.logger.level = next.log.level;
    previous?.close();
    secrets.activated(of);
    if (worker) return;
    // It is active whatever becomes of the record, which the next change or start makes up for.
    await configAudit.record(of.config).catch((error: unknown) => {
      const impact = 'the audit trail lacks a change of the configuration until the next one';
      events.emit('job.failed', { job: 'record the configuration', impact, error });
    });
  };
  const items = new ConfigItems(control, stores.configBox, sources);
  const effective = new EffectiveConfig(loaded, {
    ...{ items, events, activate },
    resolve: (next) => secrets.resolve(next),
    check: async (next) => (await buildSnapshot(next, snapshotOptions)).close(),
  });
  await effective.start();
  const secretRefresh = new SecretRefresh({ secrets, effective, events, config: () => active.config });
  observeSecrets(secrets, metrics);
  const operations = configOperations(effective, {
    items,
    onStored: () => {
      // The change does not wait for providers that are slow to list their models.
      void monitor.discoverModels();
      changes?.publish('overlay');
    },
    providers: () =>
      active.current.providers.map(({ id, kind, baseUrl, profile }) => ({
        ...{ id, kind, baseUrl, isBuiltIn: profile.isSimulated ?? false },
      })),
    test: (next, provider) => testProvider(next, provider, snapshotOptions),
  });
  changes?.onChange('overlay', () => effective.refresh());

  // Routes.
  const httpHandles = new HttpHandles(metrics);
  const router = new HttpRouter({
    stage: new HttpStage({
      addressLimiter: services.addressLimiter,
      isProxy: () => active.current.isProxy,
      isExemptAddress: (address) => active.current.isExemptAddress(address),
      assertAccepting: () => lifecycle.assertAccepting(),
      regionGate: regions.gate({
        ...{ digester: stores.digester, lifecycle, isProxy: () => active.current.isProxy },
      }),
    }),
    region: () => active.config.region,
    clock,
    newId: randomIds('req_'),
    cors: () => active.current.cors,
    isBehindTls: (httpContext) => {
      const { config: current, isProxy } = active.current;
      if (current.server.tls !== null) return false;
      return isProxy !== undefined && clientOrigin(httpContext, isProxy)?.startsWith('https:') === true;
    },
    asClientError: clientErrorOf,
    // Not an event: every request counts here.
    observe: (...request) => httpHandles.finished(...request),
    onDefect: (error, requestId) => events.emit('http.handler_failed', { request_id: requestId, error }),
  });
  const perTenant = {
    ...{ clock, events, control: stores.control, databases: stores.databases },
    tenants: () => homeTenants(stores.access, region).map(({ id }) => id),
  };
  const auditAnchors = new AuditAnchors(perTenant);
  const billing = new LazyBilling(stores, config);
  const reports = new LazyReports(stores, config, env);
  const backups = new BackupWatch({ config, env, clock });
  const exportJobs = new ExportJobs({
    ...{ stores, config, env, clock, events, instance, auditQueue, requestLogKeys: requestLog.keys },
    providers: () => active.current.providers,
  });
  const alerts = new LazyAlerts({
    ...{ config, env, stores, clock, instance, metrics },
    limitUses: (subjects) => usage.limiter.counterStates(subjects),
    onFailure: (error) => {
      const impact = 'the alerts of a tenant are evaluated later';
      events.emit('job.failed', { job: 'evaluate the rules of a tenant', impact, error });
    },
    observed: {
      ...{ clock, engines, states: routing.states, writes: stores.writes, backups, exports: exportJobs },
      snapshot: () => active.current,
    },
  });
  if (initial.mail) durableEvents.dispatcher.subscribe(billing.consumer);
  reports.subscribe(durableEvents.dispatcher);
  const batches = createBatches({
    ...{ config, env, stores, clock, metrics, services, queued, usage },
    loadInferenceApi: () => loadInferenceApi(),
  });
  const admin = createAdminServices(stores, usage, services, {
    ...{ config, cache, operations, requestLog, metrics, regions, durableEvents },
    ...{ work: batches, queue: queued.queue },
    anchorOf: (tenant) => auditAnchors.last(tenant),
    billing: billing.load,
    alerts: alerts.load,
    reports: reports.load,
    exports: exportJobs.control,
  });
  const loadInferenceApi = addRoutes(router, {
    ...{ services, admin, stores, usage, tokenizer, metrics, version, config, batches },
  });

  // Background jobs, and gauges that are read when the metrics are.
  const { responses } = services;
  if (pool) metrics.mergeWith = (own, format) => pool.metrics(own, format);
  const usageArchiver = new UsageArchiver(stores, config, env, events).watchRemovals();
  const dataRetention = new DataRetention({
    ...perTenant,
    archivesUsage: () => usageArchiver.isOn,
    retentionOf: stores.retentionOf,
    requestLogOf: (tenant) => stores.access.tenant(tenant)?.document.request_log,
    installation: () => config().storage.retention,
  });
  const hardware = createHardware({ config, env, clock, metrics });
  const monitor = new TargetMonitor({
    ...{ clock, events, routing, discovery, checkEveryMs: CHECK_EVERY_MS },
    snapshot: () => active.current,
    onEngineProbe: hardware.onEngineProbe,
  });
  const logLosses = new LogLossCounter(log);
  const tokenRates = new Rates();
  const storageSizes = StorageSizes.of(initial, clock);
  metrics.beforeRender = () => {
    logLosses.update(metrics);
    usage.limitGauges.update(metrics);
    regions.readGauges();
    cache.readGauges();
    plugins.readGauges();
    readSecretGauges(secrets, metrics, clock.wallTime());
    readGauges(metrics, {
      ...{ snapshot: active.current, routing, engines, journal: usage.journal, clock, servers },
      ...{ writes: stores.writes, activity, tokenRates, hardware, storageSizes, backups },
    });
  };

  // After all consumers have subscribed, and before the first request.
  await durableEvents.dispatcher.register();
  return new Gateway({
    ...{ events, lifecycle, metrics, active, router, createdAdminKey, monitor, regions, servers, changes },
    ...{ stores, usage, live: services.live, loadInferenceApi },
    identify: (request) => router.identify(request, services.callers.key),
    refreshConfig: () => effective.refresh(),
    refreshSecrets: () => secretRefresh.now(),
    applyBase: (next) => effective.rebase(next),
    hasPluginChanges: () => plugins.hasChanges(),
    jobs: new JobRunner(events),
    background: jobsOf(worker !== undefined, {
      ...{
        stores,
        durableEvents,
        queued,
        batches,
        usage,
        replays: replays.store,
        dataRetention,
        auditAnchors,
        auditQueue,
        requestLog: requestLog.writer,
        live: services.live,
        logKeeper,
        exporter,
        metricExporter,
        ...{ storageSizes, backups },
        gpus: hardware.gpus,
        engines,
        monitor,
        regions,
        eventLoop,
        lifecycle,
        loadInferenceApi,
        billing,
        ...{
          reports,
          usageArchiver,
          alerts,
          exports: exportJobs,
          usageCopies: new UsageCopies(stores, region),
        },
      },
      refreshConfig: () => effective.refresh(),
      refreshSecrets: () => secretRefresh.run(),
    }),
    publishPending: async () => {
      if (!worker) await publishPendingChanges(stores, region);
    },
    close: async () => {
      await queued.close();
      await Promise.all([exportJobs.close(), alerts.close()]);
      await durableEvents.close();
      await engines.close();
      await Promise.all([exporter.close(), metricExporter.close()]);
      await changes?.close();
      await replays.close();
      active.current.close();
      await plugins.close();
      guardrailTransport.close();
      secrets.close();
      regions.close();
      await cache.close();
      await responses.flush();
      await usage.close();
      await auditQueue.close();
      await requestLog.writer.close();
      await stores.close();
    },
  });
}
