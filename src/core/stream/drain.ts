import type { FrameStream } from './frame.ts';
import { isConnectable } from './frame-stream.ts';

/** Reads a stream to its end and drops its frames. */
export function drainStream(stream: FrameStream): void {
  if (!isConnectable(stream)) throw new TypeError('only a stream of this gateway can be drained');
  stream.connect({ frame: () => undefined, end: () => undefined });
}
