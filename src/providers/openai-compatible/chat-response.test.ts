import { describe, expect, test } from 'bun:test';
import { toBytes } from '../../../test/support/bytes.ts';
import { readEvents } from '../../../test/support/chat-events.ts';
import { upstreamHeaders } from '../../../test/support/fake-transport.ts';
import { testProvider, testTarget } from '../../../test/support/inference.ts';
import { ChatChunkReader } from './chat-reader.ts';
import { parseChatCompletion } from './chat-response.ts';

const provider = testProvider();

function whole(body: unknown) {
  const response = { status: 200, headers: upstreamHeaders({}), body: toBytes(JSON.stringify(body)) };
  return parseChatCompletion(response, testTarget(provider));
}
const streamed = (chunks: readonly unknown[]) =>
  readEvents(
    new ChatChunkReader(provider),
    [...chunks.map((chunk) => JSON.stringify(chunk)), '[DONE]'].map((data) => toBytes(`data: ${data}\n\n`)),
  );

describe('a finish reason that reports a failure is an error', () => {
  test.each(['error', 'abort', 'insufficient_system_resource'])('%s', (reason) => {
    const choice = { index: 0, finish_reason: reason, native_finish_reason: 'MALFORMED_FUNCTION_CALL' };
    const expected = {
      code: 'upstream_invalid_response',
      message: expect.stringContaining(`"${reason}" (MALFORMED_FUNCTION_CALL)`),
    };
    expect(() => whole({ id: 'c', choices: [{ ...choice, message: { content: '' } }] })).toThrow(
      expect.objectContaining(expected),
    );
    expect(streamed([{ id: 'c', choices: [{ ...choice, delta: {} }] }]).error).toMatchObject(expected);
  });
});
