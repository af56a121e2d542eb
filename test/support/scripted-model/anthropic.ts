import { asString, isRecord, records } from '../../../src/core/json.ts';
import { eventStream, json, type ResponseScript } from '../scripts.ts';
import {
  type Conversation,
  callId,
  type ModelOutput,
  pieces,
  type ReadRequest,
  type ToolResult,
  textOf,
} from './conversation.ts';

/** Anthropic's Messages API. */

const contentBlocks = (content: unknown) =>
  typeof content === 'string' ? [{ type: 'text', text: content }] : records(content);

/** The results of all calls of a message must be in the next one; texts must not be blank. */
function messageFaults(messages: readonly Record<string, unknown>[]): string[] {
  const faults: string[] = [];
  let open = new Set<string>();
  for (const [index, message] of messages.entries()) {
    const blocks = contentBlocks(message.content);
    const results = blocks.filter(({ type }) => type === 'tool_result');
    for (const { tool_use_id: id } of results) {
      if (!open.delete(asString(id) ?? '')) faults.push(`messages.${index}: unexpected tool_use_id "${id}"`);
    }
    if (open.size > 0) {
      faults.push(`messages.${index}: tool_use ids without tool_result blocks: ${[...open].join(', ')}`);
    }
    if (blocks.some(({ type, text }) => type === 'text' && (asString(text) ?? '').trim() === '')) {
      faults.push(`messages.${index}: text content blocks must contain non-whitespace text`);
    }
    open = new Set(blocks.filter(({ type }) => type === 'tool_use').map(({ id }) => asString(id) ?? ''));
  }
  return faults;
}

export function readMessages(body: Record<string, unknown>): ReadRequest {
  const messages = records(body.messages);
  const names = new Map<string, string>();
  const results: ToolResult[] = [];
  const prompts: string[] = [];
  for (const message of messages) {
    const blocks = contentBlocks(message.content);
    for (const block of blocks) {
      if (block.type === 'tool_use') names.set(asString(block.id) ?? '', asString(block.name) ?? '');
      if (block.type === 'tool_result') {
        const name = names.get(asString(block.tool_use_id) ?? '') ?? '';
        results.push({ name, text: textOf(block.content) });
      }
    }
    const texts = blocks.filter(({ type }) => type === 'text').map(({ text }) => asString(text) ?? '');
    if (message.role === 'user' && texts.length > 0) prompts.push(texts.join('\n'));
  }
  const choice = isRecord(body.tool_choice) ? body.tool_choice : {};
  const output = isRecord(body.output_config) ? body.output_config : {};
  const format = [output.format, body.output_format].find(isRecord);
  const tools = records(body.tools)
    .filter(({ type }) => type === undefined || type === 'custom')
    .map((tool) => ({
      name: asString(tool.name) ?? '',
      kind: 'function' as const,
      schema: tool.input_schema,
    }));
  return {
    conversation: {
      model: asString(body.model) ?? '',
      streams: body.stream === true,
      tools,
      requiredTool: choice.type === 'any' ? tools[0]?.name : asString(choice.name),
      schema: format?.schema,
      prompts,
      results,
    },
    faults: [
      ...(typeof body.max_tokens === 'number' ? [] : ['max_tokens: Field required']),
      ...messageFaults(messages),
    ],
  };
}

const USAGE = { input_tokens: 40, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };

function namedEvents(events: readonly Readonly<Record<string, unknown>>[]): string[] {
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}

/** @returns the response to a message, plain or streaming as the request asks */
export function renderMessages(conversation: Conversation, output: ModelOutput): ResponseScript {
  const blocks = [
    ...(output.text === undefined ? [] : [{ type: 'text', text: output.text } as const]),
    ...(output.calls ?? []).map(
      (call, index) =>
        ({
          type: 'tool_use',
          id: callId('toolu_', conversation, index),
          name: call.name,
          input: call.arguments,
        }) as const,
    ),
  ];
  const stop = (output.calls ?? []).length > 0 ? 'tool_use' : 'end_turn';
  const head = { id: 'msg_1', type: 'message', role: 'assistant', model: conversation.model };
  if (!conversation.streams) {
    return json({
      ...head,
      content: blocks,
      stop_reason: stop,
      stop_sequence: null,
      usage: { ...USAGE, output_tokens: 8 },
    });
  }
  const start = { ...head, content: [], stop_reason: null, stop_sequence: null };
  const events: Record<string, unknown>[] = [
    { type: 'message_start', message: { ...start, usage: { ...USAGE, output_tokens: 1 } } },
    { type: 'ping' },
  ];
  for (const [index, block] of blocks.entries()) {
    const [opened, deltas] =
      block.type === 'text'
        ? [{ type: 'text', text: '' }, pieces(block.text).map((text) => ({ type: 'text_delta', text }))]
        : [
            { ...block, input: {} },
            pieces(JSON.stringify(block.input), 16).map((part) => ({
              type: 'input_json_delta',
              partial_json: part,
            })),
          ];
    events.push({ type: 'content_block_start', index, content_block: opened });
    for (const delta of deltas) events.push({ type: 'content_block_delta', index, delta });
    events.push({ type: 'content_block_stop', index });
  }
  events.push(
    {
      type: 'message_delta',
      delta: { stop_reason: stop, stop_sequence: null },
      usage: { ...USAGE, output_tokens: 8 },
    },
    { type: 'message_stop' },
  );
  return eventStream(namedEvents(events));
}
