import type { RenderContext } from '../../../core/chat/dialect.ts';
import type { Signature } from '../../../core/chat/request.ts';
import type { ChatEvent, ChatEventWriter, StreamedPart, TokenLogprobs } from '../../../core/chat/result.ts';
import type { JsonObject } from '../../../core/json.ts';
import type { Usage } from '../../../core/usage.ts';
import { completeArguments } from '../call-arguments.ts';
import {
  annotation,
  finishName,
  openingCall,
  reasoningDetail,
  signatureExtras,
  wireAudio,
  wireImage,
  wireUsage,
} from './wire.ts';

/** What has been written of one choice. */
interface Choice {
  roleSent: boolean;
  open: StreamedPart | undefined;
  calls: number;
  /** The open call has arguments other than white space. */
  hasArguments: boolean;
  details: number;
  refused: boolean;
}

/** Writes chat completion chunks. */
export class ChatChunkWriter implements ChatEventWriter {
  readonly #choices = new Map<number, Choice>();
  #head = '';
  #usage: Usage | undefined;

  constructor(private readonly renderContext: RenderContext) {}

  event(event: ChatEvent): string {
    switch (event.type) {
      case 'start': {
        const { model, requestId, createdSeconds } = this.renderContext;
        const identity = {
          id: event.id ?? `chatcmpl-${requestId}`,
          object: 'chat.completion.chunk',
          created: event.created ?? createdSeconds,
          model,
        };
        // Every chunk begins alike, so the text of that is made once.
        this.#head = `data: ${JSON.stringify(identity).slice(0, -1)},"choices":[`;
        return '';
      }
      case 'part-start':
        return this.#begin(event.choice, event.part);
      case 'delta':
        return this.#delta(event.choice, event.text, event.logprobs);
      case 'signature':
        return this.#sign(event.choice, event.signature);
      case 'citation': {
        const note = annotation(event.citation);
        return note ? this.#chunk(event.choice, { annotations: [note] }) : '';
      }
      case 'part-end': {
        const choice = this.#choice(event.choice);
        const { open } = choice;
        choice.open = undefined;
        if (open?.type === 'reasoning') choice.details += 1;
        if (open?.type !== 'tool-call' || open.kind === 'custom' || choice.hasArguments) return '';
        return this.#arguments(event.choice, choice, completeArguments(''));
      }
      case 'finish': {
        const choice = this.#choice(event.choice);
        const reason = finishName(event.finish, choice.refused);
        return this.#chunk(event.choice, {}, `,"finish_reason":${JSON.stringify(reason)}`);
      }
      case 'usage':
        this.#usage = event.usage;
        return '';
      case 'ping':
        return ': keep-alive\n\n';
      case 'end':
        return `${this.#usageChunk()}data: [DONE]\n\n`;
    }
  }

  #choice(index: number): Choice {
    let choice = this.#choices.get(index);
    if (!choice) {
      choice = {
        roleSent: false,
        open: undefined,
        calls: 0,
        hasArguments: false,
        details: 0,
        refused: false,
      };
      this.#choices.set(index, choice);
    }
    return choice;
  }

  #chunk(index: number, delta: JsonObject, more = ',"finish_reason":null'): string {
    const choice = this.#choice(index);
    const greeting = choice.roleSent ? delta : { role: 'assistant', ...delta };
    choice.roleSent = true;
    return `${this.#head}{"index":${index},"delta":${JSON.stringify(greeting)}${more}}]}\n\n`;
  }

  #begin(index: number, part: StreamedPart): string {
    const choice = this.#choice(index);
    choice.open = part;
    if (part.type === 'tool-call') {
      choice.calls += 1;
      choice.hasArguments = false;
      return this.#chunk(index, { tool_calls: [{ index: choice.calls - 1, ...openingCall(part) }] });
    }
    if (part.type === 'refusal') choice.refused = true;
    if (part.type === 'whole') return this.#whole(index, choice, part);
    return choice.roleSent ? '' : this.#chunk(index, part.type === 'text' ? { content: '' } : {});
  }

  #whole(index: number, choice: Choice, { part }: Extract<StreamedPart, { type: 'whole' }>): string {
    if (part.type === 'reasoning') {
      const delta = {
        ...(part.text === '' ? {} : { reasoning_content: part.text }),
        reasoning_details: [reasoningDetail(part, choice.details)],
      };
      choice.details += 1;
      return this.#chunk(index, delta);
    }
    if (part.type === 'text') {
      return this.#chunk(index, { content: part.text, ...signatureExtras(part.signature) });
    }
    const image = wireImage(part);
    if (image) return this.#chunk(index, { images: [{ index: 0, ...image }] });
    const audio = wireAudio(part);
    return audio ? this.#chunk(index, { audio }) : '';
  }

  #delta(index: number, text: string, logprobs: TokenLogprobs | undefined): string {
    const choice = this.#choice(index);
    const more = logprobs
      ? `,"logprobs":${JSON.stringify({ content: logprobs, refusal: null })},"finish_reason":null`
      : undefined;
    switch (choice.open?.type) {
      case 'text':
        return this.#chunk(index, { content: text }, more);
      case 'refusal':
        return this.#chunk(index, { refusal: text }, more);
      case 'reasoning': {
        const { id, summary } = choice.open;
        const shown = summary
          ? { type: 'reasoning.summary', summary: text }
          : { type: 'reasoning.text', text };
        const detail = { ...shown, ...(id === undefined ? {} : { id }), index: choice.details };
        return this.#chunk(index, { reasoning_content: text, reasoning_details: [detail] });
      }
      case 'tool-call': {
        if (choice.open.kind === 'custom') {
          return this.#chunk(index, { tool_calls: [{ index: choice.calls - 1, custom: { input: text } }] });
        }
        choice.hasArguments ||= text.trim() !== '';
        return this.#arguments(index, choice, text);
      }
      default:
        return '';
    }
  }

  #arguments(index: number, { calls }: Choice, text: string): string {
    return this.#chunk(index, { tool_calls: [{ index: calls - 1, function: { arguments: text } }] });
  }

  #sign(index: number, signature: Signature): string {
    const choice = this.#choice(index);
    if (choice.open?.type === 'tool-call') {
      return this.#chunk(index, {
        tool_calls: [{ index: choice.calls - 1, ...signatureExtras(signature) }],
      });
    }
    if (choice.open?.type === 'text')
      return this.#chunk(index, { content: '', ...signatureExtras(signature) });
    if (choice.open?.type !== 'reasoning') return '';
    const { id, summary } = choice.open;
    const detail = {
      type: summary ? 'reasoning.summary' : 'reasoning.text',
      signature: signature.value,
      ...(id === undefined ? {} : { id }),
      format: signature.origin,
      index: choice.details,
    };
    return this.#chunk(index, { reasoning_details: [detail] });
  }

  #usageChunk(): string {
    if (!this.renderContext.includesStreamUsage || !this.#usage) return '';
    return `${this.#head}],"usage":${JSON.stringify(wireUsage(this.#usage))}}\n\n`;
  }
}
