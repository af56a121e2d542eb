import { type AttemptFailure, GatewayError } from '../core/errors.ts';
import type { Warning } from '../core/warning.ts';
import type { Target } from '../providers/types.ts';
import type { ModelDirectory } from '../routing/directory.ts';
import type { TargetStates } from '../routing/health/target-states.ts';
import type { RoutePlan } from '../routing/plan.ts';
import type { AttemptTrace } from './context.ts';

export function deadlineExceeded(): GatewayError {
  return new GatewayError('deadline_exceeded', 'The request took longer than its deadline allows.');
}

/** With `strict`, a target that can't be told everything is no target for this request. */
export function refusal({ provider }: Target, warnings: readonly Warning[]): GatewayError {
  const list = warnings.map(({ param, message }) => `${param}: ${message}`).join(' ');
  return new GatewayError(
    'unsupported_by_target',
    `Provider "${provider.id}" can't be told all that this request says, and strict is on. ${list}`,
    { provider: provider.id, param: warnings[0]?.param ?? null },
  );
}

/** No target may be used now: which, and why. */
export function nothingUsable(
  model: string,
  plan: RoutePlan,
  states: TargetStates,
  now: number,
): GatewayError {
  const evaluated = plan.decisions
    .flatMap((decision) => decision.evaluated)
    .filter(({ exclusion }) => exclusion !== 'weight 0');
  if (evaluated.length === 0) {
    return new GatewayError('model_not_found', `Model "${model}" has no target.`, { param: 'model' });
  }
  const allByConstraint = evaluated.every(({ byConstraint }) => byConstraint);
  const each = evaluated.map(({ target, exclusion }) => {
    const { lastFailure } = states.of(target);
    const last = lastFailure ? `; last failure: ${lastFailure.message}` : '';
    return `${target.provider.id}/${target.model} (${(exclusion ?? 'not tried').replaceAll('_', ' ')}${last})`;
  });
  // Keys of one account may all be in the same condition.
  const list = [...new Set(each)];
  if (allByConstraint) {
    return new GatewayError(
      'invalid_request',
      `No target of model "${model}" is what the request insists on: ${list.join(', ')}. See the headers x-weir-region and x-weir-max-cost.`,
    );
  }
  const wait = plan.availableAt(now) - now;
  return new GatewayError(
    'model_unavailable',
    `No target of model "${model}" can be used now: ${list.join(', ')}.`,
    Number.isFinite(wait) ? { retryAfterSeconds: Math.max(1, Math.ceil(wait / 1_000)) } : {},
  );
}

export function describeFailure(error: GatewayError, trace: AttemptTrace): AttemptFailure {
  const { upstreamStatus } = error.details;
  return {
    provider: trace.provider,
    model: trace.model,
    code: error.code,
    message: error.message,
    ...(upstreamStatus === undefined ? {} : { upstreamStatus }),
    durationMs: Math.round((trace.endedAt ?? trace.startedAt) - trace.startedAt),
  };
}

export function allFailed(last: GatewayError, failures: readonly AttemptFailure[]): GatewayError {
  const list = failures.map(({ provider, model, message }) => `${provider}/${model}: ${message}`).join(' | ');
  // The last upstream's own error object would hide the others.
  const { upstreamBody: _, ...details } = last.details;
  return new GatewayError(last.code, `All ${failures.length} targets failed. ${list}`, {
    ...details,
    attempts: failures,
  });
}

export function unknownModel(name: string, directory: ModelDirectory): GatewayError {
  const near = directory.suggest(name);
  const shown = name.length > 200 ? `${name.slice(0, 200)}...` : name;
  const hint =
    near.length > 0
      ? ` Did you mean ${near.map((id) => `"${id}"`).join(' or ')}?`
      : ' GET /v1/models lists the models that exist.';
  return new GatewayError('model_not_found', `The model "${shown}" does not exist.${hint}`, {
    param: 'model',
  });
}
