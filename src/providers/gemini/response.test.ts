import { describe, expect, test } from 'bun:test';
import { toBytes } from '../../../test/support/bytes.ts';
import { readEvents } from '../../../test/support/chat-events.ts';
import { upstreamHeaders } from '../../../test/support/fake-transport.ts';
import { testProvider, testTarget } from '../../../test/support/inference.ts';
import { geminiChatFormat } from './index.ts';

const format = geminiChatFormat({ vertex: false });
const target = testTarget(testProvider());

const whole = (candidate: unknown) =>
  format.parse(
    {
      status: 200,
      headers: upstreamHeaders({}),
      body: toBytes(JSON.stringify({ responseId: 'r', candidates: [candidate] })),
    },
    target,
    { messages: [] },
  );
const streamed = (...candidates: readonly unknown[]) =>
  readEvents(
    format.reader(target, { messages: [] }),
    candidates.map((candidate) =>
      toBytes(`data: ${JSON.stringify({ responseId: 'r', candidates: [candidate] })}\n\n`),
    ),
  );

describe('a failure of the model is an error', () => {
  test.each([
    ['MALFORMED_FUNCTION_CALL', {}],
    ['UNEXPECTED_TOOL_CALL', { parts: [] }],
    ['TOO_MANY_TOOL_CALLS', { parts: [{ text: 'Let me see.' }] }],
    ['NO_IMAGE', {}],
    ['OTHER', { parts: [] }],
  ])('%s with %j', (finishReason, content) => {
    const candidate = { content, finishReason, finishMessage: 'bad syntax' };
    const expected = { code: 'upstream_invalid_response', message: expect.stringContaining(finishReason) };
    expect(() => whole(candidate)).toThrow(expect.objectContaining(expected));
    expect(() => whole(candidate)).toThrow('bad syntax');
    expect(streamed(candidate).error).toMatchObject(expected);
  });

  test('but not an unknown reason after content', () => {
    const parts = [{ text: 'No picture of that.' }];
    expect(whole({ content: { parts }, finishReason: 'NO_IMAGE' }).choices).toMatchObject([
      { content: [{ type: 'text' }], finish: { unified: 'other' } },
    ]);
    const { error, events } = streamed({ content: { parts } }, { content: {}, finishReason: 'NO_IMAGE' });
    expect(error).toBeUndefined();
    expect(events.at(-1)).toEqual({ type: 'end' });
  });
});

describe('citations', () => {
  const url = 'https://a.test/';
  const text = 'Grün: a weir.';
  const quoted = { startIndex: 7, endIndex: 13, uri: url, title: 'A' };
  const grounded = {
    groundingChunks: [{ web: { uri: url, title: 'A' } }],
    groundingSupports: [
      { segment: { startIndex: 7, endIndex: 13, text: 'a weir' }, groundingChunkIndices: [0] },
    ],
  };
  const forms = [
    { citationMetadata: { citations: [quoted] } },
    { citationMetadata: { citationSources: [quoted] } },
    { groundingMetadata: grounded },
  ];
  // Offsets are in bytes there and in UTF-16 units here.
  const expected = { url, title: 'A', citedText: 'a weir', start: 6, end: 12 };

  test.each(forms)('have their place in the text: %j', (form) => {
    const candidate = { content: { parts: [{ text }] }, finishReason: 'STOP', ...form };
    expect(whole(candidate).choices[0]?.content).toMatchObject([{ text, citations: [expected] }]);
  });

  test.each(forms)('of a stream refer to all its text, and are emitted once: %j', (form) => {
    const { events } = streamed(
      { content: { parts: [{ text: text.slice(0, 5) }] } },
      { content: { parts: [{ text: text.slice(5) }] }, ...form },
      { content: { parts: [{ text: '' }] }, finishReason: 'STOP', ...form },
    );
    expect(events.filter(({ type }) => type === 'citation')).toMatchObject([{ citation: expected }]);
  });

  test('belong to the part that they name, and need no end', () => {
    const parts = [{ text: 'Plan.', thought: true }, { text: 'One.' }, { text: 'Two.' }];
    const named = { segment: { partIndex: 1, endIndex: 4 }, groundingChunkIndices: [0] };
    const groundingMetadata = { ...grounded, groundingSupports: [named] };
    const citationMetadata = { citations: [{ uri: url }] };
    const candidate = { content: { parts }, finishReason: 'STOP', groundingMetadata, citationMetadata };
    expect(whole(candidate).choices[0]?.content).toMatchObject([
      { type: 'reasoning' },
      { text: 'One.', citations: [{ url, start: 0, end: 4 }] },
      { text: 'Two.', citations: [{ url }] },
    ]);
  });
});

describe('a call whose arguments come in pieces', () => {
  const piece = (call: object) => ({ content: { parts: [{ functionCall: call }] } });
  const ended = { content: { parts: [] }, finishReason: 'STOP' };
  const callsOf = (...candidates: readonly unknown[]) => {
    const { events, error } = streamed(...candidates);
    const calls: { name: string; args: unknown }[] = [];
    for (const event of events) {
      if (event.type === 'part-start' && event.part.type === 'tool-call') {
        calls.push({ name: event.part.name, args: undefined });
      } else if (event.type === 'delta') {
        const call = calls.at(-1);
        if (call) call.args = JSON.parse(event.text);
      }
    }
    const finish = events.find((event) => event.type === 'finish');
    return { calls, error, finish: finish?.finish.unified };
  };

  test('is one call, with its arguments', () => {
    const { calls, finish } = callsOf(
      piece({ name: 'f', willContinue: true }),
      piece({
        partialArgs: [{ jsonPath: '$.city', stringValue: 'Ro', willContinue: true }],
        willContinue: true,
      }),
      piece({ partialArgs: [{ jsonPath: '$.city', stringValue: 'me' }], willContinue: true }),
      piece({
        partialArgs: [
          { jsonPath: '$.days[0].n', numberValue: 3 },
          { jsonPath: "$['days'][1].on", boolValue: false },
          { jsonPath: '$.note', nullValue: 'NULL_VALUE' },
        ],
        willContinue: true,
      }),
      piece({}),
      ended,
    );
    expect(calls).toEqual([
      { name: 'f', args: { city: 'Rome', days: [{ n: 3 }, { on: false }], note: null } },
    ]);
    expect(finish).toBe('tool-calls');
  });

  test('ends before the next call, before text, and with the stream', () => {
    const open = (name: string) =>
      piece({ name, partialArgs: [{ jsonPath: '$.a', numberValue: 1 }], willContinue: true });
    expect(callsOf(open('f'), open('g'), ended).calls).toEqual([
      { name: 'f', args: { a: 1 } },
      { name: 'g', args: { a: 1 } },
    ]);
    expect(callsOf(open('f'), piece({ name: 'g', args: {} }), ended).calls).toHaveLength(2);
    const { content } = open('f');
    expect(callsOf({ content, finishReason: 'STOP' })).toMatchObject({
      calls: [{ name: 'f' }],
      finish: 'tool-calls',
    });
  });

  test.each(['', 'city', '$', '$.a[9]', '$.a[-1]', '$..a', '$.x.y', `$${'.a'.repeat(200)}`])(
    'is an error where a piece has no place: %s',
    (jsonPath) => {
      const { error } = callsOf(
        piece({ name: 'f', willContinue: true, partialArgs: [{ jsonPath: '$.x', numberValue: 1 }] }),
        piece({ willContinue: true, partialArgs: [{ jsonPath, numberValue: 1 }] }),
      );
      expect(error).toMatchObject({ code: 'upstream_invalid_response' });
    },
  );

  test('may have members with the names of an object’s own', () => {
    const { calls } = callsOf(
      piece({ name: 'f', partialArgs: [{ jsonPath: '$.__proto__.x', numberValue: 1 }] }),
      ended,
    );
    expect(JSON.stringify(calls[0]?.args)).toBe('{"__proto__":{"x":1}}');
  });
});
