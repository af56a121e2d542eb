import { appendAll } from '../../core/append-all.ts';
import { checkConversation } from '../../core/chat/check.ts';
import type {
  AssistantPart,
  CacheControl,
  ChatRequest,
  FilePart,
  MediaSource,
  Message,
  Origin,
  ToolResultPart,
  UserPart,
} from '../../core/chat/request.ts';
import { GatewayError } from '../../core/errors.ts';
import { isRecord, type JsonObject, listOf, ownValue } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import { shortenedId } from '../shortened-ids.ts';
import { argumentsObject } from '../tool-arguments.ts';

/** A conversation in Converse's form. */
export interface WireConversation {
  readonly system: readonly JsonObject[];
  readonly messages: readonly JsonObject[];
}

const IMAGE_FORMATS: Readonly<Record<string, string>> = {
  'image/png': 'png',
  'image/jpeg': 'jpeg',
  'image/gif': 'gif',
  'image/webp': 'webp',
};
const DOCUMENT_FORMATS: Readonly<Record<string, string>> = {
  'application/pdf': 'pdf',
  'text/csv': 'csv',
  'text/html': 'html',
  'text/markdown': 'md',
  'text/plain': 'txt',
  'application/msword': 'doc',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.ms-excel': 'xls',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
};

/** Converts the conversation to Converse's form: alternating turns without empty content. */
export function wireConversation(request: ChatRequest, origin: Origin, warn: Warn): WireConversation {
  checkConversation(request);
  const { system, messages } = new ConversationWriter(origin, warn).write(request.messages);
  return { system, messages: withLastCachePoint(messages, request) };
}

class ConversationWriter {
  #documents = 0;
  #omittedReasoning = false;

  constructor(
    private readonly origin: Origin,
    private readonly warn: Warn,
  ) {}

  write(messages: readonly Message[]): WireConversation {
    const system: JsonObject[] = [];
    const turns: { role: string; content: JsonObject[] }[] = [];
    for (const [index, message] of messages.entries()) {
      const path = `messages[${index}]`;
      if (message.role === 'system' || message.role === 'developer') {
        const blocks = message.content.flatMap((part) => this.#user(part, path));
        if (turns.length === 0) appendAll(system, blocks);
        else {
          this.warn({
            kind: 'changed',
            param: path,
            message: 'A system message within the conversation was moved into a user turn.',
          });
          add(turns, 'user', blocks);
        }
      } else if (message.role === 'assistant') {
        add(
          turns,
          'assistant',
          message.content.flatMap((part, at) => this.#assistant(part, `${path}.content[${at}]`)),
        );
      } else if (message.role === 'tool') {
        add(
          turns,
          'user',
          message.content.flatMap((part) => this.#result(part, path)),
        );
      } else
        add(
          turns,
          'user',
          message.content.flatMap((part, at) => this.#user(part, `${path}.content[${at}]`)),
        );
    }
    const [first] = turns;
    // Claude continues a conversation that begins with its own turn; the service rejects it for other models.
    if (first === undefined || (first.role !== 'user' && this.origin !== 'anthropic')) {
      throw new GatewayError(
        'invalid_request',
        'The target requires a user message that is not empty as the first message.',
        { param: 'messages' },
      );
    }
    return { system, messages: turns.map(ensureTextWithDocuments) };
  }

  #unsupported(param: string, what: string): JsonObject[] {
    this.warn({ kind: 'unsupported', param, message: `The target does not support ${what}.` });
    return [];
  }

  #user(part: UserPart, path: string): JsonObject[] {
    switch (part.type) {
      case 'text':
        // The API rejects text of white space only.
        return part.text.trim() === '' ? [] : [{ text: part.text }, ...cachePoint(part)];
      case 'image':
        return [...this.#image(part.source, path), ...cachePoint(part)];
      case 'file':
        return [...this.#document(part, path), ...cachePoint(part)];
      case 'unknown':
        if (part.dialect === 'bedrock-converse') return [part.value];
    }
    return this.#unsupported(path, `content of type "${part.type}"`);
  }

  #image(source: MediaSource, path: string): JsonObject[] {
    if (source.kind !== 'base64') return this.#unsupported(path, 'an image that is not in the request');
    const format = ownValue(IMAGE_FORMATS, source.mediaType);
    if (format === undefined) {
      throw new GatewayError(
        'invalid_request',
        `"${path}" is an image of type "${source.mediaType}"; this target reads ${Object.keys(IMAGE_FORMATS).join(', ')}.`,
        { param: path },
      );
    }
    return [{ image: { format, source: { bytes: source.data } } }];
  }

  #document({ source, title, filename, context, citations }: FilePart, path: string): JsonObject[] {
    if (source.kind !== 'base64' && source.kind !== 'text') {
      return this.#unsupported(path, 'a file that is not in the request');
    }
    const format =
      ownValue(DOCUMENT_FORMATS, source.mediaType) ??
      (source.mediaType.startsWith('text/') ? 'txt' : undefined);
    if (format === undefined) return this.#unsupported(path, `a file of type "${source.mediaType}"`);
    this.#documents += 1;
    // The API restricts the characters of names, which must differ.
    const safe = (title ?? filename ?? 'document')
      .replaceAll(/[^A-Za-z0-9 ()[\]-]/g, '-')
      .replaceAll(/ {2,}/g, ' ');
    const bytes = source.kind === 'base64' ? source.data : Buffer.from(source.text).toString('base64');
    const cites = citations && this.origin === 'anthropic';
    if (citations && !cites) this.#unsupported(path, 'citations of a document');
    const document = {
      format,
      name: `${safe.slice(0, 150)} ${this.#documents}`,
      source: { bytes },
      ...(context === undefined ? {} : { context }),
      ...(cites ? { citations: { enabled: true } } : {}),
    };
    return [{ document }];
  }

  #assistant(part: AssistantPart, path: string): JsonObject[] {
    switch (part.type) {
      case 'text':
      case 'refusal':
        if (part.text.trim() === '') return [];
        return [{ text: part.text }, ...(part.type === 'text' ? cachePoint(part) : [])];
      case 'reasoning':
        if (part.redacted?.origin === this.origin) {
          return [{ reasoningContent: { redactedContent: part.redacted.value } }];
        }
        if (part.signature?.origin === this.origin) {
          const { value } = part.signature;
          const reasoningText = { text: part.text, ...(value === '' ? {} : { signature: value }) };
          return [{ reasoningContent: { reasoningText } }];
        }
        if (!this.#omittedReasoning) {
          this.#omittedReasoning = true;
          this.warn({
            kind: 'unsupported',
            param: 'messages',
            message: 'Reasoning of another provider in the history was omitted.',
          });
        }
        return [];
      case 'tool-call': {
        const input = argumentsObject(part.arguments, path);
        return [
          { toolUse: { toolUseId: toolUseId(part.id, this.origin), name: part.name, input } },
          ...cachePoint(part),
        ];
      }
      case 'unknown':
        if (part.dialect === 'bedrock-converse') return [part.value];
    }
    return this.#unsupported(path, `content of type "${part.type}" in an assistant message`);
  }

  #result({ callId, content, isError, cacheControl }: ToolResultPart, path: string): JsonObject[] {
    const blocks = content.flatMap((part) => this.#user(part, path));
    // The API rejects empty results.
    const filled = blocks.length === 0 ? [{ text: '(no output)' }] : blocks;
    const status = isError ? { status: 'error' } : {};
    return [
      { toolResult: { toolUseId: toolUseId(callId, this.origin), content: filled, ...status } },
      ...cachePoint({ ...(cacheControl === undefined ? {} : { cacheControl }) }),
    ];
  }
}

function add(
  turns: { role: string; content: JsonObject[] }[],
  role: string,
  blocks: readonly JsonObject[],
): void {
  if (blocks.length === 0) return;
  const last = turns.at(-1);
  if (last?.role === role) appendAll(last.content, blocks);
  else turns.push({ role, content: [...blocks] });
}

/** Caches the whole prompt: a cache point behind the last message, unless its content ends with one. */
function withLastCachePoint(messages: readonly JsonObject[], request: ChatRequest): readonly JsonObject[] {
  const points = cachePoint(request);
  const last = messages.at(-1);
  if (points.length === 0 || last === undefined) return messages;
  const content = listOf(last.content);
  const end = content.at(-1);
  if (isRecord(end) && 'cachePoint' in end) return messages;
  return [...messages.slice(0, -1), { ...last, content: [...content, ...points] }];
}

/** Adds a text to messages with documents, which the API requires. */
function ensureTextWithDocuments({ role, content }: { role: string; content: JsonObject[] }): JsonObject {
  const needsText = content.some((block) => 'document' in block) && !content.some((block) => 'text' in block);
  return { role, content: needsText ? [...content, { text: 'See the document.' }] : content };
}

/** @returns a cache point for a part with a cache marker; else nothing */
export function cachePoint({ cacheControl }: { readonly cacheControl?: CacheControl }): JsonObject[] {
  if (cacheControl === undefined) return [];
  const ttl = cacheControl.ttl === undefined ? {} : { ttl: cacheControl.ttl };
  return [{ cachePoint: { type: 'default', ...ttl } }];
}

const MAX_ID_LENGTH = 64;

/**
 * Replaces characters that ids must not contain, and shortens ids to 64 characters. Dots and colons stay: some models
 * depend on the form of their ids. Claude allows neither.
 */
function toolUseId(id: string, origin: Origin): string {
  const forbidden = origin === 'anthropic' ? /[^a-zA-Z0-9_-]/g : /[^a-zA-Z0-9_.:-]/g;
  return shortenedId(id.replaceAll(forbidden, '_'), MAX_ID_LENGTH) || 'call';
}
