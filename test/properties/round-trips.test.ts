import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { anthropicMessagesDialect } from '../../src/api/anthropic/dialect.ts';
import { openAiChatDialect } from '../../src/api/openai/chat/dialect.ts';
import { responsesDialect } from '../../src/api/openai/responses/dialect.ts';
import type { ClientDialect, RenderContext } from '../../src/core/chat/dialect.ts';
import type { AssistantPart, ChatRequest, Message } from '../../src/core/chat/request.ts';
import type { ChatResult } from '../../src/core/chat/result.ts';
import { isRecord } from '../../src/core/json.ts';
import { anthropicChatFormat } from '../../src/providers/anthropic/index.ts';
import type { ChatFormat } from '../../src/providers/format.ts';
import { openAiChatFormat } from '../../src/providers/openai-compatible/chat-format.ts';
import { VENDORS } from '../../src/providers/openai-compatible/vendors.ts';
import { responsesChatFormat } from '../../src/providers/openai-responses/index.ts';
import type { Target } from '../../src/providers/types.ts';
import { toBytes } from '../support/bytes.ts';
import { expectEventRules, readEvents } from '../support/chat-events.ts';
import { runs } from '../support/effort.ts';
import { upstreamHeaders } from '../support/fake-transport.ts';
import { testContext, testProvider, testTarget } from '../support/inference.ts';
import { ANY_ORIGIN, assistantParts, chatRequest, chatResult, type Expressible } from './arbitraries.ts';
import { eventsOf, resultOf } from './events.ts';

/** A wire format from both of its sides: the dialect that clients speak, and the format that providers do. */
interface WireFormat {
  readonly name: string;
  readonly dialect: ClientDialect;
  readonly format: ChatFormat;
  readonly target: Target;
  readonly can: Expressible;
  /** The body with which a client goes on from an answer. */
  readonly echo: (answer: Readonly<Record<string, unknown>>) => Record<string, unknown>;
}

const openai = testProvider({ kind: 'openai', profile: VENDORS.openai });

/** Takes reasoning back, as OpenAI's own chat does not. */
const reminded = testProvider({ profile: { ...VENDORS.openai, replaysReasoning: 'reasoning_details' } });

const CONTINUATION_MESSAGES = [{ role: 'user', content: 'b' }];

const WIRES: readonly WireFormat[] = [
  {
    name: 'OpenAI chat',
    dialect: openAiChatDialect,
    format: openAiChatFormat(() => 'http://up.test/chat/completions'),
    target: testTarget(reminded, 'gpt-4o'),
    echo: ({ choices }) => {
      const [choice]: unknown[] = Array.isArray(choices) ? choices : [];
      const message = isRecord(choice) ? choice.message : undefined;
      return { model: 'm', messages: [{ role: 'user', content: 'a' }, message, ...CONTINUATION_MESSAGES] };
    },
    can: {
      anyOrder: false,
      finishes: ['stop', 'length', 'content-filter'],
      origins: ANY_ORIGIN,
      usage: ['cachedInputTokens', 'reasoningTokens'],
      anyArguments: true,
      richToolResults: false,
      imageDetail: true,
      parameters: [
        'maxOutputTokens',
        'temperature',
        'topP',
        'frequencyPenalty',
        'presencePenalty',
        'seed',
        'stopSequences',
        'parallelToolCalls',
        'user',
      ],
      toolStrict: 'sometimes',
    },
  },
  {
    name: 'Anthropic messages',
    dialect: anthropicMessagesDialect,
    format: anthropicChatFormat,
    echo: ({ role, content }) => ({
      model: 'm',
      max_tokens: 16,
      messages: [{ role: 'user', content: 'a' }, { role, content }, ...CONTINUATION_MESSAGES],
    }),
    target: testTarget(testProvider({ kind: 'anthropic' }), 'claude-sonnet-4-5'),
    can: {
      anyOrder: true,
      finishes: ['stop', 'length', 'refusal', 'pause'],
      origins: ['anthropic'],
      usage: ['cachedInputTokens', 'cacheWriteTokens'],
      anyArguments: false,
      richToolResults: true,
      imageDetail: false,
      parameters: ['maxOutputTokens', 'temperature', 'topK', 'stopSequences', 'user'],
      toolStrict: 'never',
    },
  },
  {
    name: 'OpenAI responses',
    dialect: responsesDialect(),
    format: responsesChatFormat,
    echo: ({ output }) => {
      const items: unknown[] = Array.isArray(output) ? output : [];
      return { model: 'm', input: [{ role: 'user', content: 'a' }, ...items, ...CONTINUATION_MESSAGES] };
    },
    target: testTarget(openai, 'gpt-4o'),
    can: {
      anyOrder: true,
      finishes: ['stop', 'length', 'content-filter'],
      origins: ['openai'],
      usage: ['cachedInputTokens', 'reasoningTokens'],
      anyArguments: true,
      richToolResults: false,
      imageDetail: true,
      parameters: ['maxOutputTokens', 'temperature', 'topP', 'parallelToolCalls', 'user'],
      toolStrict: 'always',
    },
  },
];

const about: RenderContext = {
  model: 'asked',
  requestId: 'req_1',
  createdSeconds: 7,
  includesStreamUsage: true,
  body: {},
};
const NOTHING_ASKED: ChatRequest = { messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }] };

/** What of an answer has to survive: all but the words of the format itself. */
function essence({ choices, usage }: ChatResult) {
  const { raw: _, ...counts } = usage ?? { raw: {} };
  return {
    counts,
    choices: choices.map(({ content, finish: { unified } }) => ({ content: content.map(bare), unified })),
  };
}

/** A part without what a format adds: ids of reasoning, and that it was summed up. */
function bare(part: AssistantPart): AssistantPart {
  if (part.type !== 'reasoning') return part;
  const { id: _id, summary: _summary, ...rest } = part;
  return rest;
}

function bareMessages(messages: readonly Message[]): readonly Message[] {
  return messages.map((message) =>
    message.role === 'assistant' ? { ...message, content: message.content.map(bare) } : message,
  );
}

function parsed(json: string): Record<string, unknown> {
  const value: unknown = JSON.parse(json);
  if (!isRecord(value)) throw new Error('no JSON object');
  return value;
}

/** Bytes in pieces that end at these places, as shares of the whole. */
function cutAt(bytes: Uint8Array, shares: readonly number[]): Uint8Array[] {
  const places = shares.map((share) => Math.floor(share * bytes.length)).sort((a, b) => a - b);
  return [0, ...places].map((start, index) => bytes.slice(start, places[index] ?? bytes.length));
}

describe.each(WIRES.map((wire) => [wire.name, wire] as const))(
  '%s',
  (_, { dialect, format, target, can, echo }) => {
    test('an answer survives being written and read', () => {
      fc.assert(
        fc.property(chatResult(can), (result) => {
          const body = toBytes(dialect.renderResult(result, about));
          const response = { status: 200, headers: upstreamHeaders({}), body };
          expect(essence(format.parse(response, target, NOTHING_ASKED))).toEqual(essence(result));
        }),
        { numRuns: runs(300) },
      );
    });

    test('a stream survives being written, cut anywhere, and read', () => {
      const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 });
      fc.assert(
        fc.property(chatResult(can), fc.integer({ min: 1, max: 9 }), shares, (result, size, cuts) => {
          const writer = dialect.streamWriter(about);
          const bytes = toBytes(
            eventsOf(result, size)
              .map((event) => writer.event(event))
              .join(''),
          );
          const { events, error } = readEvents(format.reader(target, NOTHING_ASKED), cutAt(bytes, cuts));
          expect(error).toBeUndefined();
          expectEventRules(events, true);
          expect(essence(resultOf(events))).toEqual(essence(result));
        }),
        { numRuns: runs(300) },
      );
    });

    test('a response returns unchanged in the next request, whichever provider signed it', () => {
      fc.assert(
        fc.property(assistantParts({ ...can, origins: ANY_ORIGIN }), (content) => {
          const choices = [{ index: 0, content, finish: { unified: 'stop' as const } }];
          const shown = parsed(dialect.renderResult({ choices }, about));
          const { messages } = dialect.toChat(echo(shown));
          const last = messages.at(-2);
          expect(last?.role === 'assistant' ? last.content.map(bare) : last).toEqual(content);
        }),
        { numRuns: runs(300) },
      );
    });

    test('a request survives being sent and read', () => {
      fc.assert(
        fc.property(chatRequest(can), (request) => {
          const warnings: unknown[] = [];
          const options = {
            ...testContext({ warn: (warning) => warnings.push(warning) }),
            stream: false,
            headers: new Headers(),
          };
          const { body } = format.build(request, target, options);
          expect(warnings).toEqual([]);
          const read = dialect.toChat(parsed(body));
          expect<unknown>({ ...read, messages: bareMessages(read.messages) }).toEqual(request);
        }),
        { numRuns: runs(300) },
      );
    });
  },
);
