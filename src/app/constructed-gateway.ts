import { metricsResponse } from '../api/operations.ts';
import type { LoadedConfig } from '../config/assemble.ts';
import type { Config } from '../config/schema.ts';
import type { HttpRequest, HttpResponse } from '../core/http.ts';
import type { EventBus } from '../events/event-bus.ts';
import type { HttpRouter } from '../http/http-router.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Lifecycle } from '../pipeline/lifecycle.ts';
import type { LiveFeed } from '../pipeline/live-feed.ts';
import type { CreatedKey } from '../tenancy/keys.ts';
import type { ActiveSnapshot } from './active-snapshot.ts';
import type { ChangeChannel } from './change-channel.ts';
import type { Job, JobRunner } from './job-runner.ts';
import type { RegionParts } from './regions.ts';
import type { ServerMonitor } from './server-monitor.ts';
import type { GatewaySnapshot } from './snapshot.ts';
import type { Stores } from './stores.ts';
import type { TargetMonitor } from './target-monitor.ts';
import type { UsageParts } from './usage.ts';

/** The parts of a gateway that its methods use. */
export interface GatewayParts {
  readonly events: EventBus;
  readonly lifecycle: Lifecycle;
  readonly metrics: Metrics;
  readonly active: ActiveSnapshot;
  readonly router: HttpRouter;
  readonly identify: (request: HttpRequest) => Promise<void>;
  readonly createdAdminKey: CreatedKey | undefined;
  readonly jobs: JobRunner;
  readonly monitor: TargetMonitor;
  readonly regions: Pick<RegionParts, 'check'>;
  readonly servers: ServerMonitor;
  readonly background: readonly Job[];
  readonly changes: ChangeChannel | undefined;
  readonly stores: Stores;
  readonly usage: UsageParts;
  readonly live: LiveFeed;
  readonly loadInferenceApi: () => void | Promise<void>;
  readonly refreshConfig: () => Promise<void>;
  readonly publishPending: () => Promise<void>;
  /** Activates another file and environment, with the overlay. */
  readonly refreshSecrets: () => Promise<void>;
  readonly applyBase: (loaded: LoadedConfig) => Promise<void>;
  readonly hasPluginChanges: () => boolean;
  readonly close: () => Promise<void>;
}

/** A gateway that is constructed and not yet listening. */
export class Gateway {
  constructor(private readonly parts: GatewayParts) {}

  get events(): EventBus {
    return this.parts.events;
  }

  get lifecycle(): Lifecycle {
    return this.parts.lifecycle;
  }

  get router(): HttpRouter {
    return this.parts.router;
  }

  /** Identifies the caller of a request by its API key. @throws GatewayError */
  identify(request: HttpRequest): Promise<void> {
    return this.parts.identify(request);
  }

  /** Watches the servers that carry this gateway's requests. */
  get servers(): ServerMonitor {
    return this.parts.servers;
  }

  get config(): Config {
    return this.parts.active.config;
  }

  get snapshot(): GatewaySnapshot {
    return this.parts.active.current;
  }

  get stores(): Stores {
    return this.parts.stores;
  }

  get usage(): UsageParts {
    return this.parts.usage;
  }

  /** Who watches completed requests. */
  get live(): LiveFeed {
    return this.parts.live;
  }

  /** Loads what the first inference request would wait for. */
  async loadInferenceApi(): Promise<void> {
    await this.parts.loadInferenceApi();
  }

  /** Reads what other processes have changed of accounts and of the configuration. */
  async refresh(): Promise<void> {
    await Promise.all([this.parts.stores.access.refreshNow(), this.parts.refreshConfig()]);
  }

  /** Reads the secrets that the configuration refers to again. @throws Error where a changed one cannot be used */
  refreshSecrets(): Promise<void> {
    return this.parts.refreshSecrets();
  }

  get metrics(): Metrics {
    return this.parts.metrics;
  }

  /** The admin key that was created because none existed; to be shown once. */
  get createdAdminKey(): CreatedKey | undefined {
    return this.parts.createdAdminKey;
  }

  /** Notifies other gateways of changes; undefined without Redis. */
  get changes(): ChangeChannel | undefined {
    return this.parts.changes;
  }

  /** Starts the background jobs, and to receive notices of changes. */
  startBackground(): void {
    const { events, jobs, background, publishPending, changes } = this.parts;
    changes?.listen().catch((error: unknown) => events.emit('change_channel.lost', { error }));
    publishPending().catch((error: unknown) => {
      const impact = 'other replicas miss some tenant changes until the next start';
      events.emit('job.failed', { job: 'publish pending tenant changes', impact, error });
    });
    jobs.start(background);
  }

  /** Asks every provider for its models. */
  discoverModels(): Promise<void> {
    return this.parts.monitor.discoverModels();
  }

  /** Checks the health of other regions, as the background job does. */
  checkRegions(): Promise<void> {
    return this.parts.regions.check();
  }

  /** Whether the module of a plugin has changed, so that the same configuration has another effect. */
  hasPluginChanges(): boolean {
    return this.parts.hasPluginChanges();
  }

  /**
   * Activates a new configuration. Requests in flight keep the old one.
   * @param onActive called when it is active, before providers list their models
   */
  async apply(loaded: LoadedConfig, onActive?: () => void): Promise<void> {
    await this.parts.applyBase(loaded);
    onActive?.();
    await this.discoverModels();
  }

  /** @param accept the scraper's header `Accept`; null for none */
  metricsPage(accept: string | null = null): Promise<HttpResponse> {
    return metricsResponse(this.parts.metrics, accept);
  }

  /** Stops jobs and engines, writes what is pending, and closes the databases. Requests must have ended. */
  async close(): Promise<void> {
    this.parts.jobs.stop();
    await this.parts.close();
  }
}
