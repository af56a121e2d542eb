import { ApiError, errorBody } from './api-error.ts';
import type { FaultName } from './fault-names.ts';
import type { ResponseEvent } from './generated-response.ts';
import type { SimulatorOptions } from './options.ts';
import type { BodyEnding, TimedBytes } from './timed-body.ts';

/** A body with the fault in its bytes and ending. */
export interface FaultyBody {
  readonly pieces: Iterable<TimedBytes>;
  readonly ending: BodyEnding;
}

/** Bytes. An odd size, so that lines, names and multi-byte characters are split everywhere. */
const PIECE_BYTES = 7;
const STREAM_ERROR = new ApiError(500, {
  message: 'The server had an error in mid-stream. (Simulated.)',
  type: 'server_error',
  param: null,
  code: 'internal_error',
});
const encoder = new TextEncoder();

/** Builds the body of a stream, with the fault after `fault_after` events. */
export function streamBody(
  events: Iterable<ResponseEvent>,
  fault: FaultName,
  options: SimulatorOptions,
): FaultyBody {
  const timed = inTime(disturb(events, fault, options.fault_after), options);
  if (fault === 'slow_body') return { pieces: dripping(timed, options.drip), ending: 'end' };
  return { pieces: timed, ending: endingOf(fault) };
}

/** Builds the body of a plain response with the fault. */
export function jsonBody(body: string, fault: FaultName, options: SimulatorOptions): FaultyBody {
  const bytes = encoder.encode(fault === 'error_mid' ? errorBody(STREAM_ERROR) : body);
  const half = bytes.slice(0, Math.ceil(bytes.length / 2));
  switch (fault) {
    case 'slow_body':
      return { pieces: dripping([{ bytes, at: 0 }], options.drip), ending: 'end' };
    case 'cut':
    case 'hang_mid':
    case 'truncate':
      return { pieces: [{ bytes: half, at: 0 }], ending: endingOf(fault) };
    case 'malformed':
      return { pieces: [{ bytes: encoder.encode(`${body.slice(0, -2)},,`), at: 0 }], ending: 'end' };
    default:
      return { pieces: [{ bytes, at: 0 }], ending: 'end' };
  }
}

function endingOf(fault: FaultName): BodyEnding {
  if (fault === 'cut') return 'cut';
  return fault === 'hang_mid' ? 'hang' : 'end';
}

/** @returns the events up to the fault and, if the stream continues, after it */
function* disturb(
  events: Iterable<ResponseEvent>,
  fault: FaultName,
  after: number,
): Generator<ResponseEvent> {
  let left = after;
  let broken = false;
  for (const event of events) {
    // A response shorter than `fault_after` gets the fault before its end.
    const due = left === 0 || event.closing;
    left -= due ? 0 : 1;
    if (!due || broken) {
      yield event;
      continue;
    }
    switch (fault) {
      case 'cut':
      case 'hang_mid':
      case 'truncate':
        return;
      case 'error_mid':
        yield { ...event, text: `data: ${errorBody(STREAM_ERROR)}\n\n` };
        return;
      case 'malformed':
        yield { ...event, text: `${event.text.slice(0, Math.floor(event.text.length / 2))}\n\n` };
        broken = true;
        break;
      default:
        yield event;
    }
  }
}

/** @returns the due time of an event, counted from the start so that delays do not add up */
function* inTime(events: Iterable<ResponseEvent>, { ttft, tps }: SimulatorOptions): Generator<TimedBytes> {
  const interval = tokenInterval(tps);
  for (const { text, step } of events) yield { bytes: encoder.encode(text), at: ttft + step * interval };
}

/** @returns milliseconds between two tokens */
export function tokenInterval(tps: number): number {
  return tps > 0 ? 1000 / tps : 0;
}

function* dripping(pieces: Iterable<TimedBytes>, pause: number): Generator<TimedBytes> {
  let last = -pause;
  for (const { bytes, at } of pieces) {
    for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
      last = Math.max(at, last + pause);
      yield { bytes: bytes.slice(from, from + PIECE_BYTES), at: last };
    }
  }
}
