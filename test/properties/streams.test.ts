import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { ChatRequest } from '../../src/core/chat/request.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { anthropicChatFormat } from '../../src/providers/anthropic/index.ts';
import { converseChatFormat } from '../../src/providers/bedrock/index.ts';
import { cohereChatFormat } from '../../src/providers/cohere/index.ts';
import type { ChatFormat } from '../../src/providers/format.ts';
import { geminiChatFormat } from '../../src/providers/gemini/index.ts';
import { ollamaChatFormat } from '../../src/providers/ollama/index.ts';
import { openAiChatFormat } from '../../src/providers/openai-compatible/chat-format.ts';
import { responsesChatFormat } from '../../src/providers/openai-responses/index.ts';
import { expectEventRules, readEvents } from '../support/chat-events.ts';
import { runs } from '../support/effort.ts';
import { testTarget } from '../support/inference.ts';
import { resultOf } from './events.ts';
import { STREAMS } from './streams.ts';

const FORMATS: Readonly<Record<keyof typeof STREAMS, ChatFormat>> = {
  'OpenAI chat': openAiChatFormat(() => 'http://up.test/chat/completions'),
  'Anthropic messages': anthropicChatFormat,
  'OpenAI responses': responsesChatFormat,
  Gemini: geminiChatFormat({ vertex: false }),
  'Bedrock converse': converseChatFormat,
  Cohere: cohereChatFormat,
  'Ollama chat': ollamaChatFormat,
};
const REQUEST: ChatRequest = { messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }] };
const target = testTarget();
const CASES = Object.entries(FORMATS).map(
  ([name, format]) => [name, format, STREAMS[name as keyof typeof STREAMS]] as const,
);

const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 60 });

function cutAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = cuts.map((share) => Math.floor(share * bytes.length)).sort((a, b) => a - b);
  return [0, ...places].map((start, index) => bytes.slice(start, places[index] ?? bytes.length));
}

describe.each(CASES)('a stream of %s', (_, format, blocks) => {
  const bytes = Buffer.concat([...blocks]);
  const read = (pieces: readonly Uint8Array[]) => readEvents(format.reader(target, REQUEST), pieces);
  const whole = read([bytes]);

  test('is understood', () => {
    expect(whole.error).toBeUndefined();
    expectEventRules(whole.events, true);
    const result = resultOf(whole.events);
    const [choice] = result.choices;
    expect(choice?.finish.unified).toBe('tool-calls');
    expect(choice?.content).toContainEqual({ type: 'text', text: 'Grüße, 世界 🌍' });
    expect(choice?.content.at(-1)).toMatchObject({ type: 'tool-call', name: 'look' });
    expect(JSON.parse(String(Object(choice?.content.at(-1)).arguments))).toEqual({ wo: 'Zürich' });
    expect(result.usage).toMatchObject({ inputTokens: 3 });
  });

  test('tells the same however it is cut', () => {
    expect(resultOf(read([...bytes].map((byte) => Uint8Array.of(byte))).events)).toEqual(
      resultOf(whole.events),
    );
    fc.assert(
      fc.property(shares, (cuts) => {
        expect(read(cutAt(bytes, cuts))).toEqual(whole);
      }),
      { numRuns: runs(200) },
    );
  });

  test('that ends early is never taken for a whole one, unless only the last words of the format are missing', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: bytes.length - 1 }), (length) => {
        const { events, error } = read([bytes.slice(0, length)]);
        if (error === undefined) {
          const content = (all: typeof events) => resultOf(all).choices;
          expect(content(events)).toEqual(content(whole.events));
        } else {
          expect(error).toBeInstanceOf(GatewayError);
          expectEventRules(events, false);
        }
      }),
      { numRuns: runs(300) },
    );
  });

  test('whose events are lost, doubled or out of order is a gateway error or an answer, and keeps the rules', () => {
    const order = fc.array(fc.nat(blocks.length - 1), { minLength: 1, maxLength: blocks.length * 2 });
    const nearly = fc.tuple(fc.nat(blocks.length - 1), fc.nat(blocks.length - 1)).map(([from, to]) => {
      const places = blocks.map((_block, place) => place);
      places.splice(to, 0, ...places.splice(from, 1));
      return places;
    });
    const lost = fc.subarray(
      blocks.map((_block, place) => place),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(fc.oneof(order, nearly, lost), (places) => {
        const { events, error } = read(places.map((place) => blocks[place] ?? new Uint8Array(0)));
        if (error !== undefined) expect(error).toBeInstanceOf(GatewayError);
        expectEventRules(events, error === undefined);
      }),
      { numRuns: runs(500) },
    );
  });

  test('that is damaged is a gateway error or an answer, and keeps the rules', () => {
    const damage = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(damage, shares, (flips, cuts) => {
        const damaged = bytes.slice();
        for (const [place, byte] of flips) damaged[place] = byte;
        const { events, error } = read(cutAt(damaged, cuts));
        if (error !== undefined) expect(error).toBeInstanceOf(GatewayError);
        expectEventRules(events, error === undefined);
      }),
      { numRuns: runs(500) },
    );
  });
});
