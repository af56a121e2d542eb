import type { ChatMessage, ToolCall } from '../../lib/chat.ts';
import { NO_SETTINGS, type Settings } from './settings.ts';

type Json = Readonly<Record<string, unknown>>;

/** What the playground is about to send. */
export interface Draft {
  readonly model: string | undefined;
  readonly settings: Settings;
  /** Messages before the one that is typed. */
  readonly earlier: readonly ChatMessage[];
  readonly text: string;
  /** Data URLs. */
  readonly images: readonly string[];
}

/** The content of a saved prompt, as `/admin/v1/tenants/{tenant}/prompts` has it. */
export interface PromptContent {
  readonly model: string | null;
  readonly messages: readonly ChatMessage[];
  readonly parameters: Json;
  readonly tools: readonly Json[] | null;
  readonly schema: Json | null;
}

/** Members of a request that have a field of their own, or that the playground sets. */
const OWN_FIELDS = new Set([
  ...['model', 'messages', 'input', 'prompt', 'system', 'instructions', 'stream', 'stream_options'],
  ...['temperature', 'top_p', 'seed', 'stop', 'stop_sequences', 'tools', 'response_format', 'text'],
  ...['max_tokens', 'max_completion_tokens', 'max_output_tokens'],
]);

const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const textOf = (value: unknown): string =>
  typeof value === 'string'
    ? value
    : value === undefined || value === null
      ? ''
      : typeof value === 'number'
        ? String(value)
        : JSON.stringify(value);
const pretty = (value: unknown): string =>
  value === undefined || value === null ? '' : JSON.stringify(value, undefined, 2);

/** @returns what a request body of `bodyOf` saves */
export function contentOf(model: string | undefined, body: Json): PromptContent {
  const { messages, tools, response_format: format, ...parameters } = body;
  const schema = isJson(format) && isJson(format.json_schema) ? format.json_schema.schema : undefined;
  return {
    model: model ?? null,
    messages: messagesOf(messages),
    parameters,
    tools: Array.isArray(tools) ? tools.filter(isJson) : null,
    schema: isJson(schema) ? schema : null,
  };
}

/** @returns the draft of a saved prompt */
export function draftOfPrompt({ model, messages, parameters, tools, schema }: PromptContent): Draft {
  return {
    model: model ?? undefined,
    settings: {
      ...settingsOf(parameters, true),
      ...{ tools: pretty(tools), schema: pretty(schema), system: leading(messages).system },
    },
    ...composed(leading(messages).rest),
  };
}

/**
 * Converts a logged request of any dialect.
 * @param body as the client sent it
 * @returns the draft, and members that the playground does not send
 */
export function draftOfRequest(body: Json): {
  readonly draft: Draft;
  readonly unsentMembers: readonly string[];
} {
  const isChat = Array.isArray(body.messages) && body.system === undefined;
  const instructions = textOfContent(body.system ?? body.instructions);
  const messages = Array.isArray(body.messages)
    ? messagesOf(body.messages)
    : body.input !== undefined
      ? messagesOfInput(body.input)
      : [{ role: 'user' as const, content: textOfContent(body.prompt) }];
  const { system, rest } = leading(messages);
  const others = Object.keys(body).filter((name) => !OWN_FIELDS.has(name));
  const draft = {
    model: typeof body.model === 'string' ? body.model : undefined,
    settings: {
      ...settingsOf(body, isChat),
      system: [instructions, system].filter(Boolean).join('\n\n'),
      tools: pretty(toolsOf(body.tools)),
      schema: pretty(schemaOf(body)),
    },
    ...composed(rest),
  };
  return { draft, unsentMembers: isChat ? [] : others };
}

/** @param isChat whether further members are those of the Chat Completions API */
function settingsOf(body: Json, isChat: boolean): Settings {
  const others = Object.entries(body).filter(([name]) => !OWN_FIELDS.has(name));
  return {
    ...NO_SETTINGS,
    temperature: textOf(body.temperature),
    topP: textOf(body.top_p),
    seed: textOf(body.seed),
    maxTokens: textOf(body.max_completion_tokens ?? body.max_output_tokens ?? body.max_tokens),
    stop: [body.stop ?? body.stop_sequences ?? []].flat().map(textOf).join('\n'),
    extra: isChat && others.length > 0 ? pretty(Object.fromEntries(others)) : '',
  };
}

function schemaOf({ response_format: format, text }: Json): unknown {
  if (isJson(format) && isJson(format.json_schema)) return format.json_schema.schema;
  return isJson(text) && isJson(text.format) ? text.format.schema : undefined;
}

/** Tools of the Messages and Responses APIs in the form of the Chat Completions API. */
function toolsOf(tools: unknown): unknown {
  if (!Array.isArray(tools)) return undefined;
  return tools.filter(isJson).map((tool) => {
    if (isJson(tool.function) || typeof tool.name !== 'string') return tool;
    const { name, description } = tool;
    const parameters = tool.input_schema ?? tool.parameters;
    return { type: 'function', function: { name, ...(description ? { description } : {}), parameters } };
  });
}

/** Splits the system prompt from the messages after it. */
function leading(messages: readonly ChatMessage[]) {
  const end = messages.findIndex(({ role }) => role !== 'system');
  const first = end < 0 ? messages.length : end;
  return {
    system: messages
      .slice(0, first)
      .map(({ content }) => textOfContent(content))
      .join('\n\n'),
    rest: messages.slice(first),
  };
}

/** The last message goes to the field where it is typed, if the user sent it. */
function composed(messages: readonly ChatMessage[]): Pick<Draft, 'earlier' | 'text' | 'images'> {
  const last = messages.at(-1);
  if (last?.role !== 'user') return { earlier: messages, text: '', images: [] };
  const parts = Array.isArray(last.content) ? last.content.filter(isJson) : [];
  const urls = parts.flatMap(({ image_url: image }) =>
    isJson(image) && typeof image.url === 'string' ? [image.url] : [],
  );
  return { earlier: messages.slice(0, -1), text: textOfContent(last.content), images: urls };
}

/** The texts of a message, whose content may be a list of parts. */
export function textOfContent(content: unknown): string {
  if (typeof content === 'string') return content;
  return listOf(content)
    .filter(isJson)
    .map(({ text, content: inner }) => (typeof text === 'string' ? text : textOfContent(inner)))
    .filter(Boolean)
    .join('\n');
}

function roleOf(role: unknown): ChatMessage['role'] {
  if (role === 'system' || role === 'developer') return 'system';
  return role === 'assistant' || role === 'tool' ? role : 'user';
}

function messagesOf(messages: unknown): ChatMessage[] {
  return listOf(messages)
    .filter(isJson)
    .flatMap((message): ChatMessage[] => {
      const parts = listOf(message.content).filter(isJson);
      const results = parts.filter(({ type }) => type === 'tool_result');
      const uses = parts.filter(({ type }) => type === 'tool_use');
      const rest = parts.filter(({ type }) => type !== 'tool_result' && type !== 'tool_use');
      const answered = results.map(
        (part): ChatMessage => ({
          ...{ role: 'tool', content: textOfContent(part.content) },
          tool_call_id: textOf(part.tool_use_id),
        }),
      );
      if (results.length > 0 && rest.length === 0) return answered;
      const calls = [
        ...uses.map(({ id, name, input }) => callOf(textOf(id), textOf(name), JSON.stringify(input ?? {}))),
        ...listOf(message.tool_calls).filter(isJson).flatMap(toolCallOf),
      ];
      const content =
        parts.length === 0
          ? typeof message.content === 'string'
            ? message.content
            : null
          : rest.every(({ type }) => type === 'text')
            ? textOfContent(rest)
            : rest;
      return [
        ...answered,
        {
          role: roleOf(message.role),
          content,
          ...(calls.length > 0 ? { tool_calls: calls } : {}),
          ...(typeof message.tool_call_id === 'string' ? { tool_call_id: message.tool_call_id } : {}),
        },
      ];
    });
}

/** The input of the Responses API. */
function messagesOfInput(input: unknown): ChatMessage[] {
  if (typeof input === 'string') return [{ role: 'user', content: input }];
  return listOf(input)
    .filter(isJson)
    .flatMap((item): ChatMessage[] => {
      if (item.type === 'function_call') {
        const call = callOf(textOf(item.call_id), textOf(item.name), textOf(item.arguments));
        return [{ role: 'assistant', content: null, tool_calls: [call] }];
      }
      if (item.type === 'function_call_output') {
        return [{ role: 'tool', content: textOf(item.output), tool_call_id: textOf(item.call_id) }];
      }
      return item.role === undefined
        ? []
        : [{ role: roleOf(item.role), content: textOfContent(item.content) }];
    });
}

function callOf(id: string, name: string, given: string): ToolCall {
  return { id, type: 'function', function: { name, arguments: given } };
}

function toolCallOf(call: Json): ToolCall[] {
  if (!isJson(call.function)) return [];
  return [callOf(textOf(call.id), textOf(call.function.name), textOf(call.function.arguments))];
}
