import type { Signature } from '../../core/chat/request.ts';
import type { ChatEvent, EmitChatEvent, StreamedPart, TokenLogprobs } from '../../core/chat/result.ts';
import { GatewayError } from '../../core/errors.ts';

/** Parts of one response. */
const MAX_PARTS = 10_000;
/** Events of parts that wait for another part to end. Bytes. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024;
/** What an event counts as beside its text, in bytes. */
const EVENT_BYTES = 100;

/** A part that has begun. Only the first one is open for the reader of the events; events of the others are queued. */
class Slot {
  readonly waiting: ChatEvent[] = [];
  closed = false;
  /** A delta was emitted, so the complete text must not be emitted again. */
  hasText = false;
  citations = 0;

  constructor(readonly part: StreamedPart) {}
}

/**
 * Emits the parts of a response one after another in the order in which they began, although an upstream may interleave
 * them.
 */
export class PartQueue {
  readonly #slots = new Map<string, Slot>();
  readonly #queue: Slot[] = [];
  /** Index in the queue of the part that is emitted now. Parts before it have ended. */
  #current = 0;
  #waitingBytes = 0;

  constructor(private readonly choice: number) {}

  has(key: string): boolean {
    return this.#slots.has(key);
  }

  /** @returns whether text of the part was emitted */
  hasTextAt(key: string): boolean {
    return this.#slots.get(key)?.hasText ?? false;
  }

  /** @returns the number of citations of the part */
  citations(key: string): number {
    return this.#slots.get(key)?.citations ?? 0;
  }

  /** Begins a part unless it has begun. @throws GatewayError `upstream_invalid_response` for too many parts */
  open(key: string, part: StreamedPart, emit: EmitChatEvent): void {
    if (this.#slots.has(key)) return;
    if (this.#slots.size === MAX_PARTS) throw tooMuch(`more than ${MAX_PARTS} parts`);
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
    if (this.#queue[this.#current] === slot) {
      emit(event);
      return;
    }
    slot.waiting.push(event);
    this.#waitingBytes += EVENT_BYTES + (event.type === 'delta' ? event.text.length : 0);
    if (this.#waitingBytes > MAX_WAITING_BYTES) {
      throw tooMuch(`more than ${MAX_WAITING_BYTES} bytes of parts while another one was open`);
    }
  }

  #advance(emit: EmitChatEvent): void {
    while (this.#queue[this.#current]?.closed) {
      this.#current += 1;
      const next = this.#queue[this.#current];
      for (const event of next?.waiting.splice(0) ?? []) emit(event);
    }
  }
}

function tooMuch(what: string): GatewayError {
  return new GatewayError('upstream_invalid_response', `The upstream sent ${what}.`);
}
