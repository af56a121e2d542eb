import type { ChatRequest } from '../core/chat/request.ts';
import type { Clock } from '../core/clock.ts';
import type { GatewayError } from '../core/errors.ts';
import type { InferenceCall } from '../core/inference.ts';
import type { Limiter } from '../limits/limiter.ts';
import type { ModelOverrides } from '../metering/model-data.ts';
import type { Prices } from '../metering/prices.ts';
import type { InlineMedia, Provider, Target } from '../providers/types.ts';
import type { ModelDirectory } from '../routing/directory.ts';
import type { TargetStates } from '../routing/health/target-states.ts';
import type { RequestFacts } from '../routing/request-facts.ts';
import type { Router } from '../routing/router.ts';
import type { QueueObserver } from './admission-queue.ts';
import type { Answer, AttemptEnd } from './attempt.ts';
import type { AttemptTrace, RequestContext } from './context.ts';
import type { DeadlineMonitor } from './deadlines.ts';
import type { MirrorObserver } from './mirror.ts';

/** Everything that one configuration decides. Swapped whole; a request keeps the one it began with. */
export interface InferenceSnapshot {
  readonly directory: ModelDirectory;
  readonly router: Router;
  readonly providers: readonly Provider[];
  readonly prices: Prices;
  readonly limits: {
    readonly firstTokenMs: number;
    /** For a plain answer; Infinity for the whole time of the request. */
    readonly answerMs: number;
    readonly streamIdleMs: number;
    readonly maxRequestMs: number;
    /** For a place at a target, where attempts are limited. */
    readonly queueTimeoutMs: number;
  };
}

export interface AttemptObserver extends QueueObserver, MirrorObserver {
  attemptEnded(trace: AttemptTrace, context: RequestContext): void;
}

export interface InferenceServiceOptions {
  /** Lets requests in as far as limits allow; absent where nothing limits. */
  readonly limiter?: Limiter | undefined;
  readonly clock: Clock;
  readonly deadlines: DeadlineMonitor;
  readonly states: TargetStates;
  readonly observer: AttemptObserver;
  readonly media: MediaFetcher;
  readonly estimateTokens: TokenEstimator;
  readonly contextWindows: ContextCheck;
}

/** Tells of conversations that can't fit before they are sent. */
export interface ContextCheck {
  /** @returns nothing at once, or later, where it may fit */
  check(
    call: InferenceCall,
    target: Target,
    facts: ModelOverrides | undefined,
  ): Promise<GatewayError | undefined> | undefined;
}

/** Fetches media for providers that don't fetch themselves. */
export interface MediaFetcher {
  /** @throws GatewayError `invalid_request` for what may not or can not be fetched */
  fetch(urls: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, InlineMedia>>;
}

/** Input tokens of a conversation, as well as they can be told without asking the provider. */
export type TokenEstimator = (request: ChatRequest, model: string) => Promise<number>;

export type InferenceAnswer = Answer;

/** What one request's attempts have in common. */
export interface Run {
  readonly snapshot: InferenceSnapshot;
  readonly context: RequestContext;
  readonly call: InferenceCall;
  readonly facts: RequestFacts;
  readonly renderStreamError: RenderStreamError;
  /** Takes over when the books are closed: an answer may be there that is not given. */
  readonly holdBack?: (complete: () => void, end: AttemptEnd) => void;
  /** No second target is asked beside a slow one. */
  readonly hedged?: false;
}

export type RenderStreamError = (error: GatewayError) => Uint8Array;
