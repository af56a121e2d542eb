/** Requests of any size, in every dialect of clients and every dimension in which they can grow. */

type Json = Record<string, unknown>;
/** @param size number of messages, parts, tools or whatever grows */
type LargeBody = (size: number) => Json;

/** Fewer than the different names of members that a request may have. */
const MAX_NAMES = 15_000;

function times<T>(size: number, make: (index: number) => T): T[] {
  return Array.from({ length: size }, (_, index) => make(index));
}

const user = { role: 'user', content: 'Hi.' };
const schema = { type: 'object', properties: { city: { type: 'string' } } };

const openAiTool = (index: number) => ({
  type: 'function',
  function: { name: `tool_${index}`, description: 'A tool.', parameters: schema },
});
const openAiCall = (index: number) => ({
  id: `call_${index}`,
  type: 'function',
  function: { name: 'tool_1', arguments: '{"city":"Paris"}' },
});
const openAiResult = (index: number) => ({ role: 'tool', tool_call_id: `call_${index}`, content: 'Sunny.' });

/** A schema with as many definitions as its size, each referring to the next. */
const chainedSchema = (size: number) => ({
  type: 'object',
  properties: { first: { $ref: '#/$defs/d0' } },
  $defs: Object.fromEntries(
    times(Math.min(size, MAX_NAMES), (index) => [
      `d${index}`,
      { type: 'object', properties: { next: { $ref: `#/$defs/d${index + 1}` } } },
    ]),
  ),
});
/** A schema that merges as many parts as its size. */
const mergedSchema = (size: number) => ({
  type: 'object',
  allOf: times(size, (index) => ({
    properties: { [`p${index % 10_000}`]: { type: 'string' } },
    required: [`p${index % 10_000}`],
  })),
});

const openAiChat = (more: Json): Json => ({ model: 'm', messages: [user], ...more });

const OPENAI_CHAT: Readonly<Record<string, LargeBody>> = {
  'user messages': (size) => openAiChat({ messages: times(size, () => user) }),
  'assistant messages': (size) =>
    openAiChat({ messages: [user, ...times(size, () => ({ role: 'assistant', content: 'Yes.' })), user] }),
  'system messages': (size) =>
    openAiChat({ messages: [...times(size, () => ({ role: 'system', content: 'Be brief.' })), user] }),
  'later system messages': (size) =>
    openAiChat({ messages: [user, ...times(size, () => ({ role: 'developer', content: 'Be brief.' }))] }),
  turns: (size) =>
    openAiChat({
      messages: times(2 * size + 1, (index) =>
        index % 2 === 0 ? user : { role: 'assistant', content: 'Yes.' },
      ),
    }),
  'parts of a message': (size) =>
    openAiChat({ messages: [{ role: 'user', content: times(size, () => ({ type: 'text', text: 'a' })) }] }),
  'parts of a system message': (size) =>
    openAiChat({
      messages: [{ role: 'system', content: times(size, () => ({ type: 'text', text: 'a' })) }, user],
    }),
  images: (size) =>
    openAiChat({
      messages: [
        {
          role: 'user',
          content: times(size, () => ({
            type: 'image_url',
            image_url: { url: 'data:image/png;base64,aGk=' },
          })),
        },
      ],
    }),
  'unknown parts': (size) =>
    openAiChat({ messages: [{ role: 'user', content: times(size, () => ({ type: 'video', video: {} })) }] }),
  'tool calls of a message': (size) =>
    openAiChat({
      messages: [
        user,
        {
          role: 'assistant',
          content: times(size, () => ({ type: 'text', text: 'a' })),
          tool_calls: times(size, openAiCall),
        },
        ...times(size, openAiResult),
      ],
    }),
  'tool turns': (size) =>
    openAiChat({
      messages: [
        user,
        ...times(size, (index) => [
          { role: 'assistant', content: null, tool_calls: [openAiCall(index)] },
          openAiResult(index),
        ]).flat(),
      ],
    }),
  'adjacent messages with tool calls': (size) =>
    openAiChat({
      messages: [
        user,
        ...times(size, (index) => ({ role: 'assistant', content: 'a', tool_calls: [openAiCall(index)] })),
        ...times(size, openAiResult),
      ],
    }),
  'images in tool results': (size) =>
    openAiChat({
      messages: [
        user,
        { role: 'assistant', content: null, tool_calls: [openAiCall(0)] },
        {
          role: 'tool',
          tool_call_id: 'call_0',
          content: times(size, () => ({
            type: 'image_url',
            image_url: { url: 'data:image/png;base64,aGk=' },
          })),
        },
      ],
    }),
  'reasoning details': (size) =>
    openAiChat({
      messages: [
        user,
        {
          role: 'assistant',
          content: 'a',
          reasoning_details: times(size, (index) => ({
            type: 'reasoning.summary',
            summary: 'b',
            format: 'openai-responses-v1',
            id: 'rs_1',
            signature: index === size - 1 ? 'x' : '',
          })),
        },
        user,
      ],
    }),
  tools: (size) => openAiChat({ tools: times(size, openAiTool) }),
  'allowed tools': (size) =>
    openAiChat({
      tools: times(size, openAiTool),
      tool_choice: {
        type: 'allowed_tools',
        allowed_tools: {
          mode: 'auto',
          tools: times(size, (index) => ({ type: 'function', function: { name: `tool_${size - index}` } })),
        },
      },
    }),
  'custom tools': (size) =>
    openAiChat({ tools: times(size, (index) => ({ type: 'custom', custom: { name: `t${index}` } })) }),
  'references in a schema': (size) =>
    openAiChat({
      response_format: { type: 'json_schema', json_schema: { name: 'a', schema: chainedSchema(size) } },
    }),
  'parts of a schema': (size) =>
    openAiChat({
      tools: [{ type: 'function', function: { name: 'f', parameters: mergedSchema(size) } }],
    }),
  'unknown members': (size) =>
    openAiChat(Object.fromEntries(times(Math.min(size, MAX_NAMES), (index) => [`member_${index}`, index]))),
  'stop sequences': (size) => openAiChat({ stop: times(size, (index) => `stop ${index}`) }),
  'logit bias': (size) =>
    openAiChat({
      logit_bias: Object.fromEntries(times(Math.min(size, MAX_NAMES), (index) => [String(index), 1])),
    }),
  metadata: (size) =>
    openAiChat({
      metadata: Object.fromEntries(times(Math.min(size, MAX_NAMES), (index) => [`m${index}`, 'a'])),
    }),
};

const COMPLETIONS: Readonly<Record<string, LargeBody>> = {
  'a prompt': (size) => ({ model: 'm', prompt: 'Once upon a time. '.repeat(size) }),
  prompts: (size) => ({ model: 'm', prompt: times(size, () => 'Once') }),
  'token ids': (size) => ({ model: 'm', prompt: times(size, (index) => index) }),
};

const responses = (more: Json): Json => ({ model: 'm', input: 'Hi.', ...more });
const responsesCall = (index: number) => ({
  type: 'function_call',
  call_id: `call_${index}`,
  name: 'tool_1',
  arguments: '{}',
});
const responsesResult = (index: number) => ({
  type: 'function_call_output',
  call_id: `call_${index}`,
  output: 'Sunny.',
});

const RESPONSES: Readonly<Record<string, LargeBody>> = {
  'user items': (size) => responses({ input: times(size, () => user) }),
  'assistant items': (size) =>
    responses({ input: [user, ...times(size, () => ({ role: 'assistant', content: 'Yes.' }))] }),
  'parts of an item': (size) =>
    responses({
      input: [{ role: 'user', content: times(size, () => ({ type: 'input_text', text: 'a' })) }],
    }),
  'calls, then results': (size) =>
    responses({ input: [user, ...times(size, responsesCall), ...times(size, responsesResult)] }),
  'calls with their results': (size) =>
    responses({
      input: [user, ...times(size, (index) => [responsesCall(index), responsesResult(index)]).flat()],
    }),
  'reasoning items': (size) =>
    responses({
      input: [
        user,
        ...times(size, (index) => ({
          type: 'reasoning',
          id: `rs_${index}`,
          summary: [{ type: 'summary_text', text: 'a' }],
          encrypted_content: 'x',
        })),
        { role: 'assistant', content: 'a' },
      ],
    }),
  'unknown items': (size) =>
    responses({ input: [user, ...times(size, () => ({ type: 'web_search_call', id: 'ws_1' }))] }),
  tools: (size) =>
    responses({
      tools: times(size, (index) => ({ type: 'function', name: `tool_${index}`, parameters: schema })),
      tool_choice: {
        type: 'allowed_tools',
        mode: 'auto',
        tools: times(size, (index) => ({ type: 'function', name: `tool_${size - index}` })),
      },
    }),
  'unknown members': (size) =>
    responses(Object.fromEntries(times(Math.min(size, MAX_NAMES), (index) => [`member_${index}`, index]))),
};

const messages = (more: Json): Json => ({ model: 'm', max_tokens: 100, messages: [user], ...more });
const toolUse = (index: number) => ({
  type: 'tool_use',
  id: `call_${index}`,
  name: 'tool_1',
  input: { city: 'Paris' },
});
const toolResult = (index: number) => ({
  type: 'tool_result',
  tool_use_id: `call_${index}`,
  content: 'Sunny.',
});
const textBlock = { type: 'text', text: 'a' };

const MESSAGES: Readonly<Record<string, LargeBody>> = {
  'user messages': (size) => messages({ messages: times(size, () => user) }),
  turns: (size) =>
    messages({
      messages: times(2 * size + 1, (index) =>
        index % 2 === 0 ? user : { role: 'assistant', content: 'Yes.' },
      ),
    }),
  'blocks of a message': (size) =>
    messages({ messages: [{ role: 'user', content: times(size, () => textBlock) }] }),
  'system blocks': (size) => messages({ system: times(size, () => textBlock) }),
  'cache marks': (size) =>
    messages({
      system: times(size, () => ({ ...textBlock, cache_control: { type: 'ephemeral' } })),
    }),
  'tool uses of a message': (size) =>
    messages({
      messages: [
        user,
        { role: 'assistant', content: times(size, toolUse) },
        { role: 'user', content: times(size, toolResult) },
      ],
    }),
  'results between texts': (size) =>
    messages({
      messages: [
        user,
        { role: 'assistant', content: times(size, toolUse) },
        { role: 'user', content: times(size, (index) => [toolResult(index), textBlock]).flat() },
      ],
    }),
  'tool turns': (size) =>
    messages({
      messages: [
        user,
        ...times(size, (index) => [
          { role: 'assistant', content: [toolUse(index)] },
          { role: 'user', content: [toolResult(index)] },
        ]).flat(),
      ],
    }),
  'adjacent messages with tool uses': (size) =>
    messages({
      messages: [
        user,
        ...times(size, (index) => ({ role: 'assistant', content: [textBlock, toolUse(index)] })),
        { role: 'user', content: times(size, toolResult) },
      ],
    }),
  thinking: (size) =>
    messages({
      messages: [
        user,
        {
          role: 'assistant',
          content: times(size, () => ({ type: 'thinking', thinking: 'a', signature: 'weir:openai:' })),
        },
        user,
      ],
    }),
  documents: (size) =>
    messages({
      messages: [
        {
          role: 'user',
          content: times(size, () => ({
            type: 'document',
            source: { type: 'text', media_type: 'text/plain', data: 'a' },
          })),
        },
      ],
    }),
  tools: (size) =>
    messages({ tools: times(size, (index) => ({ name: `tool_${index}`, input_schema: schema })) }),
  'stop sequences': (size) => messages({ stop_sequences: times(size, (index) => `stop ${index}`) }),
  'unknown members': (size) =>
    messages(Object.fromEntries(times(Math.min(size, MAX_NAMES), (index) => [`member_${index}`, index]))),
};

const PROMPT: Readonly<Record<string, LargeBody>> = {
  'a prompt': (size) => ({ model: 'm', prompt: 'Once upon a time. '.repeat(size) }),
  'unknown members': (size) => ({
    model: 'm',
    prompt: 'Hi.',
    ...Object.fromEntries(times(Math.min(size, MAX_NAMES), (index) => [`member_${index}`, index])),
  }),
};

/** By the dialect's name. */
export const LARGE_REQUESTS: Readonly<Record<string, Readonly<Record<string, LargeBody>>>> = {
  'openai-chat': OPENAI_CHAT,
  'openai-completions': COMPLETIONS,
  'openai-responses': RESPONSES,
  'anthropic-messages': MESSAGES,
  'weir-prompt': PROMPT,
};
