import type { Clock } from '../core/clock.ts';
import type { Turns } from './turns.ts';

/** Bytes of a body and their due time, in milliseconds from the start of the body. */
export interface TimedBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly at: number;
}

/** How a body ends after its last bytes: cleanly, with a broken connection, or never. */
export type BodyEnding = 'end' | 'cut' | 'hang';

/** @returns the error that the reader of a body gets from a broken connection */
export function connectionError(): TypeError {
  return new TypeError('The connection was closed before the response was complete. (Simulated.)');
}

/**
 * A body that produces its next bytes on request, and not before they are due. An abort of the signal breaks it with the
 * signal's reason. An abort and a cancellation end all work at once.
 */
export function timedBody(
  pieces: Iterable<TimedBytes>,
  ending: BodyEnding,
  clock: Clock,
  signal: AbortSignal,
  turns: Turns,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const start = clock.now();
  const source = pieces[Symbol.iterator]();
  const stopped = new AbortController();
  let controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;

  const onAbort = () => {
    stop(signal.reason);
    controller?.error(signal.reason);
  };
  const stop = (reason: unknown) => {
    signal.removeEventListener('abort', onAbort);
    source.return?.();
    stopped.abort(reason);
  };
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      start(own) {
        controller = own;
        if (signal.aborted) onAbort();
        else signal.addEventListener('abort', onAbort, { once: true });
      },
      pull(own) {
        const turn = turns.next();
        return turn ? turn.then(() => (stopped.signal.aborted ? undefined : produce(own))) : produce(own);
      },
      cancel: stop,
    },
    { highWaterMark: 0 },
  );

  function produce(own: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): Promise<void> | undefined {
    const next = source.next();
    if (next.done !== true) {
      const { bytes, at } = next.value;
      const wait = start + at - clock.now();
      if (wait > 0) return enqueueLater(own, bytes, wait, clock, stopped.signal);
      own.enqueue(bytes);
      return undefined;
    }
    if (ending === 'hang') return untilAborted(stopped.signal);
    signal.removeEventListener('abort', onAbort);
    if (ending === 'cut') own.error(connectionError());
    else own.close();
    return undefined;
  }
}

async function enqueueLater(
  controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>,
  bytes: Uint8Array<ArrayBuffer>,
  wait: number,
  clock: Clock,
  stopped: AbortSignal,
): Promise<void> {
  try {
    await clock.sleep(wait, stopped);
  } catch (error) {
    // The code that stopped the body has closed or broken the stream.
    if (stopped.aborted) return;
    throw error;
  }
  if (!stopped.aborted) controller.enqueue(bytes);
}

/** @returns a promise that resolves when the signal aborts */
function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
