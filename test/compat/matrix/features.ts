/** What clients ask for, in each of their dialects, and how it shows that it has gone on. */

type Json = Readonly<Record<string, unknown>>;

export const CLIENTS = ['openai chat', 'openai responses', 'anthropic messages'] as const;
export type ClientName = (typeof CLIENTS)[number];

export const PATHS: Readonly<Record<ClientName, string>> = {
  'openai chat': '/v1/chat/completions',
  'openai responses': '/v1/responses',
  'anthropic messages': '/v1/messages',
};

export interface Feature {
  readonly name: string;
  /** Members that are added to a plain request, or replace its own. Absent: the dialect can't say it. */
  readonly bodies: Readonly<Partial<Record<ClientName, Json>>>;
  /** Found in what the provider is sent, in any format. */
  readonly mark: RegExp;
}

const PICTURE = 'iVBORw0KGgoAAAANSUhEUg==';
const DOCUMENT = 'JVBERi0xLjQKJcOk';
const SCHEMA = {
  type: 'object',
  properties: { colour: { type: 'string' } },
  required: ['colour'],
  additionalProperties: false,
};
const PARAMETERS = { type: 'object', properties: { wo: { type: 'string' } } };
const user = (content: unknown) => ({ role: 'user', content });
const text = { type: 'text', text: 'Look.' };

/** The least that each dialect takes. */
export const PLAIN: Readonly<Record<ClientName, Json>> = {
  'openai chat': { messages: [user('Hi')] },
  'openai responses': { input: 'Hi', store: false },
  'anthropic messages': { max_tokens: 4096, messages: [user('Hi')] },
};

const chatTool = { type: 'function', function: { name: 'look', parameters: PARAMETERS } };
const responsesTool = { type: 'function', name: 'look', parameters: PARAMETERS, strict: false };
const anthropicTool = { name: 'look', input_schema: PARAMETERS };

export const FEATURES: readonly Feature[] = [
  {
    name: 'text',
    bodies: { 'openai chat': {}, 'openai responses': {}, 'anthropic messages': {} },
    mark: /"Hi"/,
  },
  {
    name: 'instructions',
    bodies: {
      'openai chat': { messages: [{ role: 'developer', content: 'Be brief.' }, user('Hi')] },
      'openai responses': { instructions: 'Be brief.' },
      'anthropic messages': { system: 'Be brief.' },
    },
    mark: /Be brief\./,
  },
  {
    name: 'images',
    bodies: {
      'openai chat': {
        messages: [
          user([text, { type: 'image_url', image_url: { url: `data:image/png;base64,${PICTURE}` } }]),
        ],
      },
      'openai responses': {
        input: [
          user([
            { type: 'input_text', text: 'Look.' },
            { type: 'input_image', detail: 'auto', image_url: `data:image/png;base64,${PICTURE}` },
          ]),
        ],
      },
      'anthropic messages': {
        messages: [
          user([text, { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PICTURE } }]),
        ],
      },
    },
    mark: new RegExp(PICTURE),
  },
  {
    name: 'PDF files',
    bodies: {
      'openai chat': {
        messages: [
          user([
            text,
            {
              type: 'file',
              file: { filename: 'a.pdf', file_data: `data:application/pdf;base64,${DOCUMENT}` },
            },
          ]),
        ],
      },
      'openai responses': {
        input: [
          user([
            { type: 'input_text', text: 'Look.' },
            { type: 'input_file', filename: 'a.pdf', file_data: `data:application/pdf;base64,${DOCUMENT}` },
          ]),
        ],
      },
      'anthropic messages': {
        messages: [
          user([
            text,
            { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: DOCUMENT } },
          ]),
        ],
      },
    },
    mark: new RegExp(DOCUMENT),
  },
  {
    name: 'tools',
    bodies: {
      'openai chat': { tools: [chatTool] },
      'openai responses': { tools: [responsesTool] },
      'anthropic messages': { tools: [anthropicTool] },
    },
    mark: /"look"/,
  },
  {
    name: 'forced tool choice',
    bodies: {
      'openai chat': { tools: [chatTool], tool_choice: { type: 'function', function: { name: 'look' } } },
      'openai responses': { tools: [responsesTool], tool_choice: { type: 'function', name: 'look' } },
      'anthropic messages': { tools: [anthropicTool], tool_choice: { type: 'tool', name: 'look' } },
    },
    mark: /"(?:tool_?[cC]hoice|toolConfig)"/,
  },
  {
    name: 'a choice among tools',
    bodies: {
      'openai chat': {
        tools: [chatTool],
        tool_choice: {
          type: 'allowed_tools',
          allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'look' } }] },
        },
      },
      'openai responses': {
        tools: [responsesTool],
        tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'look' }] },
      },
    },
    mark: /"look"/,
  },
  {
    name: 'free-text tools',
    bodies: {
      'openai chat': { tools: [{ type: 'custom', custom: { name: 'patch', format: { type: 'text' } } }] },
      'openai responses': { tools: [{ type: 'custom', name: 'patch', format: { type: 'text' } }] },
    },
    mark: /"patch"/,
  },
  {
    name: 'tools in a namespace',
    bodies: {
      'openai responses': {
        tools: [{ type: 'namespace', name: 'shop', description: 'A shop.', tools: [responsesTool] }],
      },
    },
    mark: /"(?:shop__look|namespace)"/,
  },
  {
    name: 'no parallel tool calls',
    bodies: {
      'openai chat': { tools: [chatTool], parallel_tool_calls: false },
      'openai responses': { tools: [responsesTool], parallel_tool_calls: false },
      'anthropic messages': {
        tools: [anthropicTool],
        tool_choice: { type: 'auto', disable_parallel_tool_use: true },
      },
    },
    mark: /"(?:parallel_tool_calls":false|disable_parallel_tool_use":true)/,
  },
  {
    name: 'tool results',
    bodies: {
      'openai chat': {
        messages: [
          user('Hi'),
          {
            role: 'assistant',
            content: null,
            tool_calls: [
              { id: 'c1', type: 'function', function: { name: 'look', arguments: '{"wo":"Rom"}' } },
            ],
          },
          { role: 'tool', tool_call_id: 'c1', content: 'It is sunny.' },
        ],
        tools: [chatTool],
      },
      'openai responses': {
        input: [
          user('Hi'),
          { type: 'function_call', call_id: 'c1', name: 'look', arguments: '{"wo":"Rom"}' },
          { type: 'function_call_output', call_id: 'c1', output: 'It is sunny.' },
        ],
        tools: [responsesTool],
      },
      'anthropic messages': {
        messages: [
          user('Hi'),
          {
            role: 'assistant',
            content: [{ type: 'tool_use', id: 'c1', name: 'look', input: { wo: 'Rom' } }],
          },
          user([{ type: 'tool_result', tool_use_id: 'c1', content: 'It is sunny.' }]),
        ],
        tools: [anthropicTool],
      },
    },
    mark: /Rom.*It is sunny\./,
  },
  {
    name: 'JSON schema',
    bodies: {
      'openai chat': {
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'answer', schema: SCHEMA, strict: true },
        },
      },
      'openai responses': {
        text: { format: { type: 'json_schema', name: 'answer', schema: SCHEMA, strict: true } },
      },
      'anthropic messages': { output_config: { format: { type: 'json_schema', schema: SCHEMA } } },
    },
    mark: /colour/,
  },
  {
    name: 'reasoning',
    bodies: {
      'openai chat': { reasoning_effort: 'high' },
      'openai responses': { reasoning: { effort: 'high' } },
      'anthropic messages': { thinking: { type: 'enabled', budget_tokens: 2048 } },
    },
    mark: /think|effort/i,
  },
  {
    name: 'temperature',
    bodies: {
      'openai chat': { temperature: 0.25 },
      'openai responses': { temperature: 0.25 },
      'anthropic messages': { temperature: 0.25 },
    },
    mark: /0\.25/,
  },
  {
    name: 'top_k',
    bodies: { 'anthropic messages': { top_k: 17 } },
    mark: /:17\b/,
  },
  {
    name: 'seed',
    bodies: { 'openai chat': { seed: 4711 } },
    mark: /4711/,
  },
  {
    name: 'stop sequences',
    bodies: { 'openai chat': { stop: ['HALT'] }, 'anthropic messages': { stop_sequences: ['HALT'] } },
    mark: /HALT/,
  },
  {
    name: 'log probabilities',
    bodies: { 'openai chat': { logprobs: true, top_logprobs: 2 } },
    mark: /logprobs/i,
  },
  {
    name: 'several choices',
    bodies: { 'openai chat': { n: 2 } },
    mark: /"(?:n|candidateCount)":2/,
  },
  {
    name: 'cache markers',
    bodies: {
      'anthropic messages': {
        system: [{ type: 'text', text: 'Long.', cache_control: { type: 'ephemeral' } }],
      },
    },
    mark: /cache_control|cachePoint/,
  },
];
