import type { Clock } from '../core/clock.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import { cancelBody, readableOf } from '../core/push-stream.ts';
import type { HandledResponse } from '../pipeline/inference-handler.ts';

/** Milliseconds. Proxies and clients close streams that are silent for a minute, some earlier. */
const KEEP_ALIVE_MS = 5_000;
const encoder = new TextEncoder();

export interface KeepAliveOptions {
  readonly response: Promise<HandledResponse>;
  readonly clock: Clock;
  /** The text of the comments. */
  readonly message: string;
  readonly renderStreamError: (error: GatewayError) => Uint8Array;
  /** The client left before the response began. */
  readonly onCancel: () => void;
}

/**
 * An event stream of comments until the response begins, and then that response. Clients skip comments.
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export function keepAliveStream(options: KeepAliveOptions): ReadableStream<Uint8Array> {
  const { response, clock, message, renderStreamError, onCancel } = options;
  let body: ReadableStreamDefaultReader<Uint8Array> | undefined;
  const begun = new AbortController();
  const comment = () => encoder.encode(`: ${message}\n\n`);
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(comment());
      void (async () => {
        for (;;) {
          await clock.sleep(KEEP_ALIVE_MS, begun.signal);
          if (begun.signal.aborted) return;
          controller.enqueue(comment());
        }
      })().catch((error: unknown) => {
        if (!begun.signal.aborted) controller.error(error);
      });
    },
    async pull(controller) {
      try {
        body ??= readerOf(await response);
        begun.abort();
        const { done, value } = await body.read();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (thrown) {
        const hadBegun = begun.signal.aborted;
        begun.abort();
        // A body that began reports its failure itself.
        if (!hadBegun) controller.enqueue(renderStreamError(asGatewayError(thrown)));
        controller.close();
      }
    },
    async cancel(reason) {
      begun.abort();
      if (body) {
        await body.cancel(reason);
        return;
      }
      onCancel();
      response.then(
        (late) => (late.kind === 'stream' ? cancelBody(late.body, reason) : undefined),
        // It was aborted.
        () => undefined,
      );
    },
  });
}

function readerOf(response: HandledResponse): ReadableStreamDefaultReader<Uint8Array> {
  if (response.kind === 'stream') return readableOf(response.body).getReader();
  throw new GatewayError('internal_error', 'A stream was expected, and a complete response came.');
}
