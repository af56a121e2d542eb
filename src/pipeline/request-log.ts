import type { RequestContext } from './request-context.ts';
import { type RequestRecord, recordOf } from './request-record.ts';
import { RequestSlot } from './request-slot.ts';

/**
 * Keeps the last requests of this process for explanations; the newest replaces the oldest. A request whose first target
 * responded is copied into a slot that is used again and again, about 0.5 KB: keeping its own objects made the garbage
 * collector follow about 30 for each of them.
 */
export class RequestLog {
  readonly #slots: RequestSlot[] = [];
  #next = 0;

  /** @param size number of requests that are kept */
  constructor(private readonly size = 2_000) {}

  /**
   * @param request which has completed
   * @param endedAt monotonic milliseconds
   * @param wallTime the same moment in Unix milliseconds
   */
  add(request: RequestContext, endedAt: number, wallTime: number): void {
    let slot = this.#slots[this.#next];
    if (!slot) {
      slot = new RequestSlot();
      this.#slots.push(slot);
    }
    if (!slot.fill(request, endedAt, wallTime)) slot.keep(recordOf(request, endedAt, wallTime));
    this.#next = (this.#next + 1) % this.size;
  }

  /** @returns the latest request with this id, which clients may choose; undefined where it is not kept */
  find(id: string): RequestRecord | undefined {
    for (let back = 1; back <= this.size; back += 1) {
      const slot = this.#slots[(this.#next - back + this.size) % this.size];
      if (slot?.id === id) return slot.record();
    }
    return undefined;
  }
}
