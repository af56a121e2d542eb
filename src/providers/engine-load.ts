import { type PrometheusSample, parsePrometheusText } from '../core/prometheus-text.ts';

/** Load gauges of an inference engine. */
export interface EngineLoad {
  /** Queued requests. */
  readonly waiting: number;
  /** Requests in progress. */
  readonly running: number;
  /** Share of the KV cache in use, 0 to 1. */
  readonly cacheUsage: number;
}

/** An engine's metrics page, as far as it is known. */
export interface EngineMetrics {
  /** Undefined where the page has none of the known gauges. */
  readonly load: EngineLoad | undefined;
  /** Share of the prompt tokens that were in the prefix cache since the engine's start; undefined where it does not say. */
  readonly prefixHitRatio: number | undefined;
  /** Lines that are not readable, and known gauges with impossible values. */
  readonly malformed: number;
}

/** Names of the gauges of each engine; the first one on the page is used. */
const GAUGES: Readonly<Record<keyof EngineLoad, readonly string[]>> = {
  waiting: [
    'vllm:num_requests_waiting',
    'sglang:num_queue_reqs',
    'tgi_queue_size',
    'llamacpp:requests_deferred',
  ],
  running: [
    'vllm:num_requests_running',
    'sglang:num_running_reqs',
    'tgi_batch_current_size',
    'llamacpp:requests_processing',
  ],
  cacheUsage: [
    'vllm:kv_cache_usage_perc',
    'vllm:gpu_cache_usage_perc',
    'sglang:token_usage',
    'llamacpp:kv_cache_usage_ratio',
  ],
};
/** Counters of tokens, hits first. */
const PREFIX_COUNTERS = [
  ['vllm:prefix_cache_hits_total', 'vllm:prefix_cache_queries_total'],
  ['vllm:gpu_prefix_cache_hits_total', 'vllm:gpu_prefix_cache_queries_total'],
] as const;
const PREFIX_RATIOS = ['sglang:cache_hit_rate'] as const;

const RATIOS: ReadonlySet<string> = new Set([...GAUGES.cacheUsage, ...PREFIX_RATIOS]);
const KNOWN: ReadonlySet<string> = new Set([
  ...Object.values(GAUGES).flat(),
  ...PREFIX_COUNTERS.flat(),
  ...PREFIX_RATIOS,
]);

/** Reads an engine's Prometheus metrics page. Never throws. */
export function readEngineMetrics(page: string): EngineMetrics {
  const { samples, malformed } = parsePrometheusText(page, (name) => KNOWN.has(name));
  const usable = samples.filter(isPossible);
  const values = combined(usable);
  const first = (names: readonly string[]) =>
    names.map((name) => values.get(name)).find((value) => value !== undefined);
  const waiting = first(GAUGES.waiting);
  const running = first(GAUGES.running);
  return {
    load:
      waiting === undefined && running === undefined
        ? undefined
        : { waiting: waiting ?? 0, running: running ?? 0, cacheUsage: first(GAUGES.cacheUsage) ?? 0 },
    prefixHitRatio: first(PREFIX_RATIOS) ?? countedRatio(values),
    malformed: malformed + samples.length - usable.length,
  };
}

/**
 * Reads an engine's load from its Prometheus metrics page.
 * @returns undefined where the page has none of the known gauges
 */
export function parseEngineLoad(page: string): EngineLoad | undefined {
  return readEngineMetrics(page).load;
}

function isPossible({ name, value }: PrometheusSample): boolean {
  return value >= 0 && (!RATIOS.has(name) || value <= 1);
}

/** An engine with several copies of its model has one line per copy: counts add up, of ratios the mean is taken. */
function combined(samples: readonly PrometheusSample[]): ReadonlyMap<string, number> {
  const sums = new Map<string, { sum: number; lines: number }>();
  for (const { name, value } of samples) {
    const known = sums.get(name) ?? { sum: 0, lines: 0 };
    known.sum += value;
    known.lines += 1;
    sums.set(name, known);
  }
  return new Map(Array.from(sums, ([name, { sum, lines }]) => [name, RATIOS.has(name) ? sum / lines : sum]));
}

function countedRatio(values: ReadonlyMap<string, number>): number | undefined {
  for (const [hits, queries] of PREFIX_COUNTERS) {
    const [hit, all] = [values.get(hits), values.get(queries)];
    if (hit !== undefined && all !== undefined && all > 0) return Math.min(1, hit / all);
  }
  return undefined;
}
