import { openAiChatDialect } from '../../src/api/openai/chat/dialect.ts';
import { embeddingCall } from '../../src/api/openai/embedding-call.ts';
import type { ChatCall, EmbeddingCall } from '../../src/core/inference.ts';
import type { Principal } from '../../src/core/principal.ts';
import type { Transport } from '../../src/core/transport.ts';
import { UseEstimates } from '../../src/dispatch/use-estimates.ts';
import { Prices } from '../../src/metering/prices.ts';
import { openAiCompatibleAdapter } from '../../src/providers/openai-compatible/adapter.ts';
import { GENERIC } from '../../src/providers/openai-compatible/vendors.ts';
import type { AttemptContext, Provider, Target, VendorProfile } from '../../src/providers/types.ts';
import { FakeTransport } from './fake-transport.ts';

export const PRINCIPAL: Principal = {
  kind: 'api_key',
  tenant: 'default',
  keyId: 'key_1',
  keyName: 'test',
  tier: 'none',
  limits: [],
};

/** A provider of OpenAI's format; everything that a test does not name is plain. */
export function testProvider({
  profile,
  ...rest
}: Partial<Omit<Provider, 'profile'>> & { readonly profile?: Partial<VendorProfile> } = {}): Provider {
  const transport: Transport = new FakeTransport();
  return {
    id: 'p',
    kind: 'openai-compatible',
    profile: { ...GENERIC, ...profile },
    baseUrl: 'http://upstream.test/v1',
    credential: undefined,
    headers: {},
    adapter: openAiCompatibleAdapter,
    transport,
    models: [],
    discover: false,
    ...rest,
  };
}

export function testTarget(provider: Provider = testProvider(), model = 'up', weight = 1): Target {
  return { provider, model, weight };
}

/** A call as the chat endpoint makes it of a body. */
export function testCall(
  body: Readonly<Record<string, unknown>> = { model: 'asked', messages: [] },
  more: Partial<ChatCall> = {},
): ChatCall {
  return {
    operation: 'chat',
    dialect: openAiChatDialect,
    chat: () => openAiChatDialect.toChat(body),
    view: () => openAiChatDialect.requestView(body),
    model: typeof body.model === 'string' ? body.model : 'asked',
    stream: body.stream === true,
    text: JSON.stringify(body),
    body,
    headers: new Headers(),
    includesStreamUsage: false,
    ...more,
  };
}

/** A call as the embeddings endpoint makes it of a body. */
export function testEmbeddingCall(
  body: Readonly<Record<string, unknown>>,
  text = JSON.stringify(body),
): EmbeddingCall {
  return embeddingCall({ text, json: body }, new Headers());
}

/** What an attempt tells an adapter. */
export function testContext(more: Partial<AttemptContext> = {}): AttemptContext {
  return { requestId: 'req_1', createdSeconds: 7, warn: () => undefined, media: new Map(), ...more };
}

/** Parts of the inference service that no test of other things needs. */
export const NO_EXTRAS = {
  media: { fetch: () => Promise.reject(new Error('no media here')) },
  estimateTokens: () => Promise.resolve(0),
  contextWindows: { check: () => undefined },
} as const;

/** For tests that don't look at what is observed. */
export const UNOBSERVED = {
  attemptEnded: () => undefined,
  queueLeft: () => undefined,
  callJoined: () => undefined,
  mirrored: () => undefined,
  mirrorSkipped: () => undefined,
} as const;

/** A plain chat answer. */
export function chatAnswer(content = 'hi', more: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    id: 'a',
    object: 'chat.completion',
    created: 7,
    model: 'up',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 3, completion_tokens: 2 },
    ...more,
  });
}

/** One event of a chat stream. */
export function chatEvent(content: string, finish: string | null = null): string {
  const choices = [{ index: 0, delta: content === '' ? {} : { content }, finish_reason: finish }];
  return `data: ${JSON.stringify({ id: 'a', object: 'chat.completion.chunk', created: 7, model: 'up', choices })}\n\n`;
}

/** For tests in which nothing costs anything. */
const NO_PRICES = new Prices({ of: () => ({ capabilities: {}, sources: [] }) }, []);
export const NO_ESTIMATES = new UseEstimates(NO_PRICES);
