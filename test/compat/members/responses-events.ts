import type { Json } from './values.ts';
import { TEXT } from './vendor-answers.ts';

/** A stream of OpenAI's Responses with a message, reasoning, and a call of each kind. */

const response = (status: string, output: readonly Json[] = []): Json => ({
  id: 'resp_1',
  object: 'response',
  created_at: 7,
  model: 'm',
  status,
  output,
  ...(status === 'completed' ? { usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 } } : {}),
});

const message = (status: string, content: readonly Json[] = []): Json => ({
  type: 'message',
  id: 'm1',
  role: 'assistant',
  status,
  content,
});
const text = (said: string) => ({ type: 'output_text', text: said, annotations: [] });
const call = (said: string, status: string): Json => ({
  type: 'function_call',
  id: 'f1',
  call_id: 'call_1',
  name: 'look',
  arguments: said,
  status,
});
const custom = (said: string, status: string): Json => ({
  type: 'custom_tool_call',
  id: 'c1',
  call_id: 'call_2',
  name: 'edit',
  input: said,
  status,
});
const reasoning = (said: readonly string[]): Json => ({
  type: 'reasoning',
  id: 'r1',
  summary: said.map((one) => ({ type: 'summary_text', text: one })),
});

const inMessage = { item_id: 'm1', output_index: 0, content_index: 0 };
const inReasoning = { item_id: 'r1', output_index: 1, summary_index: 0 };
const inCall = { item_id: 'f1', output_index: 2 };
const inCustom = { item_id: 'c1', output_index: 3 };

const EVENTS: readonly Json[] = [
  { type: 'response.created', response: response('in_progress') },
  { type: 'response.output_item.added', output_index: 0, item: message('in_progress') },
  { type: 'response.content_part.added', ...inMessage, part: text('') },
  { type: 'response.output_text.delta', ...inMessage, delta: TEXT },
  { type: 'response.output_text.done', ...inMessage, text: TEXT },
  { type: 'response.content_part.done', ...inMessage, part: text(TEXT) },
  { type: 'response.output_item.done', output_index: 0, item: message('completed', [text(TEXT)]) },
  { type: 'response.output_item.added', output_index: 1, item: reasoning([]) },
  { type: 'response.reasoning_summary_part.added', ...inReasoning, part: { type: 'summary_text', text: '' } },
  { type: 'response.reasoning_summary_text.delta', ...inReasoning, delta: 'Hm.' },
  { type: 'response.reasoning_summary_text.done', ...inReasoning, text: 'Hm.' },
  {
    type: 'response.reasoning_summary_part.done',
    ...inReasoning,
    part: { type: 'summary_text', text: 'Hm.' },
  },
  { type: 'response.output_item.done', output_index: 1, item: reasoning(['Hm.']) },
  { type: 'response.output_item.added', output_index: 2, item: call('', 'in_progress') },
  { type: 'response.function_call_arguments.delta', ...inCall, delta: '{}' },
  { type: 'response.function_call_arguments.done', ...inCall, name: 'look', arguments: '{}' },
  { type: 'response.output_item.done', output_index: 2, item: call('{}', 'completed') },
  { type: 'response.output_item.added', output_index: 3, item: custom('', 'in_progress') },
  { type: 'response.custom_tool_call_input.delta', ...inCustom, delta: 'x' },
  { type: 'response.custom_tool_call_input.done', ...inCustom, input: 'x' },
  { type: 'response.output_item.done', output_index: 3, item: custom('x', 'completed') },
  { type: 'response.completed', response: response('completed') },
];

/** Where an event belongs that the stream does not have. */
const POSITIONS: readonly (readonly [type: RegExp, behind: string, ids: Json])[] = [
  [/refusal|annotation/, 'response.output_text.delta', inMessage],
  [/reasoning/, 'response.reasoning_summary_text.delta', { ...inReasoning, content_index: 0 }],
];

/** The stream, with an event in place of the first of its type, or in the place where it belongs. */
export function responsesEvents(event: Json): readonly Json[] {
  const at = EVENTS.findIndex(({ type }) => type === event.type);
  const known = EVENTS[at];
  if (known) {
    const { item_id, output_index, content_index, summary_index } = known;
    const ids = { item_id, output_index, content_index, summary_index };
    return numbered(EVENTS.toSpliced(at, 1, { ...event, ...defined(ids), ...objectsOf(known) }));
  }
  const place = POSITIONS.find(([pattern]) => pattern.test(String(event.type)));
  const behind = EVENTS.findIndex(({ type }) => type === (place?.[1] ?? 'response.output_item.done'));
  return numbered(EVENTS.toSpliced(behind + 1, 0, { ...event, ...place?.[2] }));
}

/** Objects of the types that a complete response has too. */
function objectsOf({ response: whole, item, part }: Json): Json {
  return defined({ response: whole, item, part });
}

function defined(members: Json): Json {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

function numbered(events: readonly Json[]): readonly Json[] {
  return events.map((event, sequence_number) => ({ sequence_number, ...event }));
}
