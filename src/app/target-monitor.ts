import type { Clock } from '../core/clock.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { ModelDiscovery } from '../routing/discovery.ts';
import { type EngineProbe, HealthChecks, readEngineLoads } from '../routing/health/health-checks.ts';
import { ejectOutliers } from '../routing/health/outliers.ts';
import type { RoutingState } from '../routing/router.ts';
import type { GatewaySnapshot } from './snapshot.ts';

export interface TargetMonitorOptions {
  readonly clock: Clock;
  readonly events: EventSink;
  readonly routing: RoutingState;
  readonly discovery: ModelDiscovery;
  /** The active snapshot. */
  readonly snapshot: () => GatewaySnapshot;
  /** Milliseconds between two calls of `check`. */
  readonly checkEveryMs: number;
  /** Receives the metrics of engines, by provider id. */
  readonly onEngineProbe: (provider: string, probed: EngineProbe) => void;
}

/** Checks providers and targets periodically: health, load, outliers and model lists. */
export class TargetMonitor {
  readonly #health: HealthChecks;
  #healthCheckedAt = Number.NEGATIVE_INFINITY;
  #loadsReadAt: number | undefined;

  constructor(private readonly options: TargetMonitorOptions) {
    const { clock, events, routing } = options;
    this.#health = new HealthChecks(routing.states, () => clock.now(), events);
  }

  /** Runs the health checks and load reads that are due: their intervals change with the configuration. */
  async check(): Promise<void> {
    const { clock, routing, checkEveryMs } = this.options;
    const now = clock.now();
    const snapshot = this.options.snapshot();
    const {
      interval,
      timeout,
      failures,
      successes,
      load_interval: loadInterval,
    } = snapshot.config.routing.health;
    // The nearest tick counts: waiting for the next one would stretch every interval.
    const isDue = (last: number, everyMs: number) => now - last >= everyMs - checkEveryMs / 2;
    const work: Promise<void>[] = [];
    if (interval !== null && isDue(this.#healthCheckedAt, interval)) {
      this.#healthCheckedAt = now;
      // Engines on demand are not checked here: their manager does, and one that is not loaded is not unhealthy.
      const providers = snapshot.providers.filter(({ lazyEngine }) => !lazyEngine);
      work.push(this.#health.round(providers, { timeoutMs: timeout, failures, successes }));
    }
    const { engines } = routing;
    const everyMs = this.#loadIntervalMs(snapshot, loadInterval);
    // Metrics alone begin after one interval: at the start there is little to see.
    this.#loadsReadAt ??= everyMs === loadInterval ? Number.NEGATIVE_INFINITY : now;
    if (engines && everyMs !== null && isDue(this.#loadsReadAt, everyMs)) {
      this.#loadsReadAt = now;
      const loaded = snapshot.providers.filter(({ lazyEngine }) => lazyEngine?.loaded !== false);
      work.push(readEngineLoads(loaded, engines, timeout, this.options.onEngineProbe));
    }
    await Promise.all(work);
  }

  /** @returns how often engines are read: for routing, or at least for metrics; null for never */
  #loadIntervalMs({ directory, config: { metrics } }: GatewaySnapshot, forRouting: number): number | null {
    if (directory.uses('engine-load')) return forRouting;
    return metrics.gpus.engines ? metrics.gpus.interval : null;
  }

  /** Ejects targets that fail far more often than the other targets of their model. */
  ejectOutliers(): void {
    const { clock, events, routing } = this.options;
    const { directory, outliers } = this.options.snapshot();
    const now = clock.now();
    for (const [model, targets] of directory.targetsByModel()) {
      const states = targets.map((target) => routing.states.of(target));
      for (const index of ejectOutliers(states, outliers, now)) {
        const target = targets[index];
        if (!target) continue;
        events.emit('target.ejected', { model, provider: target.provider.id, upstream_model: target.model });
      }
    }
  }

  /** Asks every provider for its models. Never rejects: a provider that fails keeps its last list. */
  async discoverModels(): Promise<void> {
    const { discovery, events } = this.options;
    for (const { provider, models, error } of await discovery.refresh(this.options.snapshot().providers)) {
      if (error === undefined) events.emit('provider.models_discovered', { provider, models });
      else events.emit('provider.discovery_failed', { provider, error });
    }
  }
}
