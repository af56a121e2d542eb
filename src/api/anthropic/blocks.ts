import { readCitation } from '../../core/chat/citations.ts';
import type {
  AssistantPart,
  FilePart,
  ImagePart,
  MediaSource,
  TextPart,
  ToolResultPart,
  UnknownPart,
  UserPart,
} from '../../core/chat/request.ts';
import { asString, isRecord, type JsonObject } from '../../core/json.ts';
import { plainId, readSignature, readSignedId, unpackSignature } from '../signature.ts';
import { cacheControl, invalid, requiredObject, requiredText } from './fields.ts';

const IMAGE_TYPES: ReadonlySet<string> = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp']);

/** Content blocks: text stands for one block of it. */
export function blocksOf(
  content: unknown,
  param: string,
): { readonly block: JsonObject; readonly param: string }[] {
  if (typeof content === 'string') return [{ block: { type: 'text', text: content }, param }];
  if (!Array.isArray(content)) throw invalid(param, 'text or a list of content blocks is expected');
  return content.map((value: unknown, index) => {
    const path = `${param}.${index}`;
    return { block: requiredObject(value, path), param: path };
  });
}

function unknown(block: JsonObject): UnknownPart {
  return { type: 'unknown', dialect: 'anthropic-messages', value: block };
}

export function textPart(block: JsonObject, param: string): TextPart {
  const citations = Array.isArray(block.citations)
    ? block.citations.flatMap((value) => readCitation(value, 'anthropic-messages') ?? [])
    : [];
  return {
    type: 'text',
    text: requiredText(block.text, `${param}.text`),
    ...(citations.length === 0 ? {} : { citations }),
    ...cacheControl(block.cache_control, `${param}.cache_control`),
  };
}

function imagePart(block: JsonObject, param: string): ImagePart {
  const source = requiredObject(block.source, `${param}.source`);
  return {
    type: 'image',
    source: mediaSource(source, `${param}.source`, IMAGE_TYPES),
    ...cacheControl(block.cache_control, `${param}.cache_control`),
  };
}

function mediaSource(source: JsonObject, param: string, types?: ReadonlySet<string>): MediaSource {
  switch (source.type) {
    case 'base64': {
      const mediaType = requiredText(source.media_type, `${param}.media_type`);
      if (types && !types.has(mediaType)) {
        throw invalid(`${param}.media_type`, `one of ${[...types].join(', ')} is expected`);
      }
      return { kind: 'base64', mediaType, data: requiredText(source.data, `${param}.data`) };
    }
    case 'url': {
      const url = requiredText(source.url, `${param}.url`);
      if (!/^https?:\/\//i.test(url)) throw invalid(`${param}.url`, 'an http or https URL is expected');
      return { kind: 'url', url };
    }
    case 'file':
      return { kind: 'file-id', id: requiredText(source.file_id, `${param}.file_id`), origin: 'anthropic' };
    case 'text': {
      const mediaType = asString(source.media_type) ?? 'text/plain';
      return { kind: 'text', mediaType, text: requiredText(source.data, `${param}.data`) };
    }
    default:
      throw invalid(`${param}.type`, 'base64, url, file or text is expected');
  }
}

function documentPart(block: JsonObject, param: string): FilePart | UnknownPart {
  const source = requiredObject(block.source, `${param}.source`);
  // Documents made of blocks exist nowhere else.
  if (source.type === 'content') return unknown(block);
  const title = asString(block.title);
  const context = asString(block.context);
  const citations = isRecord(block.citations) ? block.citations.enabled === true : undefined;
  return {
    type: 'file',
    source: mediaSource(source, `${param}.source`),
    ...(title === undefined ? {} : { title }),
    ...(context === undefined ? {} : { context }),
    ...(citations === undefined ? {} : { citations }),
    ...cacheControl(block.cache_control, `${param}.cache_control`),
  };
}

export function userPart(block: JsonObject, param: string): UserPart {
  switch (block.type) {
    case 'text':
      return textPart(block, param);
    case 'image':
      return imagePart(block, param);
    case 'document':
      return documentPart(block, param);
    case undefined:
      throw invalid(`${param}.type`, 'a content block has a type');
    default:
      return unknown(block);
  }
}

export function toolResultPart(block: JsonObject, param: string): ToolResultPart {
  const { content = [] } = block;
  const parts = blocksOf(content ?? [], `${param}.content`).map((inner) => {
    const part = userPart(inner.block, inner.param);
    if (part.type === 'audio') throw invalid(inner.param, 'a tool result cannot contain audio');
    return part;
  });
  return {
    type: 'tool-result',
    callId: plainId(requiredText(block.tool_use_id, `${param}.tool_use_id`)),
    content: parts,
    ...(block.is_error === true ? { isError: true } : {}),
    ...cacheControl(block.cache_control, `${param}.cache_control`),
  };
}

export function assistantPart(block: JsonObject, param: string): AssistantPart {
  switch (block.type) {
    case 'text':
      return textPart(block, param);
    case 'thinking': {
      const given = asString(block.signature);
      const signature = given === undefined ? undefined : readSignature(given, 'anthropic');
      return {
        type: 'reasoning',
        text: requiredText(block.thinking, `${param}.thinking`),
        ...(signature === undefined ? {} : { signature }),
      };
    }
    case 'redacted_thinking': {
      const data = requiredText(block.data, `${param}.data`);
      return { type: 'reasoning', text: '', redacted: unpackSignature(data, 'anthropic') };
    }
    case 'tool_use':
      return {
        type: 'tool-call',
        ...readSignedId(requiredText(block.id, `${param}.id`)),
        name: requiredText(block.name, `${param}.name`),
        arguments: JSON.stringify(requiredObject(block.input, `${param}.input`)),
        ...cacheControl(block.cache_control, `${param}.cache_control`),
      };
    case undefined:
      throw invalid(`${param}.type`, 'a content block has a type');
    default:
      return unknown(block);
  }
}
