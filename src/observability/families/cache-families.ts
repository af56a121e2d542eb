import type { MetricFamilies } from '../metric-families.ts';

const LABELS = ['kind', 'model'] as const;
const SAVED = [...LABELS, 'tenant'] as const;

/** The response cache. */
export function cacheFamilies(families: MetricFamilies) {
  families.section('Cache');
  return {
    hits: families.counter(
      'llm_cache_hits_total',
      'Responses from the cache, by kind: `exact`, `semantic`, `embedding` (inputs), `coalesced` (shared a call).',
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
    semanticLookups: families.counter(
      'llm_cache_semantic_lookups_total',
      'Lookups of the semantic cache by result: `hit`, `would_hit` (shadow mode, or disabled), `rejected` by the guard or the judge, `none`, `skipped`.',
      ['model', 'result'],
    ),
    semanticVerified: families.counter(
      'llm_cache_semantic_verified_total',
      'Hits of the semantic cache that were compared with a new response: `same` or `different`.',
      ['tenant', 'model', 'result'],
    ),
    semanticFalseHits: families.gauge(
      'llm_cache_semantic_false_hit_ratio',
      'Share of the last compared hits of the semantic cache whose response differs.',
      ['tenant', 'model'],
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
      'Lookups and writes that the cache skipped: `timeout`, `unavailable`, `unreadable` entries, `skipped` after a failure; with `semantic_` before it for the semantic cache.',
      ['reason'],
    ),
    entries: families.gauge(
      'llm_cache_entries',
      'Entries of the cache in this process, by kind: `exact`, `semantic`, `embedding`.',
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
