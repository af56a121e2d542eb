import { asString, isRecord, records } from '../../../src/core/json.ts';
import { dataEvents, eventStream, json, type ResponseScript } from '../scripts.ts';
import {
  type Conversation,
  callId,
  type ModelOutput,
  pieces,
  type ReadRequest,
  type ToolResult,
  textOf,
} from './conversation.ts';

/** OpenAI's chat completions, as OpenAI and as vLLM send them. */

const USAGE = { prompt_tokens: 40, completion_tokens: 8, total_tokens: 48 };
const CREATED = 1_700_000_000;

/** Each call needs its result in the messages that follow at once, and each result its call. */
function pairingFaults(messages: readonly Record<string, unknown>[]): string[] {
  const faults: string[] = [];
  let open = new Set<string>();
  for (const message of messages) {
    if (message.role === 'tool') {
      const id = asString(message.tool_call_id) ?? '';
      if (!open.delete(id)) faults.push(`a message with role 'tool' must follow the call "${id}"`);
      continue;
    }
    if (open.size > 0) {
      faults.push(`tool_calls must be followed by tool messages for: ${[...open].join(', ')}`);
    }
    open = new Set(records(message.tool_calls).map(({ id }) => asString(id) ?? ''));
    if (message.role === 'assistant' && open.size === 0 && textOf(message.content) === '') {
      faults.push('an assistant message needs content or tool_calls');
    }
  }
  if (open.size > 0) faults.push('the conversation ends with calls that have no result');
  return faults;
}

export function readChat(body: Record<string, unknown>): ReadRequest {
  const messages = records(body.messages);
  const names = new Map<string, string>();
  const results: ToolResult[] = [];
  for (const message of messages) {
    for (const call of records(message.tool_calls)) {
      const called = isRecord(call.function) ? call.function.name : undefined;
      names.set(asString(call.id) ?? '', asString(called) ?? '');
    }
    if (message.role === 'tool') {
      const name = names.get(asString(message.tool_call_id) ?? '') ?? '';
      results.push({ name, text: textOf(message.content) });
    }
  }
  const format = isRecord(body.response_format) ? body.response_format : {};
  const choice = body.tool_choice;
  const chosen = isRecord(choice) && isRecord(choice.function) ? asString(choice.function.name) : undefined;
  const tools = records(body.tools).map((tool) => {
    const offered = isRecord(tool.function) ? tool.function : {};
    return {
      name: asString(offered.name) ?? '',
      kind: tool.type === 'custom' ? ('custom' as const) : ('function' as const),
      schema: offered.parameters,
    };
  });
  return {
    conversation: {
      model: asString(body.model) ?? '',
      streams: body.stream === true,
      tools,
      requiredTool: chosen ?? (choice === 'required' ? tools[0]?.name : undefined),
      schema: isRecord(format.json_schema) ? format.json_schema.schema : undefined,
      prompts: messages.filter(({ role }) => role === 'user').map(({ content }) => textOf(content)),
      results,
    },
    faults: pairingFaults(messages),
  };
}

const wireCalls = (conversation: Conversation, output: ModelOutput, idPrefix: string) =>
  (output.calls ?? []).map((call, index) => ({
    id: callId(idPrefix, conversation, index),
    type: 'function',
    function: { name: call.name, arguments: JSON.stringify(call.arguments) },
  }));

export interface ChatFlavor {
  readonly idPrefix: string;
  /** Members that the server adds to each choice of a stream. */
  readonly choice: Readonly<Record<string, unknown>>;
  /** Members that the server adds to each message. */
  readonly message: Readonly<Record<string, unknown>>;
  /** Members that the server adds to the response. */
  readonly response: Readonly<Record<string, unknown>>;
}

export const OPENAI_FLAVOR: ChatFlavor = {
  idPrefix: 'call_',
  choice: { logprobs: null },
  message: { refusal: null, annotations: [] },
  response: { service_tier: 'default', system_fingerprint: 'fp_1' },
};

/** vLLM names its own members and ids, and sends them as nulls when they are empty. */
export const VLLM_FLAVOR: ChatFlavor = {
  idPrefix: 'chatcmpl-tool-',
  choice: { logprobs: null, stop_reason: null, token_ids: null },
  message: { refusal: null, annotations: null, audio: null, function_call: null, reasoning: null },
  response: { prompt_logprobs: null, prompt_token_ids: null, kv_transfer_params: null },
};

/** @returns the response to a chat completion, plain or streaming as the request asks */
export function renderChat(
  conversation: Conversation,
  output: ModelOutput,
  flavor: ChatFlavor,
): ResponseScript {
  const calls = wireCalls(conversation, output, flavor.idPrefix);
  const finish = calls.length > 0 ? 'tool_calls' : 'stop';
  const head = { id: 'chatcmpl-1', created: CREATED, model: conversation.model };
  if (!conversation.streams) {
    const message = {
      role: 'assistant',
      content: output.text ?? null,
      ...flavor.message,
      ...(calls.length > 0 && { tool_calls: calls }),
    };
    return json({
      ...head,
      object: 'chat.completion',
      choices: [{ index: 0, message, ...flavor.choice, finish_reason: finish }],
      usage: USAGE,
      ...flavor.response,
    });
  }
  const event = (delta: Record<string, unknown>, reason: string | null = null) => ({
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, ...flavor.choice, finish_reason: reason }],
  });
  const events: object[] = [event({ role: 'assistant', content: '' })];
  for (const content of pieces(output.text ?? '')) events.push(event({ content }));
  for (const [index, { id, type, function: called }] of calls.entries()) {
    events.push(event({ tool_calls: [{ index, id, type, function: { name: called.name, arguments: '' } }] }));
    for (const part of pieces(called.arguments, 16)) {
      events.push(event({ tool_calls: [{ index, function: { arguments: part } }] }));
    }
  }
  events.push(event({}, finish), {
    ...head,
    object: 'chat.completion.chunk',
    choices: [],
    usage: USAGE,
  });
  return eventStream(dataEvents(events));
}
