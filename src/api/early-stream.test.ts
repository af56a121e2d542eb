import { expect, test } from 'bun:test';
import { settle } from '../../test/support/fake-clock.ts';
import { testProvider } from '../../test/support/inference.ts';
import { GatewayError } from '../core/errors.ts';
import { PushStream, readableOf } from '../core/push-stream.ts';
import type { HandledResponse } from '../pipeline/inference-handler.ts';
import { KeepAlives } from '../pipeline/keep-alives.ts';
import { EarlyStream } from './early-stream.ts';

const target = { provider: testProvider({ id: 'a' }), model: 'm', weight: 1 };
const encoder = new TextEncoder();

function create() {
  const ticks = new Set<() => void>();
  const keepAlives = new KeepAlives(
    () => 5_000,
    (tick) => {
      ticks.add(tick);
      return () => ticks.delete(tick);
    },
  );
  const seconds = (count: number) => {
    for (let second = 0; second < count; second += 1) for (const tick of [...ticks]) tick();
  };
  const { promise, resolve, reject } = Promise.withResolvers<HandledResponse>();
  const state = { cancelled: 0, bodyCancelled: 0 };
  const { body } = new EarlyStream({
    response: promise,
    keepAlives,
    keepAlive: encoder.encode(': loading\n\n'),
    renderStreamError: (error) => encoder.encode(`data: ${error.code}\n\n`),
    onCancel: () => {
      state.cancelled += 1;
      reject(new GatewayError('client_closed_request', 'gone'));
    },
  });
  const answer = (...texts: string[]) => {
    const source = new PushStream({
      onDrain: () => undefined,
      onCancel: () => {
        state.bodyCancelled += 1;
      },
    });
    for (const text of texts) source.push(encoder.encode(text));
    if (texts.at(-1) === 'end') source.close();
    resolve({ kind: 'stream', source: { kind: 'target', target }, body: source });
  };
  return { seconds, stream: readableOf(body), answer, reject, state, keepAlives };
}

test('sends keep-alives until the response begins, and then the response', async () => {
  const { seconds, stream, answer, keepAlives } = create();
  const text = new Response(stream).text();
  seconds(15);
  answer('data: a\n\n', 'end');
  expect(await text).toBe(`${': loading\n\n'.repeat(4)}data: a\n\nend`);
  expect(keepAlives.size).toBe(0);
});

test('sends a failure in the dialect of its client', async () => {
  const { stream, reject, keepAlives } = create();
  const text = new Response(stream).text();
  await settle();
  reject(new GatewayError('engine_unavailable', 'no'));
  expect(await text).toBe(': loading\n\ndata: engine_unavailable\n\n');
  expect(keepAlives.size).toBe(0);
});

test('reports a disconnect, before the response and during it', async () => {
  const early = create();
  await early.stream.cancel();
  await settle();
  expect([early.state.cancelled, early.keepAlives.size]).toEqual([1, 0]);

  const late = create();
  const reader = late.stream.getReader();
  await reader.read();
  late.answer('data: a\n\n', 'data: b\n\n');
  await reader.read();
  await reader.cancel();
  expect([late.state.cancelled, late.state.bodyCancelled, late.keepAlives.size]).toEqual([0, 1, 0]);
});

test('cancels a response that comes after the client has left', async () => {
  const { stream, answer, state } = create();
  const reader = stream.getReader();
  await reader.read();
  answer('data: a\n\n');
  await reader.cancel();
  await settle();
  expect(state.bodyCancelled).toBe(1);
});
