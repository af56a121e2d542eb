import { afterAll, beforeAll, expect, test } from 'bun:test';
import { describeRecordings } from './describe-recordings.ts';
import { type MockUpstream, startMockUpstream } from './mock-upstream.ts';
import { isEventStream, type RecordedCall, recordedCallTitle } from './recordings.ts';
import { replay, replayScript } from './replay.ts';

let mock: MockUpstream;
beforeAll(async () => {
  mock = await startMockUpstream();
});
afterAll(() => mock.close());

const recordedCall = (contentType: string, body: string): RecordedCall => ({
  provider: 'acme',
  name: 'made-up',
  index: 0,
  request: { method: 'POST', path: '/v1/chat/completions', query: {}, headers: {}, body: '{}' },
  response: {
    status: 429,
    headers: {
      'content-type': contentType,
      'x-request-id': 'r1',
      'retry-after': '3',
      'x-ratelimit-remaining-tokens': '9',
      'content-length': '999',
      'content-encoding': 'gzip',
      connection: 'close',
    },
    body: new TextEncoder().encode(body),
  },
});

test('keeps what says something about the answer and drops what was about the connection', () => {
  expect(replayScript(recordedCall('application/json', '{}'))).toEqual({
    status: 429,
    headers: {
      'content-type': 'application/json',
      'x-request-id': 'r1',
      'retry-after': '3',
      'x-ratelimit-remaining-tokens': '9',
    },
    body: new Uint8Array([123, 125]),
  });
});

test('cuts event streams by the seed, other bodies only when asked', () => {
  const stream = recordedCall('text/event-stream', 'data: {"text":"€"}\r\n\r\n'.repeat(20));
  expect(replayScript(stream, { seed: 5 }).pieces?.length).toBeGreaterThan(1);
  expect(replayScript(stream, { seed: 5 })).toEqual(replayScript(stream, { seed: 5 }));
  expect(replayScript(stream, { seed: 5, pieces: 7 }).pieces).toHaveLength(7);
  expect(replayScript(recordedCall('application/json', '{"a":1}'), { pieces: 3 })).toMatchObject({
    framing: 'length',
  });
});

describeRecordings(
  'replayed to a client',
  { providers: ['openai', 'groq', 'deepseek', 'mistral', 'openrouter', 'llamacpp', 'xai'] },
  (recordedCalls) => {
    // Every seventh: the mock is under test here, not the providers.
    const some = recordedCalls.filter((_, index) => index % 7 === 0);
    test.each(some.map((one) => [recordedCallTitle(one), one] as const))(
      '%s arrives as recorded',
      async (_, one) => {
        replay(mock, one, { seed: one.index + 1, pieces: isEventStream(one) ? 12 : 1 });
        const hasBody = one.request.body !== '';
        const response = await fetch(mock.url + one.request.path, {
          method: one.request.method,
          ...(hasBody && { body: one.request.body }),
        });
        expect(response.status).toBe(one.response.status);
        expect(response.headers.get('content-type')).toBe(one.response.headers['content-type'] ?? null);
        expect(Buffer.from(await response.arrayBuffer()).equals(one.response.body)).toBe(true);
        expect(mock.requests.at(-1)?.text()).toBe(one.request.body);
      },
    );
  },
);
