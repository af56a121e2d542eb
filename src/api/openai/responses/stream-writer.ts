import type { RenderContext } from '../../../core/chat/dialect.ts';
import type { Citation, Signature } from '../../../core/chat/request.ts';
import type {
  ChatEvent,
  ChatEventWriter,
  FinishReason,
  StreamedPart,
  TokenLogprobs,
} from '../../../core/chat/result.ts';
import type { GatewayError } from '../../../core/errors.ts';
import type { Usage } from '../../../core/usage.ts';
import { completeArguments } from '../call-arguments.ts';
import { clientTools } from './client-tools.ts';
import {
  callItem,
  completeCall,
  type Item,
  ItemIds,
  imageLink,
  openingReasoning,
  outputItems,
  reasoningItem,
  signatureItem,
  type Tools,
  textContent,
  wireAnnotation,
  wireStatus,
  wireUsage,
} from './items.ts';
import { responseId, responseObject } from './response-object.ts';

/** The open part, and its content so far. */
interface Open {
  readonly part: Exclude<StreamedPart, { type: 'whole' }>;
  readonly id: string;
  text: string;
  readonly annotations: Item[];
  readonly logprobs: Item[];
  signature: Signature | undefined;
  /** A summary begins with its first text: hidden thoughts have none. */
  shown: boolean;
  /** It is written at its end. */
  readonly isWhole: boolean;
}

/** Writes the events of a streamed response. There is room for one choice; others are left out. */
export class ResponseEventWriter implements ChatEventWriter {
  readonly repeatsContent = true;
  readonly #ids: ItemIds;
  readonly #tools: Tools;
  readonly #output: Item[] = [];
  #sequence = -1;
  #response: Item = {};
  #open: Open | undefined;
  /** The message that is open: texts and refusals that follow each other belong to one. */
  #message: { readonly id: string; readonly content: Item[] } | undefined;
  #usage: Usage | undefined;
  #finish: FinishReason = { unified: 'other' };

  constructor(
    private readonly renderContext: RenderContext,
    private readonly onResponse: (response: Item) => void = () => undefined,
  ) {
    this.#ids = new ItemIds(renderContext.requestId);
    this.#tools = clientTools(renderContext.body);
  }

  event(event: ChatEvent): string {
    if ('choice' in event && event.choice !== 0) return '';
    switch (event.type) {
      case 'start': {
        const id = responseId(event.id, this.renderContext.requestId);
        this.#response = responseObject(
          id,
          event.created ?? this.renderContext.createdSeconds,
          this.renderContext,
        );
        const response = {
          ...this.#response,
          status: 'in_progress',
          incomplete_details: null,
          output: [],
          usage: null,
        };
        return (
          this.#write('response.created', { response }) + this.#write('response.in_progress', { response })
        );
      }
      case 'part-start':
        return this.#begin(event.part);
      case 'delta':
        return this.#delta(event.text, event.logprobs);
      case 'signature':
        if (this.#open) this.#open.signature = event.signature;
        return '';
      case 'citation':
        return this.#annotate(event.citation);
      case 'part-end':
        return this.#close();
      case 'finish':
        this.#finish = event.finish;
        return '';
      case 'usage':
        this.#usage = event.usage;
        return '';
      case 'ping':
        return ': keep-alive\n\n';
      case 'end':
        return this.#end();
    }
  }

  failure(error: GatewayError): string {
    const response = {
      ...this.#response,
      status: 'failed',
      error: { code: error.shownCode, message: error.message },
      incomplete_details: null,
      output: this.#output,
      usage: wireUsage(this.#usage),
    };
    const { shownCode: code, message, param } = error;
    return (
      this.#write('error', { code, message, param }) +
      ('id' in this.#response ? this.#write('response.failed', { response }) : '')
    );
  }

  #write(type: string, members: Item): string {
    this.#sequence += 1;
    return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: this.#sequence, ...members })}\n\n`;
  }

  #begin(part: StreamedPart): string {
    if (part.type === 'whole' && part.part.type === 'image' && part.part.source.kind !== 'base64') {
      return this.#begin({ type: 'text' }) + this.#delta(imageLink(part.part)) + this.#close();
    }
    if (part.type === 'whole') {
      const before = this.#endMessage();
      const items = outputItems([part.part], this.#ids, this.#tools);
      return before + items.map((item) => this.#whole(item)).join('');
    }
    const speaks = part.type === 'text' || part.type === 'refusal';
    const before = speaks ? this.#beginMessage() : this.#endMessage();
    // The item of such a call has its arguments as members, so that it can be written once it is complete.
    const isWhole = part.type === 'tool-call' && part.kind !== 'custom' && this.#tools.has(part.name);
    const id = isWhole ? '' : (this.#message?.id ?? this.#idFor(part));
    const open: Open = {
      part,
      id,
      text: '',
      annotations: [],
      logprobs: [],
      signature: undefined,
      shown: false,
      isWhole,
    };
    this.#open = open;
    if (isWhole) return before;
    if (part.type === 'text' || part.type === 'refusal') {
      const content = part.type === 'text' ? textContent('', []) : { type: 'refusal', refusal: '' };
      return before + this.#write('response.content_part.added', { ...this.#place(open), part: content });
    }
    const item = part.type === 'reasoning' ? openingReasoning(id) : callItem(id, part, '', 'in_progress');
    return before + this.#write('response.output_item.added', { output_index: this.#output.length, item });
  }

  #idFor(part: Open['part']): string {
    if (part.type === 'reasoning') return part.id ?? this.#ids.next('rs');
    return this.#ids.next(part.type === 'tool-call' && part.kind === 'custom' ? 'ctc' : 'fc');
  }

  #beginMessage(): string {
    if (this.#message) return '';
    const id = this.#ids.next('msg');
    this.#message = { id, content: [] };
    const item = { id, type: 'message', role: 'assistant', status: 'in_progress', content: [] };
    return this.#write('response.output_item.added', { output_index: this.#output.length, item });
  }

  #endMessage(): string {
    if (!this.#message) return '';
    const { id, content } = this.#message;
    this.#message = undefined;
    return this.#done({ id, type: 'message', role: 'assistant', status: 'completed', content });
  }

  #done(item: Item): string {
    const output_index = this.#output.length;
    this.#output.push(item);
    return this.#write('response.output_item.done', { output_index, item });
  }

  #whole(item: Item): string {
    const output_index = this.#output.length;
    if (item.type !== 'image_generation_call') {
      return this.#write('response.output_item.added', { output_index, item }) + this.#done(item);
    }
    const place = { item_id: item.id, output_index };
    const begun = { ...item, status: 'in_progress', result: null };
    return (
      this.#write('response.output_item.added', { output_index, item: begun }) +
      this.#write('response.image_generation_call.in_progress', place) +
      this.#write('response.image_generation_call.generating', place) +
      this.#write('response.image_generation_call.completed', place) +
      this.#done(item)
    );
  }

  /** Where a content part stands. */
  #place({ id }: Open): Item {
    return {
      item_id: id,
      output_index: this.#output.length,
      content_index: this.#message?.content.length ?? 0,
    };
  }

  #delta(delta: string, logprobs: TokenLogprobs = []): string {
    const open = this.#open;
    if (!open || (delta === '' && logprobs.length === 0)) return '';
    open.text += delta;
    if (open.isWhole) return '';
    for (const entry of logprobs) open.logprobs.push(entry);
    switch (open.part.type) {
      case 'text':
        return this.#write('response.output_text.delta', { ...this.#place(open), delta, logprobs });
      case 'refusal':
        return this.#write('response.refusal.delta', { ...this.#place(open), delta });
      case 'tool-call': {
        const kind = open.part.kind === 'custom' ? 'custom_tool_call_input' : 'function_call_arguments';
        const place = { item_id: open.id, output_index: this.#output.length };
        return this.#write(`response.${kind}.delta`, { ...place, delta });
      }
      case 'reasoning': {
        const place = { item_id: open.id, output_index: this.#output.length, summary_index: 0 };
        let text = '';
        if (!open.shown) {
          open.shown = true;
          const part = { type: 'summary_text', text: '' };
          text = this.#write('response.reasoning_summary_part.added', { ...place, part });
        }
        return text + this.#write('response.reasoning_summary_text.delta', { ...place, delta });
      }
    }
  }

  #annotate(citation: Citation): string {
    const open = this.#open;
    const annotation = wireAnnotation(citation);
    if (open?.part.type !== 'text' || !annotation) return '';
    open.annotations.push(annotation);
    const annotation_index = open.annotations.length - 1;
    return this.#write('response.output_text.annotation.added', {
      ...this.#place(open),
      annotation_index,
      annotation,
    });
  }

  #close(): string {
    const open = this.#open;
    if (!open) return '';
    this.#open = undefined;
    const { part, id, text, annotations, logprobs } = open;
    const place = { item_id: id, output_index: this.#output.length };
    switch (part.type) {
      case 'text': {
        const content = textContent(text, annotations, logprobs);
        const at = this.#place(open);
        this.#message?.content.push(content);
        const done =
          this.#write('response.output_text.done', { ...at, text, logprobs }) +
          this.#write('response.content_part.done', { ...at, part: content });
        if (open.signature === undefined) return done;
        return done + this.#endMessage() + this.#whole(signatureItem(open.signature, this.#ids));
      }
      case 'refusal': {
        const content = { type: 'refusal', refusal: text };
        const at = this.#place(open);
        this.#message?.content.push(content);
        return (
          this.#write('response.refusal.done', { ...at, refusal: text }) +
          this.#write('response.content_part.done', { ...at, part: content })
        );
      }
      case 'tool-call': {
        if (open.isWhole)
          return this.#whole(completeCall({ ...part, arguments: text }, this.#ids, this.#tools));
        const item = callItem(id, part, text, 'completed');
        if (part.kind === 'custom') {
          return (
            this.#write('response.custom_tool_call_input.done', { ...place, input: text }) + this.#done(item)
          );
        }
        const complete = completeArguments(text);
        return (
          // Clients that join the deltas need all of the arguments.
          (complete === text
            ? ''
            : this.#write('response.function_call_arguments.delta', { ...place, delta: complete })) +
          this.#write('response.function_call_arguments.done', {
            ...place,
            name: part.name,
            arguments: complete,
          }) +
          this.#done(item)
        );
      }
      case 'reasoning': {
        let shown = '';
        if (open.shown) {
          const at = { ...place, summary_index: 0 };
          shown =
            this.#write('response.reasoning_summary_text.done', { ...at, text }) +
            this.#write('response.reasoning_summary_part.done', {
              ...at,
              part: { type: 'summary_text', text },
            });
        }
        const signed = open.signature === undefined ? {} : { signature: open.signature };
        return shown + this.#done(reasoningItem(id, { text, ...signed }));
      }
    }
  }

  #end(): string {
    const rest = this.#endMessage();
    const status = wireStatus(this.#finish);
    const response = {
      ...this.#response,
      ...status,
      completed_at: this.renderContext.createdSeconds,
      output: this.#output,
      usage: wireUsage(this.#usage),
    };
    this.onResponse(response);
    const type = status.status === 'incomplete' ? 'response.incomplete' : 'response.completed';
    return rest + this.#write(type, { response });
  }
}
