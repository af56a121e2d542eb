import { expect, test } from 'bun:test';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Frame, FrameSink, StreamEnd } from '../core/stream/frame.ts';
import { type Recording, StreamRecorder } from './recorded-stream.ts';
import { byteFrames, ReplayedStream } from './replayed-stream.ts';

const OBSERVED = { usage: undefined, finishReason: 'stop', chunks: 1 };
const frame = (text: string, isLast = false): Frame => ({
  bytes: Buffer.from(text),
  events: [],
  ...(isLast ? { isLast } : {}),
});

/** Records frames that come at these milliseconds. */
function record(frames: readonly [at: number, frame: Frame][], end: StreamEnd, maxBytes = 100) {
  const clock = new FakeClock();
  const recordings: Recording[] = [];
  const recorder = new StreamRecorder({
    ...{ maxBytes, keepsPace: true, keepsEvents: false },
    now: () => clock.now(),
    onRecorded: (recording) => recordings.push(recording),
  });
  const out: FrameSink = {
    ...{ write: () => undefined, insert: () => undefined, hold: () => () => undefined },
    ...{ splice: () => undefined, finish: () => undefined, fail: () => undefined },
  };
  for (const [at, one] of frames) {
    clock.advance(at - clock.now());
    recorder.frame(one, out);
  }
  recorder.end(end);
  return recordings;
}

/** Replays a recording. @returns what has arrived so far */
function replay(recording: Recording, isPaced: boolean) {
  const clock = new FakeClock();
  const { stream } = new ReplayedStream({
    ...{ mode: 'bytes', observed: OBSERVED, clock },
    frames: byteFrames(recording.frames ?? new Uint8Array(0), isPaced ? recording.pace : undefined),
  });
  const read = { text: '', end: undefined as StreamEnd | undefined };
  stream.connect({
    frame: ({ bytes }) => {
      read.text += String(Buffer.from(bytes ?? []));
    },
    end: (end) => {
      read.end = end;
    },
  });
  const advance = async (ms: number) => {
    clock.advance(ms);
    await settle();
    return read.text;
  };
  return { read, advance, stream, clock };
}

const FRAMES: [number, Frame][] = [
  [10, frame('a')],
  [30, frame('b')],
  [9_000, frame('c', true)],
];

test('a stream is replayed at once', () => {
  const [recording] = record(FRAMES, { kind: 'done' });
  if (!recording) throw new Error('nothing was recorded');
  expect(replay(recording, false).read).toEqual({ text: 'abc', end: { kind: 'done' } });
});

test('a paced replay keeps the gaps between frames, but no long ones', async () => {
  const [recording] = record(FRAMES, { kind: 'done' });
  if (!recording) throw new Error('nothing was recorded');
  const { advance, read } = replay(recording, true);
  expect([await advance(10), await advance(19), await advance(1)]).toEqual(['a', 'a', 'ab']);
  expect([await advance(1_999), read.end]).toEqual(['ab', undefined]);
  expect([await advance(1), read.end]).toEqual(['abc', { kind: 'done' }]);
});

test('a client that leaves ends a paced replay', async () => {
  const [recording] = record(FRAMES, { kind: 'done' });
  if (!recording) throw new Error('nothing was recorded');
  const { advance, read, stream, clock } = replay(recording, true);
  await advance(10);
  const reason = new GatewayError('client_closed_request', 'gone');
  stream.cancel(reason);
  await settle();
  expect([read, clock.sleeping]).toEqual([{ text: 'a', end: { kind: 'cancelled', reason } }, 0]);
});

test('a client that reads slowly pauses the replay', async () => {
  const [recording] = record(FRAMES, { kind: 'done' });
  if (!recording) throw new Error('nothing was recorded');
  const { advance, stream } = replay(recording, true);
  await advance(10);
  stream.pause();
  stream.resume();
  expect(await advance(10)).toBe('a');
  stream.pause();
  expect(await advance(10)).toBe('a');
  stream.resume();
  expect(await advance(0)).toBe('ab');
});

test('a stream that is cut, fails or is larger than the bound leaves no recording', () => {
  const error = new GatewayError('upstream_closed', 'cut');
  const gone = new GatewayError('client_closed_request', 'gone');
  expect(record(FRAMES, { kind: 'failed', error })).toEqual([]);
  expect(record(FRAMES, { kind: 'cancelled', reason: gone })).toEqual([]);
  // The last frame is missing, although the end is regular.
  expect(record(FRAMES.slice(0, 2), { kind: 'done' })).toEqual([]);
  expect(record(FRAMES, { kind: 'done' }, 2)).toEqual([]);
});
