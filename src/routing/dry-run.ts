import { GatewayError } from '../core/errors.ts';
import type { Target } from '../providers/types.ts';
import type { ModelDirectory, ModelRoute } from './directory.ts';
import type { RequestFacts } from './request-facts.ts';
import type { Router } from './router.ts';
import type { RoutingDecision } from './routing-decision.ts';

/** One target on the road that a request would take. */
export interface DryRunStep {
  readonly target: Target;
  /** US dollars that it is expected to cost there; undefined where prices are not known. */
  readonly expectedCost: string | undefined;
}

export interface DryRun {
  /** What the name means; undefined when nothing goes by it. */
  readonly model: string | undefined;
  /** Names that may have been meant. */
  readonly suggestions: readonly string[];
  readonly variant: string | undefined;
  /** The first is asked first; each other when all before it have failed. */
  readonly path: readonly DryRunStep[];
  /** Targets that would be waited for, because they are busy. */
  readonly queuedFor: readonly Target[];
  readonly decisions: readonly RoutingDecision[];
}

/** Longer than any chain of fallbacks that makes sense. */
const MAX_STEPS = 200;

/** Where a request would go at this moment. Nothing is sent. */
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
  // A failure that another target may not have, and that is not repeated: each is visited once.
  const failure = new GatewayError('upstream_auth_failed', 'This is a dry run.');
  const costAt = (target: Target, of: ModelRoute) =>
    router.costOf(target, of, {
      inputTokens: facts.inputTokens,
      outputTokens: facts.outputTokens,
      raw: {},
    });
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
