import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { joinBytes, splitAtRandom, toBytes, toSlice, toText } from '../../test/support/bytes.ts';
import { runs } from '../../test/support/effort.ts';
import { parseEventStream } from '../../test/support/event-stream.ts';
import { BufferListBuilder } from './buffer-list.ts';
import { ByteSlice } from './byte-slice.ts';
import { EventTooLargeError, forwardBlock, MAX_EVENT_BYTES, parseBlock, SseFramer } from './sse.ts';

function frame(pieces: readonly Uint8Array[]): { blocks: string[]; rest: string } {
  const framer = new SseFramer();
  const blocks: string[] = [];
  for (const piece of pieces) framer.push(toSlice(piece), (block) => blocks.push(toText(block)));
  return { blocks, rest: toText(framer.end()) };
}

const lineEnd = fc.constantFrom('\n', '\r\n', '\r');
const word = fc.string({ unit: fc.constantFrom('a', ' ', ':', '{', '"', 'é', '💧', '漢'), maxLength: 6 });
const line = fc.oneof(
  word.map((text) => `data: ${text}`),
  word.map((text) => `data:${text}`),
  word.map((text) => `: ${text}`),
  word.map((text) => `event: ${text}`),
  fc.constantFrom('data', 'id: 1', 'retry: 10', ':', 'other: x', ''),
);
/** Lines that each end in their own way, as only a broken proxy would mix them; a mark may stand before them. */
const stream = fc
  .tuple(fc.boolean(), fc.array(fc.tuple(line, lineEnd), { maxLength: 20 }), line)
  .map(([mark, lines, unfinished]) =>
    toBytes((mark ? '\ufeff' : '') + lines.map((pair) => pair.join('')).join('') + unfinished),
  );
const seed = fc.integer();

describe('SseFramer', () => {
  test('finds the same blocks however the bytes were split', () => {
    fc.assert(
      fc.property(stream, seed, (bytes, cuts) => {
        expect(frame(splitAtRandom(bytes, cuts))).toEqual(frame([bytes]));
        expect(frame([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(frame([bytes]));
      }),
      { numRuns: runs(1_000) },
    );
  });

  test('finds the events that the standard finds', () => {
    fc.assert(
      fc.property(stream, seed, (bytes, cuts) => {
        const ended = joinBytes([bytes, '\n\n']);
        const events = frame(splitAtRandom(ended, cuts)).blocks.map(parseBlock);
        const seen = events.flatMap(({ data, event }) =>
          data === undefined ? [] : [{ data, event: event || 'message' }],
        );
        const wanted = parseEventStream(ended).events.map(({ data, event }) => ({ data, event }));
        expect(seen).toEqual(wanted);
      }),
      { numRuns: runs(1_000) },
    );
  });

  test('gives blocks that are never empty and hold no carriage return', () => {
    fc.assert(
      fc.property(stream, (bytes) => {
        for (const block of frame([bytes]).blocks) {
          expect(block).not.toBe('');
          expect(block).not.toMatch(/\r|\n\n|^\n|\n$/);
        }
      }),
    );
  });

  test('tells what was left without its empty line, once', () => {
    const framer = new SseFramer();
    const blocks: string[] = [];
    framer.push(toSlice('data: 1\n\ndata: 2\n'), (block) => blocks.push(toText(block)));
    expect(blocks).toEqual(['data: 1']);
    expect(toText(framer.end())).toBe('data: 2');
    expect(framer.end()).toHaveLength(0);
  });

  test('refuses an event that never ends', () => {
    const framer = new SseFramer();
    const piece = toSlice(new Uint8Array(MAX_EVENT_BYTES / 4).fill(97));
    const push = () => framer.push(piece, () => undefined);
    for (let count = 0; count < 4; count += 1) push();
    expect(push).toThrow(EventTooLargeError);
  });

  test('refuses an event of endlessly many lines, without reading all of it again for each', () => {
    const framer = new SseFramer();
    const piece = toSlice('data: x\n'.repeat(128));
    const pushes = MAX_EVENT_BYTES / piece.length;
    const push = () => framer.push(piece, () => undefined);
    for (let count = 0; count < pushes; count += 1) push();
    expect(push).toThrow(EventTooLargeError);
  });
});

describe('parseBlock', () => {
  test('reads fields by the rules of the format', () => {
    expect(parseBlock('data: a\ndata:b\ndata:  c\ndata')).toEqual({ event: undefined, data: 'a\nb\n c\n' });
    expect(parseBlock(': note\nevent: x\nevent: y\nid: 1')).toEqual({ event: 'y', data: undefined });
    expect(parseBlock('data:')).toEqual({ event: undefined, data: '' });
    expect(parseBlock(': only a comment')).toEqual({ event: undefined, data: undefined });
  });
});

test('a block goes on with its empty line: as one piece where that has come with it, and else with one of its own', () => {
  const handedOn = (behind: string) => {
    const out = new BufferListBuilder();
    forwardBlock(new ByteSlice(Buffer.from(`\n\ndata: x${behind}`), 2, 9), out);
    const pieces = out.take();
    return [pieces?.list.length, toText(pieces)];
  };
  expect(handedOn('\n\ndata: y')).toEqual([1, 'data: x\n\n']);
  for (const behind of ['', '\n', '\n\r\n', '\r\n0']) expect(handedOn(behind)).toEqual([2, 'data: x\n\n']);
});
