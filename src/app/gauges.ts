import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { EnginePool } from '../engines/engine-pool.ts';
import type { UsageJournal } from '../metering/usage-journal.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { RoutingState } from '../routing/router.ts';
import { WRITE_AREAS, type WriteHealth } from '../storage/write-health.ts';
import type { ServerMonitor } from './server-monitor.ts';
import type { GatewaySnapshot } from './snapshot.ts';

export interface GaugeSources {
  readonly snapshot: GatewaySnapshot;
  readonly routing: RoutingState;
  readonly engines: EnginePool;
  readonly journal: UsageJournal;
  readonly clock: Clock;
  readonly servers: ServerMonitor;
  readonly writes: WriteHealth;
}

/** Sets the gauges whose values are read at each scrape. */
export function readGauges(metrics: Metrics, sources: GaugeSources): void {
  metrics.usagePending.labels().set(sources.journal.pending);
  readServers(metrics, sources);
  for (const area of WRITE_AREAS) {
    metrics.storageFailing.labels(area).set(sources.writes.fails(area) ? 1 : 0);
  }
  readTargets(metrics, sources);
  readEngines(metrics, sources);
  readCanaries(metrics, sources);
}

function readServers(
  { httpConnections, requestMemory, unsentMemory }: Metrics,
  { servers }: GaugeSources,
): void {
  const { connections, requestBytes, unsentBytes } = servers.stats();
  httpConnections.labels().set(connections);
  requestMemory.labels().set(requestBytes);
  unsentMemory.labels().set(unsentBytes);
}

const BREAKER_STATES = { closed: 0, 'half-open': 1, open: 2 } as const;

/** Only targets of configured models become label values: clients may name any other target. */
function readTargets(metrics: Metrics, { snapshot, routing: { states }, clock }: GaugeSources): void {
  const { providerHealthy, breakerState, queueDepth } = metrics;
  const now = clock.now();
  queueDepth.labels().set(states.queued());
  providerHealthy.reset();
  breakerState.reset();
  for (const target of snapshot.directory.targets()) {
    const state = BREAKER_STATES[states.of(target).breakerState(now)];
    breakerState.labels(target.provider.id, target.model).set(state);
  }
  for (const { id } of snapshot.providers) {
    const used = [...states.ofProvider(id)];
    const usable = used.some((state) => state.unavailable(now) === undefined);
    providerHealthy.labels(id).set(states.healthOf(id) === false || (used.length > 0 && !usable) ? 0 : 1);
  }
}

function readEngines({ engineLoaded }: Metrics, { engines }: GaugeSources): void {
  engineLoaded.reset();
  for (const { id, state } of engines.list()) engineLoaded.labels(id).set(state === 'ready' ? 1 : 0);
}

function readCanaries({ canaryActive }: Metrics, { routing: { experiments } }: GaugeSources): void {
  canaryActive.reset();
  for (const { model, state } of experiments.canaries()) {
    canaryActive.labels(model).set(state === 'running' ? 1 : 0);
  }
}

/** Lists the configured models; called for each new configuration. */
export function describeModels({ modelInfo }: Metrics, { models }: Config): void {
  modelInfo.reset();
  for (const { id, targets } of models) {
    for (const { provider } of targets) modelInfo.labels(id, provider).set(1);
  }
}
