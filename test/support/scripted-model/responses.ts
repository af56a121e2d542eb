import { asString, isRecord, records } from '../../../src/core/json.ts';
import { eventStream, json, type ResponseScript } from '../scripts.ts';
import {
  type Conversation,
  callId,
  type ModelOutput,
  pieces,
  type ReadRequest,
  type ToolOffer,
  type ToolResult,
  textOf,
} from './conversation.ts';

/** OpenAI's Responses API. */

function offers(tools: unknown, namespace?: string): ToolOffer[] {
  return records(tools).flatMap((tool): ToolOffer[] => {
    const offer = { name: asString(tool.name) ?? '', ...(namespace !== undefined && { namespace }) };
    if (tool.type === 'namespace') return offers(tool.tools, offer.name);
    if (tool.type === 'function') return [{ ...offer, kind: 'function', schema: tool.parameters }];
    if (tool.type === 'custom') return [{ ...offer, kind: 'custom', schema: undefined }];
    if (tool.type === 'tool_search') {
      return [{ name: 'tool_search', kind: 'search', schema: tool.parameters }];
    }
    return [];
  });
}

export function readResponses(body: Record<string, unknown>): ReadRequest {
  const items =
    typeof body.input === 'string' ? [{ role: 'user', content: body.input }] : records(body.input);
  const names = new Map<string, string>();
  const results: ToolResult[] = [];
  const prompts: string[] = [];
  const faults: string[] = [];
  for (const item of items) {
    const id = asString(item.call_id) ?? '';
    switch (item.type) {
      case 'function_call':
      case 'custom_tool_call':
      case 'tool_search_call':
        names.set(id, asString(item.name) ?? 'tool_search');
        break;
      case 'function_call_output':
      case 'custom_tool_call_output':
      case 'tool_search_output':
        if (!names.has(id)) faults.push(`No tool call found for function call output with call_id ${id}.`);
        results.push({ name: names.get(id) ?? '', text: textOf(item.output ?? JSON.stringify(item.tools)) });
        break;
      default:
        if (item.role === 'user') prompts.push(textOf(item.content));
    }
  }
  if (names.size > results.length) faults.push('No tool output found for a function call.');
  const text = isRecord(body.text) ? body.text : {};
  const format = isRecord(text.format) ? text.format : {};
  const choice = body.tool_choice;
  const more = items.filter(({ type }) => type === 'additional_tools' || type === 'tool_search_output');
  const tools = [body, ...more].flatMap((one) => offers('tools' in one ? one.tools : undefined));
  return {
    conversation: {
      model: asString(body.model) ?? '',
      streams: body.stream === true,
      tools,
      requiredTool: isRecord(choice)
        ? asString(choice.name)
        : choice === 'required'
          ? tools[0]?.name
          : undefined,
      schema: format.schema,
      prompts,
      results,
    },
    faults,
  };
}

const USAGE = {
  input_tokens: 40,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: 8,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 48,
};

type OutputItem = Readonly<Record<string, unknown>> & { readonly id: string; readonly type: string };

function outputItems(conversation: Conversation, output: ModelOutput): OutputItem[] {
  const items: OutputItem[] = [];
  if (output.text !== undefined) {
    const part = { type: 'output_text', text: output.text, annotations: [], logprobs: [] };
    items.push({ id: 'msg_1', type: 'message', status: 'completed', role: 'assistant', content: [part] });
  }
  for (const [index, call] of (output.calls ?? []).entries()) {
    const id = callId('call_', conversation, index);
    const namespace = call.namespace !== undefined && { namespace: call.namespace };
    const common = { status: 'completed', call_id: id, name: call.name, ...namespace };
    if (call.searchesTools) {
      const search = { status: 'completed', call_id: id, execution: 'client', arguments: call.arguments };
      items.push({ id: `tsc_${id}`, type: 'tool_search_call', ...search });
      continue;
    }
    items.push(
      call.input === undefined
        ? { id: `fc_${id}`, type: 'function_call', ...common, arguments: JSON.stringify(call.arguments) }
        : { id: `ctc_${id}`, type: 'custom_tool_call', ...common, input: call.input },
    );
  }
  return items;
}

/** The events of one item between `output_item.added` and `output_item.done`. */
function itemEvents(item: OutputItem, index: number): Record<string, unknown>[] {
  const at = { item_id: item.id, output_index: index };
  if (item.type === 'message') {
    const part = records(item.content)[0] ?? {};
    const text = asString(part.text) ?? '';
    const inPart = { ...at, content_index: 0 };
    return [
      { type: 'response.content_part.added', ...inPart, part: { ...part, text: '' } },
      ...pieces(text).map((delta) => ({
        type: 'response.output_text.delta',
        ...inPart,
        delta,
        logprobs: [],
      })),
      { type: 'response.output_text.done', ...inPart, text, logprobs: [] },
      { type: 'response.content_part.done', ...inPart, part },
    ];
  }
  if (item.type === 'tool_search_call') return [];
  const custom = item.type === 'custom_tool_call';
  const kind = custom ? 'response.custom_tool_call_input' : 'response.function_call_arguments';
  const value = asString(custom ? item.input : item.arguments) ?? '';
  return [
    ...pieces(value, 16).map((delta) => ({ type: `${kind}.delta`, ...at, delta })),
    { type: `${kind}.done`, ...at, [custom ? 'input' : 'arguments']: value },
  ];
}

/** @returns the response, plain or streaming as the request asks */
export function renderResponses(conversation: Conversation, output: ModelOutput): ResponseScript {
  const items = outputItems(conversation, output);
  const head = {
    id: 'resp_1',
    object: 'response',
    created_at: 1_700_000_000,
    model: conversation.model,
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: 'auto',
    tools: [],
    top_p: 1,
  };
  const done = { ...head, status: 'completed', output: items, usage: USAGE };
  if (!conversation.streams) return json(done);
  const begun = { ...head, status: 'in_progress', output: [], usage: null };
  const events: Record<string, unknown>[] = [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
  ];
  for (const [index, item] of items.entries()) {
    const added =
      item.type === 'message'
        ? { ...item, status: 'in_progress', content: [] }
        : item.type === 'tool_search_call'
          ? { ...item, status: 'in_progress' }
          : { ...item, status: 'in_progress', ...('input' in item ? { input: '' } : { arguments: '' }) };
    events.push({ type: 'response.output_item.added', output_index: index, item: added });
    events.push(...itemEvents(item, index));
    events.push({ type: 'response.output_item.done', output_index: index, item });
  }
  events.push({ type: 'response.completed', response: done });
  return eventStream(
    events.map(
      (event, number) =>
        `event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number: number })}\n\n`,
    ),
  );
}
