import { GatewayError } from '../core/errors.ts';
import type { Target } from '../providers/types.ts';
import type { ModelDirectory, ModelRoute } from './directory.ts';
import type { RequestFacts } from './request-facts.ts';
import type { Router } from './router.ts';
import type { RoutingDecision } from './routing-decision.ts';

/** One attempt that a request would make. */
export interface DryRunStep {
  readonly target: Target;
  /** Decimal amount of US dollars; undefined without a price. */
  readonly expectedCost: string | undefined;
}

/** The attempts that a request would make. */
export interface DryRun {
  /** Id of the model that the name resolves to; undefined where it resolves to none. */
  readonly model: string | undefined;
  /** Similar model names. */
  readonly suggestions: readonly string[];
  readonly variant: string | undefined;
  /** In order: each one is tried after all before it have failed. */
  readonly path: readonly DryRunStep[];
  /** Targets at their concurrency limit, which the request would queue for. */
  readonly queuedFor: readonly Target[];
  readonly decisions: readonly RoutingDecision[];
}

/** Bounds the loop; longer than any useful chain of fallbacks. */
const MAX_STEPS = 200;

/**
 * Plans a request without sending it.
 * @param model the name as a client would send it
 * @param now monotonic milliseconds
 */
export function dryRun(
  directory: ModelDirectory,
  router: Router,
  model: string,
  facts: RequestFacts,
  now: number,
): DryRun {
  const route = directory.resolve(model);
  if (!route) {
    const suggestions = directory.suggest(model);
    return { model: undefined, suggestions, variant: undefined, path: [], queuedFor: [], decisions: [] };
  }
  const plan = router.plan(route, facts, now);
  const path: DryRunStep[] = [];
  const queuedFor: Target[] = [];
  // A failure that another target may not have and that starts no further round, so each target is visited once.
  const failure = new GatewayError('upstream_auth_failed', 'This is a dry run.');
  const costAt = (target: Target, of: ModelRoute) =>
    router.costOf(
      target,
      of,
      { inputTokens: facts.inputTokens, outputTokens: facts.outputTokens, raw: {} },
      facts.pricing,
    );
  for (let steps = 0; steps < MAX_STEPS; steps += 1) {
    const step = plan.next(now, Number.POSITIVE_INFINITY);
    if (step.kind === 'try') {
      const { target, route: of } = step.candidate;
      path.push({ target, expectedCost: costAt(target, of) });
      plan.failed(failure);
    } else if (step.kind === 'queue') {
      queuedFor.push(...step.busy.map(({ target }) => target));
      plan.queueRejected(failure);
    } else break;
  }
  return {
    model: route.id,
    suggestions: [],
    variant: plan.participation?.variant,
    path,
    queuedFor,
    decisions: plan.decisions,
  };
}
