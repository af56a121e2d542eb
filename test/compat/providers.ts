import { parseEventStream } from '../support/event-stream.ts';
import { isEventStream, type RecordedCall, responseJson } from '../support/recordings.ts';
import type { ReadAnswer } from './answer.ts';
import { readMessage, readMessageEvents } from './readers/anthropic.ts';
import { readConverse, readConverseStream } from './readers/bedrock.ts';
import { readCohere, readCohereEvents } from './readers/cohere.ts';
import { readGemini } from './readers/gemini.ts';
import { ollamaPieces, readOllama } from './readers/ollama.ts';
import { readChatChunks, readChatCompletion } from './readers/openai-chat.ts';
import { readResponse, readResponseEvents } from './readers/responses.ts';

/** How recordings of one provider API are replayed as that provider, and what they say. */
export interface ReplayedApi {
  /** Folders of the recordings. */
  readonly folders: readonly string[];
  readonly path: RegExp;
  /** The provider's entry in the configuration, but for its id. `url` is the mock's. */
  readonly settings: (url: string, folder: string) => Readonly<Record<string, unknown>>;
  readonly read: (recordedCall: RecordedCall) => ReadAnswer;
  readonly isStream: (recordedCall: RecordedCall) => boolean;
}

/** The data of each event that is JSON. */
function events(recordedCall: RecordedCall): unknown[] {
  return parseEventStream(recordedCall.response.body)
    .events.filter(({ data }) => data !== '[DONE]')
    .map(({ data }): unknown => JSON.parse(data));
}

const reader =
  (whole: (body: unknown) => ReadAnswer, streamed: (events: readonly unknown[]) => ReadAnswer) =>
  (recordedCall: RecordedCall): ReadAnswer =>
    isEventStream(recordedCall) ? streamed(events(recordedCall)) : whole(responseJson(recordedCall));

const VENDOR_OF: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  openai: { kind: 'openai', api: 'chat' },
  mistral: { kind: 'mistral' },
  llamacpp: { kind: 'openai-compatible', engine: 'llamacpp' },
};

const KEY = 'sk-recorded';

export const REPLAYED_APIS: readonly ReplayedApi[] = [
  {
    folders: ['openai', 'groq', 'deepseek', 'mistral', 'openrouter', 'llamacpp'],
    path: /\/chat\/completions$/,
    settings: (url, folder) => ({
      ...(VENDOR_OF[folder] ?? { kind: 'openai-compatible', vendor: folder }),
      base_url: `${url}/v1`,
      api_key: KEY,
    }),
    read: reader(readChatCompletion, readChatChunks),
    isStream: isEventStream,
  },
  {
    folders: ['openai', 'xai'],
    path: /\/responses$/,
    settings: (url, folder) => ({
      ...(folder === 'openai' ? { kind: 'openai' } : { kind: 'openai-compatible', vendor: folder }),
      base_url: `${url}/v1`,
      api_key: KEY,
      api: 'responses',
    }),
    read: reader(readResponse, readResponseEvents),
    isStream: isEventStream,
  },
  {
    folders: ['anthropic'],
    path: /\/v1\/messages$/,
    settings: (url) => ({ kind: 'anthropic', base_url: url, api_key: KEY }),
    read: reader(readMessage, readMessageEvents),
    isStream: isEventStream,
  },
  {
    folders: ['gemini'],
    path: /:(?:generateContent|streamGenerateContent)$/,
    settings: (url) => ({ kind: 'gemini', base_url: `${url}/v1beta`, api_key: KEY }),
    read: reader((body) => readGemini([body]), readGemini),
    isStream: isEventStream,
  },
  {
    folders: ['bedrock'],
    path: /\/(?:converse|converse-stream)$/,
    settings: (url) => ({
      kind: 'bedrock',
      base_url: url,
      region: 'us-east-1',
      access_key_id: 'AKIDEXAMPLE',
      secret_access_key: 'secret-example',
    }),
    read: (recordedCall) =>
      isConverseStream(recordedCall)
        ? readConverseStream(recordedCall.response.body)
        : readConverse(responseJson(recordedCall)),
    isStream: isConverseStream,
  },
  {
    folders: ['ollama'],
    path: /\/api\/chat$/,
    settings: (url) => ({
      kind: 'openai-compatible',
      engine: 'ollama',
      api: 'native',
      base_url: `${url}/v1`,
    }),
    read: ({ response }) => readOllama(ollamaPieces(response.body)),
    isStream: ({ response }) => response.headers['content-type']?.startsWith('application/x-ndjson') ?? false,
  },
  {
    folders: ['cohere'],
    path: /\/v2\/chat$/,
    settings: (url) => ({ kind: 'cohere', base_url: url, api_key: KEY }),
    read: reader(readCohere, readCohereEvents),
    isStream: isEventStream,
  },
];

function isConverseStream({ response }: RecordedCall): boolean {
  return response.headers['content-type']?.startsWith('application/vnd.amazon.eventstream') ?? false;
}
