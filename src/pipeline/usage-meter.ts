import type { Clock } from '../core/clock.ts';
import type { InferenceCall } from '../core/inference.ts';
import { estimateTokensOf } from '../core/token-estimate.ts';
import type { Usage } from '../core/usage.ts';
import { type AttemptTrace, billedMs } from '../dispatch/attempt-trace.ts';
import type { AttemptRecords } from '../dispatch/options.ts';
import {
  costPico,
  dollarsOfPico,
  nanoOfPico,
  outputCostPico,
  promptCacheSavingPico,
} from '../metering/price.ts';
import type { ModelPrice } from '../metering/price-data.ts';
import type { PriceContext } from '../metering/prices.ts';
import type { UsageEvent } from '../storage/usage-event.ts';
import type { ServedResponse } from './cache-trace.ts';
import type { UsageSettlement } from './interceptor-services.ts';
import type { Outcome, RequestContext } from './request-context.ts';
import { priceContextOf, requestFactsOf, usageEventOf } from './usage-event-of.ts';

/** What settlement works with. */
export interface UsageMeterOptions {
  readonly clock: Clock;
  /** A new id for an event; unique among all gateways. */
  readonly newId: () => string;
  /** Takes events; never fails, never waits. Undefined where none are kept. */
  readonly journal: { add(event: UsageEvent): void } | undefined;
  /** Records of running attempts; undefined where none are kept. */
  readonly inFlight: Pick<AttemptRecords, 'end'> | undefined;
  /** The price of what an attempt used; undefined where none is known. */
  readonly priceOf: (trace: AttemptTrace, context: PriceContext) => ModelPrice | undefined;
  readonly counter: UsageCounter;
  /** Told what was spent: thousand-millionths of a US dollar. */
  readonly onCost: (model: string, tenant: string, nanoUsd: number) => void;
  /** Told what a provider's prompt cache was used for. */
  readonly onPromptCache?: (use: PromptCacheUse) => void;
  readonly onDefect: (error: unknown) => void;
}

/** The use of a provider's prompt cache by one attempt. */
export interface PromptCacheUse {
  readonly model: string;
  readonly tenant: string;
  readonly readTokens: number;
  readonly writeTokens: number;
  /** 10^-12 US dollars; negative where writing cost more than reading saved. */
  readonly savedPico: number;
}

/** Counts tokens with a real tokenizer. */
export interface UsageCounter {
  input(call: InferenceCall, model: string): Promise<number>;
  output(text: string, model: string): Promise<number>;
}

/**
 * Settles completed requests: what each attempt used and cost, for the tenant's usage and for the limits that the request
 * reserved from. Usage that the upstream did not report is counted here, after the request, and marked as estimated.
 */
export class UsageMeter implements UsageSettlement {
  constructor(private readonly options: UsageMeterOptions) {}

  settle(request: RequestContext, call: InferenceCall, outcome: Outcome): void {
    const { attempts } = request.routing;
    const ending: Ending = { outcome, endedAt: this.options.clock.now() };
    // Counting tokens is free; a line of a batch is settled when it has its result.
    const isCaptured = request.forwarding?.kind === 'capture';
    if (request.identity.operation === 'count-tokens' || isCaptured) {
      request.limits.reservation?.settle({ tokens: 0, nanoUsd: 0 });
      request.onSettled?.(0);
      return;
    }
    if (!attempts.some(needsCount)) {
      this.#close(request, ending);
      return;
    }
    this.#count(attempts, call).then(
      () => this.#close(request, ending),
      (error: unknown) => {
        this.options.onDefect(error);
        this.#close(request, ending);
      },
    );
  }

  async #count(attempts: readonly AttemptTrace[], call: InferenceCall): Promise<void> {
    for (const attempt of attempts) {
      if (!needsCount(attempt)) continue;
      const { model } = attempt;
      // What was guessed on the way is guessed no longer.
      const usage = attempt.estimated ? undefined : attempt.usage;
      const text = attempt.text?.toString() ?? '';
      // A longer text is not kept; its rest counts like its beginning.
      const share = text === '' ? 1 : (attempt.text?.length ?? text.length) / text.length;
      // A first guess, should counting fail.
      // The call of one part has a part of the input.
      const partTokens = attempt.part === undefined ? undefined : attempt.inputEstimate;
      const inputTokens = usage?.inputTokens ?? partTokens ?? estimateTokensOf(call.text);
      attempt.usage = {
        raw: {},
        ...usage,
        inputTokens,
        outputTokens: usage?.outputTokens ?? Math.ceil(estimateTokensOf(text) * share),
      };
      attempt.estimated = true;
      attempt.text = undefined;
      const input = usage?.inputTokens ?? partTokens ?? (await this.options.counter.input(call, model));
      const counted = text === '' ? 0 : await this.options.counter.output(text, model);
      const output = Math.min(Math.ceil(counted * share), mostOutput(call));
      attempt.usage = {
        ...attempt.usage,
        inputTokens: input,
        // Some upstreams tell as they go; what they have told is no guess.
        outputTokens: Math.max(usage?.outputTokens ?? 0, output),
      };
    }
  }

  #close(request: RequestContext, ending: Ending): void {
    const { attempts, respondedBy, modelLabel } = request.routing;
    const { inFlight } = this.options;
    const payers = request.limits.payers ?? [request];
    const context = priceContextOf(request, this.options.clock);
    let tokens = 0;
    let nanoUsd = 0;
    let pico: number | undefined = 0;
    const counted = respondedBy ?? attempts.at(-1);
    for (const trace of attempts) {
      const { usage } = trace;
      let cost: number | undefined = 0;
      if (usage) {
        tokens += (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0);
        const price = this.options.priceOf(trace, context);
        const durationMs = billedMs(trace, trace.endedAt ?? trace.startedAt);
        cost = price && costPico(price, usage, durationMs);
        if (price && cost) trace.outputCostPico = outputCostPico(price, usage, cost, durationMs);
        if (cost !== undefined) nanoUsd += nanoOfPico(cost);
        if (usage.cachedInputTokens || usage.cacheWriteTokens)
          this.#promptCache(request, trace, usage, price);
      }
      trace.costPico = cost ?? null;
      pico = cost === undefined || pico === undefined ? undefined : pico + cost;
      trace.reservation?.settle({
        tokens: (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0),
        nanoUsd: cost ? nanoOfPico(cost) : 0,
      });
      this.#journal(request, payers, ending, trace, trace === counted);
      // In this order: killed in between, the gateway leaves both, and the next start recognises them by their id.
      inFlight?.end(trace);
    }
    const served = request.cache?.served;
    if (served) nanoUsd += this.#served(request, ending, served);
    request.onSettled?.(pico === undefined ? undefined : pico + (served?.costPico ?? 0));
    if (nanoUsd > 0) {
      const { tenant } = request.identity.principal;
      this.options.onCost(modelLabel ?? 'unknown', tenant, nanoUsd);
    }
    this.#settleLimits(request, payers, tokens, nanoUsd);
  }

  #promptCache(
    { identity, routing }: RequestContext,
    trace: AttemptTrace,
    { cachedInputTokens = 0, cacheWriteTokens = 0, ...usage }: Usage,
    price: ModelPrice | undefined,
  ): void {
    const savedPico = price
      ? promptCacheSavingPico(price, { ...usage, cachedInputTokens, cacheWriteTokens })
      : 0;
    trace.promptSavedPico = savedPico;
    this.options.onPromptCache?.({
      ...{ model: routing.modelLabel ?? 'unknown', tenant: identity.principal.tenant, savedPico },
      ...{ readTokens: cachedInputTokens, writeTokens: cacheWriteTokens },
    });
  }

  #settleLimits(
    request: RequestContext,
    payers: readonly RequestContext[],
    tokens: number,
    nanoUsd: number,
  ): void {
    for (const [index, { limits }] of payers.entries()) {
      // The other request settles it, with what both have used.
      if (limits.isSettledElsewhere && request.limits === limits) continue;
      const share = { parts: payers.length, index };
      limits.reservation?.settle({ tokens: partOf(tokens, share), nanoUsd: partOf(nanoUsd, share) });
    }
    // The use of all calls is settled with the first reservation.
    for (const reservation of request.limits.more) reservation.settle({ tokens: 0, nanoUsd: 0 });
  }

  /** Adds an event of an attempt for each request that pays for it. */
  #journal(
    request: RequestContext,
    payers: readonly RequestContext[],
    ending: Ending,
    trace: AttemptTrace,
    isCounted: boolean,
  ): void {
    const { journal } = this.options;
    if (!journal) return;
    const event = this.#event(request, ending, trace, isCounted);
    if (request.forwarding?.kind === 'replay') {
      request.forwarding.usage.push(event);
      return;
    }
    const saved = isCounted && event.outcome === 'done' ? request.cache?.saved : undefined;
    const whole = saved ? { ...event, saved } : event;
    const [first, ...others] = payers;
    if (first === undefined || others.length === 0) {
      journal.add(whole);
      return;
    }
    for (const [index, payer] of payers.entries()) {
      const own = this.#event(payer, ending, trace, isCounted);
      const share = { parts: payers.length, index };
      const id = index === 0 ? whole.id : this.options.newId();
      journal.add({ ...sharedEvent(whole, share), id, keyId: own.keyId, member: own.member, ...named(own) });
    }
  }

  /** Adds the event of a response that came from the cache. @returns its cost in 10^-9 US dollars */
  #served(request: RequestContext, ending: Ending, served: ServedResponse): number {
    const { startedAt, committedAt } = request.timing;
    const trace: AttemptTrace = {
      ...{ provider: CACHE, model: served.model, startedAt, firstEventAt: committedAt },
      ...{ endedAt: this.options.clock.now(), failure: undefined, costPico: served.costPico },
    };
    const event = this.#event(request, ending, trace, true);
    this.options.journal?.add(
      event.outcome === 'done' ? { ...event, outcome: 'cached', saved: served.saved } : event,
    );
    return nanoOfPico(served.costPico);
  }

  #event(
    request: RequestContext,
    { outcome, endedAt }: Ending,
    trace: AttemptTrace,
    counted: boolean,
  ): UsageEvent {
    const { clock, newId } = this.options;
    return usageEventOf(request, trace, {
      id: trace.eventId ?? newId(),
      at: clock.wallTime(),
      status: request.response.status ?? (outcome.kind === 'failed' ? outcome.error.status : 200),
      outcome: trace.outcome ?? outcome.kind,
      requests: counted ? 1 : 0,
      durationMs: Math.round((trace.endedAt ?? clock.now()) - trace.startedAt),
      ...(counted ? { request: requestFactsOf(request, outcome, endedAt) } : {}),
    });
  }
}

/** How a request ended, and when: usage that is counted here is settled later. */
interface Ending {
  readonly outcome: Outcome;
  /** Monotonic milliseconds. */
  readonly endedAt: number;
}

/** The provider of usage events whose response came from the cache. */
const CACHE = 'cache';

interface Share {
  readonly parts: number;
  readonly index: number;
}

/** @returns an equal part of a count; the parts add up to it */
function partOf(count: number, { parts, index }: Share): number {
  return Math.floor(count / parts) + (index < count % parts ? 1 : 0);
}

/** As `partOf`, for an amount that may be negative. */
function signedPart(amount: number, share: Share): number {
  return amount < 0 ? -partOf(-amount, share) : partOf(amount, share);
}

function sharedEvent(event: UsageEvent, share: Share): UsageEvent {
  return {
    ...event,
    inputTokens: partOf(event.inputTokens, share),
    outputTokens: partOf(event.outputTokens, share),
    cachedTokens: partOf(event.cachedTokens, share),
    cacheWriteTokens: partOf(event.cacheWriteTokens, share),
    reasoningTokens: partOf(event.reasoningTokens, share),
    costPico: event.costPico === null ? null : partOf(event.costPico, share),
    ...(event.outputCostPico === undefined ? {} : { outputCostPico: partOf(event.outputCostPico, share) }),
    ...(event.promptSavedPico === undefined
      ? {}
      : { promptSavedPico: signedPart(event.promptSavedPico, share) }),
  };
}

/** What an event says of the request that it is for. */
function named({
  requestId,
  tags,
  status,
  request,
}: UsageEvent): Pick<UsageEvent, 'requestId' | 'tags' | 'status' | 'request'> {
  return { requestId, tags, status, request };
}

/** What a request has cost so far, as a decimal number of US dollars; undefined where a price is not known. */
export function costSoFar({ upstream, cache }: RequestContext): string | undefined {
  if (cache?.served) return dollarsOfPico(cache.served.costPico);
  const { attempts } = upstream;
  let sum = 0;
  for (const { costPico: cost } of attempts) {
    if (cost === null || cost === undefined) return undefined;
    sum += cost;
  }
  if (Number.isSafeInteger(sum)) return dollarsOfPico(sum);
  return dollarsOfPico(attempts.reduce((exact, { costPico }) => exact + BigInt(costPico ?? 0), 0n));
}

/** Counting with another model's vocabulary may find more tokens than the request allows. */
function mostOutput(call: InferenceCall): number {
  const { outputLimit = Number.POSITIVE_INFINITY, prompts, choices } = call.view().requestDemand();
  return outputLimit * prompts * choices;
}

/**
 * An attempt that the upstream worked for without telling for how much: a stream that was cut, an answer without usage,
 * or one whose client went before it began. Who was refused has used nothing.
 */
function needsCount({ usage, outcome, firstEventAt, estimated, text }: AttemptTrace): boolean {
  if (estimated && text === undefined) return false;
  if (outcome === 'done') return usage?.outputTokens === undefined && usage?.inputTokens === undefined;
  if (outcome === 'client_gone' || outcome === 'stopped') return true;
  return outcome === 'failed' && firstEventAt !== undefined;
}
