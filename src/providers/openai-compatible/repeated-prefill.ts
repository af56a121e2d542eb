import type { ChatRequest } from '../../core/chat/request.ts';
import type { ChatEvent, ChatEventReader, ChatResult, EmitChatEvent } from '../../core/chat/result.ts';
import type { Target } from '../types.ts';

/**
 * Text that the target may repeat at the beginning of its response: that of an assistant message at the end of the
 * conversation, which it continues. Newer versions of llama.cpp repeat it, older ones do not.
 * @returns empty where nothing is repeated
 */
export function repeatedPrefill({ messages }: ChatRequest, { provider }: Pick<Target, 'provider'>): string {
  const last = messages.at(-1);
  if (provider.profile.repeatsPrefill !== true || last?.role !== 'assistant') return '';
  return last.content.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

/** Removes a repeated beginning from one text that arrives in pieces. */
class RepeatedText {
  /** Characters of the beginning that have arrived, and are held back. */
  #matched = 0;
  #isOver = false;

  constructor(private readonly prefill: string) {}

  /** @returns the text to send for the next piece; empty while it agrees with the beginning */
  push(text: string): string {
    if (this.#isOver) return text;
    const length = Math.min(text.length, this.prefill.length - this.#matched);
    if (!this.prefill.startsWith(text.slice(0, length), this.#matched)) return this.close() + text;
    this.#matched += length;
    if (this.#matched < this.prefill.length) return '';
    this.#isOver = true;
    return text.slice(length);
  }

  /** @returns the text that is still held back, at the end of the text */
  close(): string {
    if (this.#isOver) return '';
    this.#isOver = true;
    return this.prefill.slice(0, this.#matched);
  }
}

/** @returns the response without the repeated beginning of its texts */
export function withoutRepetition(result: ChatResult, prefill: string): ChatResult {
  if (prefill === '') return result;
  const choices = result.choices.map((choice) => {
    const at = choice.content.findIndex(({ type }) => type === 'text');
    const content = choice.content.map((part, index) =>
      index === at && part.type === 'text' && part.text.startsWith(prefill)
        ? { ...part, text: part.text.slice(prefill.length) }
        : part,
    );
    return { ...choice, content };
  });
  return { ...result, choices };
}

/** Reads a stream, without the repeated beginning of the first text of each choice. */
export class RepetitionFilter implements ChatEventReader {
  readonly #texts = new Map<number, RepeatedText>();
  /** Choices whose open part is their first text. */
  readonly #open = new Set<number>();

  constructor(
    private readonly reader: ChatEventReader,
    private readonly prefill: string,
  ) {}

  push(bytes: Uint8Array, emit: EmitChatEvent): void {
    this.reader.push(bytes, (event) => this.#event(event, emit));
  }

  end(emit: EmitChatEvent): void {
    this.reader.end((event) => this.#event(event, emit));
  }

  #event(event: ChatEvent, emit: EmitChatEvent): void {
    if (event.type === 'part-start' && event.part.type === 'text' && !this.#texts.has(event.choice)) {
      this.#texts.set(event.choice, new RepeatedText(this.prefill));
      this.#open.add(event.choice);
    }
    if (event.type === 'delta' && this.#open.has(event.choice)) {
      const text = this.#texts.get(event.choice)?.push(event.text) ?? event.text;
      if (text !== '') emit(text === event.text ? event : { type: 'delta', choice: event.choice, text });
      return;
    }
    if (event.type === 'part-end' && this.#open.delete(event.choice)) {
      const text = this.#texts.get(event.choice)?.close() ?? '';
      if (text !== '') emit({ type: 'delta', choice: event.choice, text });
    }
    emit(event);
  }
}
