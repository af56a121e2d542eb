import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../test/support/effort.ts';
import { SocketWriter } from './socket-writer.ts';
import { WriteBatch } from './write-batch.ts';

/** The end of the turn, when what was written goes out. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A socket that takes so many bytes at each write, over and over. */
function socket(takes: readonly number[]) {
  const got: Buffer[] = [];
  let writes = 0;
  return {
    writes: () => writes,
    text: () => Buffer.concat(got),
    write: (data: Uint8Array, from: number, length: number) => {
      const take = Math.min(length, takes[writes % takes.length] ?? 0);
      writes += 1;
      if (take >= 0) got.push(Buffer.from(data.subarray(from, from + take)));
      return take;
    },
  };
}

const piece = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.uint8Array({ maxLength: 50 }),
  fc.integer({ min: 10_000, max: 300_000 }).map((length) => 'ü'.repeat(length)),
  fc.integer({ min: 10_000, max: 300_000 }).map((length) => Buffer.alloc(length, 7)),
);

describe('SocketWriter', () => {
  test('sends every byte once and in order, however little the socket takes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 8 }),
        fc.array(fc.integer({ min: 3_000, max: 400_000 }), { minLength: 1, maxLength: 5 }),
        async (pieces, takes) => {
          const to = socket(takes);
          const box = new SocketWriter(new WriteBatch(), () => undefined);
          box.open(to);
          for (const [at, one] of pieces.entries()) {
            box.write(one);
            if (at % 3 === 0) await turn();
          }
          await turn();
          while (box.blocked) box.drained();
          expect(box.empty).toBe(true);
          const expected = Buffer.concat(
            pieces.map((one) => (typeof one === 'string' ? Buffer.from(one) : one)),
          );
          expect(to.text().equals(expected)).toBe(true);
        },
      ),
      { numRuns: runs(60) },
    );
  });

  test('of several connections send one after the other, when all is handled, in one write each', async () => {
    const batch = new WriteBatch();
    const order: string[] = [];
    const boxes = ['a', 'b'].map((name) => {
      const box = new SocketWriter(batch, () => undefined);
      box.open({
        write: (data, from, length) => {
          order.push(`${name}:${Buffer.from(data.subarray(from, from + length)).toString()}`);
          return length;
        },
      });
      return box;
    });
    for (const box of boxes) for (const text of ['1', '2']) box.write(text);
    expect(order).toEqual([]);
    await turn();
    expect(order).toEqual(['a:12', 'b:12']);
  });

  test('reports when all is sent, and when the socket is closed', async () => {
    let sent = 0;
    let gone = 0;
    const box = new SocketWriter(
      new WriteBatch(),
      () => {
        sent += 1;
      },
      () => {
        gone += 1;
      },
    );
    box.write('before it is open');
    box.open(socket([3]));
    box.write('12345');
    await turn();
    expect([box.blocked, box.empty, sent]).toEqual([true, false, 0]);
    expect(box.drained()).toBe(true);
    expect([box.blocked, box.drained(), sent]).toEqual([false, false, 1]);
    box.open(socket([-1]));
    box.write('x');
    await turn();
    expect([gone, sent]).toEqual([1, 1]);
    box.close();
    box.write('y');
    expect(box.empty).toBe(true);
  });
});
