import { anthropicMessagesDialect } from '../../src/api/anthropic/dialect.ts';
import { messagesRequest } from '../../src/api/anthropic/endpoints.ts';
import { promptRequest } from '../../src/api/native/endpoints.ts';
import { promptDialect } from '../../src/api/native/prompt-dialect.ts';
import { openAiChatDialect } from '../../src/api/openai/chat/dialect.ts';
import { openAiCompletionsDialect } from '../../src/api/openai/completions/dialect.ts';
import { responsesDialect } from '../../src/api/openai/responses/dialect.ts';
import { responsesRequest } from '../../src/api/openai/responses/endpoints.ts';
import { chatRequest, completionRequest } from '../../src/api/openai/schemas.ts';
import type { validate } from '../../src/api/validation.ts';
import type { ClientDialect } from '../../src/core/chat/dialect.ts';
import { anthropicAdapter } from '../../src/providers/anthropic/index.ts';
import { createAzureAdapter } from '../../src/providers/azure-openai/index.ts';
import { createBedrockAdapter } from '../../src/providers/bedrock/index.ts';
import { cohereAdapter } from '../../src/providers/cohere/index.ts';
import { createGeminiAdapter } from '../../src/providers/gemini/index.ts';
import { createOpenAiAdapter } from '../../src/providers/openai-compatible/adapter.ts';
import { ENGINES, VENDORS } from '../../src/providers/openai-compatible/vendors.ts';
import type { ProviderAdapter, Target, VendorProfile } from '../../src/providers/types.ts';
import { testProvider, testTarget } from './inference.ts';

/** Every dialect of clients, and a target of every provider format. */

export interface TestedDialect {
  readonly dialect: ClientDialect;
  readonly schema: Parameters<typeof validate>[0];
}

/** By the name of the dialect. */
export const DIALECTS: Readonly<Record<string, TestedDialect>> = {
  'openai-chat': { dialect: openAiChatDialect, schema: chatRequest },
  'openai-completions': { dialect: openAiCompletionsDialect, schema: completionRequest },
  'openai-responses': { dialect: responsesDialect(), schema: responsesRequest },
  'anthropic-messages': { dialect: anthropicMessagesDialect, schema: messagesRequest },
  'weir-prompt': { dialect: promptDialect(false), schema: promptRequest },
};

const target = (adapter: ProviderAdapter, model: string, profile: Partial<VendorProfile> = {}): Target =>
  testTarget(testProvider({ adapter, profile }), model);

const credentials = () => Promise.reject(new Error('not signed here'));

/** A target of every provider format. */
export const FORMATS: Readonly<Record<string, Target>> = {
  'OpenAI chat': target(createOpenAiAdapter({ api: 'chat', responses: false }), 'gpt-4o', VENDORS.openai),
  Mistral: target(createOpenAiAdapter({ api: 'chat', responses: false }), 'mistral-large', VENDORS.mistral),
  'OpenAI Responses': target(createOpenAiAdapter({ api: 'responses', responses: true }), 'gpt-5.2'),
  'Azure OpenAI': target(createAzureAdapter({ apiVersion: null, api: null }), 'deployment'),
  Ollama: target(createOpenAiAdapter({ api: 'native', responses: false }), 'llama3', ENGINES.ollama),
  Anthropic: target(anthropicAdapter, 'claude-sonnet-4-5'),
  Gemini: target(createGeminiAdapter({}), 'gemini-3-pro'),
  Bedrock: target(
    createBedrockAdapter({ region: 'r', credentials, now: () => new Date(0) }),
    'anthropic.claude-sonnet-4-5',
  ),
  Cohere: target(cohereAdapter, 'command-a'),
};
