import { type AttemptFailure, GatewayError } from '../core/errors.ts';
import type { TransportError } from '../core/transport.ts';
import type { Warning } from '../core/warning.ts';
import type { NamedVendor } from '../providers/registry.ts';
import type { Target } from '../providers/types.ts';
import type { TargetStates } from '../routing/health/target-states.ts';
import type { RoutePlan } from '../routing/plan.ts';
import { OUTSIDE_RESIDENCY } from '../routing/routing-decision.ts';
import type { AttemptTrace } from './attempt-trace.ts';

/** @returns the error of a request that ran out of time */
export function deadlineExceeded(): GatewayError {
  return new GatewayError('deadline_exceeded', 'The request exceeded its deadline.');
}

/** With `strict`, a target that cannot express all of the request is not used. */
export function unsupportedByTarget({ provider }: Target, warnings: readonly Warning[]): GatewayError {
  const list = warnings.map(({ param, message }) => `${param}: ${message}`).join(' ');
  return new GatewayError(
    'unsupported_by_target',
    `Provider "${provider.id}" cannot express all of this request, and strict is on. ${list}`,
    { provider: provider.id, param: warnings[0]?.param ?? null },
  );
}

/** No target can be used now: lists each with the reason. */
export function noUsableTarget(
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
  const constrained = evaluated.every(({ byConstraint }) => byConstraint);
  const each = evaluated.map(({ target, exclusion }) => {
    const { lastFailure } = states.of(target);
    const last = lastFailure ? `; last failure: ${lastFailure.message}` : '';
    return `${target.provider.id}/${target.model} (${(exclusion ?? 'not tried').replaceAll('_', ' ')}${last})`;
  });
  // Keys of one account may all be in the same condition.
  const list = [...new Set(each)];
  if (constrained) {
    const isResident = evaluated.some(({ exclusion }) => exclusion?.endsWith(OUTSIDE_RESIDENCY));
    return new GatewayError(
      'invalid_request',
      `No target of model "${model}" meets the constraints of the request: ${list.join(', ')}. Change the header x-weir-region or x-weir-max-cost${isResident ? ', or the residency of the tenant' : ''}.`,
    );
  }
  const wait = plan.availableAt(now) - now;
  return new GatewayError(
    'model_unavailable',
    `No target of model "${model}" can be used now: ${list.join(', ')}.`,
    Number.isFinite(wait) ? { retryAfterSeconds: Math.max(1, Math.ceil(wait / 1_000)) } : {},
  );
}

/** @returns what a failed attempt leaves for messages, log and explanations */
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

/** @returns the last failure with those of all attempts in its message */
export function allFailed(last: GatewayError, failures: readonly AttemptFailure[]): GatewayError {
  const times = new Map<string, number>();
  for (const { provider, model, message } of failures) {
    const reason = `${provider}/${model}: ${message}`;
    times.set(reason, (times.get(reason) ?? 0) + 1);
  }
  const list = [...times].map(([reason, count]) => (count === 1 ? reason : `${reason} (${count} times)`));
  // The last upstream's own error object would hide the others.
  const { upstreamBody: _, ...details } = last.details;
  return new GatewayError(last.code, `${countFailures(failures)}. ${list.join(' | ')}`, {
    ...details,
    attempts: failures,
  });
}

/** `All 2 targets failed in 4 attempts`: targets may be tried in several rounds. */
function countFailures(failures: readonly AttemptFailure[]): string {
  const attempts = failures.length;
  const targets = new Set(failures.map(({ provider, model }) => `${provider}/${model}`)).size;
  if (targets === 1) return `The target failed in ${attempts} attempts`;
  return `All ${targets} targets failed${attempts === targets ? '' : ` in ${attempts} attempts`}`;
}

/**
 * @param near names that are similar, best first
 * @param vendors vendors that have models of such a name and are not configured
 */
export function unknownModel(
  name: string,
  near: readonly string[],
  vendors: readonly NamedVendor[],
): GatewayError {
  const shown = name.length > 200 ? `${name.slice(0, 200)}...` : name;
  const similar =
    near.length > 0
      ? ` Did you mean ${near.map((id) => `"${id}"`).join(' or ')}?`
      : ' GET /v1/models lists the models that exist.';
  const missing = vendors.map(
    ({ label, key }) =>
      ` ${label} is not configured: set ${key} at the gateway, or add the provider to its configuration.`,
  );
  const hint = missing.length > 0 ? missing.join('') : similar;
  return new GatewayError('model_not_found', `The model "${shown}" does not exist.${hint}`, {
    param: 'model',
  });
}

/** @param what the sentence after the provider's name */
export function invalidUpstreamResponse({ provider }: Target, what: string): GatewayError {
  return new GatewayError('upstream_invalid_response', `Provider "${provider.id}" ${what}`, {
    provider: provider.id,
  });
}

/** What a failure of the transport means for the client. */
export function transportFailure({ provider: { id } }: Target, error: TransportError): GatewayError {
  const details = { provider: id, cause: error };
  switch (error.failure) {
    case 'connect':
      return new GatewayError(
        'upstream_unreachable',
        `Provider "${id}" could not be reached: ${error.message}`,
        details,
      );
    case 'connect_timeout':
      return new GatewayError(
        'upstream_timeout',
        `Provider "${id}" did not accept a connection in time: ${error.message}.`,
        details,
      );
    case 'closed_before_response':
      return new GatewayError(
        'upstream_closed',
        `Provider "${id}" closed the connection without a response.`,
        details,
      );
    case 'closed_mid_body':
      return new GatewayError(
        'upstream_closed',
        `Provider "${id}" closed the connection in the middle of its response.`,
        details,
      );
    case 'protocol':
      return new GatewayError(
        'upstream_invalid_response',
        `Provider "${id}" did not send valid HTTP: ${error.message}`,
        details,
      );
  }
}
