import type { Priority } from './fair-queue.ts';
import type { GateWaiter, QueueTenant, TargetGate } from './target-gate.ts';

/** A target that a request queues for. */
export interface QueueSlot<Acquired> {
  readonly gate: TargetGate;
  /** Takes the concurrency slot. Called once, when the request is admitted. */
  readonly acquire: () => Acquired;
}

/** How a request left the queue. */
export type QueueOutcome<Acquired> =
  | { readonly kind: 'let_in'; readonly acquired: Acquired }
  /** The queue timeout passed, or another request took its position in a full queue. */
  | { readonly kind: 'timeout' | 'shed' }
  /** Every target became unavailable. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'cancelled' };

export interface QueuedRequestOptions<Acquired> {
  readonly queueTenant: QueueTenant;
  readonly priority: Priority;
  /** Monotonic milliseconds. */
  readonly deadlineAt: number;
  /** Arrival number. */
  readonly order: number;
  /** End of the queue timeout; monotonic milliseconds. */
  readonly expiresAt: number;
  readonly slots: readonly QueueSlot<Acquired>[];
}

/** A request that queues for the first free slot on any of several targets. */
export class QueuedRequest<Acquired> implements GateWaiter {
  slot = -1;
  readonly tenant: string;
  readonly weight: number;
  readonly tokens: number;
  readonly priority: Priority;
  readonly deadlineAt: number;
  readonly order: number;
  readonly expiresAt: number;
  readonly outcome: Promise<QueueOutcome<Acquired>>;
  readonly #settle: (outcome: QueueOutcome<Acquired>) => void;
  #slots: readonly QueueSlot<Acquired>[];

  constructor({
    queueTenant,
    priority,
    deadlineAt,
    order,
    expiresAt,
    slots,
  }: QueuedRequestOptions<Acquired>) {
    this.tenant = queueTenant.tenant;
    this.weight = queueTenant.weight;
    this.tokens = queueTenant.inputTokens + queueTenant.outputTokens;
    this.priority = priority;
    this.deadlineAt = deadlineAt;
    this.order = order;
    this.expiresAt = expiresAt;
    const { promise, resolve } = Promise.withResolvers<QueueOutcome<Acquired>>();
    this.outcome = promise;
    this.#settle = resolve;
    this.#slots = slots;
    // A full queue may evict this request before it has entered the next one.
    for (const { gate } of slots) if (this.#slots.length > 0) gate.enter(this);
  }

  admit(gate: TargetGate): void {
    const queueSlot = this.#slots.find((one) => one.gate === gate);
    if (!queueSlot) return;
    this.#leave();
    this.#settle({ kind: 'let_in', acquired: queueSlot.acquire() });
  }

  rejected(gate: TargetGate, reason: 'shed' | 'gone'): void {
    this.#slots = this.#slots.filter((queueSlot) => queueSlot.gate !== gate);
    if (this.#slots.length === 0) this.#settle({ kind: reason });
  }

  /** The queue timeout passed. */
  expire(): void {
    this.#leave();
    this.#settle({ kind: 'timeout' });
  }

  /** The request ended before it was admitted. */
  cancel(): void {
    this.#leave();
    this.#settle({ kind: 'cancelled' });
  }

  #leave(): void {
    for (const { gate } of this.#slots) gate.queue.remove(this);
    this.#slots = [];
  }
}
