import type { Priority } from './fair-queue.ts';
import type { GateWaiter, Payer, TargetGate } from './target-gate.ts';

/** A target that a request waits for. */
export interface Place<Claim> {
  readonly gate: TargetGate;
  /** Begins an attempt on it. */
  readonly claim: () => Claim;
}

export type QueueOutcome<Claim> =
  | { readonly kind: 'let_in'; readonly claim: Claim }
  /** It has waited as long as requests may, or has given way to others. */
  | { readonly kind: 'timeout' | 'shed' }
  /** None of the targets can be used any more. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'cancelled' };

export interface QueuedRequestOptions<Claim> {
  readonly payer: Payer;
  readonly priority: Priority;
  readonly deadlineAt: number;
  readonly order: number;
  /** When it has waited long enough; monotonic milliseconds. */
  readonly expiresAt: number;
  readonly places: readonly Place<Claim>[];
}

/** A request that waits for the first of several busy targets. */
export class QueuedRequest<Claim> implements GateWaiter {
  slot = -1;
  readonly tenant: string;
  readonly weight: number;
  readonly tokens: number;
  readonly priority: Priority;
  readonly deadlineAt: number;
  readonly order: number;
  readonly expiresAt: number;
  readonly outcome: Promise<QueueOutcome<Claim>>;
  readonly #settle: (outcome: QueueOutcome<Claim>) => void;
  #places: readonly Place<Claim>[];

  constructor({ payer, priority, deadlineAt, order, expiresAt, places }: QueuedRequestOptions<Claim>) {
    this.tenant = payer.tenant;
    this.weight = payer.weight;
    this.tokens = payer.inputTokens + payer.outputTokens;
    this.priority = priority;
    this.deadlineAt = deadlineAt;
    this.order = order;
    this.expiresAt = expiresAt;
    const { promise, resolve } = Promise.withResolvers<QueueOutcome<Claim>>();
    this.outcome = promise;
    this.#settle = resolve;
    this.#places = places;
    // A full gate may turn this away while it is still on its way to the next.
    for (const { gate } of places) if (this.#places.length > 0) gate.enter(this);
  }

  letIn(gate: TargetGate): void {
    const place = this.#places.find((one) => one.gate === gate);
    if (!place) return;
    this.#leave();
    this.#settle({ kind: 'let_in', claim: place.claim() });
  }

  turnedAway(gate: TargetGate, why: 'shed' | 'gone'): void {
    this.#places = this.#places.filter((place) => place.gate !== gate);
    if (this.#places.length === 0) this.#settle({ kind: why });
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
    for (const { gate } of this.#places) gate.queue.remove(this);
    this.#places = [];
  }
}
