import type { ChatEvent } from '../core/chat/result.ts';
import type { Frame, FrameSink, StreamEnd, StreamTransform } from '../core/stream/frame.ts';
import type { CheckedText } from '../guardrails/guardrail.ts';
import { type Cancellable, passBatch, type RemoteGuardrail } from './guardrail-check.ts';
import type { GuardrailRun } from './guardrail-run.ts';

/** UTF-16 units of text after which remote guardrails are asked. */
const WINDOW = 1_000;
/** Of the text before, so that a finding that two windows share is seen. */
const CONTEXT = 200;

interface PendingPart {
  readonly choice: number;
  readonly direction: 'output' | 'tool_call';
  text: string;
}

/**
 * Asks remote guardrails about a stream in windows. A window is held back until every guardrail that may change or end the
 * response has given its verdict; the others are asked at the end, and hold nothing back.
 */
export class RemoteGuardrailStream implements StreamTransform {
  readonly #deciding: readonly RemoteGuardrail[];
  readonly #observers: readonly RemoteGuardrail[];
  #frames: Frame[] = [];
  /** Texts of the window, by choice and part. */
  #parts: PendingPart[] = [];
  readonly #open = new Map<number, PendingPart>();
  readonly #before = new Map<number, string>();
  /** All texts, for those that only observe. */
  readonly #all: PendingPart[] = [];
  #size = 0;
  #isOver = false;

  constructor(
    guardrails: readonly RemoteGuardrail[],
    private readonly run: GuardrailRun,
    private readonly scope: Cancellable,
    private readonly now: () => number,
  ) {
    const waits = ({ guardrail }: RemoteGuardrail) =>
      guardrail.changesResponses || guardrail.policy.fail === 'closed';
    this.#deciding = guardrails.filter(waits);
    this.#observers = guardrails.filter((one) => !waits(one));
  }

  frame(frame: Frame, out: FrameSink): void {
    if (this.#isOver) return;
    if (this.#deciding.length === 0) {
      this.#follow(frame);
      out.write(frame);
      return;
    }
    if (frame.events.length === 0 && this.#frames.length === 0) {
      out.write(frame);
      return;
    }
    this.#follow(frame);
    this.#frames.push(frame);
    if (this.#size === 0) this.#flush(out, this.#takeWindow().frames);
    else if (this.#size >= WINDOW) this.#ask(out);
  }

  end(end: StreamEnd, out: FrameSink): void {
    if (this.#isOver || end.kind === 'cancelled') return;
    this.#observe();
    if (this.#frames.length > 0) this.#ask(out);
  }

  #follow({ events }: Frame): void {
    for (const event of events) {
      if (event.type === 'part-start') this.#open.delete(event.choice);
      if (event.type === 'part-start' && event.part.type !== 'whole') {
        const direction = event.part.type === 'tool-call' ? 'tool_call' : 'output';
        this.#begin({ choice: event.choice, direction, text: '' });
        if (this.#observers.length > 0) this.#all.push({ choice: event.choice, direction, text: '' });
      } else if (event.type === 'delta') {
        const part = this.#open.get(event.choice);
        if (!part) continue;
        part.text += event.text;
        this.#size += event.text.length;
        const whole = this.#all.findLast(({ choice }) => choice === event.choice);
        if (whole) whole.text += event.text;
      }
    }
  }

  #begin(part: PendingPart): void {
    this.#open.set(part.choice, part);
    this.#parts.push(part);
    this.#before.delete(part.choice);
  }

  #takeWindow(): { readonly frames: readonly Frame[]; readonly parts: readonly PendingPart[] } {
    const [frames, parts] = [this.#frames, this.#parts.filter(({ text }) => text !== '')];
    this.#frames = [];
    this.#parts = [];
    this.#size = 0;
    for (const { choice, direction } of [...this.#open.values()]) {
      const next: PendingPart = { choice, direction, text: '' };
      this.#open.set(choice, next);
      this.#parts.push(next);
    }
    return { frames, parts };
  }

  #ask(out: FrameSink): void {
    const { frames, parts } = this.#takeWindow();
    const release = out.hold();
    this.#verdict(parts).then(
      (texts) => {
        if (!texts) {
          this.#isOver = true;
          out.finish({ unified: 'content-filter', raw: 'content_filter' });
        } else this.#flush(out, frames, parts, texts);
        release();
      },
      () => {
        // The request was aborted: so is its stream.
        this.#isOver = true;
        release();
      },
    );
  }

  /** @returns the texts of the window; undefined where a guardrail blocks them */
  async #verdict(parts: readonly PendingPart[]): Promise<readonly string[] | undefined> {
    let texts = parts.map(({ text }) => text);
    const checked = (): CheckedText[] =>
      parts.map(({ choice, direction }, index) => ({
        ...{ stage: 'output', direction, role: 'assistant' },
        text: (this.#before.get(choice) ?? '') + (texts[index] ?? ''),
      }));
    const given = checked();
    const verdicts = await Promise.all(
      this.#deciding
        .filter(({ guardrail }) => !guardrail.changesTexts)
        .map((one) => passBatch(one, given, 'output', this.run, this.now, this.scope)),
    );
    if (verdicts.includes(undefined)) return undefined;
    for (const one of this.#deciding) {
      if (!one.guardrail.changesTexts) continue;
      const batch = parts.map(({ direction }, index) => ({
        ...{ stage: 'output' as const, direction, role: 'assistant' as const },
        text: texts[index] ?? '',
      }));
      const passed = await passBatch(one, batch, 'output', this.run, this.now, this.scope);
      if (!passed) return undefined;
      texts = [...passed];
    }
    for (const { choice, text } of parts) {
      this.#before.set(choice, ((this.#before.get(choice) ?? '') + text).slice(-CONTEXT));
    }
    return texts;
  }

  /** Writes held frames; the text of a part that was changed is in its first delta. */
  #flush(
    out: FrameSink,
    frames: readonly Frame[],
    parts: readonly PendingPart[] = [],
    texts: readonly string[] = [],
  ): void {
    const isSame = parts.every(({ text }, index) => text === texts[index]);
    if (isSame) {
      for (const frame of frames) out.write(frame);
      return;
    }
    const queues = new Map<number, { text: string; isGiven: boolean }[]>();
    for (const [index, { choice }] of parts.entries()) {
      const queue = queues.get(choice) ?? [];
      queue.push({ text: texts[index] ?? '', isGiven: false });
      queues.set(choice, queue);
    }
    for (const { events } of frames) {
      const kept = events.flatMap((event): readonly ChatEvent[] => {
        if (event.type === 'part-end') {
          const [first] = queues.get(event.choice) ?? [];
          if (first?.isGiven) queues.get(event.choice)?.shift();
          return [event];
        }
        if (event.type !== 'delta') return [event];
        const [first] = queues.get(event.choice) ?? [];
        if (!first) return [event];
        if (first.isGiven) return [];
        first.isGiven = true;
        return first.text === '' ? [] : [{ type: 'delta', choice: event.choice, text: first.text }];
      });
      if (kept.length > 0) out.insert(...kept);
    }
  }

  #observe(): void {
    const texts = this.#all
      .filter(({ text }) => text !== '')
      .map(({ text, direction }) => ({
        ...{ stage: 'output' as const, direction, role: 'assistant' as const },
        text,
      }));
    for (const one of this.#observers) {
      passBatch(one, texts, 'output', this.run, this.now).catch(() => undefined);
    }
  }
}
