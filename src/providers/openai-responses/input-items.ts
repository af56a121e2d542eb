import { checkConversation } from '../../core/chat/check.ts';
import type {
  AssistantMessage,
  AudioPart,
  ChatRequest,
  FilePart,
  ImagePart,
  Message,
  Origin,
  TextPart,
  ToolMessage,
  UnknownPart,
} from '../../core/chat/request.ts';
import type { Warn } from '../../core/warning.ts';
import { callId } from './call-ids.ts';
import { type Item, mediaItem } from './media.ts';
import { ReasoningItems } from './reasoning-items.ts';

const CONTENT_TYPES: ReadonlySet<unknown> = new Set([
  'input_text',
  'input_image',
  'input_file',
  'input_audio',
]);

/** Members by which the upstream may know earlier calls that are not in the request. */
const STATE_MEMBERS = ['previous_response_id', 'conversation'];

/** Converts the conversation to a flat list of items. */
export function inputItems(request: ChatRequest, origin: Origin, warn: Warn): Item[] {
  if (!mayHaveCallsElsewhere(request)) checkConversation(request);
  return new InputItems(request, origin, warn).items();
}

type ContentPart = TextPart | ImagePart | FilePart | AudioPart | UnknownPart;

class InputItems {
  readonly #items: Item[] = [];
  readonly #calls = new Map<string, 'function' | 'custom'>();
  readonly #reasoning: ReasoningItems;

  constructor(
    private readonly request: ChatRequest,
    origin: Origin,
    private readonly warn: Warn,
  ) {
    this.#reasoning = new ReasoningItems(origin);
  }

  items(): Item[] {
    this.request.messages.forEach((message, index) => {
      this.#message(message, `messages[${index}]`);
    });
    const items = this.#reasoning.withoutDangling(this.#items);
    if (this.#reasoning.omittedReasoning) {
      this.warn({
        kind: 'unsupported',
        param: 'messages',
        message: 'Reasoning of another provider, or without its signature, was omitted.',
      });
    }
    return items;
  }

  #message(message: Message, at: string): void {
    if (message.role !== 'tool' && message.name !== undefined) {
      this.warn({
        kind: 'unsupported',
        param: `${at}.name`,
        message: 'The target does not support names of participants.',
      });
    }
    if (message.role === 'assistant') this.#assistant(message, at);
    else if (message.role === 'tool') this.#tool(message, at);
    else this.#input(message.role, message.content, at);
  }

  /** Input of the user or the developer. */
  #input(role: 'user' | 'system' | 'developer', parts: readonly ContentPart[], at: string): void {
    let content: Item[] = [];
    const flush = () => {
      if (content.length > 0) this.#items.push({ type: 'message', role, content });
      content = [];
    };
    parts.forEach((part, index) => {
      const where = `${at}.content[${index}]`;
      if (part.type === 'unknown' && isItem(part)) {
        flush();
        this.#items.push(part.value);
        return;
      }
      const item = this.#content(part, where);
      if (item) content.push(item);
    });
    // A turn without any remaining content stays a turn.
    if (
      content.length === 0 &&
      role === 'user' &&
      this.#items.at(-1)?.role !== 'user' &&
      !parts.some(isItem)
    ) {
      content.push({ type: 'input_text', text: '' });
    }
    flush();
  }

  #content(part: ContentPart, at: string): Item | undefined {
    if (part.type === 'text') return { type: 'input_text', text: part.text };
    if (part.type !== 'unknown') return mediaItem(part, at, this.warn);
    if (part.dialect === 'openai-responses') return part.value;
    this.#foreign(part, at);
    return undefined;
  }

  #assistant({ content }: AssistantMessage, at: string): void {
    let text: string | undefined;
    const flush = () => {
      this.#reasoning.close();
      // A plain string: a list of output parts would need the message's id.
      if (text !== undefined) this.#items.push({ type: 'message', role: 'assistant', content: text });
      text = undefined;
    };
    content.forEach((part, index) => {
      const where = `${at}.content[${index}]`;
      switch (part.type) {
        case 'text':
        case 'refusal':
          this.#reasoning.close();
          if (part.text !== '') text = (text ?? '') + part.text;
          break;
        case 'reasoning': {
          if (text !== undefined) flush();
          const item = this.#reasoning.part(part);
          if (item) this.#items.push(item);
          break;
        }
        case 'tool-call':
          flush();
          this.#calls.set(part.id, part.kind ?? 'function');
          this.#items.push(
            part.kind === 'custom'
              ? { type: 'custom_tool_call', call_id: callId(part.id), name: part.name, input: part.arguments }
              : {
                  type: 'function_call',
                  call_id: callId(part.id),
                  name: part.name,
                  arguments: part.arguments === '' ? '{}' : part.arguments,
                },
          );
          break;
        case 'unknown':
          if (isItem(part)) {
            flush();
            this.#items.push(part.value);
          } else this.#foreign(part, where);
          break;
        case 'image':
        case 'audio':
          this.warn({
            kind: 'unsupported',
            param: where,
            message: `The target does not support ${part.type} from a model; it was omitted.`,
          });
      }
    });
    flush();
  }

  #tool({ content }: ToolMessage, at: string): void {
    content.forEach((result, index) => {
      const where = `${at}.content[${index}]`;
      const called = this.#calls.get(result.callId);
      if (result.isError === true) {
        this.warn({
          kind: 'unsupported',
          param: `${where}.is_error`,
          message: 'The target cannot mark a tool result as failed; only its content shows it.',
        });
      }
      const kind = result.kind ?? called ?? 'function';
      this.#items.push({
        type: kind === 'custom' ? 'custom_tool_call_output' : 'function_call_output',
        call_id: callId(result.callId),
        output: this.#output(result.content, where),
      });
    });
  }

  #output(parts: readonly ContentPart[], at: string): string | readonly Item[] {
    const [first] = parts;
    if (first === undefined) return '';
    if (first.type === 'text' && parts.length === 1) return first.text;
    const items = parts.map((part, index) => this.#content(part, `${at}.content[${index}]`));
    return items.filter((item) => item !== undefined);
  }

  #foreign({ value }: UnknownPart, at: string): void {
    this.warn({
      kind: 'unsupported',
      param: at,
      message: `The target does not support "${String(value.type ?? 'this part')}"; it was omitted.`,
    });
  }
}

/** Whether the call of a result may be known to the upstream only, or be an item without a canonical form. */
function mayHaveCallsElsewhere({ messages, extensions }: ChatRequest): boolean {
  const members = extensions?.members ?? {};
  return (
    STATE_MEMBERS.some((name) => members[name] !== undefined && members[name] !== null) ||
    messages.some(({ content }) => content.some(isItem))
  );
}

/** Whether a value is an item, not a part of a message. */
function isItem(part: { readonly type: string } & Partial<Pick<UnknownPart, 'dialect' | 'value'>>): boolean {
  return (
    part.type === 'unknown' && part.dialect === 'openai-responses' && !CONTENT_TYPES.has(part.value?.type)
  );
}
