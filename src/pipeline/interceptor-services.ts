import type { Clock } from '../core/clock.ts';
import type { InferenceCall } from '../core/inference.ts';
import type { UseEstimates } from '../dispatch/use-estimates.ts';
import type { GuardrailSets } from '../guardrails/guardrail-sets.ts';
import type { ModerationWords } from '../guardrails/moderation/moderator.ts';
import type { Limiter } from '../limits/limiter.ts';
import type { PluginHost } from '../plugins/host.ts';
import type { ModelRoute } from '../routing/directory.ts';
import type { Router } from '../routing/router.ts';
import type { CacheServices } from './cache-services.ts';
import type { ChatQuestion } from './chat-question.ts';
import type { GuardrailObserver } from './guardrail-run.ts';
import type { MirrorObserver } from './mirror-observer.ts';
import type { CapturedRequest } from './request-capture.ts';
import type { Outcome, RequestContext } from './request-context.ts';

/** Settles the usage of a completed request. Never throws. */
export interface UsageSettlement {
  settle(request: RequestContext, call: InferenceCall, outcome: Outcome): void;
}

/** The guardrails of a configuration. */
export interface GuardrailServices {
  readonly sets: GuardrailSets;
  readonly observer: GuardrailObserver;
  /** Makes the calls with which guardrails ask models. */
  readonly question: ChatQuestion;
}

/** What interceptors are made with, once for each configuration. */
export interface InterceptorServices {
  readonly clock: Clock;
  readonly router: Router;
  readonly useEstimates: UseEstimates;
  /** The models of the configuration. */
  readonly routes: readonly ModelRoute[];
  readonly mirrorObserver: MirrorObserver;
  /** Absent where nothing limits. */
  readonly limiter?: Limiter | undefined;
  /** Absent where usage is not settled. */
  readonly meter?: UsageSettlement | undefined;
  /** Absent where there are no guardrails. */
  readonly guardrails?: GuardrailServices | undefined;
  /** The plugins of the configuration. */
  readonly plugins?: readonly PluginHost[] | undefined;
  /** Words that the configuration adds to the rules of moderation; absent where the rules classify nothing. */
  readonly moderationWords?: ModerationWords | undefined;
  /** Keeps prompts and responses; absent where no tenant can have them logged. */
  readonly requestLog?: { add(captured: CapturedRequest): void } | undefined;
  /**
   * Whether lines of batches run here. Not only where providers take batches now: a line that was forwarded under an earlier
   * configuration must not be sent again.
   */
  readonly runsBatches?: boolean | undefined;
  /** Absent where nothing is cached. */
  readonly cache?: CacheServices | undefined;
}
