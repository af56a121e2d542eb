import type { Operation } from '../../core/inference.ts';
import { type BreakerSettings, type BreakerState, CircuitBreaker } from './breaker.ts';

const SEVERITY: Readonly<Record<BreakerState, number>> = { closed: 0, 'half-open': 1, open: 2 };

/**
 * The circuit breakers of one target, one for each operation: an engine whose embeddings fail may serve chats well. Methods
 * without an operation speak of the target as a whole, which is usable while one of its operations is.
 */
export class OperationBreakers {
  /** Nearly all targets serve one operation, and most of them chats. */
  readonly #chat: CircuitBreaker;
  #others: Map<Operation, CircuitBreaker> | undefined;

  constructor(private readonly settings: () => BreakerSettings) {
    this.#chat = new CircuitBreaker(settings);
  }

  of(operation: Operation): CircuitBreaker {
    if (operation === 'chat') return this.#chat;
    const known = this.#others?.get(operation);
    if (known) return known;
    const breaker = new CircuitBreaker(this.settings);
    this.#others ??= new Map();
    this.#others.set(operation, breaker);
    return breaker;
  }

  /** @returns whether an attempt may start: of the operation, or of any that was used */
  admits(now: number, operation?: Operation): boolean {
    if (operation === 'chat' || !this.#others) return this.#chat.admits(now);
    if (operation !== undefined) return this.#others.get(operation)?.admits(now) ?? true;
    return this.#used().some((breaker) => breaker.admits(now));
  }

  /** Monotonic milliseconds at which the next probe may pass; 0 while closed. */
  openUntil(operation?: Operation): number {
    if (operation === 'chat' || !this.#others) return this.#chat.openUntil;
    if (operation !== undefined) return this.#others.get(operation)?.openUntil ?? 0;
    return Math.min(...this.#used().map((breaker) => breaker.openUntil));
  }

  /** @returns the state of the operation that is worst off */
  state(now: number): BreakerState {
    if (!this.#others) return this.#chat.state(now);
    return this.#all()
      .map((breaker) => breaker.state(now))
      .reduce((worst, state) => (SEVERITY[state] > SEVERITY[worst] ? state : worst));
  }

  /** @returns the operations whose breakers are not closed */
  openOperations(now: number): Operation[] {
    const all: (readonly [Operation, CircuitBreaker])[] = [['chat', this.#chat], ...(this.#others ?? [])];
    return all.filter(([, breaker]) => breaker.state(now) !== 'closed').map(([operation]) => operation);
  }

  /** @returns the counts of the last 30 s of all operations */
  recent(now: number): { readonly requests: number; readonly failures: number } {
    const sum = { requests: 0, failures: 0 };
    for (const breaker of this.#all()) {
      const { requests, failures } = breaker.recent(now);
      sum.requests += requests;
      sum.failures += failures;
    }
    return sum;
  }

  /** Drops all counts; the breakers keep their states. */
  forget(): void {
    for (const breaker of this.#all()) breaker.forget();
  }

  /** Closes the breakers and drops all counts. */
  reset(): void {
    for (const breaker of this.#all()) breaker.reset();
  }

  #all(): CircuitBreaker[] {
    return [this.#chat, ...(this.#others?.values() ?? [])];
  }

  #used(): CircuitBreaker[] {
    const used = this.#all().filter((breaker) => breaker.used);
    return used.length > 0 ? used : [this.#chat];
  }
}
