import { describe, expect, test } from 'bun:test';
import { anthropicMessagesDialect } from '../../src/api/anthropic/dialect.ts';
import { messagesRequest } from '../../src/api/anthropic/endpoints.ts';
import { chatCall } from '../../src/api/chat-call.ts';
import { promptRequest } from '../../src/api/native/endpoints.ts';
import { promptDialect } from '../../src/api/native/prompt-dialect.ts';
import { openAiChatDialect } from '../../src/api/openai/chat/dialect.ts';
import { openAiCompletionsDialect } from '../../src/api/openai/completions/dialect.ts';
import { embeddingCall } from '../../src/api/openai/embedding-call.ts';
import { responsesDialect } from '../../src/api/openai/responses/dialect.ts';
import { responsesRequest } from '../../src/api/openai/responses/endpoints.ts';
import { chatRequest, completionRequest, embeddingRequest } from '../../src/api/openai/schemas.ts';
import { validate } from '../../src/api/validation.ts';
import type { ClientDialect } from '../../src/core/chat/dialect.ts';
import { editCall } from '../../src/core/edit-call.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { ChatCall, InferenceCall } from '../../src/core/inference.ts';
import { assertJsonLimits } from '../../src/core/json-limits.ts';
import { addWarning, type Warning } from '../../src/core/warning.ts';
import { anthropicAdapter } from '../../src/providers/anthropic/index.ts';
import { createAzureAdapter } from '../../src/providers/azure-openai/index.ts';
import { createBedrockAdapter } from '../../src/providers/bedrock/index.ts';
import { cohereAdapter } from '../../src/providers/cohere/index.ts';
import { createGeminiAdapter } from '../../src/providers/gemini/index.ts';
import { createOpenAiAdapter } from '../../src/providers/openai-compatible/adapter.ts';
import { VENDORS } from '../../src/providers/openai-compatible/vendors.ts';
import type { ProviderAdapter, Target, VendorProfile } from '../../src/providers/types.ts';
import { measureGrowth } from '../support/growth.ts';
import { testContext, testProvider, testTarget } from '../support/inference.ts';
import { LARGE_REQUESTS } from '../support/large-requests.ts';

/** Sizes of the small one of the two requests that are compared. */
const READ_SIZE = 4_000;
const BUILD_SIZE = 2_000;

interface Dialect {
  readonly dialect: ClientDialect;
  readonly schema: Parameters<typeof validate>[0];
}

const DIALECTS: Readonly<Record<string, Dialect>> = {
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
const FORMATS: Readonly<Record<string, Target>> = {
  'OpenAI chat': target(createOpenAiAdapter({ api: 'chat', responses: false }), 'gpt-4o', VENDORS.openai),
  Mistral: target(createOpenAiAdapter({ api: 'chat', responses: false }), 'mistral-large', VENDORS.mistral),
  'OpenAI Responses': target(createOpenAiAdapter({ api: 'responses', responses: true }), 'gpt-5.2'),
  'Azure OpenAI': target(createAzureAdapter({ apiVersion: null, api: null }), 'deployment'),
  Ollama: target(createOpenAiAdapter({ api: 'native', responses: false }), 'llama3'),
  Anthropic: target(anthropicAdapter, 'claude-sonnet-4-5'),
  Gemini: target(createGeminiAdapter({}), 'gemini-3-pro'),
  Bedrock: target(
    createBedrockAdapter({ region: 'r', credentials, now: () => new Date(0) }),
    'anthropic.claude-sonnet-4-5',
  ),
  Cohere: target(cohereAdapter, 'command-a'),
};

/** Reads a body as its endpoint does. */
function read(text: string, { dialect, schema }: Dialect): ChatCall {
  assertJsonLimits(text);
  const json: Record<string, unknown> = JSON.parse(text);
  validate(schema, json);
  return chatCall('chat', dialect, { text, json }, new Headers());
}

/** Reads all facts of a call that the gateway uses, and its canonical form. */
function inspect(call: ChatCall): void {
  const view = call.view();
  view.promptParts();
  view.conversationStart();
  view.hasImages();
  unlessRejected(() => call.chat());
  editCall(call, { type: 'prepend-system', text: 'Be kind.' })?.view();
}

/** Builds the upstream request, with all warnings. */
function build(call: InferenceCall, to: Target): void {
  const warnings: Warning[] = [];
  const context = testContext({ warn: (warning) => addWarning(warnings, warning) });
  unlessRejected(() => to.provider.adapter.buildRequest(call, to, context));
  expect(warnings.length).toBeLessThanOrEqual(101);
}

/** Some formats reject some requests. */
function unlessRejected(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof GatewayError) || error.status >= 500) throw error;
  }
}

describe.each(Object.keys(LARGE_REQUESTS))('work grows linearly with a request in the dialect %s', (name) => {
  const used = DIALECTS[name];
  if (!used) throw new Error(`the dialect ${name} is not tested`);
  const requests = Object.entries(LARGE_REQUESTS[name] ?? {}).map(([dimension, body]) => ({
    dimension,
    texts: bySize((size) => JSON.stringify(body(size))),
    calls: bySize((size) => {
      const call = read(JSON.stringify(body(size)), used);
      unlessRejected(() => call.chat());
      return call;
    }),
  }));

  test('when it is read', () => {
    const found = requests.flatMap(({ dimension, texts }) => {
      const growth = measureGrowth(READ_SIZE, (size) => {
        const text = texts(size);
        return () => inspect(read(text, used));
      });
      return growth === undefined ? [] : [`${dimension}: ${growth}`];
    });
    expect(found).toEqual([]);
  });

  test.each(Object.entries(FORMATS))('when it is built: %s', (_format, to) => {
    const found = requests.flatMap(({ dimension, calls }) => {
      const growth = measureGrowth(BUILD_SIZE, (size) => {
        const call = calls(size);
        return () => build(call, to);
      });
      return growth === undefined ? [] : [`${dimension}: ${growth}`];
    });
    expect(found).toEqual([]);
  });
});

/** Makes the value of each size once. */
function bySize<T>(make: (size: number) => T): (size: number) => T {
  const made = new Map<number, T>();
  return (size) => {
    const known = made.get(size);
    if (known !== undefined) return known;
    const value = make(size);
    made.set(size, value);
    return value;
  };
}

test.each(Object.entries(FORMATS))(
  'work grows linearly with lists of inputs and documents: %s',
  (_format, to) => {
    const inputs = (size: number) => Array.from({ length: size }, (_, index) => `text ${index}`);
    const growth = measureGrowth(BUILD_SIZE, (size) => {
      const text = JSON.stringify({ model: 'm', input: inputs(size) });
      return () => {
        const json: Record<string, unknown> = JSON.parse(text);
        validate(embeddingRequest, json);
        build(embeddingCall({ text, json }, new Headers()), to);
      };
    });
    expect(growth).toBeUndefined();
  },
);
