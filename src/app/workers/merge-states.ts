import { z } from 'zod';
import { canaryList } from '../../api/admin/experiments.ts';
import { targetStates } from '../../api/admin/routing.ts';

type TargetState = z.output<typeof targetStates>['data'][number];
type Canary = z.output<typeof canaryList>['data'][number];
type Side = Canary['sides']['canary'];

/**
 * Merges what each worker says of its targets.
 * @param bodies of `GET /admin/v1/targets`
 * @returns one body; undefined where there is none
 */
export function mergeTargets(bodies: readonly unknown[]): string | undefined {
  const lists = z.array(targetStates).safeParse(bodies);
  if (!lists.success || lists.data.length === 0) return undefined;
  const rows = lists.data.flatMap(({ data }) => data);
  const byTarget = Map.groupBy(rows, ({ provider, model, key }) => JSON.stringify([provider, model, key]));
  const data = [...byTarget.values()].flatMap(([first, ...others]) =>
    first ? [others.reduce(mergeTarget, first)] : [],
  );
  return JSON.stringify({ object: 'list', data });
}

const BREAKERS = ['closed', 'half-open', 'open'] as const;

function mergeTarget(one: TargetState, other: TargetState): TargetState {
  const failures = [one.last_failure, other.last_failure].filter((failure) => failure !== null);
  return {
    ...one,
    // A target that one worker does not use is used by the others.
    available: one.available || other.available,
    unavailable_because: one.available || other.available ? null : one.unavailable_because,
    breaker: BREAKERS.indexOf(one.breaker) >= BREAKERS.indexOf(other.breaker) ? one.breaker : other.breaker,
    open_operations: [...new Set([...one.open_operations, ...other.open_operations])],
    healthy: one.healthy === false || other.healthy === false ? false : (one.healthy ?? other.healthy),
    override: one.override ?? other.override,
    share: Math.min(one.share, other.share),
    in_flight: one.in_flight + other.in_flight,
    max_concurrency: addKnown(one.max_concurrency, other.max_concurrency),
    queued: one.queued + other.queued,
    ms_per_token: mean(one.ms_per_token, other.ms_per_token, one.successes, other.successes),
    first_event_p95_ms: largest(one.first_event_p95_ms, other.first_event_p95_ms),
    successes: one.successes + other.successes,
    failures: one.failures + other.failures,
    last_failure: failures.sort((a, b) => a.seconds_ago - b.seconds_ago)[0] ?? null,
  };
}

/**
 * Merges what each worker says of its canaries.
 * @param bodies of `GET /admin/v1/canaries`
 * @returns one body; undefined where there is none
 */
export function mergeCanaries(bodies: readonly unknown[]): string | undefined {
  const lists = z.array(canaryList).safeParse(bodies);
  if (!lists.success || lists.data.length === 0) return undefined;
  const rows = lists.data.flatMap(({ data }) => data);
  const data = [...Map.groupBy(rows, ({ model }) => model).values()].flatMap(([first, ...others]) =>
    first ? [others.reduce(mergeCanary, first)] : [],
  );
  return JSON.stringify({ object: 'list', data });
}

const CANARY_STATES = ['running', 'stopped', 'rolled_back'] as const;

/** Each worker measures and decides by its own requests. */
function mergeCanary(one: Canary, other: Canary): Canary {
  const worse = CANARY_STATES.indexOf(one.state) >= CANARY_STATES.indexOf(other.state) ? one : other;
  return {
    ...worse,
    sides: {
      canary: mergeSide(one.sides.canary, other.sides.canary),
      stable: mergeSide(one.sides.stable, other.sides.stable),
    },
  };
}

function mergeSide(one: Side, other: Side): Side {
  const weigh = (a: number | null, b: number | null) => mean(a, b, one.requests, other.requests);
  return {
    requests: one.requests + other.requests,
    error_rate: weigh(one.error_rate, other.error_rate) ?? 0,
    ms_per_token: weigh(one.ms_per_token, other.ms_per_token),
    usd_per_request: weigh(one.usd_per_request, other.usd_per_request),
  };
}

function mean(one: number | null, other: number | null, weight: number, otherWeight: number): number | null {
  if (one === null || other === null) return one ?? other;
  const sum = weight + otherWeight;
  return sum === 0 ? (one + other) / 2 : (one * weight + other * otherWeight) / sum;
}

function addKnown(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : one + other;
}

function largest(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.max(one, other);
}
