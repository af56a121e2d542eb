import type { Clock } from '../core/clock.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import { cancelBody, readableOf } from '../core/push-stream.ts';
import type { InferenceAnswer } from '../inference/service.ts';

/** Proxies and clients give up on streams that say nothing for a minute or less. */
const KEEP_ALIVE_MS = 5_000;
const encoder = new TextEncoder();

export interface KeepAliveStreamOptions {
  readonly answer: Promise<InferenceAnswer>;
  readonly clock: Clock;
  /** What the comments say that clients see who look. */
  readonly message: string;
  readonly renderStreamError: (error: GatewayError) => Uint8Array;
  /** The client has gone before the answer has begun. */
  readonly onCancel: () => void;
}

/**
 * An event stream that says from time to time that it is alive, until the answer begins; then it is that answer. Comments
 * are what the event stream format has for it, and every client skips them.
 */
export function keepAliveStream(options: KeepAliveStreamOptions): ReadableStream<Uint8Array> {
  const { answer, clock, message, renderStreamError, onCancel } = options;
  let body: ReadableStreamDefaultReader<Uint8Array> | undefined;
  const over = new AbortController();
  const comment = () => encoder.encode(`: ${message}\n\n`);
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(comment());
      void (async () => {
        for (;;) {
          await clock.sleep(KEEP_ALIVE_MS, over.signal);
          if (over.signal.aborted) return;
          controller.enqueue(comment());
        }
      })().catch((error: unknown) => {
        if (!over.signal.aborted) controller.error(error);
      });
    },
    async pull(controller) {
      try {
        body ??= readerOf(await answer);
        over.abort();
        const { done, value } = await body.read();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (thrown) {
        const wasOver = over.signal.aborted;
        over.abort();
        // A body that has begun tells of its failure by itself.
        if (!wasOver) controller.enqueue(renderStreamError(asGatewayError(thrown)));
        controller.close();
      }
    },
    async cancel(reason) {
      over.abort();
      if (body) {
        await body.cancel(reason);
        return;
      }
      onCancel();
      answer.then(
        (late) => (late.kind === 'stream' ? cancelBody(late.body, reason) : undefined),
        // It was told to stop, and has.
        () => undefined,
      );
    },
  });
}

function readerOf(answer: InferenceAnswer): ReadableStreamDefaultReader<Uint8Array> {
  if (answer.kind === 'stream') return readableOf(answer.body).getReader();
  throw new GatewayError('internal_error', 'A stream was asked for, and a plain answer came.');
}
