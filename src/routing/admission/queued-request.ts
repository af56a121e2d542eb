import type { Priority } from './fair-queue.ts';
import type { GateWaiter, QueueTenant, TargetGate } from './target-gate.ts';

/** A target that a request waits for. */
export interface QueueSlot<Acquired> {
  readonly gate: TargetGate;
  /** Begins an attempt on it. */
  readonly acquire: () => Acquired;
}

export type QueueOutcome<Acquired> =
  | { readonly kind: 'let_in'; readonly acquired: Acquired }
  /** It has waited as long as requests may, or has given way to others. */
  | { readonly kind: 'timeout' | 'shed' }
  /** None of the targets can be used any more. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'cancelled' };

export interface QueuedRequestOptions<Acquired> {
  readonly queueTenant: QueueTenant;
  readonly priority: Priority;
  readonly deadlineAt: number;
  readonly order: number;
  /** When it has waited long enough; monotonic milliseconds. */
  readonly expiresAt: number;
  readonly slots: readonly QueueSlot<Acquired>[];
}

/** A request that waits for the first of several busy targets. */
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
    // A full gate may turn this away while it is still on its way to the next.
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

  expire(): void {
    this.#leave();
    this.#settle({ kind: 'timeout' });
  }

  cancel(): void {
    this.#leave();
    this.#settle({ kind: 'cancelled' });
  }

  #leave(): void {
    for (const { gate } of this.#slots) gate.queue.remove(this);
    this.#slots = [];
  }
}
