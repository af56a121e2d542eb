import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { joinBytes, splitAtRandom, toBytes, toText } from '../../test/support/bytes.ts';
import { runs } from '../../test/support/effort.ts';
import { parseEventStream } from '../../test/support/event-stream.ts';
import { EventTooLargeError, MAX_EVENT_BYTES, parseBlock, SseFramer } from './sse.ts';

/** A block without the empty line that each one ends with. */
function linesOf(block: Uint8Array): string {
  const text = toText(block);
  expect(text).toEndWith('\n\n');
  return text.slice(0, -2);
}

function frame(pieces: readonly Uint8Array[]): { blocks: string[]; rest: string } {
  const framer = new SseFramer();
  const blocks: string[] = [];
  for (const piece of pieces) framer.push(piece, (block) => blocks.push(linesOf(block)));
  const rest = framer.end();
  return { blocks, rest: rest.length === 0 ? '' : linesOf(rest) };
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
/** Lines that each end in their own way, as only a broken proxy would mix them; a mark may precede them. */
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
    framer.push(toBytes('data: 1\n\ndata: 2\n'), (block) => blocks.push(linesOf(block)));
    expect(blocks).toEqual(['data: 1']);
    expect(linesOf(framer.end())).toBe('data: 2');
    expect(framer.end()).toHaveLength(0);
  });

  test('refuses an event that never ends', () => {
    const framer = new SseFramer();
    const piece = new Uint8Array(MAX_EVENT_BYTES / 4).fill(97);
    const push = () => framer.push(piece, () => undefined);
    for (let count = 0; count < 4; count += 1) push();
    expect(push).toThrow(EventTooLargeError);
  });

  test('refuses an event of endlessly many lines, without reading all of it again for each', () => {
    const framer = new SseFramer();
    const piece = toBytes('data: x\n'.repeat(128));
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
