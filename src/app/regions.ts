import { type RegionGateOptions, ResidencyGate } from '../api/region-gate.ts';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { lazy } from '../core/lazy.ts';
import { type Transport, TransportError } from '../core/transport.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { ProxyCheck } from '../http/client-address.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Lifecycle } from '../pipeline/lifecycle.ts';
import type { UpstreamTls } from '../platform/http-client.ts';
import { createUpstreamTransport } from '../platform/upstream-transport.ts';
import { callBuffered } from '../providers/buffered-call.ts';
import { ForwardSignature } from '../regions/forward-signature.ts';
import { type RegionCheck, RegionHealth } from '../regions/region-health.ts';
import type { RegionView } from '../regions/region-view.ts';
import { type Region, type RegionSettings, Regions } from '../regions/regions.ts';
import type { SecretDigester } from '../tenancy/key-secrets.ts';
import { clientCertificateProblem, readClientTls } from './client-tls.ts';

export interface RegionPartsOptions {
  readonly config: () => Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly events: EventSink;
  readonly metrics: Metrics;
}

/** What the gate needs that is constructed after the stores. */
export interface GateParts {
  readonly digester: SecretDigester;
  readonly lifecycle: Lifecycle;
  readonly isProxy: () => ProxyCheck | undefined;
}

/** The path of a region's health check: it needs no key, and no limit of addresses holds for it. */
const READY_PATH = '/health/ready';
const MAX_HEALTH_BYTES = 64 * 1024;
const CERT_KEY = '"region_routing.tls.cert"';

/** @returns the regions of a configuration */
export function regionSettings({ region, regions, region_routing: routing }: Config): RegionSettings {
  return { own: region, regions, failoverShare: routing.failover_share };
}

/** Connections to other regions, as one configuration and its files say. */
interface Connection {
  readonly settings: Config['region_routing'];
  readonly tls: UpstreamTls | undefined;
  readonly transport: Transport;
}

/** @throws Error that names the file and its key */
export function readRegionTls({ tls }: Config['region_routing']): UpstreamTls | undefined {
  return tls === null ? undefined : readClientTls(tls, (name) => `"region_routing.tls.${name}"`);
}

/** Checks the files, so that a start or a reload with unusable ones fails. @throws Error that names the file and its key */
export function checkRegionTls({ region, region_routing: routing }: Config): void {
  if (region !== null) readRegionTls(routing);
}

/** The regions of the active configuration, and what is known of their health, which outlives configurations. */
export class RegionParts {
  readonly #options: RegionPartsOptions;
  readonly #health: RegionHealth;
  #of: Config | undefined;
  #regions: Regions | undefined;
  #connection: Connection | undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;

  constructor(options: RegionPartsOptions) {
    this.#options = options;
    const { events, clock } = options;
    this.#health = new RegionHealth(
      () => clock.wallTime(),
      (region, isUp, fault) =>
        isUp
          ? events.emit('region.restored', { region })
          : events.emit('region.lost', { region, reason: fault ?? '' }),
    );
  }

  get current(): Regions {
    const config = this.#options.config();
    if (!this.#regions || this.#of !== config) {
      this.#of = config;
      this.#regions = new Regions(regionSettings(config), (region) => this.#health.isUp(region));
    }
    return this.#regions;
  }

  /** @returns the regions, with what this process knows of their health */
  view(): RegionView {
    const { region: own, regions } = this.#options.config();
    return { own, regions: regions.map((region) => ({ ...region, status: this.#health.status(region.id) })) };
  }

  /** @returns what the HTTP stage asks about each request; it is undefined while the configuration has no region */
  gate({ digester, lifecycle, isProxy }: GateParts): () => ResidencyGate | undefined {
    const { clock, config, metrics } = this.#options;
    const signature = new ForwardSignature(
      digester.digest('requests forwarded between regions'),
      () => clock.wallTime() / 1_000,
    );
    // Loaded with the first request that is forwarded.
    const loadRelay = lazy(async () => {
      const { RegionRelay } = await import('../api/region-relay.ts');
      const transport: Transport = {
        send: (request, handler) => this.#connect().transport.send(request, handler),
        close: () => undefined,
      };
      const maxForwarded = () => config().region_routing.max_forwarded;
      const explain = (region: Region, error: TransportError) => this.#explain(region, error);
      return new RegionRelay({ clock, lifecycle, transport, maxForwarded, explain });
    });
    const relay: RegionGateOptions['relay'] = {
      send: async (...call) => (await loadRelay()).send(...call),
    };
    const gate = new ResidencyGate({
      ...{ clock, signature, relay, isProxy, regions: () => this.current },
      maxRequestMs: () => config().limits.max_request,
      onAction: (region, action) => metrics.regions.requests.labels(region, action).inc(),
    });
    return () => (config().region === null ? undefined : gate);
  }

  /** Checks the other regions, when that is due; to be called every second. */
  async check(): Promise<void> {
    const { config, clock } = this.#options;
    const { region: own, regions, region_routing: settings } = config();
    if (own === null) return;
    const now = clock.now();
    // The nearest tick counts: waiting for the next one would stretch every interval.
    if (now - this.#checkedAt < settings.interval - CHECK_EVERY_MS / 2) return;
    this.#checkedAt = now;
    this.#refreshTls();
    const others = regions.filter(({ id }) => id !== own);
    this.#health.keep(others.map(({ id }) => id));
    await Promise.all(
      others.map(async (region) => {
        this.#health.record(region.id, await this.#ask(region, settings.timeout), settings);
      }),
    );
  }

  /** Sets the gauges; to be called before each scrape. */
  readGauges(): void {
    const { config, metrics } = this.#options;
    const { region: own, regions } = config();
    for (const { id } of regions) {
      if (id === own) continue;
      const { isUp, latencyMs } = this.#health.status(id);
      metrics.regions.up.labels(id).set(isUp ? 1 : 0);
      if (latencyMs !== undefined) metrics.regions.latency.labels(id).set(latencyMs / 1_000);
    }
  }

  close(): void {
    this.#connection?.transport.close();
  }

  async #ask(region: Region, timeoutMs: number): Promise<RegionCheck> {
    const { address } = region;
    const { clock } = this.#options;
    const startedAt = clock.now();
    const request = { method: 'GET', url: `${address}${READY_PATH}`, headers: {} } as const;
    try {
      const limits = { timeoutMs, maxBytes: MAX_HEALTH_BYTES };
      const fault = (what: string, cause?: unknown) =>
        cause instanceof TransportError
          ? new Error(this.#explain(region, cause))
          : new Error(`its gateways ${what}`);
      const { status } = await callBuffered(this.#connect().transport, request, limits, fault);
      if (status !== 200) return { fault: `its gateways respond with HTTP ${status}` };
      return { latencyMs: clock.now() - startedAt };
    } catch (error) {
      return { fault: error instanceof Error ? error.message : String(error) };
    }
  }

  /** A server that rejects a client certificate closes the connection, or sends an alert that names none of them. */
  #explain({ address }: Region, { failure, message }: TransportError): string {
    if (!address.startsWith('https:') || failure !== 'closed_before_response') return message;
    const { tls } = this.#connection ?? {};
    const now = this.#options.clock.wallTime();
    const problem =
      tls?.cert === undefined
        ? 'It may ask for a client certificate: set "region_routing.tls"'
        : (clientCertificateProblem(tls, CERT_KEY, now) ??
          `It may reject the client certificate ${CERT_KEY}`);
    return `${message}. ${problem.replace(/\.$/, '')}; its log has "client certificate rejected" with the reason`;
  }

  /** Made with the first use, as most installations have one region, and again for another configuration. */
  #connect(): Connection {
    const settings = this.#options.config().region_routing;
    if (this.#connection?.settings === settings) return this.#connection;
    return this.#replace(settings, this.#readTls(settings));
  }

  /** Uses changed files for connections from now on. */
  #refreshTls(): void {
    const current = this.#connection;
    if (!current || current.settings.tls === null) return;
    const tls = this.#readTls(current.settings);
    if (JSON.stringify(tls) !== JSON.stringify(current.tls)) this.#replace(current.settings, tls);
  }

  /** The files in use stay while changed ones are not usable, such as a certificate whose key is written later. */
  #readTls(settings: Config['region_routing']): UpstreamTls | undefined {
    try {
      return readRegionTls(settings);
    } catch (error) {
      if (this.#connection) return this.#connection.tls;
      throw new GatewayError('region_unavailable', error instanceof Error ? error.message : String(error));
    }
  }

  #replace(settings: Config['region_routing'], tls: UpstreamTls | undefined): Connection {
    const { env, clock } = this.#options;
    // Requests under way end on their connections.
    this.#connection?.transport.close();
    const transport = createUpstreamTransport({
      ...{ env, clock },
      http1: { connectTimeoutMs: settings.connect_timeout, ...(tls && { tls }) },
    });
    this.#connection = { settings, tls, transport };
    return this.#connection;
  }
}

/** How often `RegionParts.check` is called. */
export const CHECK_EVERY_MS = 1_000;
