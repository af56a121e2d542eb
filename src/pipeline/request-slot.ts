import type { Usage } from '../core/usage.ts';
import type { AttemptTrace } from '../dispatch/attempt-trace.ts';
import type { ModelOverrides } from '../metering/model-data.ts';
import type { Target } from '../providers/types.ts';
import type { DecisionFacts, RouteCandidate } from '../routing/routing-decision.ts';
import type { Outcome, RequestContext } from './request-context.ts';
import type { CacheUse, RequestRecord } from './request-record.ts';

const DONE: Outcome = { kind: 'done' };
const NO_CANDIDATES: readonly RouteCandidate[] = [];

/**
 * The record of a request as fields of one object that is filled again for each request. It refers to nothing that was
 * made for the request but the texts that the client sent, and what a joined call says of it: the other objects belong to the
 * configuration.
 */
export class RequestSlot {
  id = '';
  /** The record of a request that does not fit; the fields below are then of an earlier one. */
  #full: RequestRecord | undefined = undefined;

  #tenant = '';
  #keyId = '';
  #member: string | undefined = undefined;
  #traceId: string | undefined = undefined;
  #cacheStatus: CacheUse['status'] | undefined = undefined;
  #cacheKind: CacheUse['kind'] = undefined;
  #model: string | undefined = undefined;
  #route = '';
  #stream = false;
  #isBatch = false;
  #variant: string | undefined = undefined;
  #queuedMs = 0;
  #loadingMs = 0;
  #at = 0;
  #startedAt = 0;
  #committedAt: number | undefined = undefined;
  #endedAt = 0;
  #status: number | undefined = undefined;
  #usageEstimated = false;

  #hasUsage = false;
  #inputTokens: number | undefined = undefined;
  #outputTokens: number | undefined = undefined;
  #cachedInputTokens: number | undefined = undefined;
  #cacheWriteTokens: number | undefined = undefined;
  #reasoningTokens: number | undefined = undefined;

  #decidedModel = '';
  #reason: DecisionFacts['reason'] = 'asked';
  #strategy = '';
  #decidedAt = 0;
  #facts: ModelOverrides | undefined = undefined;
  #target: Target | undefined = undefined;
  #inflight: number | undefined = undefined;
  #timePerTokenMs: number | undefined = undefined;
  #candidates: readonly RouteCandidate[] = NO_CANDIDATES;

  #provider = '';
  #upstreamModel = '';
  #account: number | undefined = undefined;
  #beganAt = 0;
  #firstEventAt: number | undefined = undefined;
  #attemptEndedAt: number | undefined = undefined;
  #estimated: boolean | undefined = undefined;
  #costPico: number | null = null;
  #joined: AttemptTrace['joined'] = undefined;

  /** Keeps a whole record. */
  keep(record: RequestRecord): void {
    this.id = record.id;
    this.#full = record;
  }

  /** @returns false, and keeps nothing, where more happened than one successful attempt at the first target */
  fill(request: RequestContext, endedAt: number, wallTime: number): boolean {
    const { identity, controls, timing, upstream: routing, usage: total, outcome } = request;
    const { plan, attempts, modelScope } = routing;
    const [attempt] = attempts;
    const [decision] = plan?.decisions ?? [];
    const read = decision?.onlyRead;
    if (request.semantic !== undefined) return false;
    if (outcome?.kind !== 'done' || !plan || !attempt || !decision || !read) return false;
    if (attempts.length > 1 || plan.decisions.length > 1 || read.exclusion !== undefined) return false;
    if (request.guardrails && request.guardrails.results.length > 0) return false;
    if (isSpecial(attempt) || attempt.usage !== total.usage) return false;
    // Settlement sets it; where tokens are counted first, it does so later, with the usage.
    if (attempt.costPico === undefined || (modelScope && modelScope.refused.length > 0)) return false;

    this.id = identity.id;
    this.#full = undefined;
    this.#tenant = identity.principal.tenant;
    this.#keyId = identity.principal.keyId;
    this.#member = identity.principal.member;
    this.#traceId = request.trace?.traceId;
    this.#cacheStatus = request.cache?.status;
    this.#cacheKind = request.cache?.kind;
    this.#model = controls.model;
    this.#route = identity.route;
    this.#stream = controls.stream;
    this.#isBatch = controls.isBatch;
    this.#variant = plan.participation?.variant;
    this.#queuedMs = routing.queuedMs;
    this.#loadingMs = routing.loadingMs;
    this.#at = wallTime - (endedAt - timing.startedAt);
    this.#startedAt = timing.startedAt;
    this.#committedAt = timing.committedAt;
    this.#endedAt = endedAt;
    this.#status = request.response.status;
    this.#usageEstimated = total.estimated;
    this.#fillUsage(total.usage);

    this.#decidedModel = decision.model;
    this.#reason = decision.reason;
    this.#strategy = decision.strategy;
    this.#decidedAt = decision.at;
    this.#facts = decision.facts;
    this.#target = read.target;
    this.#inflight = read.inflight;
    this.#timePerTokenMs = read.timePerTokenMs;
    // A list of one is made for each request, and has no other target.
    this.#candidates = decision.all.length > 1 ? decision.all : NO_CANDIDATES;

    this.#provider = attempt.provider;
    this.#upstreamModel = attempt.model;
    this.#account = attempt.account;
    this.#beganAt = attempt.startedAt;
    this.#firstEventAt = attempt.firstEventAt;
    this.#attemptEndedAt = attempt.endedAt;
    this.#estimated = attempt.estimated;
    this.#costPico = attempt.costPico;
    this.#joined = attempt.joined;
    return true;
  }

  /** @returns the record as it would have been kept whole */
  record(): RequestRecord {
    if (this.#full) return this.#full;
    const usage = this.#usage();
    return {
      id: this.id,
      tenant: this.#tenant,
      keyId: this.#keyId,
      member: this.#member,
      traceId: this.#traceId,
      cache: this.#cacheStatus && { status: this.#cacheStatus, kind: this.#cacheKind },
      guardrails: [],
      checks: [],
      model: this.#model,
      route: this.#route,
      stream: this.#stream,
      isBatch: this.#isBatch,
      variant: this.#variant,
      queuedMs: this.#queuedMs,
      loadingMs: this.#loadingMs,
      at: this.#at,
      startedAt: this.#startedAt,
      committedAt: this.#committedAt,
      endedAt: this.#endedAt,
      status: this.#status,
      outcome: DONE,
      semantic: undefined,
      decisions: this.#decisions(),
      refusedModels: [],
      attempts: [this.#attempt(usage)],
      usage,
      usageEstimated: this.#usageEstimated,
    };
  }

  #fillUsage(usage: Usage | undefined): void {
    this.#hasUsage = usage !== undefined;
    this.#inputTokens = usage?.inputTokens;
    this.#outputTokens = usage?.outputTokens;
    this.#cachedInputTokens = usage?.cachedInputTokens;
    this.#cacheWriteTokens = usage?.cacheWriteTokens;
    this.#reasoningTokens = usage?.reasoningTokens;
  }

  #usage(): Usage | undefined {
    if (!this.#hasUsage) return undefined;
    const counts = {
      inputTokens: this.#inputTokens,
      outputTokens: this.#outputTokens,
      cachedInputTokens: this.#cachedInputTokens,
      cacheWriteTokens: this.#cacheWriteTokens,
      reasoningTokens: this.#reasoningTokens,
    };
    const reported = Object.entries(counts).filter(([, count]) => count !== undefined);
    return { ...Object.fromEntries(reported), raw: {} };
  }

  #decisions(): DecisionFacts[] {
    const target = this.#target;
    if (!target) return [];
    const others = this.#candidates.filter((one) => one.target !== target);
    const read = { target, inflight: this.#inflight, timePerTokenMs: this.#timePerTokenMs };
    return [
      {
        model: this.#decidedModel,
        reason: this.#reason,
        strategy: this.#strategy,
        at: this.#decidedAt,
        facts: this.#facts,
        evaluated: [read, ...others.map((one) => ({ target: one.target }))],
      },
    ];
  }

  #attempt(usage: Usage | undefined): AttemptTrace {
    return {
      provider: this.#provider,
      model: this.#upstreamModel,
      account: this.#account,
      startedAt: this.#beganAt,
      firstEventAt: this.#firstEventAt,
      endedAt: this.#attemptEndedAt,
      failure: undefined,
      usage,
      costPico: this.#costPico,
      ...(this.#estimated === undefined ? {} : { estimated: this.#estimated }),
      ...(this.#joined === undefined ? {} : { joined: this.#joined }),
    };
  }
}

/** Something happened to it that only few attempts go through. */
function isSpecial({ failure, hedge, rejected, continued }: AttemptTrace): boolean {
  return failure !== undefined || hedge !== undefined || rejected !== undefined || continued === true;
}
