import type { SemanticSettings } from '../cache/cache-settings.ts';
import type { Config } from '../config/schema.ts';

export type SemanticConfig = NonNullable<NonNullable<Config['cache']>['semantic']>;

/**
 * The settings of the semantic cache for a model.
 * @param own what differs for it
 */
export function semanticSettings(
  semantic: SemanticConfig,
  own: {
    readonly mode?: SemanticConfig['mode'] | undefined;
    readonly threshold?: number | undefined;
    readonly ttl?: number | undefined;
  },
): SemanticSettings {
  const { judge, verify } = semantic;
  return {
    mode: own.mode ?? semantic.mode,
    model: semantic.embedder ?? undefined,
    threshold: own.threshold ?? semantic.threshold,
    candidates: semantic.candidates,
    ttlMs: own.ttl ?? semantic.ttl,
    timeoutMs: semantic.timeout,
    judge: judge ? { model: judge.model, share: judge.share, timeoutMs: judge.timeout } : undefined,
    verify: {
      share: verify.share,
      maxShare: verify.max_false_hits,
      minSamples: verify.min_samples,
      pauseMs: verify.pause,
    },
  };
}
