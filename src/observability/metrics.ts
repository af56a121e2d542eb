import type { EventLoopReadings } from './event-loop-delay.ts';
import { type MetricDescription, MetricFamilies } from './metric-families.ts';
import type { ProcessStats } from './process-stats.ts';

/** Seconds, from a cache hit to the longest streams. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const OVERHEAD_BUCKETS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 1];
const PER_TOKEN_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28];

/** The gateway's Prometheus metrics. Each keeps `maxSeries` label sets; the rest counts under `other`. */
export class Metrics {
  readonly #families = new MetricFamilies();

  readonly httpRequests = this.#families.counter('http_requests_total', 'HTTP requests.', [
    'method',
    'route',
    'status',
  ]);
  readonly httpDuration = this.#families.histogram(
    'http_request_duration_seconds',
    'Time from a request to the end of its response, streams included.',
    ['method', 'route', 'status'],
    DURATION_BUCKETS,
  );
  readonly requests = this.#families.counter(
    'llm_requests_total',
    'Inference requests; `status` is the HTTP status, or that of the failure that ended a stream.',
    ['model', 'provider', 'status', 'tier'],
  );
  readonly requestDuration = this.#families.histogram(
    'llm_request_duration_seconds',
    'Time from an inference request to the end of its response.',
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
    'Time per output token of a stream, after the first token.',
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
    'Time from sending an attempt to its first event, or to the end of a plain response.',
    ['provider'],
    DURATION_BUCKETS,
  );
  readonly overhead = this.#families.histogram(
    'llm_gateway_overhead_seconds',
    'Time from a request to its first attempt: the time that Weir adds.',
    ['route'],
    OVERHEAD_BUCKETS,
  );
  readonly rateLimited = this.#families.counter(
    'llm_rate_limit_exceeded_total',
    'Requests rejected by a limit.',
    ['scope'],
  );
  readonly authFailures = this.#families.counter(
    'weir_auth_failures_total',
    'Wrong credentials; `throttled` is true for those that got 429, after too many from one address.',
    ['credential', 'throttled'],
  );
  readonly cost = this.#families.counter('llm_cost_usd_total', 'Cost of requests, in US dollars.', [
    'model',
    'tenant',
  ]);
  readonly quotaUsed = this.#families.gauge(
    'llm_quota_used_ratio',
    'Used part of a tenant’s quota or budget at its last request; 1 is all of it.',
    ['tenant', 'quota'],
  );
  readonly limitsPassed = this.#families.counter(
    'llm_limit_passed_total',
    'Requests over a limit that does not reject them, by mode: `warn` or `shadow`.',
    ['scope', 'mode'],
  );
  readonly reservationsLost = this.#families.counter(
    'llm_reservations_lost_total',
    'Reservations that a crashed gateway never settled, released by another.',
    [],
  );
  readonly limitStoreLost = this.#families.gauge(
    'llm_limit_store_lost',
    '1 while the shared limit store is unreachable; 0 otherwise.',
    [],
  );
  readonly usagePending = this.#families.gauge(
    'llm_usage_events_pending',
    'Usage events on the local disk that are not in a database yet.',
    [],
  );
  readonly usageLost = this.#families.counter(
    'weir_usage_events_lost_total',
    'Usage events that were lost, because neither disk nor database accepted writes.',
    [],
  );
  readonly guardrailResults = this.#families.counter(
    'llm_guardrail_results_total',
    'Checks by guardrails, by what they did: `allow`, `error`, or the action of the guardrail.',
    ['guardrail', 'direction', 'action'],
  );
  readonly guardrailDuration = this.#families.histogram(
    'llm_guardrail_duration_seconds',
    'Time of the checks of one request by a guardrail, without those of streams.',
    ['guardrail', 'direction'],
    DURATION_BUCKETS,
  );
  readonly guardrailErrors = this.#families.counter(
    'llm_guardrail_errors_total',
    'Checks that a guardrail could not make: `timeout`, `unavailable`, `invalid_response` or `failed`.',
    ['guardrail', 'reason'],
  );
  readonly guardrailFindings = this.#families.counter(
    'llm_guardrail_findings_total',
    'What guardrails found, by kind; `stage` is `input` or `output`.',
    ['guardrail', 'stage', 'action', 'kind'],
  );
  readonly spansExported = this.#families.counter(
    'weir_trace_spans_exported_total',
    'Spans that the collector accepted.',
    [],
  );
  readonly spansLost = this.#families.counter(
    'weir_trace_spans_lost_total',
    'Spans that were lost: `queue_full`, `rejected` by the collector, or `unreachable`.',
    ['reason'],
  );
  readonly auditSequence = this.#families.gauge(
    'weir_audit_head_sequence',
    'Number of entries of an audit trail since its beginning.',
    ['tenant'],
  );
  readonly auditHash = this.#families.gauge(
    'weir_audit_head_hash',
    'The first 12 hexadecimal digits of the hash of its last entry, as a number.',
    ['tenant'],
  );
  readonly logLinesLost = this.#families.counter(
    'weir_log_lines_lost_total',
    'Lines of the log that were lost: `stdout` when its reader was too slow, `files` when the disk did not accept them.',
    ['sink'],
  );
  readonly dataDeleted = this.#families.counter(
    'weir_retention_deleted_total',
    'Deleted data whose retention has passed: events and sums of `usage`, entries of `audit` trails, `responses`.',
    ['kind'],
  );
  readonly storageFailing = this.#families.gauge(
    'weir_storage_write_failing',
    '1 while the local disk rejects writes, 0 otherwise, by area: `database` (SQLite), `usage_journal`, `engine_ledger`.',
    ['area'],
  );
  readonly queueDepth = this.#families.gauge('llm_queue_depth', 'Requests in the admission queue.', []);
  readonly queueWait = this.#families.histogram(
    'llm_queue_wait_seconds',
    'Time in the admission queue, of requests that left it for a target.',
    [],
    DURATION_BUCKETS,
  );
  readonly queueRejected = this.#families.counter(
    'llm_queue_rejected_total',
    'Requests rejected because no target had a free slot in time.',
    ['priority'],
  );
  readonly modelInfo = this.#families.gauge(
    'llm_model_info',
    'Configured models and their providers; always 1.',
    ['model', 'provider'],
  );
  readonly providerHealthy = this.#families.gauge(
    'llm_provider_healthy',
    '1 while a provider is usable, 0 while its health check fails or no target of it is available.',
    ['provider'],
    'smallest',
  );
  readonly breakerState = this.#families.gauge(
    'llm_circuit_breaker_state',
    'Circuit breakers of targets, of the operation that is worst off: 0 closed, 1 half-open, 2 open.',
    ['provider', 'upstream_model'],
  );
  readonly engineLoaded = this.#families.gauge(
    'weir_engine_loaded',
    '1 while an engine started on demand is ready, 0 otherwise.',
    ['engine'],
  );
  readonly engineLoads = this.#families.counter('weir_engine_loads_total', 'Times an engine became ready.', [
    'engine',
  ]);
  readonly engineFailures = this.#families.counter(
    'weir_engine_failures_total',
    'Times an engine did not start, exited or had to be killed.',
    ['engine'],
  );
  readonly variantRequests = this.#families.counter(
    'weir_variant_requests_total',
    'Requests of models with a split or a canary, by variant.',
    ['model', 'variant', 'outcome'],
  );
  readonly variantDuration = this.#families.histogram(
    'weir_variant_duration_seconds',
    'Time from a request of a variant to the end of its response.',
    ['model', 'variant'],
    DURATION_BUCKETS,
  );
  readonly variantFirst = this.#families.histogram(
    'weir_variant_time_to_first_token_seconds',
    'Time from a streaming request of a variant to its first event.',
    ['model', 'variant'],
    DURATION_BUCKETS,
  );
  readonly variantTokens = this.#families.counter(
    'weir_variant_output_tokens_total',
    'Output tokens of a variant, as reported by providers.',
    ['model', 'variant'],
  );
  readonly variantCost = this.#families.counter(
    'weir_variant_cost_nanousd_total',
    'Cost of a variant’s requests, in 10^-9 US dollars.',
    ['model', 'variant'],
  );
  readonly canaryActive = this.#families.gauge(
    'weir_canary_active',
    '1 while a canary gets requests, 0 after it was withdrawn or stopped.',
    ['model'],
  );
  readonly mirrorRequests = this.#families.counter(
    'weir_mirror_requests_total',
    'Mirrored requests by outcome; `skipped` when too many were in flight.',
    ['model', 'mirror', 'outcome'],
  );
  readonly mirrorDuration = this.#families.histogram(
    'weir_mirror_duration_seconds',
    'Time to the end of the response: of the client’s request (`side` is `primary`) and of its copy (`mirror`).',
    ['model', 'mirror', 'side'],
    DURATION_BUCKETS,
  );
  readonly mirrorFirst = this.#families.histogram(
    'weir_mirror_time_to_first_token_seconds',
    'Time to the first event, or to the end of a plain response, of either side.',
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
    'Cost of either side, in 10^-9 US dollars.',
    ['model', 'mirror', 'side'],
  );
  readonly mirrorFinish = this.#families.counter(
    'weir_mirror_finish_total',
    'Pairs of responses, by whether both have the same finish reason.',
    ['model', 'mirror', 'same'],
  );
  readonly serverLimitReached = this.#families.counter(
    'weir_http_limit_reached_total',
    'Connections and requests that a limit of the HTTP servers ended, by the key of `limits`.',
    ['limit'],
  );
  readonly httpConnections = this.#families.gauge(
    'weir_http_connections',
    'Open connections of clients.',
    [],
  );
  readonly requestMemory = this.#families.gauge(
    'weir_http_request_memory_bytes',
    'Memory that requests take: bodies until their response ends, incomplete heads, pipelined requests.',
    [],
  );
  readonly unsentMemory = this.#families.gauge(
    'weir_http_unsent_bytes',
    'Bytes of responses that wait for slow clients.',
    [],
  );
  readonly cacheHits = this.#families.counter(
    'llm_cache_hits_total',
    'Responses from the cache, by kind: `exact`, `embedding` (inputs), `coalesced` (shared a call).',
    ['kind', 'model'],
  );
  readonly cacheMisses = this.#families.counter(
    'llm_cache_misses_total',
    'Requests, or inputs to embed, that the cache had no entry for.',
    ['kind', 'model'],
  );
  readonly cacheRequests = this.#families.counter(
    'weir_cache_requests_total',
    'Lookups by tenant and result, `hit` or `miss`: their share is the hit ratio.',
    ['tenant', 'result'],
  );
  readonly cacheSavedCost = this.#families.counter(
    'weir_cache_saved_usd_total',
    'US dollars that responses from the cache would have cost.',
    ['tenant', 'model'],
  );
  readonly cacheSavedSeconds = this.#families.counter(
    'weir_cache_saved_seconds_total',
    'Seconds that responses from the cache would have taken.',
    ['tenant', 'model'],
  );
  readonly promptCacheTokens = this.#families.counter(
    'weir_prompt_cache_tokens_total',
    'Input tokens that providers took from their prompt caches (`read`) or added to them (`write`).',
    ['tenant', 'model', 'operation'],
  );
  readonly promptCacheSaved = this.#families.counter(
    'weir_prompt_cache_saved_usd_total',
    'US dollars that reading prompt caches of providers saved, for requests that saved more than they wrote.',
    ['tenant', 'model'],
  );
  readonly promptCacheExtra = this.#families.counter(
    'weir_prompt_cache_extra_usd_total',
    'US dollars that writing to prompt caches of providers cost in addition, for requests that saved less.',
    ['tenant', 'model'],
  );
  readonly cacheErrors = this.#families.counter(
    'weir_cache_errors_total',
    'Lookups and writes that the cache skipped: `timeout`, `unavailable`, `unreadable` entries, `skipped` after a failure.',
    ['reason'],
  );
  readonly cacheEntries = this.#families.gauge(
    'weir_cache_entries',
    'Entries of the cache in this process, by kind: `exact`, `embedding`.',
    ['kind'],
  );
  readonly cacheBytes = this.#families.gauge('weir_cache_bytes', 'Estimated memory of these entries.', [
    'kind',
  ]);
  readonly configReloads = this.#families.counter('weir_config_reloads_total', 'Configuration reloads.', [
    'result',
  ]);

  /**
   * @param readProcess reads the process statistics, at each scrape
   * @param readInFlight counts the inference requests in flight, at each scrape
   * @param eventLoop is read once at each scrape
   */
  constructor(readProcess: () => ProcessStats, readInFlight: () => number, eventLoop: EventLoopReadings) {
    const families = this.#families;
    families.sampled('llm_requests_in_flight', 'Inference requests in flight.', 'gauge', readInFlight);
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
      'Start of the process, in Unix time.',
      'gauge',
      () => readProcess().startedAtSeconds,
    );
    families.sampled('process_open_fds', 'Open file descriptors.', 'gauge', () => readProcess().openFiles);
    families.sampled(
      'process_event_loop_delay_max_seconds',
      'Longest time since the last scrape that a due timer waited for the main thread.',
      'gauge',
      () => eventLoop.takeMaxDelay(),
    );
    families.sampled(
      'process_event_loop_busy_max_seconds',
      'As the delay, but CPU time of the main thread only: no waiting for a core or a disk.',
      'gauge',
      () => eventLoop.takeMaxBusy(),
    );
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
