import { asGatewayError } from '../core/errors.ts';
import type { InferenceCall } from '../core/inference.ts';
import type { InlineMedia } from '../providers/types.ts';
import type { RoutePlan } from '../routing/plan.ts';
import type { RequestFacts } from '../routing/request-facts.ts';
import type { Hedging } from '../routing/router.ts';
import type { RouteCandidate } from '../routing/routing-decision.ts';
import type { AcquiredSlot } from './admission-queue.ts';
import { anotherWasFaster } from './attempt.ts';
import { HedgeGroup } from './hedge-group.ts';
import type { InferenceResponse } from './inference-response.ts';
import type { DispatchOptions } from './options.ts';
import type { DispatchScope } from './request.ts';
import { UpstreamAttempt } from './upstream-attempt.ts';

/** A response is slow when it takes this much longer than the target's 95th percentile. */
const HEDGE_MARGIN = 1.05;

const NO_MEDIA: ReadonlyMap<string, InlineMedia> = new Map();

/** One call to a hedged model, with the slot at its first target. */
export interface HedgedRun {
  readonly call: InferenceCall;
  readonly scope: DispatchScope;
  readonly plan: RoutePlan;
  readonly slot: AcquiredSlot;
  readonly hedging: Hedging;
  readonly facts: RequestFacts;
  readonly acquire: (candidate: RouteCandidate, now: number) => AcquiredSlot;
}

/** Tries one target, and a second one in parallel when the first is slow to send its first event. */
export class HedgedDispatch {
  constructor(private readonly options: DispatchOptions) {}

  async run(run: HedgedRun): Promise<InferenceResponse> {
    const { slot, scope, hedging } = run;
    const group = new HedgeGroup();
    const first = this.#start(run, slot, group);
    const { state } = slot.candidate;
    const usual = state.firstEvent.quantile(0.95);
    const afterMs = hedging.settings.afterMs ?? (usual === undefined ? undefined : usual * HEDGE_MARGIN);
    if (afterMs === undefined) return first.response;
    if ((await this.#settledWithin(first, afterMs)) || scope.signal.aborted) return first.response;
    const other = this.#alternative(run);
    if (!other) return first.response;
    const { target, route } = other.candidate;
    const reserving = scope.request.limits.reserveMore?.(run.call, [
      { targets: [target], facts: route.facts },
    ]);
    if (reserving !== undefined && !(await reserving)) {
      other.lease.release(this.options.clock.now());
      return first.response;
    }
    const second = this.#start(run, other, group);
    second.trace.hedge = 'began';
    try {
      const response = await Promise.any([first.response, second.response]);
      group.cancelLosers(anotherWasFaster());
      return response;
    } catch (thrown) {
      const errors: unknown[] = thrown instanceof AggregateError ? thrown.errors : [thrown];
      const [one, two] = errors;
      if (two !== undefined) run.plan.failed(asGatewayError(one));
      throw two ?? one;
    }
  }

  /** @returns whether the attempt responded or failed in time */
  async #settledWithin(attempt: UpstreamAttempt, ms: number): Promise<boolean> {
    const timer = new AbortController();
    const settled = attempt.response.then(
      () => true,
      () => true,
    );
    const slow = this.options.clock.sleep(ms, timer.signal).then(
      () => false,
      () => true,
    );
    const early = await Promise.race([settled, slow]);
    timer.abort();
    return early;
  }

  /** A slot at another target that is ready, affordable and within the budget for hedging. */
  #alternative({ plan, call, slot, hedging, facts, acquire }: HedgedRun): AcquiredSlot | undefined {
    const { clock, router } = this.options;
    const { settings, budget } = hedging;
    const { target, route } = slot.candidate;
    const now = clock.now();
    const step = plan.hedgeCandidate(
      now,
      (one) =>
        one.provider.lazyEngine?.loaded !== false &&
        (one.provider.adapter.mediaToInline?.(call, one) ?? []).length === 0 &&
        router.affordable(target, one, route, settings.maxPriceRatio, facts.pricing) &&
        budget.spend(),
    );
    return step && acquire(step.candidate, now);
  }

  #start({ call, scope }: HedgedRun, slot: AcquiredSlot, group: HedgeGroup): UpstreamAttempt {
    const branch = scope.fork();
    const attempt = new UpstreamAttempt(this.options, call, branch, slot, NO_MEDIA, group);
    group.add(attempt.trace, branch);
    attempt.start();
    return attempt;
  }
}
