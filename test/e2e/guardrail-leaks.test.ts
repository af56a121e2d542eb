import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { dataEvents, eventStream, json } from '../support/scripts.ts';

/**
 * Personal data wherever a response or a request can have it, in addition to its texts: citations, tools that the provider runs,
 * members that no dialect knows, names, addresses of files. Each place has an address of its own, so that a failure names it.
 */

type Json = Readonly<Record<string, unknown>>;

/** An address that a place has. */
const at = (place: string) => `${place}@example.com`;
const PLANTED = /[a-z0-9-]+(?:@|\\u0040|%40)exam\w*/g;

let mock: MockUpstream;
let gateway: InProcessGateway;
beforeAll(async () => {
  mock = await startMockUpstream();
  const providers = [
    { id: 'chat', kind: 'openai-compatible', base_url: `${mock.url}/v1` },
    { id: 'messages', kind: 'anthropic', base_url: mock.url },
    { id: 'responses', kind: 'openai', base_url: `${mock.url}/v1` },
  ];
  gateway = await gatewayInProcess({
    config: {
      providers: providers.map((one) => ({ ...one, api_key: 'sk-x', discover: false })),
      models: providers.map(({ id }) => ({ id, targets: [{ provider: id, model: 'm' }] })),
      guardrails: [
        { id: 'redacts', kind: 'pii', action: 'redact' },
        { id: 'blocks', kind: 'pii', action: 'block', on: ['output'], when: 'requested' },
      ],
    },
  });
});
afterAll(async () => {
  await gateway.close();
  await mock.close();
});

const PATHS = { chat: '/v1/chat/completions', messages: '/v1/messages', responses: '/v1/responses' } as const;
type Target = keyof typeof PATHS;
const USER = [{ role: 'user', content: 'Hi' }];
const BODIES: Readonly<Record<Target, Json>> = {
  chat: { messages: USER },
  messages: { messages: USER, max_tokens: 99 },
  responses: { input: 'Hi' },
};

async function send(dialect: Target, model: Target, more: Json = {}, headers: Record<string, string> = {}) {
  const body = { model, ...BODIES[dialect], ...more };
  const { status, text } = await gateway.call('POST', PATHS[dialect], {
    key: gateway.adminKey,
    body,
    headers,
  });
  const sent = mock.requests.at(-1)?.text() ?? '';
  return { status, text, left: text.match(PLANTED) ?? [], sent, passed: sent.match(PLANTED) ?? [] };
}

const sse = (events: readonly Json[]) =>
  eventStream(events.map((event) => `event: ${String(event.type)}\ndata: ${JSON.stringify(event)}\n\n`));

// Of the chat format.

const CITED = {
  type: 'url_citation',
  url_citation: {
    ...{ url: `https://x.example/?q=${at('citation-url')}`, title: at('citation-title') },
    ...{ start_index: 0, end_index: 3 },
  },
};
const completionOf = (message: Json, choice: Json = {}, more: Json = {}): Json => ({
  ...{ id: 'c', object: 'chat.completion', created: 1, model: 'm', ...more },
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', ...message }, ...choice }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
});
const chunkOf = (delta: Json, more: Json = {}, choice: Json = {}): Json => ({
  ...{ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', ...more },
  choices: [{ index: 0, delta, finish_reason: null, ...choice }],
});
const tokens = (place: string) => ({
  content: [{ token: at(place), logprob: -1, bytes: null, top_logprobs: [] }],
});

const COMPLETIONS: Readonly<Record<string, Json>> = {
  'a text without a finding': completionOf(
    {
      ...{ content: 'Hello there', annotations: [CITED], unknown: at('unknown') },
      audio: { id: 'a', data: '', transcript: at('transcript'), expires_at: 1 },
      reasoning_details: [{ type: 'reasoning.text', text: at('details') }],
    },
    { logprobs: tokens('tokens') },
    { citations: [`https://x.example/${at('member')}`], search_results: [{ snippet: at('snippet') }] },
  ),
  'a text with a finding': completionOf({
    ...{ content: `I am ${at('text')}`, reasoning_content: at('reasoning'), annotations: [CITED] },
  }),
  'calls of functions': completionOf({
    ...{ content: null, refusal: at('refusal') },
    tool_calls: [
      {
        ...{ id: 'c1', type: 'function' },
        function: {
          name: `send ${at('name')}`,
          arguments: `{"${at('key')}":1,"x":"escaped\\u0040example.com"}`,
        },
      },
      { id: 'c2', type: 'custom', custom: { name: 't', input: at('custom') } },
    ],
  }),
};

const CHUNKS: readonly Json[] = [
  chunkOf({ role: 'assistant', content: '' }, { citations: [at('member')] }),
  chunkOf({ content: 'Hello ' }),
  chunkOf({ annotations: [CITED] }),
  chunkOf({ reasoning_details: [{ type: 'reasoning.text', text: at('details') }] }),
  chunkOf({ audio: { transcript: at('transcript') } }),
  chunkOf({ unknown: at('unknown') }),
  chunkOf({ content: '' }, {}, { logprobs: tokens('tokens') }),
  chunkOf({ reasoning_content: 'a reason' }),
  chunkOf({ reasoning_content: 'ing@example.com b ' }),
  chunkOf({ refusal: 'refu' }),
  chunkOf({ refusal: 'sal@exam' }),
  chunkOf({ refusal: 'ple.com' }),
  chunkOf({
    tool_calls: [
      {
        index: 0,
        id: 'c',
        type: 'function',
        function: { name: `f ${at('name')}`, arguments: '{"a":"escaped\\u00' },
      },
    ],
  }),
  chunkOf({ tool_calls: [{ index: 0, function: { arguments: `40example.com","${at('key')}":2}` } }] }),
  chunkOf({}, { search_results: [at('snippet')] }, { finish_reason: 'tool_calls' }),
];

// Of the Messages API.

const CITATIONS = [
  {
    ...{ type: 'char_location', cited_text: at('cited'), document_index: 0, document_title: at('document') },
    ...{ start_char_index: 0, end_char_index: 1 },
  },
  {
    ...{ type: 'web_search_result_location', cited_text: at('cited-page'), encrypted_index: 'e' },
    ...{ url: `https://x.example/${at('page')}`, title: at('page-title') },
  },
];
const SEARCH = { type: 'server_tool_use', id: 's1', name: 'web_search' };
const RESULTS = [
  {
    ...{ type: 'web_search_tool_result', tool_use_id: 's1' },
    content: [
      {
        ...{ type: 'web_search_result', title: at('result-title'), url: `https://x.example/${at('result')}` },
        ...{ encrypted_content: 'e', page_age: null },
      },
    ],
  },
  {
    ...{ type: 'code_execution_tool_result', tool_use_id: 's2' },
    content: { type: 'code_execution_result', stdout: at('stdout'), stderr: '', return_code: 0, content: [] },
  },
  {
    type: 'mcp_tool_result',
    tool_use_id: 's3',
    is_error: false,
    content: [{ type: 'text', text: at('mcp') }],
  },
];
const messageOf = (content: readonly Json[], more: Json = {}): Json => ({
  ...{ id: 'msg', type: 'message', role: 'assistant', model: 'm', content, stop_reason: 'end_turn' },
  ...{ stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 }, ...more },
});
const BLOCKS: readonly Json[] = [
  { type: 'thinking', thinking: `t ${at('thinking')}`, signature: 's' },
  { type: 'text', text: 'see', citations: CITATIONS },
  { ...SEARCH, input: { query: at('query') } },
  ...RESULTS,
  { type: 'tool_use', id: 't', name: 'f', input: { [at('key')]: at('value') } },
];
const MESSAGES: Readonly<Record<string, Json>> = {
  'every kind of block': messageOf(BLOCKS),
  'citations alone': messageOf(BLOCKS.slice(1, 2)),
  'tools of the provider alone': messageOf(BLOCKS.slice(2, 6)),
};
const block = (index: number, start: Json, ...deltas: readonly Json[]): Json[] => [
  { type: 'content_block_start', index, content_block: start },
  ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
  { type: 'content_block_stop', index },
];
const MESSAGE_EVENTS: readonly Json[] = [
  { type: 'message_start', message: messageOf([], { stop_reason: null }) },
  ...block(
    0,
    { type: 'text', text: '', citations: [] },
    { type: 'text_delta', text: 'See it now' },
    ...CITATIONS.map((citation) => ({ type: 'citations_delta', citation })),
  ),
  ...block(
    1,
    { ...SEARCH, input: {} },
    { type: 'input_json_delta', partial_json: '{"query":"que' },
    { type: 'input_json_delta', partial_json: 'ry@example.com"}' },
  ),
  ...RESULTS.flatMap((result, index) => block(2 + index, result)),
  ...block(
    5,
    { type: 'thinking', thinking: '', signature: '' },
    { type: 'thinking_delta', thinking: `x ${at('thinking')}` },
    { type: 'signature_delta', signature: 'sig' },
  ),
  {
    ...{ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null } },
    usage: { output_tokens: 3 },
  },
  { type: 'message_stop' },
];

// Of the Responses API.

const ITEMS: readonly Json[] = [
  {
    ...{ type: 'reasoning', id: 'rs', summary: [{ type: 'summary_text', text: at('summary') }] },
    content: [{ type: 'reasoning_text', text: at('reasoning') }],
  },
  { type: 'web_search_call', id: 'ws', status: 'completed', action: { type: 'search', query: at('query') } },
  {
    ...{ type: 'code_interpreter_call', id: 'ci', status: 'completed', code: `print("${at('code')}")` },
    ...{ container_id: 'c', outputs: [{ type: 'logs', logs: at('logs') }] },
  },
  {
    ...{ type: 'file_search_call', id: 'fs', status: 'completed', queries: [at('queries')] },
    results: [{ file_id: 'f', filename: `${at('file')}.txt`, score: 1, text: at('file-text') }],
  },
  {
    ...{ type: 'mcp_call', id: 'mc', server_label: 's', name: 'n', arguments: `{"a":"${at('mcp')}"}` },
    output: at('mcp-output'),
  },
  {
    ...{ type: 'message', id: 'msg', role: 'assistant', status: 'completed' },
    content: [
      {
        ...{ type: 'output_text', text: 'Hello', logprobs: [] },
        annotations: [
          {
            ...{ type: 'url_citation', start_index: 0, end_index: 1, title: at('page-title') },
            url: `https://x.example/${at('page')}`,
          },
          { type: 'file_citation', file_id: 'f', filename: `${at('cited-file')}.txt`, index: 0 },
        ],
      },
    ],
  },
  {
    ...{ type: 'function_call', id: 'fc', call_id: 'c', name: 'f', status: 'completed' },
    arguments: `{"${at('key')}":1}`,
  },
];
const responseOf = (output: readonly Json[], status = 'completed'): Json => ({
  ...{ id: 'resp_1', object: 'response', created_at: 1, status, model: 'm', output },
  ...{ instructions: null, metadata: {}, parallel_tool_calls: true, tools: [], tool_choice: 'auto' },
  ...{ temperature: 1, top_p: 1, error: null, incomplete_details: null },
  usage: {
    ...{ input_tokens: 1, output_tokens: 1, total_tokens: 2 },
    ...{ input_tokens_details: { cached_tokens: 0 }, output_tokens_details: { reasoning_tokens: 0 } },
  },
});
const RESPONSES: Readonly<Record<string, Json>> = {
  'every kind of item': responseOf(ITEMS),
  'tools of the provider alone': responseOf(ITEMS.slice(1, 5)),
  'citations alone': responseOf(ITEMS.slice(5, 6)),
};
const RESPONSE_EVENTS: readonly Json[] = [
  { type: 'response.created', response: responseOf([], 'in_progress') },
  ...ITEMS.slice(1, 6).flatMap((item, output_index) => [
    {
      type: 'response.output_item.added',
      output_index,
      item: { ...item, ...(item.content ? { content: [] } : {}) },
    },
    ...(typeof item.code === 'string'
      ? [...item.code].map((delta) => ({
          ...{ type: 'response.code_interpreter_call_code.delta', item_id: item.id, output_index, delta },
        }))
      : []),
    ...(item.type === 'message'
      ? [
          {
            ...{ type: 'response.output_text.delta', item_id: 'msg', output_index, content_index: 0 },
            delta: 'Hello',
          },
        ]
      : []),
    { type: 'response.output_item.done', output_index, item },
  ]),
  { type: 'response.completed', response: responseOf(ITEMS.slice(1, 6)) },
].map((event, sequence_number) => ({ ...event, sequence_number }));

describe('a response leaks nothing', () => {
  const complete = [
    ...Object.entries(COMPLETIONS).map(([what, body]) => ['chat', what, body] as const),
    ...Object.entries(MESSAGES).map(([what, body]) => ['messages', what, body] as const),
    ...Object.entries(RESPONSES).map(([what, body]) => ['responses', what, body] as const),
  ];

  test.each(complete)('of the format %s: %s', async (target, _, body) => {
    mock.respondAlways(json(body));
    const { status, left } = await send(target, target);
    expect([status, left]).toEqual([200, []]);
    const blocked = await send(target, target, {}, { 'x-weir-guardrails': 'blocks' });
    expect(blocked.left).toEqual([]);
  });

  test('in another dialect', async () => {
    mock.respondAlways(json(messageOf(BLOCKS)));
    for (const dialect of ['chat', 'responses'] as const) {
      const { status, left } = await send(dialect, 'messages');
      expect([dialect, status, left]).toEqual([dialect, 200, []]);
    }
  });

  test.each([
    ['chat', 'chat', eventStream(dataEvents(CHUNKS))],
    ['messages', 'messages', sse(MESSAGE_EVENTS)],
    ['chat', 'messages', sse(MESSAGE_EVENTS)],
    ['responses', 'messages', sse(MESSAGE_EVENTS)],
    ['responses', 'responses', sse(RESPONSE_EVENTS)],
  ] as const)('in a stream for %s of the format %s', async (dialect, target, script) => {
    mock.respondAlways(script);
    const { status, text, left } = await send(dialect, target, { stream: true });
    expect([status, left]).toEqual([200, []]);
    expect(text).not.toMatch(/"error":\{|event: error/);
    for (const line of text.split('\n')) {
      if (line.startsWith('data: {')) expect(() => JSON.parse(line.slice(6))).not.toThrow();
    }
  });

  test('and keeps its bytes where there is nothing to hide', async () => {
    const clean = JSON.stringify(
      completionOf({ content: 'Hello', unknown: 'x' }, {}, { citations: ['https://a.example/1'] }),
    );
    mock.respondAlways({ ...json({}), body: clean.replace(':', ' : ') });
    const { text } = await send('chat', 'chat');
    expect(text).toContain('"citations":["https://a.example/1"]');
    expect(text).toContain('"unknown":"x"');
  });
});

describe('a request leaks nothing', () => {
  const encoded = (text: string) => Buffer.from(text).toString('base64');
  const schema = (description: string) => ({
    ...{ type: 'object', description },
    properties: { a: { type: 'string', enum: [at('enum')], const: at('const') } },
  });

  test('of the format chat', async () => {
    mock.respondAlways(json(completionOf({ content: 'ok' })));
    const { status, passed } = await send('chat', 'chat', {
      ...{
        user: at('user'),
        safety_identifier: at('identifier'),
        metadata: { [at('metadata-key')]: at('metadata') },
      },
      ...{ stop: [at('stop')], prompt_cache_key: at('cache-key'), unknown_member: at('unknown') },
      ...{ chat_template_kwargs: { a: at('kwargs') } },
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: schema(at('format')) } },
      tools: [
        {
          type: 'function',
          function: { name: 'f', description: at('tool'), parameters: schema(at('schema')) },
        },
      ],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: at('text') },
            { type: 'image_url', image_url: { url: `https://x.example/${at('image')}.png` } },
            {
              type: 'file',
              file: { filename: `${at('file')}.txt`, file_data: `data:text/plain,${at('data')}` },
            },
          ],
        },
        {
          ...{ role: 'assistant', content: null, reasoning_content: at('reasoning') },
          tool_calls: [
            {
              ...{ id: 'c', type: 'function' },
              function: { name: 'f', arguments: `{"${at('key')}":"escaped\\u0040example.com"}` },
            },
          ],
        },
        { role: 'tool', tool_call_id: 'c', content: at('result') },
      ],
    });
    expect([status, passed]).toEqual([200, []]);
  });

  test('of the Messages API, and loses no value of keys that become equal', async () => {
    mock.respondAlways(json(messageOf([{ type: 'text', text: 'ok' }])));
    const input = { [at('one')]: { deep: [at('deep')] }, [at('two')]: 2 };
    const { status, passed, sent } = await send('messages', 'messages', {
      ...{ metadata: { user_id: at('user') }, system: [{ type: 'text', text: at('system') }] },
      ...{ stop_sequences: [at('stop')] },
      messages: [
        {
          role: 'user',
          content: [
            {
              ...{ type: 'document', title: at('title'), context: at('context') },
              source: { type: 'text', media_type: 'text/plain', data: at('document') },
            },
            { type: 'image', source: { type: 'url', url: `https://x.example/${at('image')}` } },
          ],
        },
        { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'f', input }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't1', content: at('result') }] },
      ],
    });
    expect([status, passed]).toEqual([200, []]);
    expect(sent).toContain('{"[EMAIL]":{"deep":["[EMAIL]"]},"[EMAIL] 1":2}');
  });

  test('of the Responses API', async () => {
    mock.respondAlways(json(responseOf([])));
    const { status, passed } = await send('responses', 'responses', {
      ...{ user: at('user'), metadata: { k: at('metadata') }, instructions: at('instructions') },
      prompt: { id: 'pmpt', variables: { name: at('variable') } },
      text: { format: { type: 'json_schema', name: 'x', schema: schema(at('format')) } },
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: at('text') },
            { type: 'input_image', image_url: `https://x.example/${at('image')}` },
            { type: 'input_file', filename: `${at('file')}.txt`, file_data: encoded(at('data')) },
          ],
        },
        { type: 'function_call', call_id: 'c', name: 'f', arguments: `{"a":"${at('arguments')}"}` },
        { type: 'function_call_output', call_id: 'c', output: at('output') },
        { type: 'reasoning', id: 'r', summary: [{ type: 'summary_text', text: at('summary') }] },
        {
          type: 'web_search_call',
          id: 'w',
          status: 'completed',
          action: { type: 'search', query: at('query') },
        },
      ],
    });
    expect([status, passed]).toEqual([200, []]);
  });
});
