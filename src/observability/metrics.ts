import type { EventLoopReadings } from './event-loop-delay.ts';
import { alertFamilies } from './families/alert-families.ts';
import { cacheFamilies } from './families/cache-families.ts';
import { experimentFamilies } from './families/experiment-families.ts';
import { exportFamilies } from './families/export-families.ts';
import { genAiFamilies } from './families/gen-ai-families.ts';
import { gpuFamilies } from './families/gpu-families.ts';
import { guardrailFamilies } from './families/guardrail-families.ts';
import { httpFamilies } from './families/http-families.ts';
import { inferenceFamilies, providerFamilies } from './families/inference-families.ts';
import { jobFamilies } from './families/job-families.ts';
import { limitFamilies } from './families/limit-families.ts';
import { type LossKind, lossesOf, lossFamilies } from './families/loss-families.ts';
import { pluginFamilies } from './families/plugin-families.ts';
import { processFamilies } from './families/process-families.ts';
import { regionFamilies } from './families/region-families.ts';
import { storageFamilies } from './families/storage-families.ts';
import {
  type CounterFamily,
  type MetricDescription,
  MetricFamilies,
  type MetricSnapshot,
} from './metric-families.ts';
import type { MetricsFormat } from './openmetrics.ts';
import type { ProcessLimits, ProcessStats } from './process-stats.ts';

/** Facts of the process that only some metrics need. */
export interface MetricsOptions {
  /** Of Weir; no `weir_build_info` when absent. */
  readonly version?: string;
  readonly limits?: () => ProcessLimits;
  /** Bytes that clients have sent and received since the start. */
  readonly traffic?: () => { readonly receivedBytes: number; readonly sentBytes: number };
  /** Unix time, for exemplars. */
  readonly nowSeconds?: () => number;
}

const UNKNOWN_LIMITS: ProcessLimits = { openFiles: undefined, memoryBytes: undefined };

/** The gateway's metrics. Each family keeps `maxSeries` label sets; the rest counts under `other`. */
export class Metrics {
  readonly #families: MetricFamilies;
  readonly #rendering = new Map<MetricsFormat, Promise<string>>();
  readonly inference: ReturnType<typeof inferenceFamilies>;
  readonly providers: ReturnType<typeof providerFamilies>;
  readonly genAi: ReturnType<typeof genAiFamilies>;
  readonly limits: ReturnType<typeof limitFamilies>;
  readonly cache: ReturnType<typeof cacheFamilies>;
  readonly guardrails: ReturnType<typeof guardrailFamilies>;
  readonly plugins: ReturnType<typeof pluginFamilies>;
  readonly experiments: ReturnType<typeof experimentFamilies>;
  readonly gpus: ReturnType<typeof gpuFamilies>;
  readonly http: ReturnType<typeof httpFamilies>;
  readonly regions: ReturnType<typeof regionFamilies>;
  readonly storage: ReturnType<typeof storageFamilies>;
  readonly jobs: ReturnType<typeof jobFamilies>;
  readonly exports: ReturnType<typeof exportFamilies>;
  readonly losses: ReturnType<typeof lossFamilies>;
  readonly alerts: ReturnType<typeof alertFamilies>;
  readonly configReloads: CounterFamily<readonly ['result'], 'weir_config_reloads_total'>;

  /**
   * @param readProcess reads the process statistics, at each scrape
   * @param readInFlight counts the inference requests in flight, at each scrape
   * @param eventLoop is read once at each scrape
   */
  constructor(
    readProcess: () => ProcessStats,
    readInFlight: () => number,
    eventLoop: EventLoopReadings,
    options: MetricsOptions = {},
  ) {
    const { version, traffic, limits = () => UNKNOWN_LIMITS } = options;
    const families = new MetricFamilies(options.nowSeconds);
    this.#families = families;
    this.inference = inferenceFamilies(families);
    families.sampled('llm_requests_in_flight', 'Inference requests in flight.', 'gauge', readInFlight);
    this.providers = providerFamilies(families);
    this.limits = limitFamilies(families);
    this.cache = cacheFamilies(families);
    this.guardrails = guardrailFamilies(families);
    this.plugins = pluginFamilies(families);
    this.genAi = genAiFamilies(families);
    this.gpus = gpuFamilies(families);
    this.experiments = experimentFamilies(families);
    this.http = httpFamilies(families);
    families.sampled(
      'weir_http_received_bytes_total',
      'Bytes that clients sent: heads and bodies of requests, decrypted.',
      'counter',
      () => traffic?.().receivedBytes,
    );
    families.sampled(
      'weir_http_sent_bytes_total',
      'Bytes that were sent to clients.',
      'counter',
      () => traffic?.().sentBytes,
    );
    this.regions = regionFamilies(families);
    this.storage = storageFamilies(families);
    this.jobs = jobFamilies(families);
    this.exports = exportFamilies(families);
    this.losses = lossFamilies(families);
    this.alerts = alertFamilies(families);
    processFamilies(families, { stats: readProcess, limits, eventLoop });
    families.section('Weir');
    this.configReloads = families.counter('weir_config_reloads_total', 'Configuration reloads.', ['result']);
    const build = families.gauge('weir_build_info', 'The version of Weir; always 1.', ['version']);
    if (version !== undefined) build.labels(version).set(1);
  }

  /** Label sets of each metric that are kept, at least 1. A smaller number than before removes none. */
  get maxSeries(): number {
    return this.#families.maxSeries;
  }

  set maxSeries(value: number) {
    this.#families.maxSeries = value;
  }

  /** Updates the gauges whose values are known elsewhere; called before each scrape. */
  beforeRender: (() => void) | undefined;

  /** Adds the pages of other processes to the one of this process. */
  mergeWith: ((own: string, format: MetricsFormat) => Promise<string>) | undefined;

  /**
   * Renders the page. Scrapes at the same time share one page: the metrics port needs no key, and rendering costs CPU.
   *
   * @param format `text` has no exemplars
   */
  render(format: MetricsFormat = 'text'): Promise<string> {
    const running = this.#rendering.get(format);
    if (running) return running;
    this.beforeRender?.();
    const rendering = this.#renderAll(format).finally(() => this.#rendering.delete(format));
    this.#rendering.set(format, rendering);
    return rendering;
  }

  async #renderAll(format: MetricsFormat): Promise<string> {
    const own = await this.#families.render(format);
    return this.mergeWith ? this.mergeWith(own, format) : own;
  }

  /** @returns all families, in the order of the page */
  describe(): MetricDescription[] {
    return this.#families.describe();
  }

  /** @returns the current values of all families */
  snapshot(): MetricSnapshot[] {
    this.beforeRender?.();
    return this.#families.snapshot();
  }

  /** @returns telemetry that was lost since the start, by what it is of */
  readLosses(): Readonly<Record<LossKind, number>> {
    this.beforeRender?.();
    return lossesOf(this.losses);
  }

  contentType(format: MetricsFormat = 'text'): string {
    return this.#families.contentType(format);
  }
}
