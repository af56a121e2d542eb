import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { EnginePool } from '../engines/engine-pool.ts';
import type { UsageJournal } from '../metering/usage-journal.ts';
import type { Activity } from '../observability/activity.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Rates } from '../observability/rates.ts';
import type { RoutingState } from '../routing/router.ts';
import { WRITE_AREAS, type WriteHealth } from '../storage/write-health.ts';
import type { BackupWatch } from './backup-watch.ts';
import type { Hardware } from './hardware.ts';
import type { ServerMonitor } from './server-monitor.ts';
import type { GatewaySnapshot } from './snapshot.ts';
import type { StorageSizes } from './storage-sizes.ts';

export interface GaugeSources {
  readonly snapshot: GatewaySnapshot;
  readonly routing: RoutingState;
  readonly engines: EnginePool;
  readonly journal: UsageJournal;
  readonly clock: Clock;
  readonly servers: ServerMonitor;
  readonly writes: WriteHealth;
  readonly activity: Activity;
  readonly storageSizes: Pick<StorageSizes, 'sizes'>;
  readonly backups: Pick<BackupWatch, 'age'>;
  readonly hardware: Pick<Hardware, 'gpus' | 'engines'>;
  /** Of output tokens, by model. */
  readonly tokenRates: Rates;
}

/** Sets the gauges whose values are read at each scrape. */
export function readGauges(metrics: Metrics, sources: GaugeSources): void {
  metrics.losses.usagePending.labels().set(sources.journal.pending);
  readServers(metrics, sources);
  for (const area of WRITE_AREAS) {
    metrics.storage.failing.labels(area).set(sources.writes.fails(area) ? 1 : 0);
  }
  for (const [area, bytes] of sources.storageSizes.sizes) metrics.storage.size.labels(area).set(bytes);
  readBackups(metrics, sources);
  readTargets(metrics, sources);
  readQueue(metrics, sources);
  readEngines(metrics, sources);
  readHardware(metrics, sources);
  readCanaries(metrics, sources);
  readActivity(metrics, sources);
}

function readServers({ http }: Metrics, { servers }: GaugeSources): void {
  const { connections, requestBytes, unsentBytes } = servers.stats();
  http.connections.labels().set(connections);
  http.requestMemory.labels().set(requestBytes);
  http.unsentMemory.labels().set(unsentBytes);
}

function readBackups({ storage: { backupAge, backupInterval } }: Metrics, { backups }: GaugeSources): void {
  backupAge.reset();
  backupInterval.reset();
  const { ageMs, intervalMs } = backups.age ?? {};
  if (intervalMs !== undefined) backupInterval.labels().set(intervalMs / 1_000);
  if (ageMs !== undefined) backupAge.labels().set(ageMs / 1_000);
}

const BREAKER_STATES = { closed: 0, 'half-open': 1, open: 2 } as const;

/** Only targets of configured models become label values: clients may name any other target. */
function readTargets(metrics: Metrics, { snapshot, routing: { states }, clock }: GaugeSources): void {
  const { healthy, targetHealthy, breakerState } = metrics.providers;
  const now = clock.now();
  healthy.reset();
  targetHealthy.reset();
  breakerState.reset();
  for (const target of snapshot.directory.targets()) {
    const state = states.of(target);
    // A target with several API keys has one series: it is usable with any of them, and shows the worst breaker.
    const breaker = breakerState.labels(target.provider.id, target.model);
    breaker.set(Math.max(breaker.value, BREAKER_STATES[state.breakerState(now)]));
    const usable = targetHealthy.labels(target.provider.id, target.model);
    usable.set(Math.max(usable.value, state.unavailable(now) === undefined ? 1 : 0));
  }
  for (const { id } of snapshot.providers) {
    const used = [...states.ofProvider(id)];
    const usable = used.some((state) => state.unavailable(now) === undefined);
    healthy.labels(id).set(states.healthOf(id) === false || (used.length > 0 && !usable) ? 0 : 1);
  }
}

function readQueue({ providers }: Metrics, { routing: { states } }: GaugeSources): void {
  for (const [priority, count] of states.queuedByPriority()) providers.queueDepth.labels(priority).set(count);
}

function readEngines({ gpus }: Metrics, { engines }: GaugeSources): void {
  gpus.engineLoaded.reset();
  for (const { id, state } of engines.list()) gpus.engineLoaded.labels(id).set(state === 'ready' ? 1 : 0);
}

/** Hardware that is gone, or was not read lately, has no series. */
function readHardware({ gpus: families }: Metrics, { hardware }: GaugeSources): void {
  const { utilization, memoryUsed, memoryTotal, temperature, power, info } = families;
  const { engineRunning, engineWaiting, engineCacheUsage, enginePrefixHits } = families;
  for (const family of [utilization, memoryUsed, memoryTotal, temperature, power, info]) family.reset();
  for (const family of [engineRunning, engineWaiting, engineCacheUsage, enginePrefixHits]) family.reset();
  for (const { gpu, node, ...reading } of hardware.gpus.readings()) {
    const values = [
      [utilization, reading.utilizationPercent],
      [memoryUsed, reading.memoryUsedBytes],
      [memoryTotal, reading.memoryTotalBytes],
      [temperature, reading.temperatureCelsius],
      [power, reading.powerWatts],
    ] as const;
    for (const [family, value] of values) if (value !== undefined) family.labels(gpu, node).set(value);
    info.labels(gpu, node, reading.product ?? '').set(1);
  }
  for (const { provider, metrics } of hardware.engines.current()) {
    const { load, prefixHitRatio } = metrics;
    if (load) {
      engineRunning.labels(provider).set(load.running);
      engineWaiting.labels(provider).set(load.waiting);
      engineCacheUsage.labels(provider).set(load.cacheUsage);
    }
    if (prefixHitRatio !== undefined) enginePrefixHits.labels(provider).set(prefixHitRatio);
  }
}

function readCanaries({ experiments: { canaryActive } }: Metrics, { routing }: GaugeSources): void {
  canaryActive.reset();
  for (const { model, state } of routing.experiments.canaries()) {
    canaryActive.labels(model).set(state === 'running' ? 1 : 0);
  }
}

function readActivity({ inference }: Metrics, { activity, tokenRates, clock }: GaugeSources): void {
  const now = clock.now();
  const { users, tenants } = activity.counts(now);
  for (const [window, count] of users) inference.activeUsers.labels(window).set(count);
  for (const [window, count] of tenants) inference.activeTenants.labels(window).set(count);
  const totals = inference.tokensGenerated
    .all()
    .map(({ values: [model = ''], child }) => [model, child.value] as const);
  for (const [model, rate] of tokenRates.update(now, new Map(totals))) {
    inference.tokensPerSecond.labels(model).set(rate);
  }
}

/** Lists the configured models; called for each new configuration. */
export function describeModels({ inference: { modelInfo } }: Metrics, { models }: Config): void {
  modelInfo.reset();
  for (const { id, targets } of models) {
    for (const { provider } of targets) modelInfo.labels(id, provider).set(1);
  }
}
