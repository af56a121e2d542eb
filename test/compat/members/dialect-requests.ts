import { isRecord, records } from '../../../src/core/json.ts';
import type { TypeName } from './read-types.ts';
import type { Json, ValueRules } from './values.ts';
import type { WalkOptions } from './walk.ts';

/** How the requests of one client dialect are walked. */
export interface RequestWalk extends Omit<WalkOptions, 'values'> {
  readonly title: string;
  /** Name in `DIALECTS`. */
  readonly dialect: string;
  readonly type: TypeName;
  /** Whether the type repeats members of the one before it in the same dialect. */
  readonly extends?: boolean;
  readonly rules: ValueRules;
  /** Names in `TARGETS`; all when absent. */
  readonly targets?: readonly string[];
  /** Members without which others mean nothing, by the label of those. */
  readonly extras: readonly (readonly [label: RegExp, members: Json])[];
}

const base64 = (mark: string) => Buffer.from(mark).toString('base64');
const schema = (mark: string) => ({ type: 'object', properties: { [mark]: { type: 'string' } } });
const user = (content: unknown) => ({ role: 'user', content });
const fraction = (from: number) => (_: string, count: number) => from + (count % 97) / 1000;

/** Members with the same meaning in all APIs. */
const COMMON: ValueRules = [
  [/(?:^|\.)temperature$/, fraction(0.3)],
  [/(?:^|\.)top_p$/, fraction(0.6)],
  [/_penalty$/, fraction(0.4)],
  [/(?:^|\.)(?:top_logprobs|logprobs|n|best_of)$/, (_, count) => 2 + (count % 9)],
  [/(?:^|\.)(?:max_tokens|max_completion_tokens|max_output_tokens)$/, (_, count) => 5000 + count],
  [/(?:^|\.)budget_tokens$/, (_, count) => 2000 + (count % 500)],
  [/(?:^|\.)logit_bias$/, (_, count) => ({ [count]: -100 })],
  [/(?:^|\.)(?:file_url|url)$/, (mark) => `https://${mark}.test/${mark}`],
  [/(?:parameters|schema|input_schema)$/, schema],
  [/\.arguments$/, (mark) => JSON.stringify({ mark })],
];

const PARAMETERS = schema('colour');
const CHAT_TOOL = { type: 'function', function: { name: 'look', parameters: PARAMETERS } };
const CHAT_OTHER_TOOL = { type: 'function', function: { name: 'listen', parameters: PARAMETERS } };
const CHAT = 'openai/resources/chat/completions/completions.d.ts';
const MESSAGES = '@anthropic-ai/sdk/resources/messages/messages.d.ts';
const BETA_MESSAGES = '@anthropic-ai/sdk/resources/beta/messages/messages.d.ts';

const chat: RequestWalk = {
  title: 'OpenAI chat completions',
  dialect: 'openai-chat',
  type: { file: CHAT, type: 'ChatCompletionCreateParamsBase' },
  skipped: [/^model$/, /^stream$/],
  rules: [
    [/^$/, () => ({ model: 'm', messages: [user('Hi')] })],
    [/^messages\[\]\(role=assistant\)$/, (mark) => ({ role: 'assistant', content: mark })],
    [/input_audio\.data$/, base64],
    [/\.file_data$/, (mark) => `data:application/pdf;base64,${base64(mark)}`],
    [/\(type=file\)\.file$/, (mark) => ({ file_data: `data:application/pdf;base64,${base64(mark)}` })],
    [/\.json_schema$/, (mark) => ({ name: mark, schema: schema(mark) })],
    [/allowed_tools\.tools$/, (_, count) => [count % 2 === 0 ? CHAT_TOOL : CHAT_OTHER_TOOL]],
    ...COMMON,
  ],
  extras: [
    [/^(?:tool_choice|parallel_tool_calls)|tool_call|\(role=tool\)/, { tools: [CHAT_TOOL, CHAT_OTHER_TOOL] }],
    [/^messages.*(?:function_call|\(role=function\))/, { functions: [CHAT_TOOL.function] }],
    [/^function_call/, { functions: [CHAT_TOOL.function] }],
    [/^top_logprobs/, { logprobs: true }],
    [/^stream_options/, { stream: true }],
  ],
  lists: [
    [/^messages$/, chatMessages],
    [/\.content$/, (entry) => beside({ type: 'text', text: 'Hi' }, entry)],
  ],
};

const RESPONSES_TOOL = { type: 'function', name: 'look', parameters: PARAMETERS, strict: false };
const HOSTED_TOOLS = [
  RESPONSES_TOOL,
  { type: 'mcp', server_label: 'docs', server_url: 'https://docs.test' },
  ...[
    'file_search',
    'web_search_preview',
    'computer_use_preview',
    'image_generation',
    'code_interpreter',
  ].map((type) => ({ type })),
  ...['shell', 'apply_patch', 'programmatic_tool_calling', 'computer'].map((type) => ({ type })),
];
const RESPONSES_OTHER_TOOL = { ...RESPONSES_TOOL, name: 'listen' };

const responses: RequestWalk = {
  title: 'OpenAI responses',
  dialect: 'openai-responses',
  type: { file: 'openai/resources/responses/responses.d.ts', type: 'ResponseCreateParamsBase' },
  skipped: [/^model$/, /^stream$/],
  rules: [
    [/^$/, () => ({ model: 'm', input: 'Hi' })],
    [/^input\[\]\(type=message\)\.role$/, () => 'user'],
    [/^tool_choice.*\.tools$/, (_, count) => [count % 2 === 0 ? RESPONSES_TOOL : RESPONSES_OTHER_TOOL]],
    [/\.file_data$/, (mark) => `data:application/pdf;base64,${base64(mark)}`],
    [
      /\(type=input_file\)$/,
      (mark) => ({ type: 'input_file', file_data: `data:application/pdf;base64,${base64(mark)}` }),
    ],
    [/\(type=input_image\)$/, (mark) => ({ type: 'input_image', image_url: `https://${mark}.test/${mark}` })],
    [/\.image_url$/, (mark) => `https://${mark}.test/${mark}`],
    ...COMMON,
  ],
  extras: [
    [/^tool_choice\(type(?:=(?!function|custom|allowed)\w+)?\)/, { tools: HOSTED_TOOLS }],
    [
      /^(?:tool_choice|parallel_tool_calls)|\(type=(?:function|custom_tool)_call/,
      { tools: [RESPONSES_TOOL, RESPONSES_OTHER_TOOL] },
    ],
    [/^stream_options/, { stream: true }],
  ],
  lists: [
    [/^input$/, responsesItems],
    [/\.content$|_call_output\)\.output$/, responsesParts],
  ],
};

const messages: RequestWalk = {
  title: 'Anthropic messages',
  dialect: 'anthropic-messages',
  type: { file: MESSAGES, type: 'MessageCreateParamsBase' },
  skipped: [/^model$/, /^stream$/],
  rules: [
    [/^$/, () => ({ model: 'm', max_tokens: 9000, messages: [user('Hi')] })],
    [/\(type=base64\)\.data$/, base64],
    [/^messages\[\]\(role=system\)$/, (mark) => ({ role: 'system', content: mark })],
    ...COMMON,
  ],
  extras: [[/^tool_choice|tool_use|tool_result/, { tools: [{ name: 'look', input_schema: PARAMETERS }] }]],
  lists: [
    [/^messages$/, anthropicMessages],
    [/\.content$|^system$/, (entry) => beside({ type: 'text', text: 'Hi' }, entry)],
  ],
};

/** Members of a vendor's own API in a body of chat completions, on its way to that vendor. */
function own(
  target: string,
  type: TypeName,
  rules: ValueRules = [],
  skipped: readonly RegExp[] = [],
): RequestWalk {
  return {
    ...chat,
    title: `OpenAI chat completions with members of ${target}`,
    type,
    targets: [target],
    skipped: [...chat.skipped, /^(?:messages|modelId|system)$/, ...skipped],
    rules: [...rules, ...chat.rules],
  };
}

export const REQUEST_WALKS: readonly RequestWalk[] = [
  chat,
  {
    ...chat,
    title: 'OpenAI completions',
    dialect: 'openai-completions',
    type: { file: 'openai/resources/completions.d.ts', type: 'CompletionCreateParamsBase' },
    rules: [[/^$/, () => ({ model: 'm', prompt: 'Hi' })], ...COMMON],
    extras: [[/^stream_options/, { stream: true }]],
  },
  responses,
  messages,
  {
    ...messages,
    title: 'Anthropic messages, beta members',
    extends: true,
    type: { file: BETA_MESSAGES, type: 'MessageCreateParamsBase' },
    skipped: [...messages.skipped, /^betas$/],
  },
  own(
    'Mistral',
    {
      file: '@mistralai/mistralai/esm/models/components/chatcompletionrequest.d.ts',
      type: 'ChatCompletionRequest',
      snakeCase: true,
    },
    [
      [
        /^response_format$/,
        (mark) => ({ type: 'json_schema', json_schema: { name: mark, schema: schema(mark) } }),
      ],
    ],
    // Named `schema` on the wire.
    [/schema_definition$/],
  ),
  own(
    'Cohere',
    {
      file: 'cohere-ai/api/resources/v2/client/requests/V2ChatRequest.d.ts',
      type: 'V2ChatRequest',
      snakeCase: true,
    },
    [
      [/^tools\[\](?:\([^)]*\))?$/, () => CHAT_TOOL],
      [/\.json_schema$/, schema],
      [/^thinking\.type$/, () => 'enabled'],
      [/token_budget$/, (_, count) => 2000 + count],
    ],
  ),
  own(
    'Gemini',
    { file: '@google/genai/dist/genai.d.ts', type: 'GenerateContentConfig' },
    [],
    [
      // Of the SDK, not of the API.
      /^(?:httpOptions|abortSignal|automaticFunctionCalling|shouldReturnHttpResponse)/,
      // Tools have the form of the client's API.
      /^tools/,
    ],
  ),
  own('Bedrock', {
    file: '@aws-sdk/client-bedrock-runtime/dist-types/models/models_0.d.ts',
    type: 'ConverseRequest',
  }),
];

function beside(text: Json, entry: Json | undefined): readonly unknown[] {
  return entry === undefined ? [text] : [text, entry];
}

function chatMessages(entry: Json | undefined): readonly unknown[] {
  if (entry === undefined) return [user('Hi')];
  switch (entry.role) {
    case 'tool': {
      const call = { id: entry.tool_call_id, type: 'function', function: { name: 'look', arguments: '{}' } };
      return [user('Hi'), { role: 'assistant', content: null, tool_calls: [call] }, entry];
    }
    case 'function':
      return [
        user('Hi'),
        { role: 'assistant', content: null, function_call: { name: entry.name, arguments: '{}' } },
        entry,
      ];
    case 'assistant': {
      const results = records(entry.tool_calls).map(({ id }) => ({
        role: 'tool',
        tool_call_id: id,
        content: 'Done.',
      }));
      const { function_call: legacy } = entry;
      const result = isRecord(legacy) ? [{ role: 'function', name: legacy.name, content: 'Done.' }] : [];
      const after = [...results, ...result];
      return [user('Hi'), entry, ...(after.length === 0 ? [user('Go on.')] : after)];
    }
    default:
      return [entry, user('Hi')];
  }
}

/** A file has its content or its address. */
function responsesParts(entry: Json | undefined): readonly unknown[] {
  const text = { type: 'input_text', text: 'Hi' };
  if (entry === undefined) return [text];
  if (!String(entry.type).startsWith('input')) return [entry];
  const { file_data, image_url, ...others } = entry;
  return [text, 'file_url' in entry || 'file_id' in entry ? others : entry];
}

/** Calls of tools that the client runs itself, by their types. */
const CLIENT_CALLS: Readonly<
  Record<string, { readonly type: string; readonly result: string; readonly call: Json }>
> = {
  shell_call: { type: 'shell_call', result: 'shell_call_output', call: { action: { commands: ['ls'] } } },
  local_shell_call: {
    type: 'local_shell_call',
    result: 'local_shell_call_output',
    call: { action: { type: 'exec', command: ['ls'], env: {} } },
  },
  apply_patch_call: {
    type: 'apply_patch_call',
    result: 'apply_patch_call_output',
    call: { operation: { type: 'delete_file', path: 'a' } },
  },
  tool_search_call: { type: 'tool_search_call', result: 'tool_search_output', call: { arguments: {} } },
};

/** Items whose call must come before them, or whose result must follow. */
function responsesItems(entry: Json | undefined): readonly unknown[] {
  if (entry === undefined) return [user('Hi')];
  const { type, call_id } = entry;
  const kind = typeof type === 'string' ? type : '';
  if (kind === 'function_call_output') {
    return [user('Hi'), { type: 'function_call', call_id, name: 'look', arguments: '{}' }, entry];
  }
  if (kind === 'custom_tool_call_output') {
    return [user('Hi'), { type: 'custom_tool_call', call_id, name: 'look', input: '{}' }, entry];
  }
  const known = Object.values(CLIENT_CALLS).find((one) => kind === one.type || kind === one.result);
  if (known !== undefined) {
    // Some types have only an id, and some may lack both.
    const id = call_id ?? entry.id ?? 'call_1';
    const own = kind.startsWith('tool_search') ? { ...entry, call_id: id } : entry;
    return kind === known.result
      ? [user('Hi'), { type: known.type, call_id: id, ...known.call }, own]
      : [user('Hi'), own, { type: known.result, call_id: id, output: 'Done.' }];
  }
  if (kind === 'function_call' || kind === 'custom_tool_call') {
    return [user('Hi'), entry, { type: `${kind}_output`, call_id, output: 'Done.' }];
  }
  return [user('Hi'), entry, user('Go on.')];
}

const OF_THE_MODEL =
  /^(?:thinking|redacted_thinking|tool_use|server_tool_use|mcp_tool_use|\w+_tool_result|compaction|fallback)$/;

function anthropicMessages(entry: Json | undefined): readonly unknown[] {
  if (entry === undefined) return [user('Hi')];
  const blocks = records(entry.content);
  const [block] = blocks.filter(({ type }) => type !== 'text');
  if (block?.type === 'tool_result') {
    const call = { type: 'tool_use', id: block.tool_use_id, name: 'look', input: {} };
    return [user('Hi'), { role: 'assistant', content: [call] }, entry];
  }
  if (block?.type === 'tool_use') {
    const result = { type: 'tool_result', tool_use_id: block.id, content: 'Done.' };
    return [user('Hi'), { ...entry, role: 'assistant' }, user([result])];
  }
  if (OF_THE_MODEL.test(String(block?.type))) {
    return [user('Hi'), { ...entry, role: 'assistant' }, user('Go on.')];
  }
  if (entry.role === 'assistant') return [user('Hi'), entry, user('Go on.')];
  return entry.role === 'system' ? [user('Hi'), entry, user('Go on.')] : [entry];
}
