import type { Clock } from '../core/clock.ts';
import type { CompleteResult } from '../core/complete-result.ts';
import { asGatewayError, GatewayError, stoppedByGateway } from '../core/errors.ts';
import type { InferenceCall } from '../core/inference.ts';
import type { PushStream } from '../core/push-stream.ts';
import type { FrameStream, StreamEnd } from '../core/stream/frame.ts';
import { isConnectable, TransformedStream } from '../core/stream/frame-stream.ts';
import type { ConnectableStream } from '../core/stream/stage.ts';
import { estimateInputTokens } from '../core/token-estimate.ts';
import type { DeadlineMonitor, Watched } from '../dispatch/deadlines.ts';
import { deadlineExceeded } from '../dispatch/dispatch-errors.ts';
import type { InferenceResponse, ResponseSource } from '../dispatch/inference-response.ts';
import { RequestScope, type ScopeHost } from './call-scope.ts';
import { interceptorFault } from './chain.ts';
import type { Next } from './interceptor.ts';
import { KEEP_ALIVE_COMMENT, type KeepAlives } from './keep-alives.ts';
import type { Outcome, RequestContext } from './request-context.ts';
import { type RenderStreamError, StreamRenderer } from './stream-renderer.ts';
import { type Observed, totalUsage } from './total-usage.ts';

/** A parsed request and the chain that handles it. */
export interface PreparedCall {
  readonly call: InferenceCall;
  readonly chain: Next;
  readonly renderStreamError: RenderStreamError;
  /** The dialect's keep-alive in a stream; a comment when absent. */
  readonly keepAlive?: Uint8Array | undefined;
}

/** A response that is ready to be written. */
export type HandledResponse =
  | { readonly kind: 'complete'; readonly source: ResponseSource; readonly result: CompleteResult }
  | { readonly kind: 'stream'; readonly source: ResponseSource; readonly body: PushStream };

/** What the handler shares between requests. */
export interface InferenceHandlerOptions {
  readonly clock: Clock;
  readonly deadlines: DeadlineMonitor;
  /** Absent where streams get no keep-alives. */
  readonly keepAlives?: KeepAlives;
  /** Logs a defect of the gateway or of an interceptor. */
  readonly onDefect: (error: unknown, requestId: string) => void;
}

/** Ends what a request did not use. One for all: every request ends with it, and an error records its stack. */
const NOT_RETURNED = stoppedByGateway('Its response is not needed any more.');

/** Milliseconds until a detached request's stream is cancelled that has no reader. */
const UNREAD_MS = 10_000;

/** Milliseconds after its deadline when a request is ended that its chain did not end. */
const DEADLINE_GRACE_MS = 1_000;

/**
 * Runs a request through its chain and completes it: exactly once, after the handler failed, or after the response and every
 * attempt have ended. The only caller of `RequestContext.complete`.
 */
export class InferenceHandler implements ScopeHost {
  constructor(private readonly options: InferenceHandlerOptions) {}

  /**
   * @param prepare reads and checks the request
   * @returns the response, once it is committed
   * @throws GatewayError when no response was committed
   */
  async handle(
    request: RequestContext,
    prepare: () => PreparedCall | Promise<PreparedCall>,
  ): Promise<HandledResponse> {
    const run = new RequestRun(request, this.options);
    try {
      const preparing = prepare();
      const prepared = preparing instanceof Promise ? await run.unlessAborted(preparing) : preparing;
      const scope = new RequestScope(this, request, request.timing.deadlineAt);
      const response = await run.unlessAborted(prepared.chain(prepared.call, scope), cancelStream);
      return run.respond(response, prepared);
    } catch (thrown) {
      const error = request.abortReason ?? asGatewayError(thrown);
      run.finish(outcomeOf(error));
      throw error;
    }
  }

  now(): number {
    return this.options.clock.now();
  }

  settleDetached(request: RequestContext, running: Promise<InferenceResponse>): void {
    const run = new RequestRun(request, this.options);
    run
      .unlessAborted(running, cancelStream)
      .then((response) => run.observe(response))
      .catch((error: unknown) => run.finish(outcomeOf(request.abortReason ?? asGatewayError(error))));
  }

  onFault(error: unknown, { identity }: RequestContext): void {
    this.options.onDefect(error, identity.id);
  }
}

/** One request on its way through the chain. */
class RequestRun implements Watched {
  slot = -1;
  expiresAt: number;
  /** The response, where it is a stream. */
  #stream: ConnectableStream | undefined;
  #renderer: StreamRenderer | undefined;
  #finished = false;
  #rejectWaiting: ((reason: unknown) => void) | undefined;
  readonly #onAbort = () => this.#aborted();

  constructor(
    private readonly request: RequestContext,
    private readonly options: InferenceHandlerOptions,
  ) {
    this.expiresAt = request.timing.deadlineAt + DEADLINE_GRACE_MS;
    options.deadlines.watch(this);
    request.cancellation.onCancel(this.#onAbort);
  }

  /** The request's own deadline passed a while ago, and the chain goes on; or a detached stream may have no reader. */
  expire(now: number): void {
    const { request } = this;
    if (now < request.timing.deadlineAt + DEADLINE_GRACE_MS) {
      this.#checkReader();
      return;
    }
    const name = (this.#stream && holderOf(this.#stream)) ?? request.stage;
    const stage = name === '' ? 'The request' : `The interceptor "${name}"`;
    this.options.onDefect(new Error(`${stage} exceeded the deadline.`), request.identity.id);
    request.abort(deadlineExceeded());
  }

  #checkReader(): void {
    const { request, options } = this;
    this.expiresAt = request.timing.deadlineAt + DEADLINE_GRACE_MS;
    options.deadlines.watch(this);
    if (!this.#stream || this.#stream.isConnected) return;
    const message = `The stream of the detached request has no reader: ${request.identity.id}.`;
    options.onDefect(new Error(message), request.identity.id);
    this.#stream.cancel(NOT_RETURNED);
  }

  /**
   * Waits for a promise, but not beyond an abort.
   * @param onLate receives a value that comes too late
   */
  async unlessAborted<T>(promise: Promise<T>, onLate: (value: T) => void = () => undefined): Promise<T> {
    const { request } = this;
    if (request.abortReason) {
      // An unhandled rejection would end the process.
      promise.then(onLate, () => undefined);
      throw request.abortReason;
    }
    const aborted = Promise.withResolvers<never>();
    this.#rejectWaiting = aborted.reject;
    try {
      return await Promise.race([promise, aborted.promise]);
    } catch (error) {
      // Its failure has been reported by the abort.
      if (request.abortReason) promise.then(onLate, () => undefined);
      throw error;
    } finally {
      this.#rejectWaiting = undefined;
    }
  }

  #aborted(): void {
    const reason = this.request.abortReason;
    if (!reason) return;
    this.#rejectWaiting?.(reason);
    const stream = this.#stream;
    if (!stream || stream.end) return;
    // An attempt ends its stream. An interceptor may still hold it, or not read it.
    queueMicrotask(() => {
      if (this.#renderer) this.#renderer.fail(reason);
      else this.finish(outcomeOf(reason), stream.observed);
    });
  }

  respond(response: InferenceResponse, prepared: PreparedCall): HandledResponse {
    const { source, body } = response;
    this.#assertWanted(response);
    if (body.kind === 'stream' && isRead(body.stream)) {
      throw interceptorFault(this.request.stage, new TypeError('its stream is read already'));
    }
    if (body.kind === 'stream') this.#chooseStream(body.stream);
    this.#commit();
    if (body.kind === 'complete') {
      this.finish({ kind: 'done' }, body.result);
      return { kind: 'complete', source, result: body.result };
    }
    const stream = connectable(body.stream);
    this.#stream = stream;
    const renderer = new StreamRenderer({
      stream,
      writer: stream.mode === 'rewrite' ? this.#writer(prepared.call) : undefined,
      renderStreamError: prepared.renderStreamError,
      keepAlives: this.options.keepAlives,
      keepAlive: prepared.keepAlive ?? KEEP_ALIVE_COMMENT,
      endOf: (end) => this.#endForClient(end),
      onLateError: (error) => this.options.onDefect(error, this.request.identity.id),
      onEnd: (end) => this.#streamEnded(end, stream),
    });
    this.#renderer = renderer;
    return { kind: 'stream', source, body: renderer.body };
  }

  #streamEnded(end: StreamEnd, stream: ConnectableStream): void {
    if (end.kind === 'failed' && end.error.code === 'internal_error') {
      this.options.onDefect(end.error.cause ?? end.error, this.request.identity.id);
    }
    this.finish(outcomeOfEnd(end), stream.observed);
  }

  /** A response that an interceptor reads itself. */
  observe(response: InferenceResponse): void {
    const { body } = response;
    this.#assertWanted(response);
    this.#commit();
    if (body.kind === 'complete') this.finish({ kind: 'done' }, body.result);
    else {
      const stream = connectable(body.stream);
      this.#stream = stream;
      this.expiresAt = Math.min(this.expiresAt, this.options.clock.now() + UNREAD_MS);
      stream.ended.then((end) => this.finish(outcomeOfEnd(end), stream.observed));
    }
  }

  /** A stream that an interceptor cancelled is cut off for a client that still reads it. */
  #endForClient(end: StreamEnd): StreamEnd {
    if (end.kind !== 'cancelled') return end;
    const { abortReason } = this.request;
    if (abortReason?.code === 'client_closed_request') return end;
    const reason = abortReason ?? end.reason;
    if (reason.code !== 'client_closed_request') return { kind: 'failed', error: reason };
    const message = 'An interceptor cancelled the response before it was complete.';
    return { kind: 'failed', error: new GatewayError('internal_error', message, { cause: reason }) };
  }

  #commit(): void {
    const { timing, routing } = this.request;
    timing.committedAt = routing.respondedBy?.firstEventAt ?? this.options.clock.now();
  }

  #writer(call: InferenceCall) {
    if (call.operation !== 'chat' && call.operation !== 'completion') return undefined;
    return call.dialect.streamWriter({
      model: call.model,
      requestId: this.request.identity.id,
      createdSeconds: Math.floor(this.options.clock.wallTime() / 1000),
      includesStreamUsage: call.includesStreamUsage,
      estimateInputTokens: () => estimateInputTokens(call),
      body: call.body,
    });
  }

  /** @throws GatewayError the reason of an abort that came together with the response */
  #assertWanted(response: InferenceResponse): void {
    const { abortReason } = this.request;
    if (!abortReason) return;
    cancelStream(response);
    throw abortReason;
  }

  /** Records whose stream was returned, and cancels those that interceptors received and did not return. */
  #chooseStream(stream: FrameStream): void {
    const { routing } = this.request;
    let source = stream;
    while (source instanceof TransformedStream) source = source.parent;
    for (const attempt of [...routing.active]) {
      if (attempt.stream === source) routing.respondedBy = attempt.trace;
      else if (attempt.stream) attempt.cancel(NOT_RETURNED);
    }
  }

  /** Ends what is left of the request, then completes it. The first call counts. */
  finish(outcome: Outcome, observed?: Observed): void {
    if (this.#finished) return;
    this.#finished = true;
    const { request, options } = this;
    const { routing } = request;
    request.close(NOT_RETURNED);
    for (const attempt of [...routing.active]) attempt.cancel(NOT_RETURNED);
    routing.whenIdle(() => {
      options.deadlines.unwatch(this);
      request.cancellation.removeListener(this.#onAbort);
      Object.assign(request.usage, totalUsage(routing, observed));
      request.complete(outcome);
    });
  }
}

function cancelStream({ body }: InferenceResponse): void {
  if (body.kind === 'stream') body.stream.cancel(NOT_RETURNED);
}

function connectable(stream: FrameStream): ConnectableStream {
  if (isConnectable(stream)) return stream;
  throw new TypeError('only a stream of this gateway can be returned');
}

function isRead(stream: FrameStream): boolean {
  return isConnectable(stream) && stream.isConnected;
}

/** The interceptor that holds a stream, if one does. */
function holderOf(stream: FrameStream): string | undefined {
  for (let stage = stream; stage instanceof TransformedStream; stage = stage.parent) {
    if (stage.heldBy !== undefined) return stage.heldBy;
  }
  return undefined;
}

function outcomeOf(error: GatewayError): Outcome {
  return error.code === 'client_closed_request' ? { kind: 'client_gone' } : { kind: 'failed', error };
}

function outcomeOfEnd(end: StreamEnd): Outcome {
  switch (end.kind) {
    case 'done':
      return { kind: 'done' };
    case 'failed':
      return outcomeOf(end.error);
    case 'cancelled':
      return { kind: 'client_gone' };
  }
}
