import { appendAll } from '../../../core/append-all.ts';
import type {
  AssistantMessage,
  AssistantPart,
  FilePart,
  ImagePart,
  MediaSource,
  Message,
  ReasoningPart,
  ToolCallPart,
  ToolMessage,
  ToolResultPart,
  UnknownPart,
  UserPart,
} from '../../../core/chat/request.ts';
import { asString, isRecord, type JsonObject } from '../../../core/json.ts';
import { plainId, readSignature, readSignedId } from '../../signature.ts';
import { cacheMark, invalid, mediaSource, requiredObject, requiredText } from '../chat/parts.ts';
import { CLIENT_RESULTS, type ClientTool, resultText, toolOfCall } from './client-tools.ts';
import { isReference, itemNotFound } from './item-reference.ts';

/** The conversation of `instructions` and `input`. Items of one turn become one message. */
export function readInput(body: JsonObject): Message[] {
  const reader = new InputReader();
  if (typeof body.instructions === 'string' && body.instructions !== '') {
    reader.add({ role: 'system', content: [{ type: 'text', text: body.instructions }] });
  }
  const { input } = body;
  if (typeof input === 'string') reader.add({ role: 'user', content: [{ type: 'text', text: input }] });
  else if (Array.isArray(input)) {
    input.forEach((item: unknown, index) => {
      const param = `input[${index}]`;
      reader.item(requiredObject(item, param), param);
    });
  } else throw invalid('input', 'text or a list of items is expected');
  return reader.messages;
}

class InputReader {
  readonly messages: Message[] = [];
  /** Content of the last message, if it is a turn of the model. */
  #output: AssistantPart[] | undefined;
  /** Ids of calls by the ids of their items. */
  readonly #callIds = new Map<string, string>();
  /** Content of the last message, if it contains tool results. */
  #results: ToolResultPart[] | undefined;

  /** Adds a message. Turns of the model, and tool results, that follow each other become one message. */
  add(message: Message): void {
    if (message.role === 'assistant') this.#addOutput(message);
    else if (message.role === 'tool') this.#addResults(message);
    else {
      this.#output = undefined;
      this.#results = undefined;
      this.messages.push(message);
    }
  }

  #addOutput(message: AssistantMessage): void {
    this.#results = undefined;
    if (this.#output) appendAll(this.#output, message.content);
    else {
      this.#output = [...message.content];
      this.messages.push({ ...message, content: this.#output });
    }
  }

  #addResults({ content }: ToolMessage): void {
    this.#output = undefined;
    if (this.#results) appendAll(this.#results, content);
    else {
      this.#results = [...content];
      this.messages.push({ role: 'tool', content: this.#results });
    }
  }

  item(item: JsonObject, param: string): void {
    if (isReference(item)) throw itemNotFound(item.id);
    const tool = toolOfCall(item);
    if (tool && hasCall(item)) {
      this.add({ role: 'assistant', content: [this.#clientCall(item, tool, param)] });
      return;
    }
    if (CLIENT_RESULTS.has(item.type) && hasCall(item)) {
      this.add({ role: 'tool', content: [this.#clientResult(item, param)] });
      return;
    }
    switch (item.type) {
      case undefined:
      case 'message':
        this.#message(item, param);
        break;
      case 'reasoning':
        this.add({ role: 'assistant', content: [reasoningPart(item)] });
        break;
      case 'function_call':
      case 'custom_tool_call':
        this.add({ role: 'assistant', content: [toolCall(item, param)] });
        break;
      case 'image_generation_call':
        this.add({ role: 'assistant', content: [modelImage(item)] });
        break;
      case 'function_call_output':
      case 'custom_tool_call_output':
        this.add({ role: 'tool', content: [toolResult(item, param)] });
        break;
      case 'additional_tools':
        // Its tools are added to those of the request.
        break;
      case 'item_reference':
        throw invalid(`${param}.id`, 'the id of an item is expected');
      default:
        this.add({
          role: 'assistant',
          content: [{ type: 'unknown', dialect: 'openai-responses', value: item }],
        });
    }
  }

  #clientCall(item: JsonObject, tool: ClientTool, param: string): ToolCallPart {
    const given = requiredText(item.call_id ?? item.id, `${param}.call_id`);
    if (typeof item.id === 'string') this.#callIds.set(item.id, plainId(given));
    const called = tool.toArguments(item);
    return {
      type: 'tool-call',
      ...readSignedId(given),
      name: tool.definition.name,
      arguments: typeof called === 'string' ? called : JSON.stringify(called ?? {}),
    };
  }

  /** Some results name the item of the call instead of the call. */
  #clientResult(item: JsonObject, param: string): ToolResultPart {
    const id = plainId(requiredText(item.call_id ?? item.id, `${param}.call_id`));
    return {
      type: 'tool-result',
      callId: this.#callIds.get(id) ?? id,
      content: [{ type: 'text', text: resultText(item) }],
      ...(item.status === 'failed' ? { isError: true } : {}),
    };
  }

  #message({ role, content }: JsonObject, param: string): void {
    switch (role) {
      case 'user':
        this.add({ role, content: userParts(content, `${param}.content`) });
        break;
      case 'system':
      case 'developer': {
        const text = userParts(content, `${param}.content`).map((part) => {
          if (part.type === 'text' || part.type === 'unknown') return part;
          throw invalid(`${param}.content`, 'only text is expected here');
        });
        this.add({ role, content: text });
        break;
      }
      case 'assistant':
        this.add({ role, content: assistantParts(content, `${param}.content`) });
        break;
      default:
        throw invalid(`${param}.role`, 'user, assistant, system or developer is expected');
    }
  }
}

/** Searches for tools that ran at the vendor have no call. */
function hasCall({ type, call_id: callId }: JsonObject): boolean {
  return !String(type).startsWith('tool_search') || (callId !== undefined && callId !== null);
}

function userParts(content: unknown, param: string): UserPart[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  if (!Array.isArray(content)) throw invalid(param, 'text or a list of content parts is expected');
  return content.map((value: unknown, index) =>
    userPart(requiredObject(value, `${param}[${index}]`), `${param}[${index}]`),
  );
}

function userPart(part: JsonObject, param: string): UserPart {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return { type: 'text', text: requiredText(part.text, `${param}.text`), ...cacheMark(part, param) };
    case 'input_image':
      return { ...imagePart(part, param), ...cacheMark(part, param) };
    case 'input_file':
      return { ...filePart(part, param), ...cacheMark(part, param) };
    default:
      return { type: 'unknown', dialect: 'openai-responses', value: part };
  }
}

function imagePart(part: JsonObject, param: string): ImagePart {
  const detail = asString(part.detail);
  const source: MediaSource =
    typeof part.file_id === 'string'
      ? { kind: 'file-id', id: part.file_id, origin: 'openai' }
      : mediaSource(requiredText(part.image_url, `${param}.image_url`), `${param}.image_url`);
  return { type: 'image', source, ...(detail === undefined ? {} : { detail }) };
}

function filePart(part: JsonObject, param: string): FilePart {
  const filename = asString(part.filename);
  const named = filename === undefined ? {} : { filename };
  if (typeof part.file_id === 'string') {
    return { type: 'file', source: { kind: 'file-id', id: part.file_id, origin: 'openai' }, ...named };
  }
  const given = asString(part.file_data) ?? asString(part.file_url);
  if (given === undefined) throw invalid(param, 'one of file_id, file_data and file_url is expected');
  const source: MediaSource = /^(?:data:|https?:)/.test(given)
    ? mediaSource(given, param)
    : { kind: 'base64', mediaType: 'application/pdf', data: given };
  return { type: 'file', source, ...named };
}

function assistantParts(content: unknown, param: string): AssistantPart[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  if (!Array.isArray(content)) throw invalid(param, 'text or a list of content parts is expected');
  return content.map((value: unknown, index): AssistantPart => {
    const part = requiredObject(value, `${param}[${index}]`);
    if (part.type === 'refusal') {
      return { type: 'refusal', text: requiredText(part.refusal, `${param}[${index}].refusal`) };
    }
    if (part.type === 'output_text' || part.type === 'input_text' || part.type === 'text') {
      return { type: 'text', text: requiredText(part.text, `${param}[${index}].text`) };
    }
    return { type: 'unknown', dialect: 'openai-responses', value: part };
  });
}

function toolCall(item: JsonObject, param: string): ToolCallPart {
  const custom = item.type === 'custom_tool_call';
  const namespace = asString(item.namespace);
  return {
    type: 'tool-call',
    ...(custom ? { kind: 'custom' as const } : {}),
    ...readSignedId(requiredText(item.call_id, `${param}.call_id`)),
    name: requiredText(item.name, `${param}.name`),
    ...(namespace === undefined ? {} : { namespace }),
    arguments: custom
      ? requiredText(item.input, `${param}.input`)
      : requiredText(item.arguments, `${param}.arguments`),
  };
}

/** An image as it was handed out. Its base64 text shows the type, which items of OpenAI do not state. */
function modelImage(item: JsonObject): ImagePart | UnknownPart {
  const data = asString(item.result);
  if (!data) return { type: 'unknown', dialect: 'openai-responses', value: item };
  const { signature } = readSignedId(asString(item.id) ?? '');
  const [, mediaType] = IMAGE_BEGINNINGS.find(([beginning]) => data.startsWith(beginning)) ?? [];
  const named = asString(item.output_format) ?? 'png';
  return {
    type: 'image',
    source: { kind: 'base64', mediaType: mediaType ?? `image/${named}`, data },
    ...(signature === undefined ? {} : { signature }),
  };
}

const IMAGE_BEGINNINGS = [
  ['iVBORw0KGgo', 'image/png'],
  ['/9j/', 'image/jpeg'],
  ['R0lGOD', 'image/gif'],
  ['UklGR', 'image/webp'],
] as const;

function toolResult(item: JsonObject, param: string): ToolResultPart {
  const { output } = item;
  const content = userParts(output ?? '', `${param}.output`).map((part) => {
    if (part.type !== 'audio') return part;
    throw invalid(`${param}.output`, 'a tool result cannot contain audio');
  });
  return {
    type: 'tool-result',
    callId: plainId(requiredText(item.call_id, `${param}.call_id`)),
    content,
    ...(item.type === 'custom_tool_call_output' ? { kind: 'custom' as const } : {}),
  };
}

/** Reasoning as it was handed out: text in the summary or the content, and what has to come back in encrypted form. */
function reasoningPart(item: JsonObject): ReasoningPart {
  const summary: unknown[] = Array.isArray(item.summary) ? item.summary : [];
  const content: unknown[] = Array.isArray(item.content) ? item.content : [];
  const text = (pieces: readonly unknown[]) =>
    pieces.map((piece) => (isRecord(piece) ? (asString(piece.text) ?? '') : '')).join('');
  const id = asString(item.id);
  const encrypted = asString(item.encrypted_content);
  const signature = encrypted === undefined ? undefined : readSignature(encrypted, 'openai');
  const isOurs = encrypted !== undefined && (signature === undefined || signature.origin !== 'openai');
  const isFull = content.length > 0 || isOurs;
  return {
    type: 'reasoning',
    text: content.length > 0 ? text(content) : text(summary),
    ...(isFull ? {} : { summary: true }),
    ...(id === undefined ? {} : { id }),
    ...(signature === undefined
      ? {}
      : isRedacted(signature.value)
        ? { redacted: { ...signature, value: signature.value.slice(REDACTED.length) } }
        : { signature }),
  };
}

/** Marks encrypted thinking of other families, which is no signature of a text. */
export const REDACTED = 'redacted:';

function isRedacted(value: string): boolean {
  return value.startsWith(REDACTED);
}
