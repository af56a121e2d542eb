import { type MetricDescription, MetricFamilies } from './metric-families.ts';
import type { ProcessStats } from './process-stats.ts';

/** Seconds, from a cache hit to the longest answers. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const OVERHEAD_BUCKETS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 1];
const PER_TOKEN_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28];

/** The gateway's Prometheus metrics. Label values come from bounded sets: routes, configured models, codes. */
export class Metrics {
  readonly #families = new MetricFamilies();

  readonly httpRequests = this.#families.counter('http_requests_total', 'HTTP requests answered.', [
    'method',
    'route',
    'status',
  ]);
  readonly httpDuration = this.#families.histogram(
    'http_request_duration_seconds',
    'Time from a request to the end of its answer, streams included.',
    ['method', 'route', 'status'],
    DURATION_BUCKETS,
  );
  readonly requests = this.#families.counter(
    'llm_requests_total',
    'Inference requests by outcome; `status` is the HTTP status, or the status of the failure that ended a stream.',
    ['model', 'provider', 'status', 'tier'],
  );
  readonly requestDuration = this.#families.histogram(
    'llm_request_duration_seconds',
    'Time from an inference request to the end of its answer.',
    ['model', 'provider'],
    DURATION_BUCKETS,
  );
  readonly timeToFirstToken = this.#families.histogram(
    'llm_time_to_first_token_seconds',
    'Time from a streaming request to its first event.',
    ['model', 'provider'],
    DURATION_BUCKETS,
  );
  readonly timePerOutputToken = this.#families.histogram(
    'llm_time_per_output_token_seconds',
    'Time between output tokens of a stream, after the first.',
    ['model', 'provider'],
    PER_TOKEN_BUCKETS,
  );
  readonly tokens = this.#families.counter('llm_tokens_total', 'Tokens, as reported by providers.', [
    'model',
    'direction',
  ]);
  readonly tokensGenerated = this.#families.counter(
    'llm_tokens_generated_total',
    'Output tokens, as reported by providers.',
    ['model'],
  );
  readonly providerRequests = this.#families.counter(
    'llm_provider_requests_total',
    'Attempts sent to providers.',
    ['provider'],
  );
  readonly providerErrors = this.#families.counter('llm_provider_errors_total', 'Attempts that failed.', [
    'provider',
    'code',
  ]);
  readonly providerLatency = this.#families.histogram(
    'llm_provider_latency_seconds',
    'Time from sending an attempt to its first event, or to the whole of a plain answer.',
    ['provider'],
    DURATION_BUCKETS,
  );
  readonly overhead = this.#families.histogram(
    'llm_gateway_overhead_seconds',
    "The gateway's own time before an attempt is sent.",
    ['route'],
    OVERHEAD_BUCKETS,
  );
  readonly rateLimited = this.#families.counter(
    'llm_rate_limit_exceeded_total',
    'Requests refused by a rate limit.',
    ['scope'],
  );
  readonly cost = this.#families.counter('llm_cost_usd_total', 'What was spent, in US dollars.', [
    'model',
    'tenant',
  ]);
  readonly quotaUsed = this.#families.gauge(
    'llm_quota_used_ratio',
    'How much of a tenant’s quota or budget was used when it was last asked for: 1 is all of it.',
    ['tenant', 'quota'],
  );
  readonly limitsPassed = this.#families.counter(
    'llm_limit_passed_total',
    'Requests over a limit that does not refuse: one that only warns, or only looks on.',
    ['scope', 'mode'],
  );
  readonly reservationsLost = this.#families.counter(
    'llm_reservations_lost_total',
    'Reservations of gateways that were gone without settling them.',
    [],
  );
  readonly limitStoreLost = this.#families.gauge(
    'llm_limit_store_lost',
    '1 while the shared store of limits can not be reached; only where there is one.',
    [],
  );
  readonly usagePending = this.#families.gauge(
    'llm_usage_events_pending',
    'Usage events that are on the local disk and not in a database yet.',
    [],
  );
  readonly queueDepth = this.#families.gauge(
    'llm_queue_depth',
    'Requests that wait for a target with room.',
    [],
  );
  readonly queueWait = this.#families.histogram(
    'llm_queue_wait_seconds',
    'How long requests waited that had to wait and were let in.',
    [],
    DURATION_BUCKETS,
  );
  readonly queueRejected = this.#families.counter(
    'llm_queue_rejected_total',
    'Requests that were refused because no target had room in time.',
    ['priority'],
  );
  readonly modelInfo = this.#families.gauge(
    'llm_model_info',
    'Models that can be asked for by their configured name; always 1.',
    ['model', 'provider'],
  );
  readonly providerHealthy = this.#families.gauge(
    'llm_provider_healthy',
    '1 while a provider can be used, 0 while it can not: by its health checks and the breakers of its targets.',
    ['provider'],
  );
  readonly breakerState = this.#families.gauge(
    'llm_circuit_breaker_state',
    'Circuit breakers of targets in use: 0 closed, 1 half open, 2 open.',
    ['provider', 'upstream_model'],
  );
  readonly engineLoaded = this.#families.gauge(
    'weir_engine_loaded',
    'Engines that are started when they are needed: 1 while one is ready.',
    ['engine'],
  );
  readonly engineLoads = this.#families.counter(
    'weir_engine_loads_total',
    'How often an engine became ready.',
    ['engine'],
  );
  readonly engineFailures = this.#families.counter(
    'weir_engine_failures_total',
    'How often an engine did not start, ended by itself or had to be ended.',
    ['engine'],
  );
  readonly variantRequests = this.#families.counter(
    'weir_variant_requests_total',
    'Requests of models with a split or a canary, by the variant that they were given.',
    ['model', 'variant', 'outcome'],
  );
  readonly variantDuration = this.#families.histogram(
    'weir_variant_duration_seconds',
    'Time from such a request to the end of its answer.',
    ['model', 'variant'],
    DURATION_BUCKETS,
  );
  readonly variantFirst = this.#families.histogram(
    'weir_variant_time_to_first_token_seconds',
    'Time from such a streaming request to its first event.',
    ['model', 'variant'],
    DURATION_BUCKETS,
  );
  readonly variantTokens = this.#families.counter(
    'weir_variant_output_tokens_total',
    'Output tokens of such requests, as reported by providers.',
    ['model', 'variant'],
  );
  readonly variantCost = this.#families.counter(
    'weir_variant_cost_nanousd_total',
    'What such requests cost, in thousand-millionths of a US dollar.',
    ['model', 'variant'],
  );
  readonly canaryActive = this.#families.gauge(
    'weir_canary_active',
    '1 while a canary gets requests, 0 once it was taken back or stopped.',
    ['model'],
  );
  readonly mirrorRequests = this.#families.counter(
    'weir_mirror_requests_total',
    'Copies of requests, by what came of them; `skipped` when too many were under way.',
    ['model', 'mirror', 'outcome'],
  );
  readonly mirrorDuration = this.#families.histogram(
    'weir_mirror_duration_seconds',
    'Time to the whole answer of requests that were copied (`side` primary), and of the copies (`mirror`).',
    ['model', 'mirror', 'side'],
    DURATION_BUCKETS,
  );
  readonly mirrorFirst = this.#families.histogram(
    'weir_mirror_time_to_first_token_seconds',
    'Time to the first event, or to the whole of a plain answer, of either side.',
    ['model', 'mirror', 'side'],
    DURATION_BUCKETS,
  );
  readonly mirrorTokens = this.#families.counter(
    'weir_mirror_output_tokens_total',
    'Output tokens of either side.',
    ['model', 'mirror', 'side'],
  );
  readonly mirrorCost = this.#families.counter(
    'weir_mirror_cost_nanousd_total',
    'What either side cost, in thousand-millionths of a US dollar.',
    ['model', 'mirror', 'side'],
  );
  readonly mirrorFinish = this.#families.counter(
    'weir_mirror_finish_total',
    'Pairs of answers, by whether both ended for the same reason.',
    ['model', 'mirror', 'same'],
  );
  readonly configReloads = this.#families.counter('weir_config_reloads_total', 'Configuration reloads.', [
    'result',
  ]);

  /**
   * @param readProcess reads the process statistics, at each scrape
   * @param readInFlight counts the inference requests in flight, at each scrape
   */
  constructor(readProcess: () => ProcessStats, readInFlight: () => number) {
    const families = this.#families;
    families.sampled('llm_requests_in_flight', 'Inference requests being handled.', 'gauge', readInFlight);
    families.sampled(
      'process_cpu_seconds_total',
      'User and system CPU time.',
      'counter',
      () => readProcess().cpuSeconds,
    );
    families.sampled(
      'process_resident_memory_bytes',
      'Resident memory.',
      'gauge',
      () => readProcess().residentBytes,
    );
    families.sampled(
      'process_start_time_seconds',
      'Start of the process, Unix time.',
      'gauge',
      () => readProcess().startedAtSeconds,
    );
    families.sampled('process_open_fds', 'Open file descriptors.', 'gauge', () => readProcess().openFiles);
  }

  /** Updates the gauges whose values are known elsewhere; called before each scrape. */
  beforeRender: (() => void) | undefined;

  /** @returns the text exposition format */
  render(): Promise<string> {
    this.beforeRender?.();
    return this.#families.render();
  }

  /** @returns all families, in the order of the page */
  describe(): MetricDescription[] {
    return this.#families.describe();
  }

  get contentType(): string {
    return this.#families.contentType;
  }
}
