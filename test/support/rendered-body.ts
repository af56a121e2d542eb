import type { FrameStream } from '../../src/core/stream/frame.ts';
import { isConnectable } from '../../src/core/stream/frame-stream.ts';
import { openAiErrorEvent } from '../../src/http/error-body.ts';
import { StreamRenderer } from '../../src/pipeline/stream-renderer.ts';

/** The bytes that an OpenAI client receives of a stream in mode `bytes`. */
export function renderedBody(stream: FrameStream): ReadableStream<Uint8Array> {
  if (!isConnectable(stream)) throw new TypeError('a stream of the gateway is expected');
  const renderer = new StreamRenderer({
    stream,
    writer: undefined,
    renderStreamError: openAiErrorEvent,
    endOf: (end) => end,
    onLateError: () => undefined,
    onEnd: () => undefined,
  });
  return renderer.body.readable();
}
