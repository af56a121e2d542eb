import type { TextStream, TextVerdict } from './guardrail.ts';

/** UTF-16 units that are held back at most. */
const MAX_HELD = 256;
/** Of the text before, so that a finding that two checks share is seen. */
const CONTEXT = 600;
const NOTHING: ReadonlyMap<string, number> = new Map<string, number>();
const SENTENCE_END = /[.!?\n。!?]\s*$/;

/** Checks a stream sentence by sentence, for kinds that find and do not replace. What is sent on has been checked. */
export class HeldStream implements TextStream {
  #before = '';
  #held = '';
  #found = 0;

  /** @param check a text with what came before it */
  constructor(private readonly check: (text: string) => TextVerdict) {}

  get held(): number {
    return this.#held.length;
  }

  push(piece: string): TextVerdict {
    this.#held += piece;
    if (this.#held.length < MAX_HELD && !SENTENCE_END.test(this.#held.slice(-8)))
      return { text: '', counts: NOTHING };
    return this.#take();
  }

  end(): TextVerdict {
    return this.#take();
  }

  #take(): TextVerdict {
    const text = this.#held;
    if (text === '') return { text, counts: NOTHING };
    const { counts, score = 1, action } = this.check(this.#before + text);
    this.#before = (this.#before + text).slice(-CONTEXT);
    this.#held = '';
    // A finding in the context was reported before, unless it is a surer one now.
    const isNew = counts.size > 0 && score > this.#found;
    this.#found = counts.size === 0 ? 0 : Math.max(score, this.#found);
    if (!isNew) return { text, counts: NOTHING };
    return action === undefined ? { text, counts, score } : { text, counts, score, action };
  }
}
