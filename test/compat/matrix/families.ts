import { STREAMS } from '../../properties/streams.ts';
import type { ReadAnswer } from '../answer.ts';

/** A provider of the matrix: how it is configured, and one answer of its own, whole and streamed. */
export interface MatrixProvider {
  readonly name: string;
  readonly id: string;
  readonly model: string;
  readonly settings: Readonly<Record<string, unknown>>;
  /** Path behind the mock's address. */
  readonly base: string;
  readonly whole: unknown;
  readonly stream: readonly Uint8Array[];
  readonly streamType: string;
  /** The content of the plain response, in no provider's format. The stream has the same content, without reasoning where its format has none. */
  readonly streamThinks: boolean;
}

const TEXT = 'Grüße, 世界 🌍';
const THOUGHT = 'Hm … 思';
const ARGUMENTS = { wo: 'Zürich' };

export const SAID: ReadAnswer = {
  text: TEXT,
  reasoning: THOUGHT,
  toolCalls: [{ name: 'look', arguments: ARGUMENTS }],
  finish: 'tool-calls',
  usage: { input: 30 },
};

const SSE = 'text/event-stream';
const call = {
  id: 'call_1',
  type: 'function',
  function: { name: 'look', arguments: JSON.stringify(ARGUMENTS) },
};

const completion = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1_700_000_000,
  model: 'm',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', reasoning_content: THOUGHT, content: TEXT, tool_calls: [call] },
      finish_reason: 'tool_calls',
    },
  ],
  usage: {
    prompt_tokens: 30,
    completion_tokens: 9,
    total_tokens: 39,
    prompt_tokens_details: { cached_tokens: 10 },
  },
};

const chat = (
  name: string,
  id: string,
  model: string,
  settings: Readonly<Record<string, unknown>>,
): MatrixProvider => ({
  name,
  id,
  model,
  base: `/${id}/v1`,
  settings,
  whole: completion,
  stream: STREAMS['OpenAI chat'],
  streamType: SSE,
  streamThinks: true,
});

const responses = {
  id: 'resp_1',
  object: 'response',
  created_at: 1_700_000_000,
  status: 'completed',
  model: 'm',
  output: [
    {
      type: 'reasoning',
      id: 'rs_1',
      summary: [{ type: 'summary_text', text: THOUGHT }],
      encrypted_content: 'c2ln',
    },
    {
      type: 'message',
      id: 'msg_1',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text: TEXT, annotations: [] }],
    },
    {
      type: 'function_call',
      id: 'fc_1',
      call_id: 'call_1',
      name: 'look',
      arguments: JSON.stringify(ARGUMENTS),
      status: 'completed',
    },
  ],
  usage: {
    input_tokens: 30,
    output_tokens: 9,
    total_tokens: 39,
    input_tokens_details: { cached_tokens: 10 },
  },
};

export const MATRIX_PROVIDERS: readonly MatrixProvider[] = [
  chat('OpenAI chat', 'openai', 'gpt-4o', { kind: 'openai', api: 'chat' }),
  {
    name: 'OpenAI responses',
    id: 'responses',
    model: 'gpt-5',
    base: '/responses/v1',
    settings: { kind: 'openai', api: 'responses' },
    whole: responses,
    stream: STREAMS['OpenAI responses'],
    streamType: SSE,
    streamThinks: false,
  },
  chat('Azure OpenAI', 'azure', 'gpt-4o', { kind: 'azure-openai', api_version: 'v1', api: 'chat' }),
  {
    name: 'Anthropic',
    id: 'anthropic',
    model: 'claude-sonnet-4-5',
    base: '/anthropic',
    settings: { kind: 'anthropic' },
    whole: {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [
        { type: 'thinking', thinking: THOUGHT, signature: 'c2ln' },
        { type: 'text', text: TEXT },
        { type: 'tool_use', id: 'call_1', name: 'look', input: ARGUMENTS },
      ],
      stop_reason: 'tool_use',
      stop_sequence: null,
      usage: { input_tokens: 20, cache_read_input_tokens: 10, output_tokens: 9 },
    },
    stream: STREAMS['Anthropic messages'],
    streamType: SSE,
    streamThinks: true,
  },
  {
    name: 'Gemini',
    id: 'gemini',
    model: 'gemini-2.5-pro',
    base: '/gemini/v1beta',
    settings: { kind: 'gemini' },
    whole: {
      candidates: [
        {
          index: 0,
          content: {
            role: 'model',
            parts: [
              { text: THOUGHT, thought: true },
              { text: TEXT },
              { functionCall: { name: 'look', args: ARGUMENTS }, thoughtSignature: 'c2ln' },
            ],
          },
          finishReason: 'STOP',
        },
      ],
      usageMetadata: {
        promptTokenCount: 30,
        cachedContentTokenCount: 10,
        candidatesTokenCount: 7,
        thoughtsTokenCount: 2,
      },
      responseId: 'g1',
    },
    stream: STREAMS.Gemini,
    streamType: SSE,
    streamThinks: true,
  },
  {
    name: 'Bedrock',
    id: 'bedrock',
    model: 'anthropic.claude-sonnet-4-5-v1:0',
    base: '/bedrock',
    settings: {
      kind: 'bedrock',
      region: 'us-east-1',
      access_key_id: 'AKIDEXAMPLE',
      secret_access_key: 'secret-example',
      api_key: null,
    },
    whole: {
      output: {
        message: {
          role: 'assistant',
          content: [
            { reasoningContent: { reasoningText: { text: THOUGHT, signature: 'c2ln' } } },
            { text: TEXT },
            { toolUse: { toolUseId: 'call_1', name: 'look', input: ARGUMENTS } },
          ],
        },
      },
      stopReason: 'tool_use',
      usage: { inputTokens: 20, cacheReadInputTokens: 10, outputTokens: 9, totalTokens: 39 },
    },
    stream: STREAMS['Bedrock converse'],
    streamType: 'application/vnd.amazon.eventstream',
    streamThinks: true,
  },
  {
    name: 'Cohere',
    id: 'cohere',
    model: 'command-a-03-2025',
    base: '/cohere',
    settings: { kind: 'cohere' },
    whole: {
      id: 'c1',
      finish_reason: 'TOOL_CALL',
      message: {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: THOUGHT },
          { type: 'text', text: TEXT },
        ],
        tool_calls: [call],
      },
      usage: { tokens: { input_tokens: 30, output_tokens: 9 } },
    },
    stream: STREAMS.Cohere,
    streamType: SSE,
    streamThinks: false,
  },
  chat('Mistral', 'mistral', 'mistral-large-latest', { kind: 'mistral' }),
  chat('OpenAI-compatible (vLLM)', 'vllm', 'qwen', { kind: 'openai-compatible', engine: 'vllm' }),
  {
    name: 'Ollama native',
    id: 'ollama',
    model: 'qwen3:4b',
    base: '/ollama/v1',
    settings: { kind: 'openai-compatible', engine: 'ollama', api: 'native' },
    whole: {
      model: 'qwen3:4b',
      created_at: '2026-08-06T06:53:44.157971Z',
      message: {
        role: 'assistant',
        thinking: THOUGHT,
        content: TEXT,
        tool_calls: [{ function: { name: 'look', arguments: ARGUMENTS } }],
      },
      done: true,
      done_reason: 'stop',
      prompt_eval_count: 30,
      eval_count: 9,
    },
    stream: STREAMS['Ollama chat'],
    streamType: 'application/x-ndjson',
    streamThinks: true,
  },
];
