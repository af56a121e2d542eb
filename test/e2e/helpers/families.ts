import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { isRecord } from '../../../src/core/json.ts';
import { type Gateway, startGateway } from '../../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../../support/mock-upstream.ts';
import type { RecordedRequest } from '../../support/recorded-request.ts';
import { json, type ResponseScript } from '../../support/scripts.ts';

/** A gateway with one mock behind every provider family: each family has a path of its own there. */
export interface Families {
  readonly mock: MockUpstream;
  readonly gateway: Gateway;
  readonly openai: OpenAI;
  readonly anthropic: Anthropic;
  post(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>;
  stop(): Promise<void>;
}

const KEY = 'sk-family-0123456789abcdef';

/** Models: `chat`, `claude`, `gemini`, `bedrock`, `cohere`, `mistral`, `ollama`, `azure`, `responses`. */
export async function startFamilies(
  more: (mock: MockUpstream) => Readonly<Record<string, unknown>> = () => ({}),
): Promise<Families> {
  const mock = await startMockUpstream();
  const { url } = mock;
  const provider = (
    id: string,
    kind: string,
    base: string,
    settings: Readonly<Record<string, unknown>> = {},
  ) => ({
    id,
    kind,
    base_url: `${url}${base}`,
    api_key: KEY,
    discover: false,
    ...settings,
  });
  const model = (id: string, upstream: string, settings: Readonly<Record<string, unknown>> = {}) => ({
    id,
    targets: [{ provider: id, model: upstream }],
    ...settings,
  });
  const gateway = await startGateway({
    config: {
      log: { requests: false },
      providers: [
        provider('chat', 'openai-compatible', '/chat/v1'),
        provider('claude', 'anthropic', '/claude'),
        provider('gemini', 'gemini', '/gemini'),
        provider('bedrock', 'bedrock', '/bedrock', { region: 'us-east-1' }),
        provider('cohere', 'cohere', '/cohere'),
        provider('mistral', 'mistral', '/mistral/v1'),
        provider('ollama', 'openai-compatible', '/ollama/v1', { engine: 'ollama' }),
        provider('azure', 'azure-openai', '/azure', { api_version: '2024-10-21' }),
        provider('responses', 'openai', '/responses/v1', { api: 'responses' }),
      ],
      models: [
        model('chat', 'gpt-4o'),
        model('claude', 'claude-sonnet-4-5'),
        model('gemini', 'gemini-3-pro-preview'),
        model('bedrock', 'anthropic.claude-sonnet-4-5-v1:0'),
        model('cohere', 'command-a-03-2025'),
        model('mistral', 'mistral-large-latest'),
        model('ollama', 'llama3'),
        model('azure', 'my-deployment'),
        model('responses', 'gpt-5'),
        model('strict', 'gpt-4o', {
          targets: [{ provider: 'claude', model: 'claude-sonnet-4-5' }],
          strict: true,
        }),
        {
          id: 'either',
          targets: [{ provider: 'claude', model: 'claude-sonnet-4-5' }],
          fallbacks: ['gemini'],
        },
      ],
      ...more(mock),
    },
  });
  const authorization = `Bearer ${gateway.adminKey}`;
  return {
    mock,
    gateway,
    openai: new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: gateway.adminKey, maxRetries: 0 }),
    anthropic: new Anthropic({ baseURL: gateway.url, apiKey: gateway.adminKey, maxRetries: 0 }),
    post: (path, body, headers) =>
      fetch(`${gateway.url}${path}`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      }),
    stop: async () => {
      try {
        await gateway.stop();
      } finally {
        await mock.close();
      }
    },
  };
}

/** The JSON object that the last request to the mock held. */
export function lastBody(mock: MockUpstream): Record<string, unknown> {
  return bodyOf(mock.requests.at(-1));
}

export function bodyOf(request: RecordedRequest | undefined): Record<string, unknown> {
  const body = request?.json();
  if (!isRecord(body)) throw new Error('the mock got no JSON object');
  return body;
}

/** Answers of each family, in its own form. */
export const ANSWERS = {
  chat: (message: Readonly<Record<string, unknown>>, finish = 'stop'): ResponseScript =>
    json({
      id: 'chatcmpl-up',
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'up',
      choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: finish }],
      usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
    }),
  claude: (content: readonly unknown[], stop = 'end_turn'): ResponseScript =>
    json({
      id: 'msg_up',
      type: 'message',
      role: 'assistant',
      model: 'up',
      content,
      stop_reason: stop,
      stop_sequence: null,
      usage: { input_tokens: 7, cache_read_input_tokens: 3, output_tokens: 5 },
    }),
  gemini: (parts: readonly unknown[], finishReason = 'STOP'): ResponseScript =>
    json({
      candidates: [{ content: { role: 'model', parts }, finishReason, index: 0 }],
      responseId: 'gem1',
      usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 3, thoughtsTokenCount: 2 },
    }),
};
