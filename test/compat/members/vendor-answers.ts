import type { TypeName } from './read-types.ts';
import type { Json, ValueRules } from './values.ts';
import type { WalkOptions } from './walk.ts';

/** How the complete responses of one vendor are walked. */
export interface AnswerWalk extends Omit<WalkOptions, 'values'> {
  readonly title: string;
  /** Name in `TARGETS`. */
  readonly target: string;
  readonly type: TypeName;
  /** Whether the type repeats members of the one before it. */
  readonly extends?: boolean;
  readonly rules: ValueRules;
}

/** Long enough for the places that citations name. */
export const TEXT = 'Hello there, world.';
const LIKELY = { token: 'Hi', logProbability: -1 };
const WEB = { uri: 'https://a.test/', title: 'A' };
const WEB_CITATION = { title: 'A', location: { web: { url: 'https://a.test/', domain: 'a.test' } } };
export const COHERE_CITATION = {
  start: 0,
  end: 5,
  text: 'Hello',
  sources: [{ type: 'document', id: 'd', document: { url: 'https://a.test/', title: 'A' } }],
};
const SUPPORT = { groundingChunkIndices: [0], segment: { startIndex: 0, endIndex: 5, text: 'Hello' } };
const CALL = { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"wo":"Rom"}' } };
const first = (value: unknown) => (entry: Json | undefined) =>
  entry === undefined ? [value] : [value, entry];
const fraction = (_: string, count: number) => -(count % 97) / 100;

const RULES: ValueRules = [
  [/logprob(?:ability)?$/i, fraction],
  [/bytes$/, (_, count) => [65 + (count % 20)]],
  [/(?:start_index|\.start|startIndex)$/, (_, count) => count % 3],
  [/(?:end_index|\.end|endIndex)$/, (_, count) => 5 + (count % 9)],
  [/(?:^|\.)(?:index|.*_index|.*Index)$/, (_, count) => count % 5],
  [/(?:url|uri|url_citation\.url)$/i, (mark) => `https://${mark}.test/`],
  [/arguments$/, (mark) => JSON.stringify({ mark })],
  [/inlineData\.mimeType$/, () => 'image/png'],
  [/(?:inlineData\.data|\.result|audio\.data)$/, (mark) => Buffer.from(`${mark}ab`).toString('base64')],
];

const chat: AnswerWalk = {
  title: 'OpenAI chat completions',
  target: 'OpenAI chat',
  type: { file: 'openai/resources/chat/completions/completions.d.ts', type: 'ChatCompletion' },
  skipped: [],
  rules: [
    [
      /^$/,
      () => ({
        id: 'chatcmpl-1',
        object: 'chat.completion',
        created: 7,
        model: 'm',
        choices: [{ index: 0, message: { role: 'assistant', content: TEXT }, finish_reason: 'stop' }],
      }),
    ],
    [
      /^choices\[\]$/,
      () => ({ index: 0, message: { role: 'assistant', content: TEXT }, finish_reason: 'stop' }),
    ],
    [/^choices\[\]\.message(?:\([^)]*\))?$/, () => ({ role: 'assistant', content: TEXT })],
    [/^choices\[\]\.index$/, () => 0],
    [/tool_calls\[\]$/, () => CALL],
    [/\.function$/, () => CALL.function],
    [
      /logprobs\.(?:content|refusal)\[\]$/,
      () => ({ token: 'Hi', bytes: null, logprob: -1, top_logprobs: [] }),
    ],
    ...RULES,
  ],
  lists: [],
};

const responses: AnswerWalk = {
  title: 'OpenAI responses',
  target: 'OpenAI Responses',
  type: { file: 'openai/resources/responses/responses.d.ts', type: 'Response' },
  skipped: [],
  rules: [
    [
      /^$/,
      () => ({
        id: 'resp_1',
        object: 'response',
        created_at: 7,
        model: 'm',
        status: 'completed',
        output: [MESSAGE_ITEM],
      }),
    ],
    ...RULES,
  ],
  lists: [[/^output$/, (entry) => (entry?.type === 'message' ? [entry] : first(MESSAGE_ITEM)(entry))]],
};

const MESSAGE_ITEM = {
  type: 'message',
  id: 'msg_1',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text: TEXT, annotations: [] }],
};

const messages: AnswerWalk = {
  title: 'Anthropic messages',
  target: 'Anthropic',
  type: { file: '@anthropic-ai/sdk/resources/messages/messages.d.ts', type: 'Message' },
  skipped: [],
  rules: [
    [
      /^$/,
      () => ({
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model: 'm',
        content: [{ type: 'text', text: TEXT }],
        stop_reason: 'end_turn',
        stop_sequence: null,
        usage: { input_tokens: 3, output_tokens: 2 },
      }),
    ],
    [/^usage$/, () => ({ input_tokens: 3, output_tokens: 2 })],
    ...RULES,
  ],
  lists: [[/^content$/, first({ type: 'text', text: TEXT })]],
};

export const ANSWER_WALKS: readonly AnswerWalk[] = [
  chat,
  responses,
  messages,
  {
    ...messages,
    title: 'Anthropic messages, beta members',
    extends: true,
    type: { file: '@anthropic-ai/sdk/resources/beta/messages/messages.d.ts', type: 'BetaMessage' },
  },
  {
    title: 'Gemini',
    target: 'Gemini',
    type: { file: '@google/genai/dist/genai.d.ts', type: 'GenerateContentResponse' },
    skipped: [/^sdkHttpResponse/],
    rules: [
      [
        /^$/,
        () => ({
          candidates: [{ content: { role: 'model', parts: [{ text: TEXT }] }, finishReason: 'STOP' }],
          usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2 },
        }),
      ],
      [
        /^candidates\[\]$/,
        () => ({ content: { role: 'model', parts: [{ text: TEXT }] }, finishReason: 'STOP' }),
      ],
      [/^candidates\[\]\.content$/, () => ({ role: 'model', parts: [{ text: TEXT }] })],
      [/^candidates\[\]\.index$/, () => 0],
      [/chosenCandidates\[\]$|topCandidates\[\]\.candidates\[\]$/, () => LIKELY],
      [/logprobsResult$/, () => ({ chosenCandidates: [LIKELY], topCandidates: [{ candidates: [LIKELY] }] })],
      [/groundingChunks\[\]$/, () => ({})],
      [/groundingChunks\[\]\.(?:web|maps|retrievedContext)$/, () => WEB],
      [/groundingChunks\[\]\.image$/, () => ({ sourceUri: WEB.uri, title: WEB.title })],
      [/citationMetadata\.citations\[\]$/, () => ({ uri: WEB.uri, startIndex: 0, endIndex: 5 })],
      [/groundingSupports\[\]$/, () => SUPPORT],
      [/groundingMetadata$/, () => ({ groundingChunks: [{ web: WEB }], groundingSupports: [SUPPORT] })],
      [/functionCall$/, () => ({ name: 'look', args: { wo: 'Rom' } })],
      [
        /inlineData$/,
        (mark) => ({ mimeType: 'image/png', data: Buffer.from(`${mark}ab`).toString('base64') }),
      ],
      ...RULES,
    ],
    lists: [[/^candidates\[\]\.content\.parts$/, first({ text: TEXT })]],
  },
  {
    title: 'Bedrock Converse',
    target: 'Bedrock',
    type: {
      file: '@aws-sdk/client-bedrock-runtime/dist-types/models/models_0.d.ts',
      type: 'ConverseResponse',
    },
    skipped: [/^metadata/],
    rules: [
      [
        /^$/,
        () => ({
          output: { message: { role: 'assistant', content: [{ text: TEXT }] } },
          stopReason: 'end_turn',
          usage: { inputTokens: 3, outputTokens: 2, totalTokens: 5 },
          metrics: { latencyMs: 1 },
        }),
      ],
      [/^output\(message\)$/, () => ({ message: { role: 'assistant', content: [{ text: TEXT }] } })],
      [/^output\(message\)\.message$/, () => ({ role: 'assistant', content: [{ text: TEXT }] })],
      [/citationsContent$/, () => ({ content: [{ text: TEXT }], citations: [WEB_CITATION] })],
      [/citations\[\]$/, () => WEB_CITATION],
      [/location\(web\)\.web$/, () => WEB_CITATION.location.web],
      [/^usage$/, () => ({ inputTokens: 3, outputTokens: 2, totalTokens: 5 })],
      ...RULES,
    ],
    lists: [[/message\.content$/, first({ text: TEXT })]],
  },
  {
    title: 'Cohere chat',
    target: 'Cohere',
    type: {
      file: 'cohere-ai/api/resources/v2/types/V2ChatResponse.d.ts',
      type: 'V2ChatResponse',
      snakeCase: true,
    },
    skipped: [],
    rules: [
      [
        /^$/,
        () => ({
          id: 'c1',
          finish_reason: 'COMPLETE',
          message: { role: 'assistant', content: [{ type: 'text', text: TEXT }] },
          usage: { tokens: { input_tokens: 3, output_tokens: 2 } },
        }),
      ],
      [/tool_calls\[\](?:\([^)]*\))?$/, () => CALL],
      [/\.function$/, () => CALL.function],
      [/citations\[\]$/, () => COHERE_CITATION],
      [/sources\[\]\(type=document\)$/, () => COHERE_CITATION.sources[0]],
      [/logprobs\[\]$/, () => ({ text: 'Hi', token_ids: [1], logprobs: [-1] })],
      [/^message(?:\([^)]*\))?$/, () => ({ role: 'assistant', content: [{ type: 'text', text: TEXT }] })],
      ...RULES,
    ],
    lists: [[/^message\.content$/, first({ type: 'text', text: TEXT })]],
  },
  {
    ...chat,
    title: 'Mistral chat completions',
    target: 'Mistral',
    type: {
      file: '@mistralai/mistralai/esm/models/components/chatcompletionresponse.d.ts',
      type: 'ChatCompletionResponse',
      snakeCase: true,
    },
  },
];
