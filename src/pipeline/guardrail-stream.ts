import type { ChatEvent, StreamedPart } from '../core/chat/result.ts';
import type { Frame, FrameSink, StreamEnd, StreamTransform } from '../core/stream/frame.ts';
import { checkStream } from '../guardrails/check-text.ts';
import type { CheckedText, Guardrail, TextStream, TextVerdict } from '../guardrails/guardrail.ts';
import type { TextGuardrail } from './guardrail-check.ts';
import type { GuardrailRun } from './guardrail-run.ts';

/** The open part of one choice. */
interface OpenText {
  readonly streams: { readonly guardrail: Guardrail; stream: TextStream | undefined }[];
  /** A finding was replaced: a signature of the part is no longer right. */
  isChanged: boolean;
}

/** In a text that breaks off, what may be the beginning of a finding: numbers, addresses and long words. */
const FRAGMENT = /\S*[\d@]|\S{16,}|-----/;

/** Applies guardrails that compute to the texts of a stream: visible text, reasoning, refusals, and arguments of calls. */
export class GuardrailStream implements StreamTransform {
  readonly #open = new Map<number, OpenText>();
  #isBlocked = false;

  constructor(
    private readonly guardrails: readonly TextGuardrail[],
    private readonly run: GuardrailRun,
  ) {}

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

  /** A stream that ends within a part has failed: the words that were held back are sent, without fragments of findings. */
  end(end: StreamEnd, out: FrameSink): void {
    if (this.#isBlocked || end.kind === 'cancelled') return;
    for (const [choice, open] of this.#open) {
      const rest = this.#finish(open);
      const cut = rest.search(FRAGMENT);
      const text = cut < 0 ? rest : rest.slice(0, cut);
      if (text !== '' && !this.#isBlocked) out.insert({ type: 'delta', choice, text });
    }
    this.#open.clear();
  }

  /** @returns the events in place of one */
  #filter(event: ChatEvent): readonly ChatEvent[] {
    switch (event.type) {
      case 'part-start': {
        const text = checkedPart(event.part);
        if (text) {
          const isJson = event.part.type === 'tool-call' && event.part.kind !== 'custom';
          this.#open.set(event.choice, { streams: this.#streams(text, isJson), isChanged: false });
        }
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

  #streams(text: Omit<CheckedText, 'text'>, isJson: boolean): OpenText['streams'] {
    return this.guardrails.flatMap(({ guardrail, checker }) => {
      if (!guardrail.reads(text)) return [];
      const stream = checkStream(checker, text, this.run.context, isJson);
      return stream ? [{ guardrail, stream }] : [];
    });
  }

  /** Passes a piece through the guardrails, from one of them on. */
  #pass(open: OpenText, from: number, piece: string): string {
    let text = piece;
    for (let index = from; index < open.streams.length; index += 1) {
      const one = open.streams[index];
      if (!one?.stream) continue;
      const { stream } = one;
      const filtered = this.#check(open, one, () => stream.push(text));
      if (filtered && changes(one.guardrail)) text = filtered.text;
    }
    return this.#isBlocked ? '' : text;
  }

  /** @returns what was held back */
  #finish(open: OpenText): string {
    let text = '';
    for (const [index, one] of open.streams.entries()) {
      const { stream } = one;
      if (!stream) continue;
      const last = this.#check(open, one, () => stream.end());
      if (last && changes(one.guardrail)) text += this.#pass(open, index + 1, last.text);
    }
    return this.#isBlocked ? '' : text;
  }

  /** @returns undefined where the check failed; then the guardrail reads no more of the part */
  #check(
    open: OpenText,
    one: OpenText['streams'][number],
    check: () => TextVerdict,
  ): TextVerdict | undefined {
    const { guardrail } = one;
    try {
      const verdict = check();
      if (verdict.counts.size === 0 && verdict.action === undefined) return verdict;
      if (changes(guardrail)) open.isChanged = true;
      if (this.run.record(guardrail, 'output', verdict)) this.#isBlocked = true;
      return verdict;
    } catch (error) {
      one.stream = undefined;
      if (this.run.failed(guardrail, 'output', error)) this.#isBlocked = true;
      return undefined;
    }
  }
}

/** Whether the text of its verdict goes to the client: blocking holds text back, too. */
function changes(guardrail: Guardrail): boolean {
  return guardrail.changesTexts || guardrail.action === 'block';
}

function checkedPart(part: StreamedPart): Omit<CheckedText, 'text'> | undefined {
  const stage = 'output';
  switch (part.type) {
    case 'tool-call':
      return { stage, direction: 'tool_call', role: 'assistant' };
    case 'text':
    case 'reasoning':
    case 'refusal':
      return { stage, direction: 'output', role: 'assistant' };
    default:
      return undefined;
  }
}
