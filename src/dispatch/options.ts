import type { ChatRequest } from '../core/chat/request.ts';
import type { Clock } from '../core/clock.ts';
import type { GatewayError } from '../core/errors.ts';
import type { InferenceCall } from '../core/inference.ts';
import type { Limiter } from '../limits/limiter.ts';
import type { ModelOverrides } from '../metering/model-data.ts';
import type { InlineMedia, Target } from '../providers/types.ts';
import type { TargetStates } from '../routing/health/target-states.ts';
import type { Router } from '../routing/router.ts';
import type { QueueObserver } from './admission-queue.ts';
import type { AttemptTrace } from './attempt-trace.ts';
import type { DeadlineMonitor } from './deadlines.ts';
import type { MicroBatchObserver } from './micro-batcher.ts';
import type { PromptCaching } from './prompt-caching.ts';
import type { ActiveAttempt, DispatchRequest } from './request.ts';
import type { UseEstimates } from './use-estimates.ts';

/** Observes the end of each attempt. */
export interface AttemptObserver {
  attemptEnded(trace: AttemptTrace, request: DispatchRequest): void;
}

/** Records attempts while they run, for the usage of a gateway that is killed. */
export interface AttemptRecords {
  /** The attempt is about to be sent. */
  begin(attempt: ActiveAttempt, call: InferenceCall, request: DispatchRequest): void;
  /** The attempt has used nothing, or its use is recorded elsewhere. */
  end(trace: AttemptTrace): void;
}

/** Fetches media for providers that do not fetch themselves. */
export interface MediaFetcher {
  /** @throws GatewayError `invalid_request` for media that may not or cannot be fetched */
  fetch(urls: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, InlineMedia>>;
}

/** @returns the input tokens of a conversation, as well as they can be known without asking the provider */
export type TokenEstimator = (request: ChatRequest, model: string) => Promise<number>;

/** Finds conversations that do not fit a target's context window before they are sent. */
export interface ContextCheck {
  /** @returns undefined, at once or later, where the conversation may fit */
  check(
    call: InferenceCall,
    target: Target,
    facts: ModelOverrides | undefined,
  ): Promise<GatewayError | undefined> | undefined;
}

/** Bounds of attempts. Times are milliseconds. */
export interface DispatchLimits {
  readonly firstTokenMs: number;
  /** For a complete response; Infinity for the whole time of the request. */
  readonly answerMs: number;
  readonly streamIdleMs: number;
  /** For a concurrency slot at a target. */
  readonly queueTimeoutMs: number;
  /** Clients get the rate-limit headers of vendors beside their responses. */
  readonly forwardsRateLimits?: boolean;
  /** Largest body of a response. */
  readonly maxResponseBytes?: number;
}

/** What dispatch shares between requests, whatever the configuration. */
export interface DispatchServices {
  readonly clock: Clock;
  readonly deadlines: DeadlineMonitor;
  readonly states: TargetStates;
  readonly observer: AttemptObserver & QueueObserver & MicroBatchObserver;
  /** Absent where no usage is kept. */
  readonly records?: AttemptRecords | undefined;
  readonly media: MediaFetcher;
  readonly estimateTokens: TokenEstimator;
  readonly contextWindows: ContextCheck;
  /** Absent where nothing limits. */
  readonly limiter?: Limiter | undefined;
}

/** What one configuration decides about dispatch. */
export interface DispatchSettings {
  readonly router: Router;
  readonly useEstimates: UseEstimates;
  readonly limits: DispatchLimits;
  /** Absent where nothing is added for the prompt caches of providers. */
  readonly promptCaching?: PromptCaching | undefined;
}

/** Everything that dispatch works with. */
export type DispatchOptions = DispatchServices & DispatchSettings;
