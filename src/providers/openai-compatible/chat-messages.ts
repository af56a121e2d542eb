import { checkConversation, joinCallers } from '../../core/chat/check.ts';
import type {
  AssistantMessage,
  CacheControl,
  ChatRequest,
  FilePart,
  MediaSource,
  Message,
  ReasoningPart,
  SystemMessage,
  ToolMessage,
  UserMessage,
  UserPart,
} from '../../core/chat/request.ts';
import { type JsonObject, ownValue } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import type { Target, VendorProfile } from '../types.ts';
import { MessageRules } from './message-rules.ts';
import { plainMediaPart } from './plain-media.ts';

/** Converts the conversation to OpenAI's chat format, adapted to the target. */
export function chatMessages(request: ChatRequest, target: Target, warn: Warn): readonly JsonObject[] {
  checkConversation(request);
  const rules = new MessageRules(target);
  return rules.arranged(
    new MessageWriter(target.provider.profile, rules, warn).write(request.messages),
    warn,
  );
}

const AUDIO_FORMATS: Readonly<Record<string, string>> = {
  'audio/mpeg': 'mp3',
  'audio/mp3': 'mp3',
  'audio/wav': 'wav',
  'audio/x-wav': 'wav',
  'audio/L16': 'pcm16',
};

function dataUrl(source: MediaSource): string | undefined {
  if (source.kind === 'url') return source.url;
  if (source.kind === 'base64') return `data:${source.mediaType};base64,${source.data}`;
  return undefined;
}

class MessageWriter {
  #omittedReasoning = false;

  constructor(
    private readonly profile: VendorProfile,
    private readonly rules: MessageRules,
    private readonly warn: Warn,
  ) {}

  write(messages: readonly Message[]): JsonObject[] {
    return joinCallers(messages).flatMap(({ message, index }) =>
      this.#message(message, `messages[${index}]`),
    );
  }

  #cache({ cacheControl }: { readonly cacheControl?: CacheControl }): JsonObject {
    return cacheControl === undefined || !this.profile.cacheControl ? {} : { cache_control: cacheControl };
  }

  #unsupported(param: string, what: string): void {
    this.warn({ kind: 'unsupported', param, message: `The target does not support ${what}.` });
  }

  #message(message: Message, path: string): JsonObject[] {
    switch (message.role) {
      case 'system':
      case 'developer': {
        const role = this.profile.developerRole ? message.role : 'system';
        return this.#plainMessage(role, message, path);
      }
      case 'user':
        return this.#plainMessage('user', message, path);
      case 'assistant':
        return this.#assistant(message, path);
      case 'tool':
        return this.#tool(message, path);
    }
  }

  /** A message whose parts were all omitted is omitted too: some servers reject empty content. */
  #plainMessage(role: string, message: SystemMessage | UserMessage, path: string): JsonObject[] {
    const content = this.#content(message.content, path);
    if (content === '' && !message.content.some(({ type }) => type === 'text')) {
      return message.content.length === 0 ? [{ role, content, ...named(message) }] : [];
    }
    return [{ role, content, ...named(message) }];
  }

  /** Content as plain text where possible, because some servers reject lists. */
  #content(parts: readonly UserPart[], path: string): string | JsonObject[] {
    const [only, ...more] = parts;
    if (only?.type === 'text' && more.length === 0 && !(only.cacheControl && this.profile.cacheControl)) {
      return only.text;
    }
    const blocks = parts.flatMap((part, index) => this.#block(part, `${path}.content[${index}]`));
    return blocks.length === 0 ? '' : blocks;
  }

  #block(part: UserPart, path: string): JsonObject[] {
    const blocks = this.#openAiBlock(part, path);
    return this.profile.plainMedia ? blocks.map(plainMediaPart) : blocks;
  }

  #openAiBlock(part: UserPart, path: string): JsonObject[] {
    switch (part.type) {
      case 'text':
        return [{ type: 'text', text: part.text, ...this.#cache(part) }];
      case 'image': {
        const url = dataUrl(part.source);
        if (url === undefined) break;
        const detail = part.detail === undefined ? {} : { detail: part.detail };
        return [{ type: 'image_url', image_url: { url, ...detail }, ...this.#cache(part) }];
      }
      case 'audio': {
        if (part.source.kind !== 'base64') break;
        const { data, mediaType } = part.source;
        const format = ownValue(AUDIO_FORMATS, mediaType) ?? mediaType.replace(/^audio\//, '');
        return [{ type: 'input_audio', input_audio: { data, format } }];
      }
      case 'file':
        return this.#file(part, path);
      case 'unknown':
        if (part.dialect === 'openai-chat') return [part.value];
    }
    this.#unsupported(path, `this content of type "${part.type}"`);
    return [];
  }

  #file(part: FilePart, path: string): JsonObject[] {
    const { source, filename, title, context } = part;
    if (source.kind === 'text') {
      // A text document is sent as text below its title.
      const head = [title ?? filename, context].filter((line) => line !== undefined).join('\n');
      if (part.citations) this.#unsupported(path, 'citations of a document');
      return [
        { type: 'text', text: head === '' ? source.text : `${head}\n\n${source.text}`, ...this.#cache(part) },
      ];
    }
    if (source.kind === 'file-id') {
      if (source.origin === 'openai' && this.profile.openAiFiles)
        return [{ type: 'file', file: { file_id: source.id } }];
      this.#unsupported(path, 'a file that was uploaded to another provider');
      return [];
    }
    if (part.citations) this.#unsupported(path, 'citations of a document');
    if (context !== undefined) this.#unsupported(path, 'the context of a document that is not text');
    const name = filename ?? title ?? 'document.pdf';
    return [{ type: 'file', file: { filename: name, file_data: dataUrl(source) }, ...this.#cache(part) }];
  }

  #assistant(message: AssistantMessage, path: string): JsonObject[] {
    const texts: string[] = [];
    const refusals: string[] = [];
    const calls: JsonObject[] = [];
    const thoughts: ReasoningPart[] = [];
    for (const [index, part] of message.content.entries()) {
      switch (part.type) {
        case 'text':
          texts.push(part.text);
          break;
        case 'refusal':
          refusals.push(part.text);
          break;
        case 'reasoning':
          thoughts.push(part);
          break;
        case 'tool-call': {
          const id = this.rules.callId(part.id);
          const { name, arguments: text, signature } = part;
          if (part.kind === 'custom') calls.push({ id, type: 'custom', custom: { name, input: text } });
          else {
            const extra =
              signature?.origin === 'gemini' && this.profile.callSignatures
                ? { extra_content: { google: { thought_signature: signature.value } } }
                : {};
            const body = { name, arguments: text === '' ? '{}' : text };
            calls.push({ id, type: 'function', function: body, ...extra });
          }
          break;
        }
        case 'unknown':
          if (part.dialect === 'openai-chat') break;
          this.#unsupported(`${path}.content[${index}]`, 'this content');
          break;
        default:
          this.#unsupported(
            `${path}.content[${index}]`,
            `content of type "${part.type}" in an assistant message`,
          );
      }
    }
    const reasoning = this.#reasoning(thoughts);
    const isEmpty = texts.length + refusals.length + calls.length + Object.keys(reasoning).length === 0;
    if (isEmpty && message.content.length > 0) return [];
    const silent = this.profile.emptyContent || (calls.length === 0 && refusals.length === 0) ? '' : null;
    return [
      {
        role: 'assistant',
        content: texts.length === 0 ? silent : texts.join(''),
        ...(refusals.length === 0 ? {} : { refusal: refusals.join('') }),
        ...reasoning,
        ...(calls.length === 0 ? {} : { tool_calls: calls }),
        ...named(message),
      },
    ];
  }

  #reasoning(thoughts: readonly ReasoningPart[]): JsonObject {
    if (thoughts.length === 0) return {};
    const { replaysReasoning } = this.profile;
    if (replaysReasoning === 'reasoning_content') {
      return { reasoning_content: thoughts.map(({ text }) => text).join('') };
    }
    if (replaysReasoning === 'reasoning_details') {
      return { reasoning_details: thoughts.map(detail) };
    }
    if (!this.#omittedReasoning) {
      this.#omittedReasoning = true;
      this.warn({
        kind: 'unsupported',
        param: 'messages',
        message: 'Reasoning in the history was omitted: the target does not accept it.',
      });
    }
    return {};
  }

  #tool(message: ToolMessage, path: string): JsonObject[] {
    const results: JsonObject[] = [];
    const media: JsonObject[] = [];
    for (const [index, { callId, content, isError }] of message.content.entries()) {
      const texts: string[] = [];
      for (const part of content) {
        if (part.type === 'text') texts.push(part.text);
        else media.push(...this.#block(part, `${path}.content[${index}]`));
      }
      // The format has no flag for failed results; the model reads it in the content.
      const text = isError ? `Error: ${texts.join('\n')}` : texts.join('\n');
      results.push({ role: 'tool', tool_call_id: this.rules.callId(callId), content: text });
    }
    if (media.length === 0) return results;
    this.warn({
      kind: 'changed',
      param: path,
      message:
        'Images and files of tool results were moved to a user message, where the target accepts them.',
    });
    return [...results, { role: 'user', content: media }];
  }
}

function named({ name }: { readonly name?: string }): JsonObject {
  return name === undefined ? {} : { name };
}

function detail({ text, signature, redacted, id, summary }: ReasoningPart, index: number): JsonObject {
  const common = {
    index,
    ...(id === undefined ? {} : { id }),
    format: (redacted ?? signature)?.origin ?? 'other',
  };
  if (redacted) return { type: 'reasoning.encrypted', data: redacted.value, ...common };
  const signed = signature === undefined ? {} : { signature: signature.value };
  if (summary) return { type: 'reasoning.summary', summary: text, ...signed, ...common };
  return { type: 'reasoning.text', text, ...signed, ...common };
}
