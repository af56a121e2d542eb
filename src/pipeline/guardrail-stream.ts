import type { ChatEvent } from '../core/chat/result.ts';
import type { Frame, FrameSink, StreamEnd, StreamTransform } from '../core/stream/frame.ts';
import type { PiiGuardrail, ResponseTextKind, TextStream } from '../guardrails/pii-guardrail.ts';
import type { GuardrailRun } from './guardrail-run.ts';

/** The open part of one choice. */
interface OpenText {
  readonly streams: readonly { readonly guardrail: PiiGuardrail; readonly stream: TextStream }[];
  /** A finding was replaced: a signature of the part is no longer right. */
  isChanged: boolean;
}

/** Applies guardrails to the texts of a stream: to visible text, reasoning and refusals, and to arguments of calls. */
export class GuardrailStream implements StreamTransform {
  readonly #open = new Map<number, OpenText>();
  #isBlocked = false;

  constructor(private readonly run: GuardrailRun) {}

  frame(frame: Frame, out: FrameSink): void {
    if (this.#isBlocked) return;
    if (frame.events.length === 0) {
      out.write(frame);
      return;
    }
    const events: ChatEvent[] = [];
    let isSame = true;
    for (const event of frame.events) {
      const filtered = this.#filter(event);
      if (filtered.length !== 1 || filtered[0] !== event) isSame = false;
      events.push(...filtered);
      if (!this.#isBlocked) continue;
      if (events.length > 0) out.insert(...events);
      out.finish({ unified: 'content-filter', raw: 'content_filter' });
      return;
    }
    if (isSame) out.write(frame);
    else if (events.length > 0) out.insert(...events);
  }

  end(_end: StreamEnd, _out: FrameSink): void {
    // A stream that ends in the middle of a part has failed: what was held back is not sent.
  }

  /** @returns the events in place of one */
  #filter(event: ChatEvent): readonly ChatEvent[] {
    switch (event.type) {
      case 'part-start': {
        const kind = textKindOf(event.part.type);
        if (kind) this.#open.set(event.choice, { streams: this.#streams(kind), isChanged: false });
        return [event];
      }
      case 'delta': {
        const open = this.#open.get(event.choice);
        if (!open || open.streams.length === 0) return [event];
        const text = this.#pass(open, 0, event.text);
        if (text === event.text) return [event];
        // Log probabilities name the tokens that were there.
        return text === '' ? [] : [{ type: 'delta', choice: event.choice, text }];
      }
      case 'signature':
        return this.#open.get(event.choice)?.isChanged ? [] : [event];
      case 'part-end': {
        const open = this.#open.get(event.choice);
        this.#open.delete(event.choice);
        const rest = open ? this.#finish(open) : '';
        return rest === '' || this.#isBlocked
          ? [event]
          : [{ type: 'delta', choice: event.choice, text: rest }, event];
      }
      default:
        return [event];
    }
  }

  #streams(kind: ResponseTextKind): OpenText['streams'] {
    const { guardrails, pseudonyms } = this.run;
    return guardrails.flatMap((guardrail) => {
      const stream = guardrail.readsResponses ? guardrail.responseStream(kind, pseudonyms) : undefined;
      return stream ? [{ guardrail, stream }] : [];
    });
  }

  /** Passes a piece through the guardrails, from one of them on. */
  #pass(open: OpenText, from: number, piece: string): string {
    let text = piece;
    for (const { guardrail, stream } of open.streams.slice(from)) {
      const filtered = stream.push(text);
      this.#record(open, guardrail, filtered);
      if (guardrail.changesResponses) text = filtered.text;
    }
    return this.#isBlocked ? '' : text;
  }

  /** @returns what was held back */
  #finish(open: OpenText): string {
    let text = '';
    for (const [index, { guardrail, stream }] of open.streams.entries()) {
      const last = stream.end();
      this.#record(open, guardrail, last);
      if (guardrail.changesResponses) text += this.#pass(open, index + 1, last.text);
    }
    return this.#isBlocked ? '' : text;
  }

  #record(open: OpenText, guardrail: PiiGuardrail, filtered: ReturnType<TextStream['push']>): void {
    if (filtered.counts.size > 0 && guardrail.changesResponses) open.isChanged = true;
    if (this.run.record(guardrail, 'output', filtered)) this.#isBlocked = true;
  }
}

function textKindOf(part: string): ResponseTextKind | undefined {
  if (part === 'tool-call') return 'tool_call';
  return part === 'text' || part === 'reasoning' || part === 'refusal' ? 'output' : undefined;
}
