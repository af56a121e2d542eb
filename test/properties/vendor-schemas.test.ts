import { afterAll, expect, test } from 'bun:test';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import type { ChatRequest, UserPart } from '../../src/core/chat/request.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { anthropicChatFormat } from '../../src/providers/anthropic/index.ts';
import { converseChatFormat } from '../../src/providers/bedrock/index.ts';
import { cohereChatFormat } from '../../src/providers/cohere/index.ts';
import type { ChatFormat } from '../../src/providers/format.ts';
import { geminiChatFormat } from '../../src/providers/gemini/index.ts';
import { openAiChatFormat } from '../../src/providers/openai-compatible/chat-format.ts';
import { VENDORS } from '../../src/providers/openai-compatible/vendors.ts';
import { responsesChatFormat } from '../../src/providers/openai-responses/index.ts';
import type { VendorProfile } from '../../src/providers/types.ts';
import { testContext, testProvider, testTarget } from '../support/inference.ts';
import { ANY_ORIGIN, chatRequest, type Expressible } from './arbitraries.ts';

/**
 * What we send to vendors has the form that they publish. Their schemas come as the types of their own packages,
 * so the requests are written down as TypeScript and the compiler is asked.
 */

interface Vendor {
  readonly name: string;
  readonly format: ChatFormat;
  readonly profile?: VendorProfile;
  readonly models: readonly string[];
  /** Imports, and the type `Body`. Paths are relative to a folder two levels below `node_modules`. */
  readonly schema: string;
}

/** Vendors' packages name constants by enums and bytes by arrays of them; on the wire both are text. */
const ON_THE_WIRE = `
type AsJson<T> = T extends Uint8Array ? string
  : T extends string ? \`\${T}\`
  : T extends object ? { [K in keyof T]: K extends 'input' | 'json' ? unknown : AsJson<T[K]> }
  : T;
`;

const VENDORS_UNDER_TEST: readonly Vendor[] = [
  {
    name: 'openai-chat',
    format: openAiChatFormat(() => 'http://up.test/chat/completions'),
    profile: VENDORS.openai,
    models: ['gpt-4o', 'gpt-5', 'o3-mini', 'gpt-3.5-turbo'],
    schema: `import type { ChatCompletionCreateParams } from 'openai/resources/chat/completions';
      export type Body = ChatCompletionCreateParams;`,
  },
  {
    name: 'openai-responses',
    format: responsesChatFormat,
    profile: VENDORS.openai,
    models: ['gpt-4o', 'gpt-5', 'o3-mini'],
    schema: `import type { ResponseCreateParams } from 'openai/resources/responses/responses';
      export type Body = ResponseCreateParams;`,
  },
  {
    name: 'anthropic',
    format: anthropicChatFormat,
    models: ['claude-3-haiku-20240307', 'claude-sonnet-4-5', 'claude-opus-4-7'],
    schema: `import type { MessageCreateParams } from '@anthropic-ai/sdk/resources/messages';
      // Gone from the package's newest types, since its newest models refuse them; older models take them.
      export type Body = MessageCreateParams & { temperature?: number; top_p?: number; top_k?: number };`,
  },
  {
    name: 'gemini',
    format: geminiChatFormat({ vertex: false }),
    models: ['gemini-2.0-flash', 'gemini-2.5-pro', 'gemini-3-pro-preview'],
    schema: `import type { Content, GenerationConfig, SafetySetting, Tool, ToolConfig } from '@google/genai';
      ${ON_THE_WIRE}
      export type Body = AsJson<{
        contents: Content[];
        systemInstruction?: Content;
        tools?: Tool[];
        toolConfig?: ToolConfig;
        safetySettings?: SafetySetting[];
        generationConfig?: GenerationConfig;
        cachedContent?: string;
      }>;`,
  },
  {
    name: 'bedrock',
    format: converseChatFormat,
    models: ['anthropic.claude-sonnet-4-5-v1:0', 'amazon.nova-pro-v1:0', 'meta.llama3-70b-instruct-v1:0'],
    schema: `import type { ConverseRequest } from '@aws-sdk/client-bedrock-runtime';
      ${ON_THE_WIRE}
      export type Body = Omit<AsJson<Omit<ConverseRequest, 'additionalModelRequestFields'>>, 'modelId'> & {
        additionalModelRequestFields?: unknown;
      };`,
  },
  {
    name: 'cohere',
    format: cohereChatFormat,
    models: ['command-a-03-2025', 'command-a-reasoning-08-2025', 'command-r-plus'],
    schema: `import type { V2ChatRequest } from '../../cohere-ai/dist/serialization/resources/v2/client/requests/V2ChatRequest';
      import type { V2ChatStreamRequest } from '../../cohere-ai/dist/serialization/resources/v2/client/requests/V2ChatStreamRequest';
      export type Body = (V2ChatRequest.Raw & { stream: false }) | (V2ChatStreamRequest.Raw & { stream: true });`,
  },
  {
    name: 'mistral',
    format: openAiChatFormat(() => 'http://up.test/chat/completions'),
    profile: VENDORS.mistral,
    models: ['mistral-large-latest', 'magistral-medium-latest', 'pixtral-12b'],
    schema: `import type { ChatCompletionRequest$Outbound } from '../../@mistralai/mistralai/esm/models/components/chatcompletionrequest';
      // Members with a default may be left out.
      type Filled<T> = T extends (infer Item)[] ? Filled<Item>[]
        : T extends object ? { [K in keyof T as K extends Defaulted ? never : K]: Filled<T[K]> } & { [K in keyof T as K extends Defaulted ? K : never]?: Filled<T[K]> }
        : T;
      type Defaulted = 'index' | 'prefix' | 'stream';
      export type Body = Filled<ChatCompletionRequest$Outbound>;`,
  },
];

const EVERYTHING: Expressible = {
  anyOrder: true,
  finishes: ['stop'],
  origins: ANY_ORIGIN,
  usage: [],
  anyArguments: true,
  richToolResults: true,
  imageDetail: true,
  parameters: [
    'maxOutputTokens',
    'temperature',
    'topP',
    'topK',
    'frequencyPenalty',
    'presencePenalty',
    'seed',
    'stopSequences',
    'parallelToolCalls',
    'user',
  ],
  toolStrict: 'sometimes',
};

const media = fc.constantFrom<UserPart>(
  { type: 'audio', source: { kind: 'base64', mediaType: 'audio/wav', data: 'aGVsbG8=' } },
  {
    type: 'file',
    source: { kind: 'base64', mediaType: 'application/pdf', data: 'aGVsbG8=' },
    filename: 'a.pdf',
  },
  {
    type: 'file',
    source: { kind: 'text', mediaType: 'text/plain', text: 'hello' },
    title: 'T',
    citations: true,
  },
  { type: 'text', text: 'marked', cacheControl: { type: 'ephemeral', ttl: '1h' } },
);

const extras = fc.record(
  {
    responseFormat: fc.constantFrom<NonNullable<ChatRequest['responseFormat']>>(
      { type: 'text' },
      { type: 'json' },
      {
        type: 'json-schema',
        name: 'answer',
        schema: {
          type: 'object',
          properties: { a: { type: 'string' } },
          required: ['a'],
          additionalProperties: false,
        },
        strict: true,
      },
    ),
    reasoning: fc.constantFrom<NonNullable<ChatRequest['reasoning']>>(
      { effort: 'low' },
      { effort: 'high', summary: 'auto' },
      { effort: 'none' },
      { budgetTokens: 2048 },
      { enabled: true },
      { enabled: false },
    ),
    logprobs: fc.constant({ top: 2 }),
    choices: fc.constantFrom(1, 2),
    metadata: fc.constant({ team: 'a' }),
    serviceTier: fc.constantFrom('auto', 'flex'),
    promptCacheKey: fc.constant('k'),
    verbosity: fc.constantFrom('low', 'high'),
    logitBias: fc.constant({ '50256': -100 }),
  },
  { requiredKeys: [] },
);

const requests: fc.Arbitrary<ChatRequest> = fc
  .tuple(chatRequest(EVERYTHING), extras, fc.option(media, { nil: undefined }))
  .map(([request, more, part]) => {
    const { messages } = request;
    const last = messages.at(-1);
    if (part === undefined || last?.role !== 'user') return { ...request, ...more };
    return {
      ...request,
      ...more,
      messages: [...messages.slice(0, -1), { ...last, content: [...last.content, part] }],
    };
  });

const SAMPLES = 60;

/** The bodies that a vendor would be sent for many requests; requests that make no sense to it are left out. */
function bodies({ format, profile, models }: Vendor): string[] {
  const provider = testProvider(profile ? { profile } : {});
  return fc.sample(requests, { numRuns: SAMPLES, seed: 20_240_601 }).flatMap((request, index) => {
    const target = testTarget(provider, models[index % models.length]);
    const options = { ...testContext(), stream: index % 2 === 0, headers: new Headers() };
    try {
      return [format.build(request, target, options).body];
    } catch (error) {
      if (error instanceof GatewayError) return [];
      throw error;
    }
  });
}

const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));
mkdirSync(join(modules, '.cache'), { recursive: true });
const folder = mkdtempSync(join(modules, '.cache', 'vendor-schemas-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = promisify(execFile);

/** What the compiler says of a file; nothing when it is content. */
async function complaints(name: string, source: string): Promise<string> {
  writeFileSync(join(folder, `${name}.ts`), source);
  const project = join(folder, `${name}.json`);
  const compilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: 'es2024',
    module: 'preserve',
    moduleResolution: 'bundler',
    types: [],
  };
  writeFileSync(project, JSON.stringify({ compilerOptions, files: [`${name}.ts`] }));
  try {
    await run(join(modules, '.bin', 'tsc'), ['-p', project, '--pretty', 'false'], { cwd: folder });
    return '';
  } catch (error) {
    const { stdout, message } = Object(error);
    return String(stdout || message);
  }
}

const source = (schema: string, texts: readonly string[]) =>
  [schema, ...texts.map((text, index) => `export const body${index}: Body = ${text};`)].join('\n');

test.each(VENDORS_UNDER_TEST.map((vendor) => [vendor.name, vendor] as const))(
  'requests to %s are what it publishes',
  async (name, vendor) => {
    const sent = bodies(vendor);
    expect(sent.length).toBeGreaterThan(SAMPLES / 2);
    expect(await complaints(name, source(vendor.schema, sent))).toBe('');
  },
  60_000,
);

test('a wrong request would be found', async () => {
  const [vendor] = VENDORS_UNDER_TEST;
  if (!vendor) throw new Error('no vendor');
  const wrong = '{"model":"m","messages":[{"role":"user","content":"x","colour":"red"}],"stream":false}';
  expect(await complaints('wrong', source(vendor.schema, [wrong]))).toContain('colour');
});
