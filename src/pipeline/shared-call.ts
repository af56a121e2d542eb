import { GatewayError, stoppedByGateway } from '../core/errors.ts';
import type { Frame, StreamEnd, StreamMode } from '../core/stream/frame.ts';
import { isConnectable, SourceStream } from '../core/stream/frame-stream.ts';
import type { StreamObservation } from '../core/stream/observation.ts';
import type { ConnectableStream, FrameProducer } from '../core/stream/stage.ts';
import { deadlineExceeded } from '../dispatch/dispatch-errors.ts';
import type { InferenceResponse } from '../dispatch/inference-response.ts';
import type { BranchScope, CallScope } from './interceptor.ts';

/** What an event without bytes counts as in a buffer. */
const EVENT_BYTES = 150;
const NOT_NEEDED = stoppedByGateway('No request waits for this call any more.');
const NO_OBSERVATION: StreamObservation = { usage: undefined, finishReason: undefined, chunks: 0 };

/** Watches deadlines; see `DeadlineMonitor`. */
interface Deadlines {
  watch(entry: SharedCallMember): void;
  unwatch(entry: SharedCallMember): void;
}

/** One part in a shared call: a request of this gateway, or other gateways together. */
export interface CallMember {
  /** It takes no more at the moment. */
  readonly isPaused: boolean;
  /** A client waits for the response, here or at another gateway. */
  readonly isWaiting: boolean;
  /** @param frames that came before this member */
  respond(response: InferenceResponse, frames: readonly Frame[]): void;
  receive(frame: Frame): void;
  finish(end: StreamEnd): void;
  fail(error: unknown): void;
  /** Another member has left: does this one still wait? */
  recheck?(): void;
}

export interface SharedCallOptions {
  /** The request that makes the call, here or at another gateway. */
  readonly owner: Pick<BranchScope, 'deadlineAt' | 'cancel'>;
  /** Bytes that one member may be behind the upstream. */
  readonly bufferBytes: number;
  readonly deadlines: Deadlines;
  /** Called once, when no more requests can join. */
  readonly onClosed: () => void;
}

/**
 * One upstream call whose response several requests receive. A stream is kept from its beginning as long as it fits the
 * buffer, so that requests can join late. A member that leaves cancels nothing; the last one cancels the call.
 */
export class SharedCall {
  readonly #members = new Set<CallMember>();
  /** Frames so far; undefined when they are too many for others to join. */
  #frames: Frame[] | undefined = [];
  #bytes = 0;
  #response: InferenceResponse | undefined;
  #stream: ConnectableStream | undefined;
  #end: StreamEnd | undefined;
  #failure: unknown;
  #isOver = false;
  #isPaused = false;
  #isOpen = true;

  constructor(readonly options: SharedCallOptions) {}

  /** Whether a request can still receive all of the response. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  get deadlineAt(): number {
    return this.options.owner.deadlineAt;
  }

  get observed(): StreamObservation {
    return this.#stream?.observed ?? NO_OBSERVATION;
  }

  get mode(): StreamMode {
    return this.#stream?.mode ?? 'bytes';
  }

  /** @throws what the call throws, or the reason for which the request ends earlier */
  join(scope: CallScope): Promise<InferenceResponse> {
    const member = new SharedCallMember(this, scope);
    this.#members.add(member);
    member.begin();
    if (this.#failure !== undefined) member.fail(this.#failure);
    else if (this.#response) member.respond(this.#response, this.#frames ?? []);
    return member.response;
  }

  /** Adds a part that has no request of its own. Call before the upstream responds. */
  add(member: CallMember): void {
    this.#members.add(member);
  }

  /** The upstream responds. */
  respond(response: InferenceResponse): void {
    this.#response = response;
    const { body } = response;
    if (body.kind === 'complete') {
      this.#isOver = true;
      this.#close();
    } else if (isConnectable(body.stream)) this.#stream = body.stream;
    for (const member of this.#members) member.respond(response, []);
    this.#stream?.connect({
      frame: (frame) => this.#frame(frame),
      end: (end) => this.#ended(end),
    });
  }

  fail(error: unknown): void {
    this.#failure = error;
    this.#isOver = true;
    this.#close();
    for (const member of this.#members) member.fail(error);
    this.#members.clear();
  }

  leave(member: CallMember): void {
    if (!this.#members.delete(member)) return;
    for (const other of this.#members) other.recheck?.();
    this.review();
  }

  /** Ends the call when no member waits for it any more. */
  review(): void {
    if (this.#isOver) return;
    if ([...this.#members].some(({ isWaiting }) => isWaiting)) {
      this.balance();
      return;
    }
    this.#isOver = true;
    this.#close();
    this.options.owner.cancel(NOT_NEEDED);
    this.#stream?.cancel(NOT_NEEDED);
  }

  /** The upstream pauses while no member can take more. */
  balance(): void {
    const wants = [...this.#members].some(({ isPaused }) => !isPaused);
    if (wants === !this.#isPaused || this.#isOver) return;
    this.#isPaused = !wants;
    if (this.#isPaused) this.#stream?.pause();
    else this.#stream?.resume();
  }

  #frame(frame: Frame): void {
    this.#bytes += bytesOf(frame);
    if (this.#bytes > this.options.bufferBytes && this.#frames) {
      this.#frames = undefined;
      this.#close();
    } else this.#frames?.push(frame);
    for (const member of [...this.#members]) member.receive(frame);
  }

  #ended(end: StreamEnd): void {
    this.#end = end;
    this.#isOver = true;
    this.#close();
    for (const member of [...this.#members]) member.finish(end);
    this.#members.clear();
  }

  get end(): StreamEnd | undefined {
    return this.#end;
  }

  renderFailure(error: GatewayError): Uint8Array | undefined {
    return this.#stream?.renderFailure(error);
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.options.onClosed();
  }
}

/** One request's part in a shared call: its own stream, with what it has not read yet. */
export class SharedCallMember implements CallMember, FrameProducer {
  slot = -1;
  readonly isWaiting = true;
  readonly response: Promise<InferenceResponse>;
  readonly #resolve: (response: InferenceResponse) => void;
  readonly #reject: (error: unknown) => void;
  #stream: SourceStream | undefined;
  #waiting: Frame[] = [];
  #waitingBytes = 0;
  #end: StreamEnd | undefined;
  #isPaused = false;
  #isOver = false;

  constructor(
    private readonly call: SharedCall,
    private readonly scope: CallScope,
  ) {
    const { promise, resolve, reject } = Promise.withResolvers<InferenceResponse>();
    this.response = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get expiresAt(): number {
    return this.scope.deadlineAt;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get observed(): StreamObservation {
    return this.call.observed;
  }

  begin(): void {
    this.scope.cancellation.onCancel((reason) => this.#leave(reason));
    if (this.scope.deadlineAt < this.call.deadlineAt) this.call.options.deadlines.watch(this);
  }

  /** Its own deadline passed, and that of the call has not. */
  expire(): void {
    const error = deadlineExceeded();
    if (this.#stream) this.#cutOff(error);
    else this.#leave(error);
  }

  respond(response: InferenceResponse, frames: readonly Frame[]): void {
    if (this.#isOver) return;
    if (response.body.kind === 'complete') {
      this.#close();
      this.#resolve(response);
      return;
    }
    this.#stream = new SourceStream(this.call.mode, this);
    for (const frame of frames) this.#stream.push(frame);
    if (this.call.end) this.finish(this.call.end);
    this.#resolve({ ...response, body: { kind: 'stream', stream: this.#stream } });
  }

  receive(frame: Frame): void {
    if (this.#isOver || !this.#stream) return;
    if (!this.#isPaused) {
      this.#stream.push(frame);
      return;
    }
    this.#waiting.push(frame);
    this.#waitingBytes += bytesOf(frame);
    const { bufferBytes } = this.call.options;
    if (this.#waitingBytes <= bufferBytes) return;
    const message = `The response was cut off: this client is more than ${bufferBytes} bytes behind others that share it. Read faster, or send "x-weir-cache: bypass".`;
    this.#cutOff(new GatewayError('gateway_overloaded', message));
  }

  finish(end: StreamEnd): void {
    if (this.#isOver) return;
    this.#end = end;
    if (this.#waiting.length === 0 || end.kind === 'cancelled') this.#finish(end);
  }

  fail(error: unknown): void {
    this.#close();
    this.#reject(error);
  }

  #cutOff(error: GatewayError): void {
    this.#finish({ kind: 'failed', error });
    this.call.leave(this);
  }

  #leave(reason: GatewayError): void {
    if (this.#isOver) return;
    this.#reject(reason);
    this.#finish({ kind: 'cancelled', reason });
    this.call.leave(this);
  }

  #finish(end: StreamEnd): void {
    this.#close();
    this.#waiting = [];
    this.#stream?.finish(end);
  }

  #close(): void {
    this.#isOver = true;
    this.call.options.deadlines.unwatch(this);
  }

  // The stream's side.

  pause(): void {
    if (this.#isPaused || this.#isOver) return;
    this.#isPaused = true;
    this.call.balance();
  }

  resume(): void {
    if (!this.#isPaused || this.#isOver) return;
    this.#isPaused = false;
    while (!this.#isPaused && !this.#isOver) {
      const frame = this.#waiting.shift();
      if (!frame) break;
      this.#waitingBytes -= bytesOf(frame);
      this.#stream?.push(frame);
    }
    if (this.#isPaused || this.#isOver) return;
    if (this.#end) this.#finish(this.#end);
    else this.call.balance();
  }

  cancel(reason: GatewayError): void {
    this.#leave(reason);
  }

  renderFailure(error: GatewayError): Uint8Array | undefined {
    return this.call.renderFailure(error);
  }
}

/** @returns what a frame counts as in a buffer, in bytes */
export function bytesOf({ bytes, events }: Frame): number {
  return (bytes?.length ?? 0) + EVENT_BYTES * events.length;
}
