import type { ChatEvent } from '../core/chat/result.ts';
import type { GatewayError } from '../core/errors.ts';
import type { Frame, FrameSink, StreamEnd, StreamTransform } from '../core/stream/frame.ts';
import type { ResponseText, TextWindow, WindowChange } from '../plugins/contract.ts';

/** UTF-16 units of a window, after the first one of a part, which is passed on at once. */
const WINDOW = 48;

/** A text that ends with the first half of a surrogate pair. */
const HALF = /[\ud800-\udbff]$/;

/** Asks a plugin about a window. @throws GatewayError to end the stream */
export type AskWindow = (window: Omit<TextWindow, 'id' | 'model'>) => Promise<Required<WindowChange>>;

interface OpenPart {
  readonly kind: ResponseText['kind'];
  /** Has arrived and was not sent on. */
  text: string;
  /** The first half of a character whose second half the plugin keeps: alone, it would be sent as another character. */
  half: string;
  /** At least this many units are asked about at once. */
  next: number;
  isChanged: boolean;
}

/** Passes the texts of a stream through a plugin, window by window. The stream waits for each window. */
export class PluginStream implements StreamTransform {
  readonly #open = new Map<number, OpenPart>();
  #isOver = false;

  /** @param fail makes the error of what `ask` throws */
  constructor(
    private readonly ask: AskWindow,
    private readonly fail: (thrown: unknown) => GatewayError,
  ) {}

  frame(frame: Frame, out: FrameSink): void {
    if (this.#isOver) return;
    if (frame.events.length === 0 || !this.#concerns(frame)) {
      out.write(frame);
      return;
    }
    const release = out.hold();
    this.#process(frame, out)
      .catch((thrown: unknown) => {
        this.#isOver = true;
        out.fail(this.fail(thrown));
      })
      .finally(release);
  }

  end(_end: StreamEnd, _out: FrameSink): void {
    // A stream that ends in the middle of a part has failed: what was held back is not sent.
  }

  #concerns({ events }: Frame): boolean {
    return events.some(
      (event) =>
        (event.type === 'part-start' && kindOf(event.part.type) !== undefined) ||
        ((event.type === 'delta' || event.type === 'part-end' || event.type === 'signature') &&
          this.#open.has(event.choice)),
    );
  }

  async #process(frame: Frame, out: FrameSink): Promise<void> {
    const events: ChatEvent[] = [];
    let isSame = true;
    for (const event of frame.events) {
      const passed = this.#needsAsking(event) ? await this.#asked(event) : this.#passed(event);
      if (passed.length !== 1 || passed[0] !== event) isSame = false;
      events.push(...passed);
    }
    if (isSame) out.write(frame);
    else if (events.length > 0) out.insert(...events);
  }

  #needsAsking(event: ChatEvent): boolean {
    if (event.type !== 'delta' && event.type !== 'part-end') return false;
    const part = this.#open.get(event.choice);
    if (!part) return false;
    return event.type === 'part-end' ? part.text !== '' : part.text.length + event.text.length >= part.next;
  }

  #passed(event: ChatEvent): readonly ChatEvent[] {
    if (event.type === 'part-start') {
      const kind = kindOf(event.part.type);
      if (kind) this.#open.set(event.choice, { kind, text: '', half: '', next: 1, isChanged: false });
      return [event];
    }
    if (event.type === 'part-end') this.#open.delete(event.choice);
    const part = 'choice' in event ? this.#open.get(event.choice) : undefined;
    if (part && event.type === 'delta') {
      part.text += event.text;
      return [];
    }
    // A signature is that of the text as the model wrote it.
    return part?.isChanged && event.type === 'signature' ? [] : [event];
  }

  async #asked(event: ChatEvent): Promise<readonly ChatEvent[]> {
    if (event.type !== 'delta' && event.type !== 'part-end') return [event];
    const { choice } = event;
    const part = this.#open.get(choice);
    if (!part) return [event];
    const isLast = event.type === 'part-end';
    if (event.type === 'delta') part.text += event.text;
    const window = part.text;
    const { text: passed, keep } = await this.ask({ kind: part.kind, text: window, choice, isLast });
    if (passed !== window.slice(0, window.length - keep)) part.isChanged = true;
    const whole = part.half + passed;
    part.half = !isLast && HALF.test(whole) ? whole.slice(-1) : '';
    const text = whole.slice(0, whole.length - part.half.length);
    part.text = window.slice(window.length - keep);
    part.next = keep + WINDOW;
    if (isLast) {
      this.#open.delete(choice);
      return text === '' ? [event] : [{ type: 'delta', choice, text }, event];
    }
    if (event.type === 'delta' && text === event.text && keep === 0) return [event];
    return text === '' ? [] : [{ type: 'delta', choice, text }];
  }
}

function kindOf(part: string): ResponseText['kind'] | undefined {
  if (part === 'tool-call') return 'tool_call';
  if (part === 'text') return 'output';
  return part === 'reasoning' || part === 'refusal' ? part : undefined;
}
