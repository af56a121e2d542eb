import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../../test/support/effort.ts';
import { BROKEN, Collector, GONE, KEEP_ALIVE, Tap, text, Upstream } from '../../../test/support/frames.ts';
import { GatewayError } from '../errors.ts';
import { drainStream } from './drain.ts';
import type { Frame, FrameSink, FrameStream, StreamMode } from './frame.ts';
import { isConnectable, setStageOwner } from './frame-stream.ts';
import type { ConnectableStream } from './stage.ts';

function connected(stream: ConnectableStream): Collector {
  const reader = new Collector();
  stream.connect(reader);
  return reader;
}

const owner = {
  name: 'mine',
  fault: (cause: unknown) => new GatewayError('internal_error', 'mine', { cause }),
};

describe('a source', () => {
  test('keeps frames for its reader, and pauses its producer after eight', () => {
    const upstream = new Upstream();
    for (let at = 0; at < 8; at += 1) {
      expect(upstream.paused).toBe(false);
      upstream.stream.push(text(at));
    }
    expect(upstream.paused).toBe(true);
    upstream.stream.push(text(8));
    const reader = connected(upstream.stream);
    expect(reader.text).toBe('0;1;2;3;4;5;6;7;8;');
    expect(upstream.paused).toBe(false);
  });

  test('delivers an end and frames that come while queued ones are read after those, once', () => {
    const upstream = new Upstream();
    for (const value of ['a', 'b', 'c']) upstream.stream.push(text(value));
    const seen: string[] = [];
    upstream.stream.connect({
      frame: ({ bytes }) => {
        const value = new TextDecoder().decode(bytes);
        seen.push(value);
        if (value !== 'a;') return;
        upstream.stream.push(text('d'));
        upstream.stream.finish({ kind: 'done' });
      },
      end: ({ kind }) => seen.push(kind),
    });
    expect(seen).toEqual(['a;', 'b;', 'c;', 'd;', 'done']);
  });

  test('has one end and one reader, and tells the first end to those who ask', async () => {
    const upstream = new Upstream();
    const early = upstream.stream.ended;
    upstream.stream.finish({ kind: 'failed', error: BROKEN });
    upstream.stream.finish({ kind: 'done' });
    upstream.stream.push(text('late'));
    expect(await early).toEqual({ kind: 'failed', error: BROKEN });
    expect(await upstream.stream.ended).toEqual({ kind: 'failed', error: BROKEN });
    expect(connected(upstream.stream).ends).toEqual([{ kind: 'failed', error: BROKEN }]);
    expect(() => connected(upstream.stream)).toThrow(TypeError);
    expect(() => connected(upstream.stream.through(new Tap()))).toThrow(TypeError);
  });
});

describe('a stage', () => {
  test('that holds pauses the producer, keeps frames in order, and lets keep-alives pass', () => {
    const upstream = new Upstream();
    let release: (() => void) | undefined;
    const tap = new Tap((frame, out) => {
      out.write(frame);
      release ??= out.hold();
    });
    const reader = connected(upstream.stream.through(tap));
    upstream.stream.push(text('a'));
    expect(upstream.paused).toBe(true);
    upstream.stream.push(text('b'));
    upstream.stream.push(KEEP_ALIVE);
    upstream.stream.finish({ kind: 'done' });
    expect(reader.text).toBe('a;: ping\n\n');
    expect(reader.ends).toEqual([]);
    release?.();
    release?.();
    expect(reader.text).toBe('a;: ping\n\nb;');
    expect(reader.ends).toEqual([{ kind: 'done' }]);
    expect(tap.ends).toEqual([{ kind: 'done' }]);
  });

  test('may hold and release within `frame`, also for frames that waited', () => {
    const upstream = new Upstream();
    const first: { release?: () => void } = {};
    const stage = new Tap((frame, out) => {
      const release = out.hold();
      if (first.release) release();
      else first.release = release;
      out.write(frame);
    });
    const reader = connected(upstream.stream.through(stage));
    for (const value of ['a', 'b', 'c', 'd']) upstream.stream.push(text(value));
    upstream.stream.finish({ kind: 'done' });
    expect(reader.text).toBe('a;');
    first.release?.();
    expect(reader.text).toBe('a;b;c;d;');
    expect(reader.ends).toEqual([{ kind: 'done' }]);
    expect(stage.ends).toEqual([{ kind: 'done' }]);
  });

  test('learns of a cancel while it holds, and its stream ends at once', () => {
    const upstream = new Upstream();
    const tap = new Tap((_, out) => void out.hold());
    const stream = upstream.stream.through(tap);
    const reader = connected(stream);
    upstream.stream.push(text('a'));
    upstream.stream.finish({ kind: 'done' });
    stream.cancel(GONE);
    expect(reader.ends).toEqual([{ kind: 'cancelled', reason: GONE }]);
    expect(tap.ends).toEqual([{ kind: 'cancelled', reason: GONE }]);
  });

  test('hands a cancel to the source, whatever stage it comes from', async () => {
    const upstream = new Upstream();
    const inner = new Tap();
    const stream = upstream.stream.through(inner).through(new Tap());
    const reader = connected(stream);
    upstream.stream.push(text('a'));
    stream.cancel(GONE);
    stream.cancel(BROKEN);
    expect(upstream.cancels).toEqual([GONE]);
    expect(inner.ends).toEqual([{ kind: 'cancelled', reason: GONE }]);
    expect(reader.ends).toEqual([{ kind: 'cancelled', reason: GONE }]);
    expect(await stream.ended).toEqual({ kind: 'cancelled', reason: GONE });
  });

  test('that was cancelled before it is connected ends when it is', () => {
    for (const isEnded of [false, true]) {
      const upstream = new Upstream();
      const stream = upstream.stream.through(new Tap());
      upstream.stream.push(text('a'));
      if (isEnded) upstream.stream.finish({ kind: 'done' });
      stream.cancel(GONE);
      expect(connected(stream).ends).toEqual([{ kind: 'cancelled', reason: GONE }]);
    }
  });

  test('that throws in `frame` or `end` fails by its owner’s name, and its source is cancelled without blame', () => {
    for (const where of ['frame', 'end']) {
      const upstream = new Upstream();
      const thrown = new TypeError('x');
      const fail = () => {
        throw thrown;
      };
      const stream = upstream.stream.through(where === 'frame' ? new Tap(fail) : new Tap(undefined, fail));
      setStageOwner(stream, owner);
      setStageOwner(stream, { ...owner, name: 'another' });
      const reader = connected(stream);
      upstream.stream.push(text('a'));
      if (where === 'end') upstream.stream.finish({ kind: 'done' });
      const [end] = reader.ends;
      expect(end?.kind === 'failed' ? [end.error.message, end.error.cause] : end).toEqual(['mine', thrown]);
      expect(upstream.cancels.map(({ code }) => code)).toEqual(
        where === 'frame' ? ['client_closed_request'] : [],
      );
    }
  });

  test('that loses the last frame, or bytes of a stream that may not be changed, does not end well', () => {
    const last: Frame = { ...text('z'), isLast: true };
    for (const lost of ['a;', 'z;']) {
      const upstream = new Upstream();
      const stream = upstream.stream.through(
        new Tap((frame, out) => {
          if (new TextDecoder().decode(frame.bytes) !== lost) out.write(frame);
        }),
      );
      const reader = connected(stream);
      for (const frame of [text('a'), last]) upstream.stream.push(frame);
      upstream.stream.finish({ kind: 'done' });
      expect(reader.ends.map(({ kind }) => kind)).toEqual(['failed']);
      expect(reader.text).not.toContain('z;');
    }
  });

  test('inserts events only in mode rewrite', () => {
    for (const mode of ['bytes', 'observe', 'rewrite'] as const) {
      const upstream = new Upstream(mode);
      const stream = upstream.stream.through(new Tap((_, out) => out.insert({ type: 'ping' })));
      const reader = connected(stream);
      upstream.stream.push(text('a'));
      expect(reader.ends.length).toBe(mode === 'rewrite' ? 0 : 1);
      expect(reader.frames).toEqual(mode === 'rewrite' ? [{ events: [{ type: 'ping' }] }] : []);
    }
  });

  test('that finishes closes what is open, once, and stops the source', () => {
    const cases = [
      { sent: [], closing: ['start', 'finish', 'end'] },
      { sent: [{ type: 'start' }], closing: ['finish', 'end'] },
      {
        sent: [{ type: 'start' }, { type: 'part-start', choice: 0, part: { type: 'text' } }],
        closing: ['part-end', 'finish', 'end'],
      },
      {
        sent: [{ type: 'start' }, { type: 'finish', choice: 0, finish: { unified: 'stop' } }],
        closing: ['end'],
      },
      { sent: [{ type: 'start' }, { type: 'end' }], closing: [] },
    ] as const;
    for (const { sent, closing } of cases) {
      const upstream = new Upstream('rewrite');
      const stream = upstream.stream.through(
        new Tap((frame, out) => {
          out.write(frame);
          out.finish({ unified: 'length', raw: 'max' });
          out.write(text('late'));
          out.fail(BROKEN);
        }),
      );
      const reader = connected(stream);
      upstream.stream.push({ bytes: new Uint8Array(1), events: sent });
      expect(reader.frames.slice(1).flatMap(({ events }) => events.map(({ type }) => type))).toEqual([
        ...closing,
      ]);
      expect(reader.ends).toEqual([{ kind: 'done' }]);
      expect(upstream.cancels.length).toBe(1);
      expect(stream.observed.finishReason).toBe('max');
    }
  });
});

describe('a splice', () => {
  /** A stage whose first stream fails after "a", and which splices `next` then. */
  function spliced(mode: StreamMode, splice: (out: FrameSink) => void) {
    const upstream = new Upstream(mode);
    const stream = upstream.stream.through(
      new Tap(undefined, (end, out) => {
        if (end.kind === 'failed') splice(out);
      }),
    );
    setStageOwner(stream, owner);
    const reader = connected(stream);
    upstream.stream.push(text('a'));
    return { upstream, stream, reader };
  }

  test('continues with the other stream, with the pauses of its reader', () => {
    const next = new Upstream();
    next.stream.push(text('b'));
    const { upstream, stream, reader } = spliced('observe', (out) => out.splice(next.stream));
    stream.pause();
    upstream.stream.finish({ kind: 'failed', error: BROKEN });
    expect(next.paused).toBe(true);
    stream.resume();
    expect(next.paused).toBe(false);
    next.stream.push(text('c'));
    next.stream.finish({ kind: 'done' });
    upstream.stream.push(text('late'));
    expect(reader.text).toBe('a;b;c;');
    expect(reader.ends).toEqual([{ kind: 'done' }]);
  });

  test('may be followed by another one, which replaces the first', () => {
    const [first, second] = [new Upstream(), new Upstream()];
    const { upstream, reader } = spliced('observe', (out) => {
      out.splice(first.stream);
      out.splice(second.stream);
    });
    upstream.stream.finish({ kind: 'failed', error: BROKEN });
    expect(first.cancels.length).toBe(1);
    second.stream.push(text('b'));
    second.stream.finish({ kind: 'done' });
    expect(reader.text).toBe('a;b;');
    expect(reader.ends).toEqual([{ kind: 'done' }]);
  });

  test('of a stream that is read, foreign, of a stronger mode or the same fails by the owner’s name', () => {
    const read = new Upstream().stream;
    drainStream(read);
    const foreign: FrameStream = {
      observed: new Upstream().observed,
      ended: new Promise(() => undefined),
      through: () => foreign,
      cancel: () => undefined,
    };
    for (const next of [
      read,
      read.through(new Tap()),
      foreign,
      new Upstream('rewrite').stream,
      'itself',
    ] as const) {
      const made: { stream?: FrameStream } = {};
      const { upstream, stream, reader } = spliced('observe', (out) =>
        out.splice(next === 'itself' ? (made.stream ?? foreign) : next),
      );
      made.stream = stream;
      upstream.stream.finish({ kind: 'failed', error: BROKEN });
      expect(reader.ends.map((end) => (end.kind === 'failed' ? end.error.message : end.kind))).toEqual([
        'mine',
      ]);
    }
  });

  test('after a cancel cancels the stream that has no reader', () => {
    const next = new Upstream();
    let later: FrameSink | undefined;
    const { upstream, stream, reader } = spliced('observe', (out) => {
      out.hold();
      later = out;
    });
    upstream.stream.finish({ kind: 'failed', error: BROKEN });
    stream.cancel(GONE);
    later?.splice(next.stream);
    expect(next.cancels).toEqual([GONE]);
    expect(reader.ends).toEqual([{ kind: 'cancelled', reason: GONE }]);
  });

  test('ends as cancelled when it is cancelled', () => {
    const next = new Upstream();
    const { upstream, stream, reader } = spliced('observe', (out) => out.splice(next.stream));
    upstream.stream.finish({ kind: 'failed', error: BROKEN });
    stream.cancel(GONE);
    expect(next.cancels).toEqual([GONE]);
    expect(reader.ends).toEqual([{ kind: 'cancelled', reason: GONE }]);
  });
});

describe('stages that hold, release, pause and end in any order', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.constant({ kind: 'push' as const }) },
    { weight: 2, arbitrary: fc.constant({ kind: 'keep-alive' as const }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('hold' as const), stage: fc.nat(2) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('release' as const), hold: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'connect' as const }) },
    { weight: 2, arbitrary: fc.constant({ kind: 'pause' as const }) },
    { weight: 2, arbitrary: fc.constant({ kind: 'resume' as const }) },
    { weight: 1, arbitrary: fc.constantFrom({ kind: 'done' as const }, { kind: 'failed' as const }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), stage: fc.nat(2) }) },
  );

  test('keep the order of frames, pause the source exactly while one of them wants it, and end once', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<StreamMode>('bytes', 'observe', 'rewrite'),
        fc.integer({ min: 1, max: 3 }),
        fc.array(step, { maxLength: 40 }),
        (mode, depth, steps) => {
          const upstream = new Upstream(mode);
          const taps = Array.from({ length: depth }, () => new Tap());
          const streams: ConnectableStream[] = [];
          let stream: ConnectableStream = upstream.stream;
          for (const tap of taps) {
            const next: FrameStream = stream.through(tap);
            if (!isConnectable(next)) throw new TypeError('a stream of the gateway is expected');
            stream = next;
            streams.push(stream);
          }
          const top = stream;
          const reader = new Collector();
          const releases: { readonly release: () => void; released: boolean }[] = [];
          let pushed = 0;
          let pauses = 0;
          let isConnected = false;
          let isCancelled = false;
          const held = () => releases.filter(({ released }) => !released).length;
          const check = () => {
            const wanted = held() > 0 || pauses > 0 || (!isConnected && pushed >= 8);
            if (!upstream.stream.end) expect(upstream.paused).toBe(wanted);
            const order = reader.frames.flatMap(({ events }) =>
              events.map((event) => (event.type === 'delta' ? event.text : '')),
            );
            expect(order).toEqual(order.map((_, at) => String(at)));
            expect(reader.ends.length).toBeLessThanOrEqual(1);
            for (const tap of taps) expect(tap.ends.length).toBeLessThanOrEqual(1);
            return order.length;
          };
          for (const one of steps) {
            if (one.kind === 'push' && !upstream.stream.end) upstream.stream.push(text(pushed++));
            else if (one.kind === 'keep-alive' && isConnected && !upstream.stream.end) {
              const before = reader.frames.length;
              upstream.stream.push(KEEP_ALIVE);
              if (mode !== 'bytes') expect(reader.frames.length).toBe(before + 1);
            } else if (one.kind === 'hold') {
              const { out } = taps[one.stage % depth] ?? {};
              if (out && reader.ends.length === 0) releases.push({ release: out.hold(), released: false });
            } else if (one.kind === 'release' && releases.length > 0) {
              const taken = releases[one.hold % releases.length];
              if (taken) taken.released = true;
              taken?.release();
            } else if (one.kind === 'connect' && !isConnected) {
              isConnected = true;
              top.connect(reader);
            } else if (one.kind === 'pause' && pauses === 0) {
              pauses = 1;
              top.pause();
            } else if (one.kind === 'resume' && pauses > 0) {
              pauses = 0;
              top.resume();
            } else if (one.kind === 'done') upstream.stream.finish({ kind: 'done' });
            else if (one.kind === 'failed') upstream.stream.finish({ kind: 'failed', error: BROKEN });
            else if (one.kind === 'cancel') {
              isCancelled ||= !top.end;
              streams[one.stage % depth]?.cancel(GONE);
            }
            check();
          }
          if (!isConnected) top.connect(reader);
          isConnected = true;
          for (const one of releases) {
            one.released = true;
            one.release();
          }
          if (pauses > 0) top.resume();
          pauses = 0;
          upstream.stream.finish({ kind: 'done' });
          const received = check();
          expect(reader.ends.length).toBe(1);
          expect(top.end).toEqual(reader.ends[0]);
          if (!isCancelled) expect(received).toBe(pushed);
        },
      ),
      { numRuns: runs(3_000) },
    );
  });
});
