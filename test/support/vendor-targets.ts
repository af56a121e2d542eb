import { openAiChatDialect } from '../../src/api/openai/chat/dialect.ts';
import type { ClientDialect } from '../../src/core/chat/dialect.ts';
import type { Warning } from '../../src/core/warning.ts';
import { anthropicAdapter } from '../../src/providers/anthropic/index.ts';
import { AZURE_OPENAI, createAzureAdapter } from '../../src/providers/azure-openai/index.ts';
import { createBedrockAdapter } from '../../src/providers/bedrock/index.ts';
import { cohereAdapter } from '../../src/providers/cohere/index.ts';
import { FAMILIES } from '../../src/providers/families.ts';
import { createGeminiAdapter } from '../../src/providers/gemini/index.ts';
import { createOpenAiAdapter } from '../../src/providers/openai-compatible/adapter.ts';
import { ENGINES, GENERIC, VENDORS } from '../../src/providers/openai-compatible/vendors.ts';
import type { ProviderAdapter, Target, VendorProfile } from '../../src/providers/types.ts';
import { testCall, testContext, testProvider, testTarget } from './inference.ts';

/** A target of every vendor with its own limits, and the request that a client's body becomes for it. */

/** The adapter of OpenAI's chat. */
export const chat = createOpenAiAdapter({ api: 'chat', responses: false });
const bedrock = createBedrockAdapter({
  region: 'r',
  credentials: () => Promise.reject(new Error('not signed here')),
  now: () => new Date(0),
});

/** A target with the whole profile of a vendor. */
export function vendorTarget(
  adapter: ProviderAdapter,
  model: string,
  profile: VendorProfile | undefined,
): Target {
  return testTarget({ ...testProvider({ adapter }), profile: profile ?? GENERIC }, model);
}

/** By name. */
export const TARGETS = {
  openai: vendorTarget(chat, 'gpt-4.1', VENDORS.openai),
  responses: vendorTarget(
    createOpenAiAdapter({ api: 'responses', responses: true }),
    'gpt-4.1',
    VENDORS.openai,
  ),
  azure: vendorTarget(createAzureAdapter({ apiVersion: null, api: 'chat' }), 'gpt-4.1', AZURE_OPENAI),
  deepseek: vendorTarget(chat, 'deepseek-chat', VENDORS.deepseek),
  openrouter: vendorTarget(chat, 'some/model', VENDORS.openrouter),
  xai: vendorTarget(chat, 'grok-4', VENDORS.xai),
  groq: vendorTarget(chat, 'llama-4', VENDORS.groq),
  mistral: vendorTarget(chat, 'mistral-large-latest', VENDORS.mistral),
  generic: vendorTarget(chat, 'some-model', GENERIC),
  vllm: vendorTarget(chat, 'some-model', ENGINES.vllm),
  anthropic: vendorTarget(anthropicAdapter, 'claude-sonnet-4-5', FAMILIES.anthropic?.profile),
  gemini: vendorTarget(createGeminiAdapter({}), 'gemini-2.5-flash', FAMILIES.gemini?.profile),
  bedrock: vendorTarget(bedrock, 'anthropic.claude-sonnet-4-5', FAMILIES.bedrock?.profile),
  nova: vendorTarget(bedrock, 'amazon.nova-pro-v1:0', FAMILIES.bedrock?.profile),
  cohere: vendorTarget(cohereAdapter, 'command-a', FAMILIES.cohere?.profile),
} as const;
/** Name of a target. */
export type TargetName = keyof typeof TARGETS;

/** A question. */
export const user = { role: 'user', content: 'Which day?' };

/** Sends a client's body to a target. */
export function send(name: TargetName | Target, given: object, dialect: ClientDialect = openAiChatDialect) {
  const to = typeof name === 'string' ? TARGETS[name] : name;
  const body = { model: 'asked', messages: [user], ...given };
  const warnings: Warning[] = [];
  const call = testCall(body, { dialect, chat: () => dialect.toChat(body) });
  const context = testContext({ warn: (warning) => warnings.push(warning) });
  const { body: text } = to.provider.adapter.buildRequest(call, to, context);
  return {
    up: JSON.parse(String(text)),
    warnings,
    params: warnings.map(({ param }) => param),
    call,
    to,
    context,
  };
}
