import type { Clock } from '../core/clock.ts';
import type { InferenceCall } from '../core/inference.ts';
import { estimateTokensOf } from '../core/token-estimate.ts';
import type { Usage } from '../core/usage.ts';
import type { AttemptTrace } from '../dispatch/attempt-trace.ts';
import type { AttemptRecords } from '../dispatch/options.ts';
import type { ActiveAttempt, DispatchRequest } from '../dispatch/request.ts';
import type { InFlightRecords } from '../metering/in-flight-records.ts';
import { costPico } from '../metering/price.ts';
import type { ModelPrice } from '../metering/price-data.ts';
import type { PriceContext } from '../metering/prices.ts';
import { RequestContext } from './request-context.ts';
import { priceContextOf, usageEventOf } from './usage-event-of.ts';

export interface InFlightUsageOptions {
  readonly clock: Clock;
  /** A new id for an event; unique among all gateways. */
  readonly newId: () => string;
  readonly records: InFlightRecords;
  /** The price of what an attempt uses; undefined where none is known. */
  readonly priceOf: (trace: AttemptTrace, context: PriceContext) => ModelPrice | undefined;
}

/** The status of a request whose gateway ended: no client received another one. */
const LOST_STATUS = 500;
/** Requests of one update: about a millisecond. */
const MAX_UPDATED = 2_000;

/**
 * Records what attempts use while they run, for the usage events that a killed gateway leaves. Input is estimated by its
 * length, output by what has arrived.
 */
export class InFlightUsage implements AttemptRecords {
  /** Where the next update begins, when there are too many requests for one. */
  #next = 0;

  constructor(private readonly options: InFlightUsageOptions) {}

  begin({ trace }: ActiveAttempt, call: InferenceCall, request: DispatchRequest): void {
    const { identity } = request;
    // Settlement removes the record: it does not see copies for mirrors, nor attempts that begin too late.
    if (!(request instanceof RequestContext) || !request.isSettled || request.completed) return;
    // Counting tokens is free.
    if (identity.operation === 'count-tokens') return;
    const { clock, newId, records, priceOf } = this.options;
    trace.eventId = newId();
    const inputTokens = estimateTokensOf(call.text);
    const price = priceOf(trace, priceContextOf(request, clock));
    const event = usageEventOf(request, trace, {
      ...{ id: trace.eventId, at: clock.wallTime(), status: LOST_STATUS, outcome: 'lost' },
      ...{ requests: 0, durationMs: 0 },
    });
    trace.inFlight = records.add({
      ...event,
      ...{ inputTokens, estimated: true },
      costPico: (price && costPico(price, { inputTokens, outputTokens: 0, raw: {} })) ?? null,
    });
    trace.inputEstimate = inputTokens;
  }

  end(trace: AttemptTrace): void {
    const { inFlight } = trace;
    if (!inFlight) return;
    trace.inFlight = undefined;
    this.options.records.remove(inFlight);
  }

  /** Updates the records of running requests; to be called every second. */
  update(requests: readonly RequestContext[]): void {
    const count = Math.min(requests.length, MAX_UPDATED);
    for (let index = 0; index < count; index += 1) {
      const request = requests[(this.#next + index) % requests.length];
      if (!request) continue;
      for (const attempt of request.routing.active) this.#update(attempt, request);
    }
    this.#next = requests.length === 0 ? 0 : (this.#next + count) % requests.length;
  }

  #update({ trace, observed }: ActiveAttempt, request: RequestContext): void {
    const { inFlight, inputEstimate = 0 } = trace;
    if (!inFlight) return;
    const { clock, records, priceOf } = this.options;
    const outputTokens = Math.max(observed.usage?.outputTokens ?? 0, observed.chunks);
    const usage: Usage = { inputTokens: inputEstimate, outputTokens, raw: {} };
    const durationMs = Math.round(clock.now() - trace.startedAt);
    const price = priceOf(trace, priceContextOf(request, clock));
    records.update(inFlight, {
      ...{ outputTokens, durationMs },
      costPico: (price && costPico(price, usage, durationMs)) ?? null,
    });
  }
}
