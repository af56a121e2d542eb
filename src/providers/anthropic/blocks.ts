import type {
  AssistantPart,
  CacheControl,
  FilePart,
  ImagePart,
  MediaSource,
  ToolResultPart,
  UserPart,
} from '../../core/chat/request.ts';
import { GatewayError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import { argumentsObject } from '../tool-arguments.ts';

/** Replaces characters that ids must not contain. Equal ids give equal results. */
export function toolUseId(id: string): string {
  return id.replaceAll(/[^a-zA-Z0-9_-]/g, '_') || 'call';
}

const IMAGE_TYPES: ReadonlySet<string> = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp']);

/** Whether the API rejects a text, which must contain more than white space. */
export function isBlank(text: string): boolean {
  return text.trim() === '';
}

/** Converts content parts to blocks. */
export class BlockWriter {
  #omittedReasoning = false;

  constructor(readonly warn: Warn) {}

  unsupported(param: string, what: string): void {
    this.warn({ kind: 'unsupported', param, message: `The target does not support ${what}.` });
  }

  user(part: UserPart, path: string): JsonObject[] {
    switch (part.type) {
      case 'text':
        return isBlank(part.text) ? [] : [{ type: 'text', text: part.text, ...cached(part) }];
      case 'image':
        return this.#image(part, path);
      case 'file':
        return this.#file(part, path);
      case 'unknown':
        if (part.dialect === 'anthropic-messages') return [part.value];
    }
    this.unsupported(path, `this content of type "${part.type}"`);
    return [];
  }

  #image(part: ImagePart, path: string): JsonObject[] {
    const { source } = part;
    if (source.kind === 'base64' && !IMAGE_TYPES.has(source.mediaType)) {
      throw new GatewayError(
        'invalid_request',
        `"${path}" is an image of type "${source.mediaType}"; this target reads ${[...IMAGE_TYPES].join(', ')}.`,
        { param: path },
      );
    }
    const given = this.#source(source, path);
    return given ? [{ type: 'image', source: given, ...cached(part) }] : [];
  }

  #source(source: MediaSource, path: string): JsonObject | undefined {
    switch (source.kind) {
      case 'base64':
        return { type: 'base64', media_type: source.mediaType, data: source.data };
      case 'url':
        return { type: 'url', url: source.url };
      case 'text':
        return { type: 'text', media_type: 'text/plain', data: source.text };
      case 'file-id':
        if (source.origin === 'anthropic') return { type: 'file', file_id: source.id };
        this.unsupported(path, 'a file that was uploaded to another provider');
        return undefined;
    }
  }

  #file(part: FilePart, path: string): JsonObject[] {
    const { source, citations, context } = part;
    const title = part.title ?? part.filename;
    const about = {
      ...(title === undefined ? {} : { title }),
      ...(context === undefined ? {} : { context }),
      ...(citations === undefined ? {} : { citations: { enabled: citations } }),
      ...cached(part),
    };
    if (source.kind === 'base64' && source.mediaType !== 'application/pdf') {
      if (!/^text\/|\/(?:json|xml|csv|markdown)$/.test(source.mediaType)) {
        this.unsupported(path, `a file of type "${source.mediaType}"`);
        return [];
      }
      const data = Buffer.from(source.data, 'base64').toString('utf8');
      return [{ type: 'document', source: { type: 'text', media_type: 'text/plain', data }, ...about }];
    }
    const given = this.#source(source, path);
    return given ? [{ type: 'document', source: given, ...about }] : [];
  }

  assistant(part: AssistantPart, path: string): JsonObject[] {
    switch (part.type) {
      case 'text': {
        const own = (part.citations ?? []).filter(({ raw }) => raw.dialect === 'anthropic-messages');
        const citations = own.length === 0 ? {} : { citations: own.map(({ raw }) => raw.value) };
        return isBlank(part.text) ? [] : [{ type: 'text', text: part.text, ...citations, ...cached(part) }];
      }
      case 'refusal':
        return isBlank(part.text) ? [] : [{ type: 'text', text: part.text }];
      case 'reasoning': {
        const { redacted, signature, text } = part;
        if (redacted?.origin === 'anthropic') return [{ type: 'redacted_thinking', data: redacted.value }];
        if (signature?.origin === 'anthropic') {
          return [{ type: 'thinking', thinking: text, signature: signature.value }];
        }
        this.#foreignReasoning();
        return [];
      }
      case 'tool-call': {
        const { name, arguments: given } = part;
        return [
          {
            type: 'tool_use',
            id: toolUseId(part.id),
            name,
            input: argumentsObject(given, path),
            ...cached(part),
          },
        ];
      }
      case 'unknown':
        if (part.dialect === 'anthropic-messages') return [part.value];
    }
    this.unsupported(path, `content of type "${part.type}" in an assistant message`);
    return [];
  }

  #foreignReasoning(): void {
    if (this.#omittedReasoning) return;
    this.#omittedReasoning = true;
    this.warn({
      kind: 'unsupported',
      param: 'messages',
      message: 'Reasoning of another provider in the history was omitted.',
    });
  }

  toolResult(part: ToolResultPart, path: string): JsonObject {
    const content = part.content.flatMap((inner, index) => this.user(inner, `${path}.content[${index}]`));
    return {
      type: 'tool_result',
      tool_use_id: toolUseId(part.callId),
      ...(content.length === 0 ? {} : { content }),
      ...(part.isError ? { is_error: true } : {}),
      ...cached(part),
    };
  }
}

/** @returns the `cache_control` member of a part with a cache marker; else nothing */
export function cached({ cacheControl }: { readonly cacheControl?: CacheControl }): JsonObject {
  return cacheControl === undefined ? {} : { cache_control: cacheControl };
}
