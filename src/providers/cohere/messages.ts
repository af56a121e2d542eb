import { joinCallers } from '../../core/chat/check.ts';
import type { ChatRequest, FilePart, Message, ToolResultPart, UserPart } from '../../core/chat/request.ts';
import { GatewayError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { parseShallowJson } from '../../core/json-limits.ts';
import type { Warn } from '../../core/warning.ts';

/** A conversation in Cohere's form. */
export interface CohereConversation {
  readonly messages: readonly JsonObject[];
  /** All documents of the conversation, in order; separate from the messages in this format. */
  readonly documents: readonly JsonObject[];
}

/** Converts the conversation to Cohere's v2 form, in which each tool result is a separate message. */
export function cohereConversation(request: ChatRequest, warn: Warn): CohereConversation {
  const notes = new Notes(warn);
  const messages = joinCallers(request.messages).flatMap(({ message, index }) =>
    convert(message, `messages[${index}]`, notes),
  );
  return { messages, documents: notes.documents };
}

/** Collects the documents of a request, and warns once of each kind of loss. */
class Notes {
  readonly documents: JsonObject[] = [];
  #foreignReasoning = false;

  constructor(readonly warn: Warn) {}

  unsupported(param: string, what: string): void {
    this.warn({ kind: 'unsupported', param, message: `Cohere's chat does not support ${what}.` });
  }

  foreignReasoning(): void {
    if (this.#foreignReasoning) return;
    this.#foreignReasoning = true;
    this.warn({
      kind: 'unsupported',
      param: 'messages',
      message: 'Reasoning of another provider in the history was omitted.',
    });
  }
}

function convert(message: Message, path: string, notes: Notes): JsonObject[] {
  switch (message.role) {
    case 'system':
    case 'developer': {
      const text = message.content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n\n');
      if (message.content.some(({ type }) => type === 'unknown')) notes.unsupported(path, 'this content');
      return text === '' ? [] : [{ role: 'system', content: text }];
    }
    case 'user': {
      const content = message.content.flatMap((part, index) =>
        userBlock(part, `${path}.content[${index}]`, notes),
      );
      if (content.length > 0) return [{ role: 'user', content }];
      // A turn of documents only stays a turn.
      return message.content.some(isTextDocument)
        ? [{ role: 'user', content: [{ type: 'text', text: ' ' }] }]
        : [];
    }
    case 'assistant':
      return assistant(message, path, notes);
    case 'tool':
      return message.content.map((result) => toolResult(result, path, notes));
  }
}

function userBlock(part: UserPart, path: string, notes: Notes): JsonObject[] {
  if (part.type === 'text') return part.text === '' ? [] : [{ type: 'text', text: part.text }];
  if (part.type === 'image') {
    const { source, detail } = part;
    const url =
      source.kind === 'url'
        ? source.url
        : source.kind === 'base64'
          ? `data:${source.mediaType};base64,${source.data}`
          : undefined;
    if (url !== undefined) {
      return [{ type: 'image_url', image_url: { url, ...(detail === undefined ? {} : { detail }) } }];
    }
  }
  if (isTextDocument(part)) {
    const title = part.title ?? part.filename;
    const { context } = part;
    const about = { ...(title ? { title } : {}), ...(context ? { context } : {}) };
    notes.documents.push({ data: { text: part.source.text, ...about } });
    return [];
  }
  notes.unsupported(path, part.type === 'unknown' ? 'this content' : `content of type "${part.type}"`);
  return [];
}

type TextDocument = FilePart & { readonly source: { readonly kind: 'text' } };

function isTextDocument(part: UserPart): part is TextDocument {
  return part.type === 'file' && part.source.kind === 'text';
}

function assistant(
  message: Extract<Message, { role: 'assistant' }>,
  path: string,
  notes: Notes,
): JsonObject[] {
  const content: JsonObject[] = [];
  const calls: JsonObject[] = [];
  let plan = '';
  for (const [index, part] of message.content.entries()) {
    switch (part.type) {
      case 'text':
      case 'refusal':
        if (part.text !== '') content.push({ type: 'text', text: part.text });
        break;
      case 'reasoning':
        if (part.signature?.origin !== 'cohere') notes.foreignReasoning();
        // The model writes a plan before tool calls; other reasoning is content.
        else if (part.signature.value === PLAN) plan += part.text;
        else content.push({ type: 'thinking', thinking: part.text });
        break;
      case 'tool-call':
        calls.push({
          id: part.id,
          type: 'function',
          function: { name: part.name, arguments: jsonArguments(part.arguments, `${path}.tool_calls`) },
        });
        break;
      default:
        notes.unsupported(
          `${path}.content[${index}]`,
          `content of type "${part.type}" in an assistant message`,
        );
    }
  }
  if (content.length === 0 && calls.length === 0) return [];
  return [
    {
      role: 'assistant',
      ...(content.length === 0 ? {} : { content }),
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
      ...(plan === '' ? {} : { tool_plan: plan }),
    },
  ];
}

/** Marks a tool plan among reasoning parts, so that it returns as a plan. */
export const PLAN = 'tool_plan';

function jsonArguments(text: string, param: string): string {
  if (text.trim() === '') return '{}';
  if (parseShallowJson(text) !== undefined) return text;
  throw new GatewayError('invalid_request', 'The arguments of a tool call in the history are not JSON.', {
    param,
  });
}

function toolResult({ callId, content, isError }: ToolResultPart, path: string, notes: Notes): JsonObject {
  const texts = content.flatMap((part) => {
    if (part.type === 'text') return [part.text];
    notes.unsupported(path, `content of type "${part.type}" in a tool result`);
    return [];
  });
  const text = texts.join('\n');
  // The format has no flag for failed results; the model reads it in the content.
  const shown = isError ? `Error: ${text}` : text;
  return { role: 'tool', tool_call_id: callId, content: [{ type: 'text', text: shown }] };
}
