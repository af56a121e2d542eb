import { z } from 'zod';
import { parseJsonText } from '../core/json.ts';

/** Which lines of a batch providers run, and why the gateway runs the others. */
export interface BatchForwarding {
  /** Lines by provider. */
  readonly forwarded: Readonly<Record<string, number>>;
  /** Lines by the reason why the gateway runs them. */
  readonly local: Readonly<Record<string, number>>;
}

const summaryText = z.object({
  forwarded: z.record(z.string(), z.number()),
  local: z.record(z.string(), z.number()),
});

/** @returns the summary of a batch; null where no provider takes batches, or nothing is decided yet */
export function forwardingOf(text: string): BatchForwarding | null {
  return summaryText.safeParse(parseJsonText(text)).data ?? null;
}

/** Counts lines by where they run. */
export class ForwardSummary {
  readonly #forwarded: Record<string, number> = {};
  readonly #local: Record<string, number> = {};

  constructor(given: BatchForwarding | null = null) {
    Object.assign(this.#forwarded, given?.forwarded);
    Object.assign(this.#local, given?.local);
  }

  forwarded(provider: string): void {
    this.#forwarded[provider] = (this.#forwarded[provider] ?? 0) + 1;
  }

  local(reason: string, count: number): void {
    this.#local[reason] = (this.#local[reason] ?? 0) + count;
  }

  /** Lines that were to be forwarded run at the gateway. */
  returned(provider: string, reason: string, count: number): void {
    const left = (this.#forwarded[provider] ?? 0) - count;
    if (left > 0) this.#forwarded[provider] = left;
    else delete this.#forwarded[provider];
    this.local(reason, count);
  }

  /** As JSON. */
  get text(): string {
    return JSON.stringify({ forwarded: this.#forwarded, local: this.#local });
  }
}
