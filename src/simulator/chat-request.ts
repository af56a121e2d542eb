import { z } from 'zod';
import { type ApiError, invalidRequest } from './api-error.ts';
import { parseBody } from './validation.ts';

const textPart = z.looseObject({ type: z.literal('text'), text: z.string() });
const refusalPart = z.looseObject({ type: z.literal('refusal'), refusal: z.string() });
const imagePart = z.looseObject({
  type: z.literal('image_url'),
  image_url: z.looseObject({ url: z.string().min(1), detail: z.enum(['auto', 'low', 'high']).nullish() }),
});
const audioPart = z.looseObject({
  type: z.literal('input_audio'),
  input_audio: z.looseObject({ data: z.string(), format: z.string() }),
});
const filePart = z.looseObject({
  type: z.literal('file'),
  file: z.looseObject({ file_data: z.string().nullish(), file_id: z.string().nullish() }),
});
const contentPart = z.discriminatedUnion('type', [textPart, refusalPart, imagePart, audioPart, filePart]);

const toolCall = z.looseObject({
  id: z.string(),
  type: z.literal('function'),
  function: z.looseObject({ name: z.string(), arguments: z.string() }),
});

const message = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: z
    .union([z.string(), z.array(contentPart)], { error: 'expected a string or an array of content parts' })
    .nullish(),
  name: z.string().nullish(),
  refusal: z.string().nullish(),
  tool_calls: z.array(toolCall).min(1).nullish(),
  tool_call_id: z.string().nullish(),
});

const tool = z.looseObject({
  type: z.literal('function'),
  function: z.looseObject({
    name: z
      .string()
      .regex(/^[a-zA-Z0-9_-]{1,64}$/, 'it must be 1 to 64 letters, digits, underscores and dashes'),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
    strict: z.boolean().nullish(),
  }),
});

const namedTool = z.looseObject({
  type: z.literal('function'),
  function: z.looseObject({ name: z.string() }),
});
const allowedTools = z.looseObject({
  type: z.literal('allowed_tools'),
  allowed_tools: z.looseObject({ mode: z.enum(['auto', 'required']), tools: z.array(namedTool) }),
});

const responseFormat = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('text') }),
  z.looseObject({ type: z.literal('json_object') }),
  z.looseObject({
    type: z.literal('json_schema'),
    json_schema: z.looseObject({
      name: z
        .string()
        .regex(/^[a-zA-Z0-9_-]{1,64}$/, 'it must be 1 to 64 letters, digits, underscores and dashes'),
      schema: z.record(z.string(), z.unknown()).nullish(),
    }),
  }),
]);

/** Schema of `stop`. */
export const stopSequences = z
  .union([z.string().min(1), z.array(z.string().min(1)).max(4)], {
    error: 'expected a string, or an array of at most 4 strings, none of them empty',
  })
  .nullish();
/** Schema of `stream_options`. */
export const streamOptions = z.looseObject({ include_usage: z.boolean().nullish() }).nullish();

const chatRequest = z.looseObject({
  model: z.string(),
  messages: z.array(message).min(1, 'there must be at least one message'),
  stream: z.boolean().nullish(),
  stream_options: streamOptions,
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  n: z.int().min(1).max(128).nullish(),
  stop: stopSequences,
  seed: z.int().nullish(),
  user: z.string().nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  response_format: responseFormat.nullish(),
  tools: z.array(tool).min(1).max(128).nullish(),
  tool_choice: z
    .union([z.enum(['none', 'auto', 'required']), namedTool, allowedTools], {
      error: "expected 'none', 'auto', 'required', or an object that names tools",
    })
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  reasoning_effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh']).nullish(),
  modalities: z.array(z.literal('text', 'the simulator answers in text only')).nullish(),
});

/** A valid body of a chat completion. */
export type ChatRequest = z.output<typeof chatRequest>;
/** One of its messages. */
export type ChatMessage = ChatRequest['messages'][number];
/** A part of a message's content. */
export type ContentPart = z.output<typeof contentPart>;
/** A tool of the request. */
export type Tool = z.output<typeof tool>;

/** Parses the body of a chat completion. @throws ApiError as OpenAI's API responds */
export function parseChatRequest(body: unknown): ChatRequest {
  const request = parseBody(chatRequest, body);
  checkParameters(request);
  checkMessages(request.messages);
  return request;
}

function checkParameters(request: ChatRequest): void {
  for (const [old, replacement] of Object.entries({ functions: 'tools', function_call: 'tool_choice' })) {
    if (request[old] != null) throw invalidRequest(`'${old}' is not supported; use '${replacement}'.`, old);
  }
  const { max_tokens, max_completion_tokens, tools } = request;
  if (typeof max_tokens === 'number' && typeof max_completion_tokens === 'number') {
    throw invalidRequest(
      "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
      'max_tokens',
    );
  }
  checkStreamOptions(request);
  if (request.top_logprobs && request.logprobs !== true) {
    throw invalidRequest("'top_logprobs' needs 'logprobs' to be true.", 'top_logprobs');
  }
  if (!tools) {
    const param = request.tool_choice
      ? 'tool_choice'
      : request.parallel_tool_calls != null
        ? 'parallel_tool_calls'
        : '';
    if (param !== '' && request.tool_choice !== 'none') {
      throw invalidRequest(`'${param}' is only allowed when 'tools' are specified.`, param);
    }
    return;
  }
  const choice = request.tool_choice;
  const known = new Set(tools.map((item) => item.function.name));
  const named =
    typeof choice !== 'object' || choice === null
      ? []
      : choice.type === 'function'
        ? [choice]
        : choice.allowed_tools.tools;
  const missing = named.find((item) => !known.has(item.function.name));
  if (missing !== undefined) {
    throw invalidRequest(`Tool choice '${missing.function.name}' not found in 'tools'.`, 'tool_choice');
  }
}

/**
 * Rejects `stream_options` without `stream`.
 * @throws ApiError with status 400
 */
export function checkStreamOptions(request: {
  stream?: boolean | null | undefined;
  stream_options?: unknown;
}): void {
  if (request.stream_options && request.stream !== true) {
    throw invalidRequest(
      "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
      'stream_options',
    );
  }
}

function checkMessages(messages: readonly ChatMessage[]): void {
  const open = new Set<string>();
  let caller = 0;
  messages.forEach((item, index) => {
    const at = `messages[${index}]`;
    if (item.role === 'tool') {
      if (typeof item.tool_call_id !== 'string') throw missing(`${at}.tool_call_id`);
      if (!open.delete(item.tool_call_id)) {
        const message =
          "Messages with role 'tool' must answer a tool call of the assistant message before them.";
        throw invalidRequest(message, `${at}.tool_call_id`);
      }
    } else {
      checkAnswered(open, caller);
    }
    if (item.role === 'assistant') {
      caller = index;
      for (const call of item.tool_calls ?? []) open.add(call.id);
    }
    const mayBeEmpty = item.role === 'assistant' && (item.tool_calls != null || item.refusal != null);
    if (item.content == null && !mayBeEmpty) throw missing(`${at}.content`);
  });
  checkAnswered(open, caller);
}

function checkAnswered(open: ReadonlySet<string>, caller: number): void {
  if (open.size === 0) return;
  const ids = [...open].join(', ');
  const message = `Each tool call must be answered by a tool message. Not answered: ${ids}.`;
  throw invalidRequest(message, `messages[${caller}].tool_calls`);
}

function missing(param: string): ApiError {
  return invalidRequest(`Missing required parameter: '${param}'.`, param, 'missing_required_parameter');
}

/** @returns the text of a message without images and audio */
export function messageText(item: ChatMessage | undefined): string {
  const content = item?.content;
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => (part.type === 'text' ? part.text : '')).join(' ');
}
