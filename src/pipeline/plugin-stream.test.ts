import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../test/support/effort.ts';
import { BROKEN, Collector, Upstream } from '../../test/support/frames.ts';
import type { ChatEvent } from '../core/chat/result.ts';
import { GatewayError } from '../core/errors.ts';
import { isConnectable } from '../core/stream/frame-stream.ts';
import { type AskWindow, PluginStream } from './plugin-stream.ts';

/** Sends events through a plugin's stage. @returns what leaves it, and how it ends */
async function through(
  frames: readonly (readonly ChatEvent[])[],
  ask: AskWindow,
  end: 'done' | 'failed' = 'done',
) {
  const upstream = new Upstream('rewrite');
  const fail = (cause: unknown) => new GatewayError('plugin_failed', 'it failed', { cause });
  const stage = upstream.stream.through(new PluginStream(ask, fail));
  const reader = new Collector();
  if (!isConnectable(stage)) throw new Error('a stage can be connected');
  stage.connect(reader);
  for (const events of frames) {
    if (stage.end) break;
    upstream.stream.push({ events });
  }
  upstream.stream.finish(end === 'done' ? { kind: 'done' } : { kind: 'failed', error: BROKEN });
  const ended = await stage.ended;
  return { events: reader.frames.flatMap(({ events }) => events), end: ended };
}

const textOf = (events: readonly ChatEvent[], choice: number) =>
  events.flatMap((event) => (event.type === 'delta' && event.choice === choice ? [event.text] : [])).join('');

/** Writes capitals, and keeps a number of units that differs from window to window. */
const capitals = (keeps: readonly number[]): AskWindow => {
  let asked = 0;
  return async ({ text, isLast }) => {
    const keep = isLast ? 0 : Math.min(text.length, keeps[asked++ % keeps.length] ?? 0);
    return { text: text.slice(0, text.length - keep).toUpperCase(), keep };
  };
};

const pieces = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', ' ', 'ß', '😀'), maxLength: 12 }), {
  maxLength: 20,
});

/** The events of a text in each of two choices, interleaved, in frames of random sizes. */
const stream = fc
  .record({
    one: pieces,
    two: pieces,
    order: fc.infiniteStream(fc.boolean()),
    sizes: fc.infiniteStream(fc.integer({ min: 1, max: 4 })),
  })
  .map(({ one, two, order, sizes }) => {
    const part = (choice: number, texts: readonly string[]): ChatEvent[] => [
      { type: 'part-start', choice, part: { type: 'text' } },
      ...texts.map((text): ChatEvent => ({ type: 'delta', choice, text })),
      { type: 'part-end', choice },
      { type: 'finish', choice, finish: { unified: 'stop' } },
    ];
    const queues = [part(0, one), part(1, two)];
    const events: ChatEvent[] = [{ type: 'start' }];
    while (queues.some((queue) => queue.length > 0)) {
      const index = order.next().value ? 0 : 1;
      const event = queues[index]?.shift() ?? queues[1 - index]?.shift();
      if (event) events.push(event);
    }
    events.push({ type: 'end' });
    const frames: ChatEvent[][] = [];
    while (events.length > 0) frames.push(events.splice(0, sizes.next().value ?? 1));
    return { frames, texts: [one.join(''), two.join('')] };
  });

describe('the stage of a plugin', () => {
  test('gives the same text wherever the stream is split, and whatever is kept', async () => {
    await fc.assert(
      fc.asyncProperty(
        stream,
        fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 5 }),
        async ({ frames, texts }, keeps) => {
          const { events, end } = await through(frames, capitals(keeps));
          expect(end.kind).toBe('done');
          expect([textOf(events, 0), textOf(events, 1)]).toEqual(texts.map((text) => text.toUpperCase()));
          const kinds = events.filter((event) => event.type !== 'delta').map(({ type }) => type);
          expect(kinds).toEqual(
            frames
              .flat()
              .filter((event) => event.type !== 'delta')
              .map(({ type }) => type),
          );
        },
      ),
      { numRuns: runs(300) },
    );
  });

  test('never sends what the plugin has not seen, also when the stream fails', async () => {
    await fc.assert(
      fc.asyncProperty(stream, fc.nat(), async ({ frames, texts }, cut) => {
        const { events, end } = await through(
          frames.slice(0, cut % (frames.length + 1)),
          capitals([3]),
          'failed',
        );
        expect(end).toEqual({ kind: 'failed', error: BROKEN });
        for (const choice of [0, 1]) expect(texts[choice]?.toUpperCase()).toStartWith(textOf(events, choice));
      }),
      { numRuns: runs(200) },
    );
  });

  test('ends the stream with an error where the plugin fails', async () => {
    const part: ChatEvent = { type: 'part-start', choice: 0, part: { type: 'text' } };
    const frames = [[part], [{ type: 'delta', choice: 0, text: 'a' } as const]];
    const { events, end } = await through(frames, () => Promise.reject(new Error('no')));
    expect(events).toEqual([part]);
    expect(end.kind === 'failed' && end.error.code).toBe('plugin_failed');
  });

  test('leaves frames as they are where the plugin changes nothing', async () => {
    const frames: readonly ChatEvent[][] = [
      [{ type: 'start' }],
      [{ type: 'part-start', choice: 0, part: { type: 'tool-call', id: 'c', name: 'f' } }],
      [{ type: 'delta', choice: 0, text: '{}' }],
      [{ type: 'part-end', choice: 0 }],
      [{ type: 'end' }],
    ];
    const { events } = await through(frames, async ({ text }) => ({ text, keep: 0 }));
    expect(events).toEqual(frames.flat());
  });
});
