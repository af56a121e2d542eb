import { appendAll } from '../../core/append-all.ts';
import { checkConversation, mergeNeighbours } from '../../core/chat/check.ts';
import type {
  AssistantPart,
  ChatRequest,
  FilePart,
  MediaSource,
  Message,
  Signature,
  ToolResultPart,
  UserPart,
} from '../../core/chat/request.ts';
import { GatewayError } from '../../core/errors.ts';
import { isRecord, type JsonObject } from '../../core/json.ts';
import { parseShallowJson } from '../../core/json-limits.ts';
import type { Warn } from '../../core/warning.ts';
import { argumentsObject } from '../tool-arguments.ts';

/** A conversation in Gemini's form. */
export interface WireContents {
  readonly systemInstruction: JsonObject | undefined;
  readonly contents: readonly JsonObject[];
}

/**
 * Signature that Gemini 3 accepts for tool calls of another model. Source:
 * https://ai.google.dev/gemini-api/docs/thought-signatures
 */
const FOREIGN_CALL = 'skip_thought_signature_validator';

/** What a model and its API know of tool calls in the history. */
export interface CallHistory {
  /** The model rejects calls without a signature. */
  readonly signsCalls: boolean;
  /** Calls and results have ids. Vertex AI rejects them. */
  readonly hasIds: boolean;
}

/** Converts the conversation. */
export function wireContents(request: ChatRequest, history: CallHistory, warn: Warn): WireContents {
  checkConversation(request);
  return new ContentWriter(request.messages, history, warn).write();
}

class ContentWriter {
  /** Names of the calls so far: engines that number the calls of each turn use an id again. */
  readonly #names = new Map<string, string>();
  #omittedReasoning = false;

  constructor(
    private readonly messages: readonly Message[],
    private readonly history: CallHistory,
    private readonly warn: Warn,
  ) {}

  write(): WireContents {
    const system: JsonObject[] = [];
    const contents: { role: string; parts: JsonObject[] }[] = [];
    for (const [index, message] of mergeNeighbours(this.messages).entries()) {
      const path = `messages[${index}]`;
      if (message.role === 'system' || message.role === 'developer') {
        const parts = message.content.flatMap((part) => this.#user(part, path));
        if (contents.length === 0) {
          appendAll(system, parts);
          continue;
        }
        this.warn({
          kind: 'changed',
          param: path,
          message: 'A system message within the conversation was moved into a user turn.',
        });
        add(contents, 'user', parts);
      } else if (message.role === 'assistant') {
        add(contents, 'model', this.#model(message.content, path));
      } else if (message.role === 'tool') {
        add(
          contents,
          'user',
          message.content.flatMap((part) => this.#result(part, path)),
        );
      } else
        add(
          contents,
          'user',
          message.content.flatMap((part, at) => this.#user(part, `${path}.content[${at}]`)),
        );
    }
    if (contents.length === 0) {
      throw new GatewayError(
        'invalid_request',
        'The conversation has system messages only; the target requires a user message that is not empty.',
        { param: 'messages' },
      );
    }
    if (contents[0]?.role === 'model' && contents[0].parts.some((part) => 'functionCall' in part)) {
      this.warn({
        kind: 'changed',
        param: 'messages',
        message: 'The target requires a message of the user before a tool call; a short one was added.',
      });
      contents.unshift({ role: 'user', parts: [{ text: 'Continue.' }] });
    }
    return { systemInstruction: system.length === 0 ? undefined : { parts: system }, contents };
  }

  #unsupported(param: string, what: string): JsonObject[] {
    this.warn({ kind: 'unsupported', param, message: `The target does not support ${what}.` });
    return [];
  }

  #user(part: UserPart, path: string): JsonObject[] {
    switch (part.type) {
      case 'text':
        return part.text === '' ? [] : [{ text: part.text, ...signed(part.signature) }];
      case 'image':
      case 'audio':
        return this.#media(part.source, path);
      case 'file':
        return this.#document(part, path);
      case 'unknown':
        return part.dialect === 'gemini' ? [part.value] : this.#unsupported(path, 'this content');
    }
  }

  /** The format has no place for what is known of a document: a text before it says its title or file name, and its context. */
  #document({ source, title, filename, context, citations }: FilePart, path: string): JsonObject[] {
    if (citations) this.#unsupported(path, 'citations of a document');
    const head = [title ?? filename, context].filter((line) => line !== undefined).join('\n');
    return [...(head === '' ? [] : [{ text: head }]), ...this.#media(source, path)];
  }

  #media(source: MediaSource, path: string): JsonObject[] {
    switch (source.kind) {
      case 'base64':
        return [{ inlineData: { mimeType: source.mediaType, data: source.data } }];
      case 'text':
        return [{ text: source.text }];
      case 'url':
        return [
          {
            fileData: {
              fileUri: source.url,
              ...(source.mediaType === undefined ? {} : { mimeType: source.mediaType }),
            },
          },
        ];
      case 'file-id':
        if (source.origin === 'gemini') return [{ fileData: { fileUri: source.id } }];
        return this.#unsupported(path, 'a file that was uploaded to another provider');
    }
  }

  #model(content: readonly AssistantPart[], path: string): JsonObject[] {
    // Only the first of parallel calls has a signature.
    const firstCall = content.findIndex(({ type }) => type === 'tool-call');
    return content.flatMap((part, index): JsonObject[] => {
      switch (part.type) {
        case 'text':
          // A stream may end with a signature alone.
          return part.text === '' && !part.signature ? [] : [{ text: part.text, ...signed(part.signature) }];
        case 'refusal':
          return [{ text: part.text }];
        case 'reasoning':
          if (part.signature?.origin === 'gemini') {
            return [{ text: part.text, thought: true, thoughtSignature: part.signature.value }];
          }
          // The signature of the text before it, for clients whose texts have none. Streams contain this form too.
          if (part.redacted?.origin === 'gemini') return [{ text: '', ...signed(part.redacted) }];
          this.#foreignReasoning();
          return [];
        case 'tool-call': {
          this.#names.set(part.id, part.name);
          const args = argumentsObject(part.arguments, `${path}.tool_calls`);
          const foreign =
            this.history.signsCalls && part.signature?.origin !== 'gemini' && index === firstCall;
          const signature = foreign ? { thoughtSignature: FOREIGN_CALL } : signed(part.signature);
          return [{ functionCall: { ...this.#id(part.id), name: part.name, args }, ...signature }];
        }
        case 'image':
          return this.#media(part.source, path).map((media) => ({ ...media, ...signed(part.signature) }));
        case 'audio':
          return this.#media(part.source, path);
        case 'unknown':
          return part.dialect === 'gemini' ? [part.value] : this.#unsupported(path, 'this content');
      }
      return [];
    });
  }

  #id(id: string): JsonObject {
    return this.history.hasIds ? { id } : {};
  }

  #foreignReasoning(): void {
    if (this.#omittedReasoning) return;
    this.#omittedReasoning = true;
    this.warn({
      kind: 'unsupported',
      param: 'messages',
      message: 'Reasoning of another provider, or without a signature, in the history was omitted.',
    });
  }

  #result({ callId, content, isError }: ToolResultPart, path: string): JsonObject[] {
    const name = this.#names.get(callId) ?? callId;
    const texts = content.flatMap((part) => (part.type === 'text' ? [part.text] : []));
    const media = content.flatMap((part) => (part.type === 'text' ? [] : this.#user(part, path)));
    const response = responseObject(texts.join('\n'), isError ?? false);
    return [{ functionResponse: { ...this.#id(callId), name, response } }, ...media];
  }
}

function add(
  contents: { role: string; parts: JsonObject[] }[],
  role: string,
  parts: readonly JsonObject[],
): void {
  if (parts.length === 0) return;
  const last = contents.at(-1);
  if (last?.role === role) appendAll(last.parts, parts);
  else contents.push({ role, parts: [...parts] });
}

function signed(signature: Signature | undefined): JsonObject {
  return signature?.origin === 'gemini' ? { thoughtSignature: signature.value } : {};
}

/** Converts a result to an object, which the API requires. */
function responseObject(text: string, isError: boolean): JsonObject {
  if (isError) return { error: text };
  const value = parseShallowJson(text);
  if (value === undefined) return { result: text };
  return isRecord(value) ? value : { result: value };
}
