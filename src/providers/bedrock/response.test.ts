import { expect, test } from 'bun:test';
import { toBytes } from '../../../test/support/bytes.ts';
import { upstreamHeaders } from '../../../test/support/fake-transport.ts';
import { testProvider, testTarget } from '../../../test/support/inference.ts';
import { converseChatFormat } from './index.ts';
import { assertUsable } from './response.ts';

test.each(['malformed_tool_use', 'malformed_model_output'])('%s is a failure of the model', (stopReason) => {
  const body = { output: { message: { role: 'assistant', content: [] } }, stopReason };
  const response = { status: 200, headers: upstreamHeaders({}), body: toBytes(JSON.stringify(body)) };
  const expected = expect.objectContaining({
    code: 'upstream_invalid_response',
    message: expect.stringContaining(stopReason),
  });
  expect(() => converseChatFormat.parse(response, testTarget(testProvider()), { messages: [] })).toThrow(
    expected,
  );
  expect(() => assertUsable(stopReason, { id: 'p' })).toThrow(expected);
});
