import { expect } from 'bun:test';
import { GatewayError } from '../../src/core/errors.ts';
import type {
  Frame,
  FrameSink,
  StreamEnd,
  StreamMode,
  StreamTransform,
} from '../../src/core/stream/frame.ts';
import { SourceStream } from '../../src/core/stream/frame-stream.ts';
import type { FrameProducer, FrameReader } from '../../src/core/stream/stage.ts';

/** Both ends of a stream of frames, and a stage between them, for tests of what happens in between. */

export const GONE = new GatewayError('client_closed_request', 'gone');
export const BROKEN = new GatewayError('upstream_closed', 'broken');
export const KEEP_ALIVE: Frame = { bytes: new TextEncoder().encode(': ping\n\n'), events: [] };

/** A frame with content; its text tells frames apart. */
export const text = (value: string | number): Frame => ({
  bytes: new TextEncoder().encode(`${value};`),
  events: [{ type: 'delta', choice: 0, text: String(value) }],
});

/** An upstream that sends what a test tells it to. Its calls fail where pauses and resumes are not balanced. */
export class Upstream implements FrameProducer {
  readonly observed = { usage: undefined, finishReason: undefined, chunks: 0 };
  readonly stream: SourceStream;
  readonly cancels: GatewayError[] = [];
  paused = false;

  constructor(mode: StreamMode = 'observe') {
    this.stream = new SourceStream(mode, this);
  }

  pause(): void {
    expect(this.paused).toBe(false);
    this.paused = true;
  }

  resume(): void {
    expect(this.paused).toBe(true);
    this.paused = false;
  }

  cancel(reason: GatewayError): void {
    this.cancels.push(reason);
    this.stream.finish({ kind: 'cancelled', reason });
  }

  renderFailure(): Uint8Array | undefined {
    return undefined;
  }
}

export class Collector implements FrameReader {
  readonly frames: Frame[] = [];
  readonly ends: StreamEnd[] = [];

  frame(frame: Frame): void {
    expect(this.ends).toEqual([]);
    this.frames.push(frame);
  }

  end(end: StreamEnd): void {
    this.ends.push(end);
  }

  get text(): string {
    const decoder = new TextDecoder();
    return this.frames.map(({ bytes }) => decoder.decode(bytes)).join('');
  }
}

/** A stage that passes everything on, and keeps its sink for the test. */
export class Tap implements StreamTransform {
  out: FrameSink | undefined;
  readonly ends: StreamEnd[] = [];

  constructor(
    private readonly onFrame: (frame: Frame, out: FrameSink) => void = (frame, out) => out.write(frame),
    private readonly onEnd: (end: StreamEnd, out: FrameSink) => void = () => undefined,
  ) {}

  frame(frame: Frame, out: FrameSink): void {
    this.out = out;
    this.onFrame(frame, out);
  }

  end(end: StreamEnd, out: FrameSink): void {
    this.ends.push(end);
    this.onEnd(end, out);
  }
}
