import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { InferenceCall } from '../core/inference.ts';
import type { LimitReservation } from '../limits/limiter.ts';
import type { Priority } from '../routing/admission/fair-queue.ts';
import { QueuedRequest, type QueueOutcome } from '../routing/admission/queued-request.ts';
import type { QueueTenant } from '../routing/admission/target-gate.ts';
import type { InFlightLease } from '../routing/health/target-state.ts';
import type { RequestFacts } from '../routing/request-facts.ts';
import type { RouteCandidate } from '../routing/routing-decision.ts';
import type { DeadlineMonitor } from './deadlines.ts';
import type { DispatchScope } from './request.ts';

/** Observes requests that had to wait. */
export interface QueueObserver {
  queueLeft(outcome: QueueOutcome<unknown>['kind'], priority: Priority, waitedMs: number): void;
}

/** What the queue works with. */
export interface AdmissionQueueOptions {
  readonly clock: Clock;
  readonly deadlines: DeadlineMonitor;
  readonly observer: QueueObserver;
  readonly limits: { readonly queueTimeoutMs: number };
}

/** A target with a concurrency slot that this request holds. */
export interface AcquiredSlot {
  /** From the target's own limits. */
  readonly reservation?: LimitReservation | undefined;
  readonly candidate: RouteCandidate;
  readonly lease: InFlightLease;
}

/** Seconds, where no wait can be estimated. */
const DEFAULT_RETRY_AFTER = 1;
const MAX_RETRY_AFTER = 60;

/** Holds requests until one of the saturated targets that may serve them has a free concurrency slot. */
export class AdmissionQueue {
  #order = 0;

  constructor(private readonly options: AdmissionQueueOptions) {}

  /**
   * @returns a slot; undefined when none of the targets can be used any more
   * @throws GatewayError `model_busy` when no slot became free in time; the reason of an abort
   */
  async enter(
    busy: readonly RouteCandidate[],
    queueTenant: QueueTenant,
    { stream, operation }: Pick<InferenceCall, 'stream' | 'operation'>,
    { request, signal, deadlineAt }: DispatchScope,
  ): Promise<AcquiredSlot | undefined> {
    const { clock, deadlines, observer, limits } = this.options;
    const { controls, routing } = request;
    const { priority } = controls;
    const since = clock.now();
    // Time in the queue counts for all turns of a request together.
    const expiresAt = Math.min(since + limits.queueTimeoutMs - routing.queuedMs, deadlineAt);
    const queued = new QueuedRequest<AcquiredSlot>({
      queueTenant,
      priority,
      deadlineAt,
      order: this.#order++,
      expiresAt,
      slots: busy.flatMap((candidate) => {
        const { gate } = candidate.state;
        const acquire = () => ({
          candidate,
          lease: candidate.state.begin(clock.now(), stream, queueTenant, true, operation),
        });
        return gate ? [{ gate, acquire }] : [];
      }),
    });
    const onAbort = () => queued.cancel();
    deadlines.watch(queued);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    const outcome = await queued.outcome;
    deadlines.unwatch(queued);
    signal.removeEventListener('abort', onAbort);
    const now = clock.now();
    routing.queuedMs += now - since;
    observer.queueLeft(outcome.kind, priority, now - since);
    switch (outcome.kind) {
      case 'let_in':
        if (!signal.aborted) return outcome.acquired;
        outcome.acquired.lease.release(now);
        throw signal.reason;
      case 'gone':
        return undefined;
      case 'cancelled':
        throw signal.aborted
          ? signal.reason
          : new GatewayError('internal_error', 'The request left the queue.');
      default:
        throw modelBusy(busy, queueTenant, routing, outcome.kind);
    }
  }
}

/** @returns who waits, for fair shares between tenants */
export function queueTenantOf({ tenant, weight, inputTokens, outputTokens }: RequestFacts): QueueTenant {
  return { tenant, weight, inputTokens, outputTokens };
}

function modelBusy(
  busy: readonly RouteCandidate[],
  { tenant }: QueueTenant,
  { queuedMs, modelLabel }: { readonly queuedMs: number; readonly modelLabel: string | undefined },
  why: 'timeout' | 'shed',
): GatewayError {
  const waits = busy.flatMap(({ state }) => state.gate?.expectedWait(tenant) ?? []);
  const seconds = waits.length === 0 ? DEFAULT_RETRY_AFTER : Math.ceil(Math.min(...waits) / 1_000);
  const list = busy.map(({ target }) => `${target.provider.id}/${target.model}`).join(', ');
  const what =
    why === 'timeout'
      ? `no concurrency slot became free within ${Math.round(queuedMs)} ms`
      : 'the queue is full, and this request was displaced by others';
  return new GatewayError(
    'model_busy',
    `Model "${modelLabel}" is at its concurrency limit: ${what}. Saturated targets: ${list}. Retry later.`,
    { retryAfterSeconds: Math.max(1, Math.min(seconds, MAX_RETRY_AFTER)) },
  );
}
