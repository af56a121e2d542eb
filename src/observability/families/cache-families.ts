import type { MetricFamilies } from '../metric-families.ts';

const LABELS = ['kind', 'model'] as const;
const SAVED = [...LABELS, 'tenant'] as const;

/** The response cache. */
export function cacheFamilies(families: MetricFamilies) {
  families.section('Cache');
  return {
    hits: families.counter(
      'llm_cache_hits_total',
      'Responses from the cache, by kind: `exact`, `embedding` (inputs), `coalesced` (shared a call).',
      LABELS,
    ),
    misses: families.counter(
      'llm_cache_misses_total',
      'Requests, or inputs to embed, that the cache had no entry for.',
      LABELS,
    ),
    requests: families.counter(
      'llm_cache_requests_total',
      'Lookups by tenant and result, `hit` or `miss`: their share is the hit ratio.',
      ['tenant', 'result'],
    ),
    savedCost: families.counter(
      'llm_cache_saved_usd_total',
      'US dollars that responses from the cache would have cost.',
      SAVED,
    ),
    savedSeconds: families.counter(
      'llm_cache_saved_seconds_total',
      'Seconds that responses from the cache would have taken.',
      SAVED,
    ),
    errors: families.counter(
      'llm_cache_errors_total',
      'Lookups and writes that the cache skipped: `timeout`, `unavailable`, `unreadable` entries, `skipped` after a failure.',
      ['reason'],
    ),
    entries: families.gauge(
      'llm_cache_entries',
      'Entries of the cache in this process, by kind: `exact`, `embedding`.',
      ['kind'],
    ),
    bytes: families.gauge('llm_cache_size_bytes', 'Estimated memory of these entries.', ['kind']),
    promptTokens: families.counter(
      'llm_prompt_cache_tokens_total',
      'Input tokens that providers took from their prompt caches (`read`) or added to them (`write`).',
      ['tenant', 'model', 'operation'],
    ),
    promptSaved: families.counter(
      'llm_prompt_cache_saved_usd_total',
      'US dollars that reading prompt caches of providers saved, for requests that saved more than they wrote.',
      ['tenant', 'model'],
    ),
    promptExtra: families.counter(
      'llm_prompt_cache_extra_usd_total',
      'US dollars that writing to prompt caches of providers cost in addition, for requests that saved less.',
      ['tenant', 'model'],
    ),
  };
}
