import { appendAll } from '../../../core/append-all.ts';
import type {
  AssistantPart,
  ImagePart,
  Message,
  ReasoningPart,
  Signature,
  ToolCallPart,
  ToolResultPart,
} from '../../../core/chat/request.ts';
import { asString, isRecord, type JsonObject, listOf } from '../../../core/json.ts';
import { plainId, readSignedId, unpackSignature } from '../../signature.ts';
import {
  cacheControlOf,
  imagePart,
  invalid,
  requiredObject,
  requiredText,
  textContent,
  userContent,
} from './parts.ts';

const ROLES = 'developer, system, user, assistant, tool or function';

/** The conversation. Results of one turn's calls stand together, as they do in other dialects. */
export function readMessages(messages: readonly unknown[]): Message[] {
  const read: Message[] = [];
  /** Content of the last message, if it contains tool results. */
  let results: ToolResultPart[] | undefined;
  for (const [index, value] of messages.entries()) {
    const param = `messages[${index}]`;
    const message = readMessage(requiredObject(value, param), param);
    if (message.role !== 'tool') {
      results = undefined;
      read.push(message);
    } else if (results) appendAll(results, message.content);
    else {
      results = [...message.content];
      read.push({ role: 'tool', content: results });
    }
  }
  return read;
}

function readMessage(message: JsonObject, param: string): Message {
  const name = asString(message.name);
  const named = name === undefined ? {} : { name };
  switch (message.role) {
    case 'system':
    case 'developer':
      return { role: message.role, content: textContent(message.content, `${param}.content`), ...named };
    case 'user':
      return { role: 'user', content: userContent(message.content, `${param}.content`), ...named };
    case 'assistant':
      return { role: 'assistant', content: assistantContent(message, param), ...named };
    case 'tool':
      return { role: 'tool', content: [toolResult(message, param)] };
    case 'function':
      return {
        role: 'tool',
        content: [
          {
            type: 'tool-result',
            callId: legacyCallId(requiredText(message.name, `${param}.name`)),
            content: [{ type: 'text', text: asString(message.content) ?? '' }],
          },
        ],
      };
    default:
      throw invalid(`${param}.role`, `${ROLES} is expected`);
  }
}

/** The oldest form of a call has no id; its function's name is used instead. */
function legacyCallId(name: string): string {
  return `call_${name}`;
}

function toolResult(message: JsonObject, param: string): ToolResultPart {
  const callId = plainId(requiredText(message.tool_call_id, `${param}.tool_call_id`));
  const content = message.content ?? '';
  const parts = userContent(content, `${param}.content`).map((part, index) => {
    if (part.type !== 'audio') return part;
    throw invalid(`${param}.content[${index}].type`, 'a tool result cannot contain audio');
  });
  return {
    type: 'tool-result',
    callId,
    content: parts,
    ...(message.is_error === true ? { isError: true } : {}),
    ...cacheControlOf(message.cache_control, `${param}.cache_control`),
  };
}

function assistantContent(message: JsonObject, param: string): AssistantPart[] {
  return [
    ...reasoningParts(message),
    ...spokenParts(message, param),
    ...toolCalls(message.tool_calls, `${param}.tool_calls`),
    ...legacyCall(message.function_call, `${param}.function_call`),
  ];
}

function spokenParts(message: JsonObject, param: string): AssistantPart[] {
  const { content, refusal, audio, images } = message;
  const parts: AssistantPart[] = [];
  if (typeof content === 'string') parts.push({ type: 'text', text: content });
  else if (Array.isArray(content)) {
    content.forEach((value: unknown, index) => {
      const part = requiredObject(value, `${param}.content[${index}]`);
      if (part.type === 'refusal') {
        parts.push({
          type: 'refusal',
          text: requiredText(part.refusal, `${param}.content[${index}].refusal`),
        });
      } else appendAll(parts, textContent([part], `${param}.content`));
    });
  } else if (content !== null && content !== undefined) {
    throw invalid(`${param}.content`, 'text, a list of content parts, or null is expected');
  }
  signLastText(parts, thoughtSignature(message));
  if (typeof refusal === 'string' && refusal !== '') parts.push({ type: 'refusal', text: refusal });
  if (isRecord(audio))
    parts.push({ type: 'unknown', dialect: 'openai-chat', value: { type: 'audio', audio } });
  appendAll(parts, modelImages(images, `${param}.images`));
  return parts;
}

function signLastText(parts: AssistantPart[], signed: ReturnType<typeof thoughtSignature>): void {
  if (signed.signature === undefined) return;
  const last = parts.findLastIndex(({ type }) => type === 'text');
  const text = parts[last];
  if (text?.type === 'text') parts[last] = { ...text, ...signed };
  else parts.push({ type: 'text', text: '', ...signed });
}

/** Images of the model, in the form in which responses contain them. */
function modelImages(value: unknown, param: string): ImagePart[] {
  return listOf(value).flatMap((image, index) =>
    isRecord(image) && isRecord(image.image_url)
      ? [{ ...imagePart(image, `${param}[${index}]`), ...thoughtSignature(image) }]
      : [],
  );
}

function toolCalls(value: unknown, param: string): ToolCallPart[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(param, 'a list is expected');
  return value.map((item: unknown, index) => {
    const path = `${param}[${index}]`;
    const call = requiredObject(item, path);
    const { id, signature } = readSignedId(requiredText(call.id, `${path}.id`));
    const signed = { ...(signature === undefined ? {} : { signature }), ...thoughtSignature(call) };
    if (call.type === 'custom') {
      const custom = requiredObject(call.custom, `${path}.custom`);
      const name = requiredText(custom.name, `${path}.custom.name`);
      return {
        type: 'tool-call',
        id,
        name,
        arguments: asString(custom.input) ?? '',
        kind: 'custom',
        ...signed,
      };
    }
    const called = requiredObject(call.function, `${path}.function`);
    const given = called.arguments;
    return {
      type: 'tool-call',
      id,
      name: requiredText(called.name, `${path}.function.name`),
      arguments: typeof given === 'string' ? given : JSON.stringify(given ?? {}),
      ...signed,
      ...cacheControlOf(call.cache_control, `${path}.cache_control`),
    };
  });
}

function legacyCall(value: unknown, param: string): ToolCallPart[] {
  if (!isRecord(value)) return [];
  const name = requiredText(value.name, `${param}.name`);
  return [{ type: 'tool-call', id: legacyCallId(name), name, arguments: asString(value.arguments) ?? '' }];
}

/** Where Google's OpenAI-compatible API carries the signature of a call, a text or an image. */
function thoughtSignature({ extra_content: extra }: JsonObject): { readonly signature?: Signature } {
  const google = isRecord(extra) && isRecord(extra.google) ? extra.google : {};
  const value = asString(google.thought_signature);
  return value === undefined ? {} : { signature: unpackSignature(value, 'gemini') };
}

/** Reasoning in the forms that people send back: details with signatures, Anthropic's blocks, or mere text. */
function reasoningParts(message: JsonObject): ReasoningPart[] {
  const { reasoning_details: details, thinking_blocks: blocks } = message;
  if (Array.isArray(details) && details.length > 0) return details.flatMap(detailPart);
  if (Array.isArray(blocks) && blocks.length > 0) return blocks.flatMap(thinkingBlock);
  const text = asString(message.reasoning_content) ?? asString(message.reasoning);
  return text ? [{ type: 'reasoning', text }] : [];
}

function detailPart(value: unknown): ReasoningPart[] {
  if (!isRecord(value)) return [];
  const origin = originOf(asString(value.format));
  const id = asString(value.id);
  const common = { type: 'reasoning', ...(id === undefined ? {} : { id }) } as const;
  const signature = asString(value.signature);
  const signed = signature === undefined ? {} : { signature: unpackSignature(signature, origin) };
  switch (value.type) {
    case 'reasoning.encrypted':
      return [{ ...common, text: '', redacted: unpackSignature(asString(value.data) ?? '', origin) }];
    case 'reasoning.summary':
      return [{ ...common, text: asString(value.summary) ?? '', summary: true, ...signed }];
    case 'reasoning.text':
      return [{ ...common, text: asString(value.text) ?? '', ...signed }];
    default:
      return [];
  }
}

const ORIGINS = ['anthropic', 'openai', 'gemini', 'bedrock', 'mistral', 'cohere', 'deepseek'] as const;

/** Formats are named like `anthropic-claude-v1` or `google-gemini-v1` by those who write them with a version. */
function originOf(format: string | undefined): Signature['origin'] {
  return ORIGINS.find((origin) => format?.includes(origin)) ?? 'other';
}

function thinkingBlock(value: unknown): ReasoningPart[] {
  if (!isRecord(value)) return [];
  if (value.type === 'redacted_thinking') {
    return [
      { type: 'reasoning', text: '', redacted: unpackSignature(asString(value.data) ?? '', 'anthropic') },
    ];
  }
  if (value.type !== 'thinking') return [];
  const signature = asString(value.signature);
  return [
    {
      type: 'reasoning',
      text: asString(value.thinking) ?? '',
      ...(signature === undefined ? {} : { signature: unpackSignature(signature, 'anthropic') }),
    },
  ];
}
