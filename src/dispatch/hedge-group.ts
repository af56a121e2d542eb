import type { GatewayError } from '../core/errors.ts';
import type { AttemptTrace } from './attempt-trace.ts';
import type { DispatchBranch } from './request.ts';

/** Attempts at the same request at the same time, of which one responds. */
export class HedgeGroup {
  readonly #branches = new Map<AttemptTrace, DispatchBranch>();
  /** The first attempt with an event. */
  winner: AttemptTrace | undefined;

  add(trace: AttemptTrace, branch: DispatchBranch): void {
    this.#branches.set(trace, branch);
  }

  /** @returns whether this attempt may respond: no other one has */
  claim(trace: AttemptTrace): boolean {
    this.winner ??= trace;
    return this.winner === trace;
  }

  /** Cancels every attempt but the winner. */
  cancelLosers(reason: GatewayError): void {
    for (const [trace, branch] of this.#branches) if (trace !== this.winner) branch.cancel(reason);
  }
}
