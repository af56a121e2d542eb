import { GatewayError } from '../core/errors.ts';
import type { SubjectLimits } from '../core/limit.ts';
import { amountOfNano } from '../core/limit-schema.ts';
import type { Charge, Counter } from './counter.ts';

const OWNERS = {
  ip: 'this address',
  key: 'this API key',
  user: 'this user',
  tenant: 'this tenant',
  tag: 'the tag',
  model: 'the model',
  target: 'the target',
} as const;

function subjectOf({ scope, name }: SubjectLimits): string {
  return scope === 'tag' || scope === 'model' || scope === 'target'
    ? `${OWNERS[scope]} "${name}"`
    : OWNERS[scope];
}

/** @returns such as `the limit of 100 requests per minute for this tenant (tier "free")` */
export function describeLimit({ limit, subject }: Counter): string {
  const { of, per, max, tier } = limit;
  const what = of === 'cost' ? `${amountOfNano(max)} US dollars` : `${max} ${of.replaceAll('_', ' ')}`;
  const origin = tier === undefined ? '' : ` (tier "${tier}")`;
  return `the limit of ${what}${per === null ? '' : ` per ${per}`} for ${subjectOf(subject)}${origin}`;
}

/** @returns such as `3 used` */
export function usedOf(counter: Counter, counterState: number): string {
  const { limit } = counter;
  if (counter.kind === 'rate') return `${Math.max(0, Math.floor(counterState))} left now`;
  const amount = limit.of === 'cost' ? `${amountOfNano(counterState)} US dollars` : String(counterState);
  return `${amount} used`;
}

/**
 * Makes the error of a refused charge: it names the limit, its subject, the use, and when to retry.
 *
 * @param isUnbounded the request does not limit its use, and could be admitted if it did
 * @param now Unix milliseconds
 * @returns `quota_exceeded` or `rate_limit_exceeded`
 */
export function limitError(
  charge: Charge,
  counterState: number,
  isUnbounded: boolean,
  now: number,
): GatewayError {
  const { counter, amount, period } = charge;
  const { limit, subject } = counter;
  const waitMs = waitOf(charge, counterState, now);
  const resetsAt = new Date(now + waitMs).toISOString();
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  const details = {
    scope: subject.scope,
    subject: subject.name,
    of: limit.of,
    per: limit.per,
    ...(limit.tier === undefined ? {} : { tier: limit.tier }),
    max: limit.of === 'cost' ? amountOfNano(limit.max) : limit.max,
    ...(counter.kind === 'rate'
      ? { remaining: Math.max(0, Math.floor(counterState)) }
      : { used: limit.of === 'cost' ? amountOfNano(counterState) : counterState }),
    requested: limit.of === 'cost' ? amountOfNano(amount) : amount,
    resets_at: resetsAt,
  };
  const text = `${describeLimit(counter)} is reached`;
  return new GatewayError(
    counter.kind === 'period' ? 'quota_exceeded' : 'rate_limit_exceeded',
    `${text.charAt(0).toUpperCase()}${text.slice(1)}: ${usedOf(counter, counterState)}, and this request needs ${details.requested}${
      limit.of === 'cost' ? ' US dollars' : ''
    }.${isUnbounded ? ' It needs less with an output limit, such as "max_tokens".' : ''} ${
      period ? `It resets at ${resetsAt}.` : `Try again in ${seconds} s.`
    }`,
    {
      retryAfterSeconds: seconds,
      limit: details,
      rateLimit: { limit: details.max, remaining: 0, resetSeconds: seconds },
    },
  );
}

/** Milliseconds until the charge may fit. For concurrency slots, that is unknown: 1 second. */
function waitOf({ counter, amount, period }: Charge, counterState: number, now: number): number {
  if (counter.kind === 'rate') {
    return (Math.min(amount, counter.capacity) - counterState) / counter.perMs;
  }
  return period ? Math.max(0, period.endsAt - now) : 1_000;
}
