import { describe, expect, test } from 'bun:test';
import { chatCall } from '../../src/api/chat-call.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { ChatCall } from '../../src/core/inference.ts';
import type { Target } from '../../src/providers/types.ts';
import { DIALECTS, FORMATS } from '../support/dialects-and-formats.ts';
import { upstreamHeaders } from '../support/fake-transport.ts';
import { measureGrowth } from '../support/growth.ts';
import { testContext } from '../support/inference.ts';
import { LARGE_RESPONSES, type LargeResponse } from '../support/large-responses.ts';

/** Size of the small one of the two responses that are compared; the Responses API has at most 10,000 parts. */
const SIZE = 1_200;
/** Bytes that arrive at once. */
const PIECE = 16 * 1024;

const REQUESTS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'openai-chat': { model: 'm', messages: [{ role: 'user', content: 'x' }] },
  'openai-completions': { model: 'm', prompt: 'x' },
  'openai-responses': { model: 'm', input: 'x' },
  'anthropic-messages': { model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'x' }] },
  'weir-prompt': { model: 'm', prompt: 'x' },
};

function callOf(dialect: string, stream: boolean): ChatCall {
  const used = DIALECTS[dialect];
  if (!used) throw new Error(`the dialect ${dialect} is not tested`);
  const json = { ...REQUESTS[dialect], stream };
  return chatCall('chat', used.dialect, { text: JSON.stringify(json), json }, new Headers());
}

function parse(body: Uint8Array, call: ChatCall, to: Target): void {
  const response = { status: 200, headers: upstreamHeaders({}), body };
  const result = to.provider.adapter.parseResponse(response, call, to, testContext());
  const chat = result.chat();
  if (chat) result.withChat(chat);
}

function decode(body: Uint8Array, call: ChatCall, to: Target): void {
  const decoder = to.provider.adapter.streamDecoder(call, to, testContext(), 'observe');
  let length = 0;
  for (let at = 0; at < body.length; at += PIECE) {
    decoder.push(body.subarray(at, at + PIECE), ({ bytes }) => {
      length += bytes?.length ?? 0;
    });
  }
  decoder.end(({ bytes }) => {
    length += bytes?.length ?? 0;
  });
  if (decoder.failure) throw decoder.failure;
  expect(length).toBeGreaterThan(0);
}

/** A format that another one forwards is not read by it: a forwarded stream may end in other ways. */
function unlessInvalid(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code === 'internal_error') throw error;
  }
}

function grown(
  responses: Readonly<Record<string, LargeResponse>>,
  work: (body: Uint8Array) => void,
): readonly string[] {
  return Object.entries(responses).flatMap(([dimension, make]) => {
    const growth = measureGrowth(SIZE, (size) => {
      const body = make(size);
      return () => unlessInvalid(() => work(body));
    });
    return growth === undefined ? [] : [`${dimension}: ${growth}`];
  });
}

describe.each(Object.entries(LARGE_RESPONSES))(
  'work grows linearly with a response of %s',
  (name, responses) => {
    const to = FORMATS[name];
    if (!to) throw new Error(`the format ${name} is not tested`);

    test.each(Object.keys(REQUESTS))('for clients of %s', (dialect) => {
      const whole = callOf(dialect, false);
      expect(grown(responses.complete, (body) => parse(body, whole, to))).toEqual([]);
      const streamed = callOf(dialect, true);
      expect(grown(responses.streamed, (body) => decode(body, streamed, to))).toEqual([]);
    });
  },
);

test('the small responses are valid', () => {
  for (const [name, { complete, streamed }] of Object.entries(LARGE_RESPONSES)) {
    const to = FORMATS[name];
    if (!to) throw new Error(`the format ${name} is not tested`);
    for (const make of Object.values(complete)) parse(make(3), callOf('weir-prompt', false), to);
    for (const make of Object.values(streamed)) decode(make(3), callOf('weir-prompt', true), to);
  }
});
