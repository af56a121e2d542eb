/** Load gauges of an inference engine. */
export interface EngineLoad {
  /** Queued requests. */
  readonly waiting: number;
  /** Requests in progress. */
  readonly running: number;
  /** Share of the KV cache in use, 0 to 1. */
  readonly cacheUsage: number;
}

/** Names of the gauges of each engine; the first one on the page is used. */
const GAUGES: Readonly<Record<keyof EngineLoad, readonly string[]>> = {
  waiting: ['vllm:num_requests_waiting', 'sglang:num_queue_reqs', 'llamacpp:requests_deferred'],
  running: ['vllm:num_requests_running', 'sglang:num_running_reqs', 'llamacpp:requests_processing'],
  cacheUsage: [
    'vllm:kv_cache_usage_perc',
    'vllm:gpu_cache_usage_perc',
    'sglang:token_usage',
    'llamacpp:kv_cache_usage_ratio',
  ],
};

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{[^}]*\})?\s+([^\s]+)/;

/**
 * Reads an engine's load from its Prometheus metrics page.
 * @returns undefined where the page has none of the known gauges
 */
export function parseEngineLoad(page: string): EngineLoad | undefined {
  const values = new Map<string, number>();
  for (const line of page.split('\n')) {
    const [, name, text] = LINE.exec(line) ?? [];
    const value = Number(text);
    // An engine with several copies of its model has one line per copy.
    if (name !== undefined && Number.isFinite(value)) values.set(name, (values.get(name) ?? 0) + value);
  }
  const first = (names: readonly string[]) =>
    names.map((name) => values.get(name)).find((value) => value !== undefined);
  const waiting = first(GAUGES.waiting);
  const running = first(GAUGES.running);
  if (waiting === undefined && running === undefined) return undefined;
  return { waiting: waiting ?? 0, running: running ?? 0, cacheUsage: first(GAUGES.cacheUsage) ?? 0 };
}
