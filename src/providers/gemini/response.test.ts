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
