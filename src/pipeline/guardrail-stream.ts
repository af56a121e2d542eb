import type { ChatEvent, StreamedPart } from '../core/chat/result.ts';
import type { Frame, FrameSink, StreamEnd, StreamTransform } from '../core/stream/frame.ts';
import { checkStream } from '../guardrails/check-text.ts';
import type { CheckedText, Guardrail, TextStream, TextVerdict } from '../guardrails/guardrail.ts';
import { isJsonText } from '../guardrails/json-text.ts';
import {
  functionName,
  isFunctionName,
  mapCitation,
  mapResponseTexts,
  type ResponseText,
} from '../guardrails/response-texts.ts';
import type { TextGuardrail } from './guardrail-check.ts';
import { FrameChecker } from './guardrail-frame.ts';
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
  /** Where bytes that are sent on may have to be changed, or end the stream. */
  readonly #frames: FrameChecker | undefined;
  #isBlocked = false;

  constructor(
    private readonly guardrails: readonly TextGuardrail[],
    private readonly run: GuardrailRun,
  ) {
    const mayChange = guardrails.some(({ guardrail }) => changes(guardrail));
    this.#frames = mayChange ? new FrameChecker((text) => this.#whole(text)) : undefined;
  }

  frame(frame: Frame, out: FrameSink): void {
    if (this.#isBlocked) return;
    if (frame.events.length === 0) {
      this.#writeSame(frame, out);
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
    if (isSame) this.#writeSame(frame, out);
    else if (events.length > 0) out.insert(...events);
  }

  /** Writes a frame whose events stay; what its bytes say in addition is checked. */
  #writeSame(frame: Frame, out: FrameSink): void {
    const checked = this.#frames ? this.#frames.check(frame) : frame;
    if (this.#isBlocked) out.finish({ unified: 'content-filter', raw: 'content_filter' });
    else if (checked) out.write(checked);
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
        const part = this.#checkedStart(event.part);
        const text = checkedPart(part);
        if (text) {
          const isJson = part.type === 'whole' || (part.type === 'tool-call' && part.kind !== 'custom');
          this.#open.set(event.choice, { streams: this.#streams(text, isJson), isChanged: false });
        }
        return part === event.part ? [event] : [{ ...event, part }];
      }
      case 'citation': {
        const citation = mapCitation(event.citation, (text) => this.#whole(text));
        return citation === event.citation ? [event] : [{ ...event, citation }];
      }
      case 'delta': {
        const open = this.#open.get(event.choice);
        if (!open || open.streams.length === 0) return [event];
        const text = this.#pass(open, 0, event.text);
        if (text === event.text) return [namesOtherTokens(event) ? withoutLogprobs(event) : event];
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

  /** Checks what the opening of a part says: the name of a function, and parts that come whole. */
  #checkedStart(part: StreamedPart): StreamedPart {
    if (part.type === 'tool-call' && !isFunctionName(part.name)) {
      const name = this.#whole({ text: part.name, direction: 'tool_call' });
      return name === part.name ? part : { ...part, name: functionName(name) };
    }
    if (part.type !== 'whole' || part.part.type !== 'unknown') return part;
    const value = mapResponseTexts(part.part.value, NOTHING_COVERED, (text) => this.#whole(text));
    return value === part.part.value ? part : { ...part, part: { ...part.part, value: Object(value) } };
  }

  /** Passes a whole text through the guardrails. @returns the text in its place */
  #whole({ text, direction }: ResponseText): string {
    let current = text;
    for (const { guardrail, checker } of this.guardrails) {
      const kind = { stage: 'output', direction, role: 'assistant' } as const;
      if (this.#isBlocked || !guardrail.reads(kind)) continue;
      try {
        const isJson = direction !== 'output' && isJsonText(current);
        const stream = checkStream(checker, kind, this.run.context, isJson);
        if (!stream) continue;
        const verdicts = [stream.push(current), stream.end()];
        for (const verdict of verdicts) {
          if (verdict.counts.size === 0) continue;
          if (this.run.record(guardrail, 'output', verdict)) this.#isBlocked = true;
        }
        if (guardrail.changesTexts) current = verdicts.map((verdict) => verdict.text).join('');
      } catch (error) {
        if (this.run.failed(guardrail, 'output', error)) this.#isBlocked = true;
      }
    }
    return current;
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

const NOTHING_COVERED: ReadonlySet<string> = new Set<string>();

type DeltaEvent = Extract<ChatEvent, { type: 'delta' }>;

/** Whether log probabilities name tokens of a text that is not that of their event. */
function namesOtherTokens({ text, logprobs }: DeltaEvent): boolean {
  return logprobs !== undefined && logprobs.map(({ token }) => token).join('') !== text;
}

function withoutLogprobs({ logprobs: _, ...event }: DeltaEvent): DeltaEvent {
  return event;
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
    case 'whole':
      // The input of a tool that the provider runs.
      return isCall(part) ? { stage, direction: 'tool_call', role: 'assistant' } : undefined;
    case 'text':
    case 'reasoning':
    case 'refusal':
      return { stage, direction: 'output', role: 'assistant' };
    default:
      return undefined;
  }
}

function isCall({ part }: Extract<StreamedPart, { type: 'whole' }>): boolean {
  return part.type === 'unknown' && /tool_use$/.test(String(part.value.type));
}
