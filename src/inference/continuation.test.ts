import { expect, test } from 'bun:test';
import { concatStreams, type StreamContinuation } from './continuation.ts';

const encoder = new TextEncoder();
const body = (...texts: string[]) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (const text of texts) controller.enqueue(encoder.encode(text));
      controller.close();
    },
  });

test('bodies are read one after the other, with what stands before each', async () => {
  const sequels: StreamContinuation[] = [
    { body: body('b', ''), before: encoder.encode('-') },
    { body: undefined, before: encoder.encode('!') },
  ];
  const whole = concatStreams(
    body('a', '', 'a'),
    () => {
      const next = sequels.shift();
      return next && Promise.resolve(next);
    },
    () => undefined,
  );
  expect(await new Response(whole).text()).toBe('aa-b!');
});

test('a reader that goes between two bodies is told of', async () => {
  let gone = 0;
  const pending = Promise.withResolvers<StreamContinuation>();
  const whole = concatStreams(
    body('a'),
    () => pending.promise,
    () => {
      gone += 1;
    },
  );
  const reader = whole.getReader();
  await reader.read();
  const waiting = reader.read();
  await reader.cancel();
  expect(gone).toBe(1);
  pending.resolve({ body: undefined, before: undefined });
  expect((await waiting).done).toBe(true);
});
