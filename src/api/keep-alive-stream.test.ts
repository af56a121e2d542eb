import { expect, test } from 'bun:test';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { testProvider } from '../../test/support/inference.ts';
import { GatewayError } from '../core/errors.ts';
import { PushStream } from '../core/push-stream.ts';
import type { HandledResponse } from '../pipeline/inference-handler.ts';
import { keepAliveStream } from './keep-alive-stream.ts';

const target = { provider: testProvider({ id: 'a' }), model: 'm', weight: 1 };
const encoder = new TextEncoder();

function create() {
  const clock = new FakeClock();
  const { promise, resolve, reject } = Promise.withResolvers<HandledResponse>();
  const state = { cancelled: 0, bodyCancelled: 0 };
  const stream = keepAliveStream({
    response: promise,
    clock,
    message: 'loading',
    renderStreamError: (error) => encoder.encode(`data: ${error.code}\n\n`),
    onCancel: () => {
      state.cancelled += 1;
      reject(new GatewayError('client_closed_request', 'gone'));
    },
  });
  const answer = (...texts: string[]) => {
    const body = new PushStream({
      onDrain: () => undefined,
      onCancel: () => {
        state.bodyCancelled += 1;
      },
    });
    for (const text of texts) body.push(encoder.encode(text));
    if (texts.at(-1) === 'end') body.close();
    resolve({ kind: 'stream', source: { kind: 'target', target }, body });
  };
  return { clock, stream, answer, reject, state };
}

test('says that it is alive until the answer begins, and then is the answer', async () => {
  const { clock, stream, answer } = create();
  const text = new Response(stream).text();
  for (const _ of [1, 2, 3]) {
    clock.advance(5_000);
    await settle();
  }
  answer('data: a\n\n', 'end');
  expect(await text).toBe(`${': loading\n\n'.repeat(4)}data: a\n\nend`);
  expect(clock.sleeping).toBe(0);
});

test('tells of a failure in the dialect of its client', async () => {
  const { clock, stream, reject } = create();
  const text = new Response(stream).text();
  await settle();
  reject(new GatewayError('engine_unavailable', 'no'));
  expect(await text).toBe(': loading\n\ndata: engine_unavailable\n\n');
  expect(clock.sleeping).toBe(0);
});

test('a disconnect is reported, before the response and during it', async () => {
  const early = create();
  await early.stream.cancel();
  await settle();
  expect([early.state.cancelled, early.clock.sleeping]).toEqual([1, 0]);

  const late = create();
  const reader = late.stream.getReader();
  await reader.read();
  late.answer('data: a\n\n', 'data: b\n\n');
  await reader.read();
  await reader.cancel();
  expect([late.state.cancelled, late.state.bodyCancelled, late.clock.sleeping]).toEqual([0, 1, 0]);
});
