import type { Signature } from '../../core/chat/request.ts';
import type { ChatEvent, EmitChatEvent, StreamedPart, TokenLogprobs } from '../../core/chat/result.ts';

/** A part that has begun. Only the first of them is open for the reader of the events; what the others say waits. */
class Slot {
  readonly waiting: ChatEvent[] = [];
  closed = false;
  /** Something was said, so that a summary of all of it must not be said again. */
  hasText = false;
  citations = 0;

  constructor(readonly part: StreamedPart) {}
}

/**
 * Parts of an answer in the order in which they began, told one after another, even where an upstream lets several
 * go on at the same time.
 */
export class PartQueue {
  readonly #slots = new Map<string, Slot>();
  #queue: Slot[] = [];

  constructor(private readonly choice: number) {}

  has(key: string): boolean {
    return this.#slots.has(key);
  }

  /** Whether the part's text was emitted already. */
  hasTextAt(key: string): boolean {
    return this.#slots.get(key)?.hasText ?? false;
  }

  /** How many citations the part has. */
  citations(key: string): number {
    return this.#slots.get(key)?.citations ?? 0;
  }

  /** Begins a part unless it has begun. */
  open(key: string, part: StreamedPart, emit: EmitChatEvent): void {
    if (this.#slots.has(key)) return;
    const slot = new Slot(part);
    this.#slots.set(key, slot);
    this.#queue.push(slot);
    this.#emitEvent(slot, { type: 'part-start', choice: this.choice, part }, emit);
  }

  delta(key: string, text: string, emit: EmitChatEvent, logprobs?: TokenLogprobs): void {
    const slot = this.#slots.get(key);
    if (!slot || slot.closed || (text === '' && logprobs === undefined)) return;
    slot.hasText = true;
    this.#emitEvent(
      slot,
      { type: 'delta', choice: this.choice, text, ...(logprobs === undefined ? {} : { logprobs }) },
      emit,
    );
  }

  citation(
    key: string,
    citation: Extract<ChatEvent, { type: 'citation' }>['citation'],
    emit: EmitChatEvent,
  ): void {
    const slot = this.#slots.get(key);
    if (!slot || slot.closed) return;
    slot.citations += 1;
    this.#emitEvent(slot, { type: 'citation', choice: this.choice, citation }, emit);
  }

  signature(key: string, signature: Signature, emit: EmitChatEvent): void {
    const slot = this.#slots.get(key);
    if (slot && !slot.closed)
      this.#emitEvent(slot, { type: 'signature', choice: this.choice, signature }, emit);
  }

  close(key: string, emit: EmitChatEvent): void {
    const slot = this.#slots.get(key);
    if (!slot || slot.closed) return;
    this.#emitEvent(slot, { type: 'part-end', choice: this.choice }, emit);
    slot.closed = true;
    this.#advance(emit);
  }

  closeAll(emit: EmitChatEvent): void {
    for (const key of this.#slots.keys()) this.close(key, emit);
  }

  #emitEvent(slot: Slot, event: ChatEvent, emit: EmitChatEvent): void {
    if (this.#queue[0] === slot) emit(event);
    else slot.waiting.push(event);
  }

  #advance(emit: EmitChatEvent): void {
    while (this.#queue[0]?.closed) {
      this.#queue.shift();
      for (const event of this.#queue[0]?.waiting ?? []) emit(event);
    }
  }
}
