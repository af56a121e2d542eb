import type { ChatEvent, FinishReason } from '../chat/result.ts';

/** What of a streamed response is still open, so that it can be closed early by the rules of `ChatEvent`. */
export class OpenParts {
  #started = false;
  #ended = false;
  #hasFinished = false;
  /** By choice: whether a part is open, for choices without a finish reason. */
  readonly #choices = new Map<number, boolean>();

  follow(event: ChatEvent): void {
    switch (event.type) {
      case 'start':
        this.#started = true;
        break;
      case 'part-start':
        this.#choices.set(event.choice, true);
        break;
      case 'part-end':
        this.#choices.set(event.choice, false);
        break;
      case 'finish':
        this.#choices.delete(event.choice);
        this.#hasFinished = true;
        break;
      case 'end':
        this.#ended = true;
        break;
    }
  }

  /** @returns the events that complete the response now; empty when it is complete */
  close(finish: FinishReason): ChatEvent[] {
    if (this.#ended) return [];
    const events: ChatEvent[] = this.#started ? [] : [{ type: 'start' }];
    // A response has at least one choice with a finish reason, and each choice has one.
    if (this.#choices.size === 0 && !this.#hasFinished) this.#choices.set(0, false);
    for (const [choice, isOpen] of this.#choices) {
      if (isOpen) events.push({ type: 'part-end', choice });
      events.push({ type: 'finish', choice, finish });
    }
    events.push({ type: 'end' });
    return events;
  }
}
