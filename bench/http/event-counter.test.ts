import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { EventCounter } from './event-counter.ts';

const stream = new TextEncoder().encode(
  ': hello\n\ndata: {"a":1}\n\n: ping\n\ndata: {"a":2}\r\n\r\ndata: {"a":[3]}\n\ndata: [DONE]\n\n',
);

test('counts data events in any split; comments and [DONE] are none', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: stream.length }), { maxLength: 30 }), (cuts) => {
      const counter = new EventCounter();
      let from = 0;
      let returned = 0;
      for (const cut of [...cuts.sort((a, b) => a - b), stream.length]) {
        returned += counter.push(stream, from, cut);
        from = cut;
      }
      expect(counter.events).toBe(3);
      expect(returned).toBe(3);
      expect(counter.done).toBe(true);
    }),
  );
});

test('an event counts when its empty line has come', () => {
  const counter = new EventCounter();
  const bytes = new TextEncoder().encode('data: {}\n');
  expect(counter.push(bytes, 0, bytes.length)).toBe(0);
  expect(counter.push(Uint8Array.of(10), 0, 1)).toBe(1);
  expect(counter.done).toBe(false);
});
