import type { GatewayError } from '../core/errors.ts';
import type { Answer } from './attempt.ts';
import type { AttemptTrace } from './context.ts';

/** An attempt under way. */
export interface HedgedAttempt {
  readonly answer: Promise<Answer>;
  readonly trace: AttemptTrace;
  cancel(reason: GatewayError): void;
}

/** Attempts at the same request at the same time, of which one may answer. */
export class HedgeGroup {
  readonly #attempts: HedgedAttempt[] = [];
  #running = 0;
  /** The first that had something to say. */
  winner: AttemptTrace | undefined;

  add(attempt: HedgedAttempt): void {
    this.#attempts.push(attempt);
    this.#running += 1;
  }

  /** @returns whether this attempt may answer: nobody has before */
  wonBy(trace: AttemptTrace): boolean {
    this.winner ??= trace;
    return this.winner === trace;
  }

  /** @returns whether the request has nothing under way any more: its winner has ended, or everybody has */
  ended(trace: AttemptTrace): boolean {
    this.#running -= 1;
    return this.winner === trace || this.#running === 0;
  }

  cancel(reason: GatewayError, except?: AttemptTrace): void {
    for (const attempt of this.#attempts) if (attempt.trace !== except) attempt.cancel(reason);
  }
}
