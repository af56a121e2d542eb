import type { AttemptFailure } from '../core/errors.ts';
import type { OutputText } from '../core/output-text.ts';
import type { Usage } from '../core/usage.ts';
import type { LimitReservation } from '../limits/limiter.ts';
import type { RecordSlot } from '../metering/in-flight-records.ts';
import type { ModelOverrides } from '../metering/model-data.ts';
import type { Target } from '../providers/types.ts';
import type { EscalationReason } from '../routing/directory.ts';

/** An upstream call for the inputs of several requests. */
export interface JoinedTrace {
  /** Requests that it was sent for, and their inputs together. */
  readonly requests: number;
  readonly inputs: number;
  /** The part of its time that is this request's, 0 to 1. */
  readonly share: number;
  /** The upstream rejected it, and each request was sent again alone. */
  readonly wasRepeatedAlone?: boolean;
  /** False where the attempt of another request counts for the health of the target. */
  readonly isCounted?: boolean;
}

/** What happened at one target. Times are from the injected monotonic clock, in milliseconds. */
export interface AttemptTrace {
  readonly provider: string;
  /** The upstream's name of the model. */
  readonly model: string;
  readonly target?: Target | undefined;
  /** The configuration's facts about the model, which its price depends on. */
  readonly facts?: ModelOverrides | undefined;
  /** Which of the provider's keys, where it has several. */
  readonly account?: number | undefined;
  readonly startedAt: number;
  firstEventAt: number | undefined;
  endedAt: number | undefined;
  failure: AttemptFailure | undefined;
  usage?: Usage | undefined;
  finishReason?: string | undefined;
  /** From the target's own limits. */
  reservation?: LimitReservation | undefined;
  /** How it ended; undefined while it is running. `stopped`: the gateway did not need the response. */
  outcome?: 'done' | 'failed' | 'client_gone' | 'stopped';
  /** The response's text, where the gateway has to count its tokens. */
  text?: OutputText | undefined;
  /** US dollars as an exact decimal, at the price that routing knows; only where the request asks for it. */
  cost?: string | undefined;
  /** Millionths of a millionth of a US dollar, set by settlement; null where no price is known. */
  costPico?: number | null;
  /** The part of `costPico` that output tokens have. */
  outputCostPico?: number;
  /**
   * What the provider's prompt cache saved, in the same unit, set by settlement: negative where writing to it cost more;
   * absent where it was not used.
   */
  promptSavedPico?: number;
  /** Id of its span, where the request is traced. */
  readonly spanId?: string | undefined;
  /** Id of its usage event, where its use is recorded while it runs. */
  eventId?: string;
  /** Its record while it runs. */
  inFlight?: RecordSlot | undefined;
  /** Input tokens, estimated when it began. */
  inputEstimate?: number;
  /** The upstream did not report the usage; it is an estimate. */
  estimated?: boolean;
  /** Which part of the request it serves, from 0, where the target takes fewer inputs in one call. */
  part?: number;
  /** The upstream call that it shared with other requests for embeddings. */
  joined?: JoinedTrace;
  /** It continued the stream of another attempt. */
  continued?: boolean;
  /** Why its response was not good enough for the client. */
  rejected?: EscalationReason;
  /** `began`: started beside a slow attempt. `lost`: the other attempt of the two was faster. */
  hedge?: 'began' | 'lost';
}

/**
 * The time of an attempt that its request pays for, where a price is by time.
 * @param endedAt monotonic milliseconds
 * @returns milliseconds; of a call that requests shared, the part of this one
 */
export function billedMs({ startedAt, joined }: AttemptTrace, endedAt: number): number {
  return (endedAt - startedAt) * (joined && !joined.wasRepeatedAlone ? joined.share : 1);
}
