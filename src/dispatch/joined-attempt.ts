import { asGatewayError, GatewayError } from '../core/errors.ts';
import type { EmbeddingCall } from '../core/inference.ts';
import type { FrameStream } from '../core/stream/frame.ts';
import type { StreamObservation } from '../core/stream/observation.ts';
import type { UpstreamHeaders } from '../core/transport.ts';
import type { Warning } from '../core/warning.ts';
import { Attempt } from './attempt.ts';
import type { AttemptOptions } from './attempt-options.ts';
import type { AttemptTrace, JoinedTrace } from './attempt-trace.ts';
import type { Watched } from './deadlines.ts';
import { deadlineExceeded } from './dispatch-errors.ts';
import type { InferenceResponse } from './inference-response.ts';
import type { JoinedPart } from './joined-call.ts';

const NO_OBSERVATION: StreamObservation = { usage: undefined, finishReason: undefined, chunks: 0 };
/** Of an attempt that ended before its batch was sent: no upstream has worked for it. */
const NOTHING_USED: StreamObservation = {
  usage: { inputTokens: 0, outputTokens: 0, raw: {} },
  finishReason: undefined,
  chunks: 0,
};

/** An attempt as its bookkeeping drives it. */
export interface RunningAttempt {
  readonly response: Promise<InferenceResponse>;
  readonly observed: StreamObservation;
  readonly stream: FrameStream | undefined;
  start(): void;
  cancel(reason: GatewayError): void;
}

/** The options of an attempt that may be joined with others. */
export interface JoiningOptions extends AttemptOptions {
  readonly trace: AttemptTrace;
}

/** The upstream call that an attempt is a part of. */
export interface JoinedBatch {
  add(attempt: JoinedAttempt): void;
  /** The attempt has ended before its batch. */
  leave(attempt: JoinedAttempt): void;
  /** @returns true for the attempt whose end counts for the health of the target: one for each upstream call */
  claim(): boolean;
}

/**
 * An attempt whose inputs are sent in one upstream call with those of others. It has its own deadline, end and usage. A client
 * that leaves ends its own attempt only.
 */
export class JoinedAttempt implements RunningAttempt, Watched {
  slot = -1;
  expiresAt: number;
  readonly response: Promise<InferenceResponse>;
  readonly stream = undefined;
  readonly #resolve: (response: InferenceResponse) => void;
  readonly #reject: (error: GatewayError) => void;
  #batch: JoinedBatch | undefined;
  #alone: Attempt | undefined;
  #ended = false;

  /**
   * @param startedAt monotonic milliseconds
   * @param enter finds the batch that the call goes with
   */
  constructor(
    readonly options: JoiningOptions,
    readonly call: EmbeddingCall,
    private readonly startedAt: number,
    private readonly enter: () => JoinedBatch,
  ) {
    this.expiresAt = Math.min(startedAt + options.firstTokenMs, options.deadlineAt);
    const { promise, resolve, reject } = Promise.withResolvers<InferenceResponse>();
    this.response = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get observed(): StreamObservation {
    return this.#alone?.observed ?? NO_OBSERVATION;
  }

  start(): void {
    if (this.#ended) return;
    this.options.deadlines.watch(this);
    this.#batch = this.enter();
    this.#batch.add(this);
  }

  cancel(reason: GatewayError): void {
    if (this.#alone) this.#alone.cancel(reason);
    else this.fail(reason);
  }

  expire(now: number): void {
    const { target, deadlineAt } = this.options;
    const provider = target.provider.id;
    this.fail(
      now >= deadlineAt
        ? deadlineExceeded()
        : new GatewayError('upstream_timeout', `Provider "${provider}" did not respond in time.`, {
            provider,
          }),
    );
  }

  /** Its batch is sent. */
  sentWith(joined: JoinedTrace): void {
    this.options.trace.joined = joined;
  }

  /** Sends its call without others. Its deadline stays. */
  sendAlone(): void {
    if (this.#ended) return;
    const { options } = this;
    const { joined } = options.trace;
    this.#ended = true;
    options.deadlines.unwatch(this);
    if (joined) options.trace.joined = { ...joined, wasRepeatedAlone: true };
    const alone = new Attempt(options, this.startedAt);
    this.#alone = alone;
    alone.response.then(this.#resolve, this.#reject);
    try {
      alone.start();
    } catch (error) {
      alone.cancel(asGatewayError(error));
    }
  }

  /** @param warnings of the upstream call */
  succeed({ result, isEstimated }: JoinedPart, headers: UpstreamHeaders, warnings: readonly Warning[]): void {
    if (this.#ended) return;
    this.#end();
    const { options } = this;
    const { target, trace, context } = options;
    for (const warning of warnings) context.warn(warning);
    options.onBuilt?.();
    if (isEstimated) trace.estimated = true;
    this.#count();
    options.onFirstEvent(headers);
    this.#resolve({ source: { kind: 'target', target }, body: { kind: 'complete', result } });
    options.onEnd({ kind: 'done', observed: { usage: result.usage, finishReason: undefined, chunks: 1 } });
  }

  fail(error: GatewayError): void {
    if (this.#ended) return;
    this.#end();
    const { options } = this;
    const observed = options.trace.joined ? undefined : NOTHING_USED;
    this.#batch?.leave(this);
    this.#reject(error);
    if (error.code === 'client_closed_request') {
      options.onEnd({ kind: error.details.byGateway ? 'stopped' : 'client_gone', observed });
      return;
    }
    if (error.code !== 'deadline_exceeded') this.#count();
    options.onEnd({ kind: 'failed', error, observed });
  }

  #end(): void {
    this.#ended = true;
    this.options.deadlines.unwatch(this);
  }

  #count(): void {
    const { joined } = this.options.trace;
    if (joined) this.options.trace.joined = { ...joined, isCounted: this.#batch?.claim() ?? true };
  }
}
