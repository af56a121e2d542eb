import { z } from 'zod';
import { CACHE_CONTROLS, SHARED_CALL_PAYERS, type TenantCachePolicy } from '../core/tenant-cache-policy.ts';

/** What a tenant permits and demands of the cache, as it is stored and as the admin API takes it. */
export const cachePolicyDocument = z.strictObject({
  enabled: z.boolean().optional().describe('False: its requests neither read nor store. True by default.'),
  controls: z
    .array(z.enum(CACHE_CONTROLS))
    .max(CACHE_CONTROLS.length)
    .optional()
    .describe('The controls that its requests may send. By default all.'),
  max_ttl_seconds: z
    .number()
    .int()
    .min(1)
    .max(100 * 86_400)
    .optional()
    .describe('The longest lifetime that a request may ask for.'),
  prompt_caching: z
    .boolean()
    .optional()
    .describe(
      'False: Weir adds nothing to its requests for the prompt caches of providers. True by default.',
    ),
  shared_calls: z
    .enum(SHARED_CALL_PAYERS)
    .optional()
    .describe(
      'Who pays for a call that requests share: the `first` one (the default), or all in equal parts (`split`).',
    ),
});
export type CachePolicyDocument = z.infer<typeof cachePolicyDocument>;

/** @returns the policy as requests use it */
export function cachePolicyOf(document: CachePolicyDocument | undefined): TenantCachePolicy | undefined {
  if (!document) return undefined;
  const { enabled, controls, max_ttl_seconds: maxTtl, shared_calls: sharedCalls } = document;
  return {
    ...{ enabled, controls, sharedCalls, promptCaching: document.prompt_caching },
    maxTtlMs: maxTtl === undefined ? undefined : maxTtl * 1_000,
  };
}
