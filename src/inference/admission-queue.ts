import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { LimitReservation } from '../limits/limiter.ts';
import type { Priority } from '../routing/admission/fair-queue.ts';
import { QueuedRequest, type QueueOutcome } from '../routing/admission/queued-request.ts';
import type { QueueTenant } from '../routing/admission/target-gate.ts';
import type { InFlightLease } from '../routing/health/target-state.ts';
import type { RouteCandidate } from '../routing/routing-decision.ts';
import type { RequestContext } from './context.ts';
import type { DeadlineMonitor } from './deadlines.ts';

/** Told of requests that had to wait. */
export interface QueueObserver {
  queueLeft(outcome: QueueOutcome<unknown>['kind'], priority: Priority, waitedMs: number): void;
}

export interface AdmissionQueueOptions {
  readonly clock: Clock;
  readonly deadlines: DeadlineMonitor;
  readonly observer: QueueObserver;
}

/** A target with a place on it that is taken already. */
export interface AcquiredSlot {
  /** What was taken from the target's own limits. */
  readonly reservation?: LimitReservation | undefined;
  readonly candidate: RouteCandidate;
  readonly lease: InFlightLease;
}

/** When nothing tells how long it would take. Seconds. */
const RETRY_AFTER = 1;
const MAX_RETRY_AFTER = 60;

/** Holds requests until one of the busy targets that they may go to has room. */
export class AdmissionQueue {
  #order = 0;

  constructor(private readonly options: AdmissionQueueOptions) {}

  /**
   * @returns a place; undefined when none of the targets can be used any more
   * @throws GatewayError `model_busy` when there was no room in time; why the request was aborted, if it was
   */
  async enter(
    busy: readonly RouteCandidate[],
    queueTenant: QueueTenant,
    context: RequestContext,
    timeoutMs: number,
  ): Promise<AcquiredSlot | undefined> {
    const { clock, deadlines, observer } = this.options;
    const since = clock.now();
    // Whoever has waited before has used up some of the time.
    const expiresAt = Math.min(since + timeoutMs - context.queuedMs, context.deadlineAt);
    const { priority } = context;
    const request = new QueuedRequest<AcquiredSlot>({
      queueTenant,
      priority,
      deadlineAt: context.deadlineAt,
      order: this.#order++,
      expiresAt,
      slots: busy.flatMap((candidate) => {
        const { gate } = candidate.state;
        const acquire = () => ({
          candidate,
          lease: candidate.state.begin(clock.now(), context.stream, queueTenant, true),
        });
        return gate ? [{ gate, acquire }] : [];
      }),
    });
    deadlines.watch(request);
    context.onAbort(() => request.cancel());
    const outcome = await request.outcome;
    deadlines.unwatch(request);
    context.onAbort(undefined);
    const now = clock.now();
    context.queuedMs += now - since;
    observer.queueLeft(outcome.kind, priority, now - since);
    switch (outcome.kind) {
      case 'let_in':
        if (!context.aborted) return outcome.acquired;
        outcome.acquired.lease.release(now);
        throw context.aborted;
      case 'gone':
        return undefined;
      case 'cancelled':
        throw context.aborted ?? new GatewayError('internal_error', 'The request left the queue.');
      default:
        throw this.#refusal(busy, queueTenant, context, outcome.kind);
    }
  }

  #refusal(
    busy: readonly RouteCandidate[],
    { tenant }: QueueTenant,
    context: RequestContext,
    why: 'timeout' | 'shed',
  ): GatewayError {
    const waits = busy.flatMap(({ state }) => state.gate?.expectedWait(tenant) ?? []);
    const seconds = waits.length === 0 ? RETRY_AFTER : Math.ceil(Math.min(...waits) / 1_000);
    const list = busy.map(({ target }) => `${target.provider.id}/${target.model}`).join(', ');
    const what =
      why === 'timeout'
        ? `no place became free within ${Math.round(context.queuedMs)} ms`
        : 'the queue is full, and this request had to give way';
    return new GatewayError(
      'model_busy',
      `Model "${context.modelLabel}" has as many requests as it may have: ${what}. Busy: ${list}.`,
      { retryAfterSeconds: Math.max(1, Math.min(seconds, MAX_RETRY_AFTER)) },
    );
  }
}
