import { isRecord } from '../../core/json.ts';
import { parseBlock } from '../../core/sse.ts';
import { decodeEvent, decodeEventText, streamClosed } from '../decode.ts';
import { SsePassthroughDecoder } from '../sse-passthrough.ts';
import type { Provider } from '../types.ts';
import { assertUsable } from './chat-parts.ts';
import { hasOutput } from './choice-normaliser.ts';
import { errorFromObject } from './errors.ts';
import type { PassthroughWriter } from './passthrough-writer.ts';
import { readUsage, usageOfChoices } from './usage.ts';

const COLON = 58;
const DATA = 'data: ';
const END_LENGTH = '\n\n'.length;

/**
 * Forwards an event stream in OpenAI's format: checks every event, observes usage and finish reason, and gives each event
 * to a writer. A stream that ends before a finish reason is a failure.
 */
export class OpenAiStreamDecoder extends SsePassthroughDecoder {
  constructor(
    provider: Pick<Provider, 'id' | 'credential'>,
    private readonly writer: PassthroughWriter,
    /** Choices that the reported usage stands for one of. */
    private readonly choices = 1,
  ) {
    super(provider);
  }

  protected override block(block: Uint8Array): void {
    const text = decodeEventText(block, this.provider);
    const end = text.length - END_LENGTH;
    if (text.startsWith('data: {') && text.indexOf('\n') === end) {
      this.#event(block, text.slice(DATA.length, end), true);
      return;
    }
    const { data } = parseBlock(text);
    if (data === undefined) {
      if (block[0] === COLON) this.writer.comment(block, this.out);
      return;
    }
    // Pings of some vendors carry no data; clients would try to parse them.
    if (data.trim() === '') return;
    if (data.trim() === '[DONE]') this.#done();
    else this.#event(block, data, false);
  }

  protected override bodyEnded(): void {
    if (this.observed.finishReason === undefined || this.writer.hasUnfinished) {
      throw streamClosed(this.provider, 'no finish reason');
    }
    this.#complete();
  }

  /** The upstream says that the response is complete. Some vendors send no finish reason before. */
  #done(): void {
    if (this.started) this.observed.finishReason ??= 'stop';
    if (this.observed.finishReason === undefined) throw streamClosed(this.provider, 'no finish reason');
    this.#complete();
  }

  #complete(): void {
    this.finished = true;
    this.writer.done(this.observed, this.out);
  }

  #event(block: Uint8Array, text: string, isOneLine: boolean): void {
    const json = decodeEvent(text, this.provider);
    if (json.error !== undefined && json.error !== null) {
      throw errorFromObject(json, this.provider.id, this.provider.credential);
    }
    const usage = usageOfChoices(readUsage(json.usage), this.choices);
    if (usage) this.observed.usage = usage;
    const choices = json.choices;
    if (Array.isArray(choices) && choices.length > 0) {
      for (const choice of choices) if (isRecord(choice)) assertUsable(choice, this.provider);
      this.observed.chunks += 1;
      // An event with the role alone does not commit: another target can still respond.
      this.started ||= hasOutput(choices);
      this.observed.finishReason = finishReasonOf(choices) ?? this.observed.finishReason;
      for (const text of outputTexts(choices)) this.text.add(text);
    }
    this.writer.chunk({ block, isOneLine, text, json }, this.out);
  }
}

function finishReasonOf(choices: readonly unknown[]): string | undefined {
  let found: string | undefined;
  for (const choice of choices) {
    if (isRecord(choice) && typeof choice.finish_reason === 'string') found = choice.finish_reason;
  }
  return found;
}

/** @returns the texts of an event that count as output */
function outputTexts(choices: readonly unknown[]): string[] {
  const texts: unknown[] = [];
  for (const choice of choices) {
    if (!isRecord(choice)) continue;
    const { delta } = choice;
    if (!isRecord(delta)) {
      texts.push(choice.text);
      continue;
    }
    texts.push(delta.content, delta.reasoning_content, delta.reasoning);
    if (!Array.isArray(delta.tool_calls)) continue;
    for (const call of delta.tool_calls) {
      if (isRecord(call) && isRecord(call.function)) texts.push(call.function.name, call.function.arguments);
    }
  }
  return texts.filter((piece): piece is string => typeof piece === 'string' && piece !== '');
}
