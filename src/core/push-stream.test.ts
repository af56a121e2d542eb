import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { PushStream } from './push-stream.ts';

const bytes = (value: number) => Uint8Array.of(value);

function create() {
  const told: string[] = [];
  const stream = new PushStream({ onDrain: () => told.push('room'), onCancel: () => told.push('cancel') });
  return { stream, told };
}

/** Takes `room` pieces, and then says that it would rather have no more. */
function sink(room: number) {
  const got: number[] = [];
  let ends = 0;
  return {
    got,
    ends: () => ends,
    write: (pieces: Uint8Array) => {
      got.push(pieces[0] ?? -1);
      return got.length < room;
    },
    end: () => {
      ends += 1;
    },
  };
}

describe('a stream that is pushed', () => {
  test('arrives whole, in order and with one end, whenever its reader comes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 30 }), (before, after) => {
        const { stream } = create();
        const reader = sink(Number.POSITIVE_INFINITY);
        for (let at = 0; at < before; at += 1) stream.push(bytes(at));
        if (after === 0) stream.close();
        stream.pipe(reader);
        for (let at = before; at < before + after; at += 1) expect(stream.push(bytes(at))).toBe(true);
        stream.close();
        stream.close();
        expect(reader.got).toEqual(Array.from({ length: before + after }, (_, at) => at));
        expect(reader.ends()).toBe(1);
      }),
    );
  });

  test('tells its source to wait, with a reader and without one, and when to go on', () => {
    const { stream, told } = create();
    let pushed = 0;
    while (stream.push(bytes(pushed))) pushed += 1;
    expect(pushed).toBeLessThan(10);
    const reader = sink(pushed + 3);
    stream.pipe(reader);
    expect(told).toEqual(['room']);
    expect([stream.push(bytes(1)), stream.push(bytes(2)), stream.push(bytes(3))]).toEqual([
      true,
      false,
      false,
    ]);
    stream.ready();
    expect(told).toEqual(['room', 'room']);
    stream.close();
    stream.ready();
    expect([told.length, reader.ends()]).toEqual([2, 1]);
  });

  test('that lost its reader notifies its source once, and discards the rest', () => {
    const { stream, told } = create();
    const reader = sink(10);
    stream.pipe(reader);
    stream.push(bytes(1));
    stream.cancel();
    stream.cancel();
    expect(stream.push(bytes(2))).toBe(true);
    stream.close();
    expect([told, reader.got, reader.ends()]).toEqual([['cancel'], [1], 0]);
    const over = create();
    over.stream.close();
    over.stream.pipe(sink(1));
    over.stream.cancel();
    expect(over.told).toEqual([]);
  });

  test('can be read as a web-standard stream, as fast as that is read', async () => {
    const { stream, told } = create();
    stream.push(bytes(1));
    const reader = stream.readable().getReader();
    let pushed = 1;
    while (stream.push(bytes(2))) pushed += 1;
    expect(pushed).toBeLessThan(20);
    const before = told.length;
    for (let count = 0; count <= pushed; count += 1) expect((await reader.read()).done).toBe(false);
    expect(told.length).toBeGreaterThan(before);
    stream.close();
    expect((await reader.read()).done).toBe(true);
    const gone = create();
    await gone.stream.readable().cancel();
    expect(gone.told).toContain('cancel');
  });
});
