import { loadInterceptors } from './load-interceptors.ts';

/**
 * The interceptor chain, outermost first: a call passes it from top to bottom, its response from bottom to top. After the last
 * one, dispatch asks targets: failover { hedging { admission queue -> attempt } }.
 */
export const INTERCEPTORS = await loadInterceptors(
  import('./interceptors/request-log.ts'),
  import('./interceptors/server-timing.ts'),
  import('./interceptors/system-prompt-prefix.ts'),
  import('./interceptors/settlement.ts'),
  import('./interceptors/limits.ts'),
  import('./interceptors/moderation.ts'),
  import('./interceptors/plugins.ts'),
  import('./interceptors/guardrails.ts'),
  import('./interceptors/cache.ts'),
  import('./interceptors/cache-embeddings.ts'),
  import('./interceptors/mirror.ts'),
  import('./interceptors/escalation.ts'),
  import('./interceptors/continuation.ts'),
  import('./interceptors/forwarding.ts'),
);
