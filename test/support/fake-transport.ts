import {
  type Transport,
  TransportError,
  type TransportFailure,
  type UpstreamCall,
  type UpstreamHandler,
  type UpstreamHeaders,
  type UpstreamRequest,
} from '../../src/core/transport.ts';
import { type Bytes, toBytes } from './bytes.ts';

export function upstreamHeaders(headers: Readonly<Record<string, string>>): UpstreamHeaders {
  return { get: (name) => headers[name] ?? null, keys: () => Object.keys(headers) };
}

/** One exchange whose upstream is the test. Its methods throw where a real transport would break its contract. */
export class FakeUpstreamCall implements UpstreamCall {
  state: 'waiting' | 'answering' | 'ended' | 'failed' | 'aborted' = 'waiting';
  paused = false;
  aborts = 0;

  constructor(
    readonly request: UpstreamRequest,
    private readonly handler: UpstreamHandler,
  ) {}

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  abort(): void {
    this.aborts += 1;
    if (this.open) this.state = 'aborted';
  }

  get open(): boolean {
    return this.state === 'waiting' || this.state === 'answering';
  }

  head(
    status = 200,
    headers: Readonly<Record<string, string>> = { 'content-type': 'text/event-stream' },
  ): void {
    this.#assert(this.state === 'waiting', 'a second head');
    this.state = 'answering';
    this.handler.onHead(status, upstreamHeaders(headers));
  }

  data(bytes: Bytes): void {
    this.#assert(this.state === 'answering' && !this.paused, 'data');
    this.handler.onData(toBytes(bytes));
  }

  end(): void {
    this.#assert(this.state === 'answering' && !this.paused, 'an end');
    this.state = 'ended';
    this.handler.onEnd();
  }

  fail(failure: TransportFailure = 'closed_mid_body'): void {
    this.#assert(this.open, 'an error');
    this.state = 'failed';
    this.handler.onError(new TransportError(failure, `made to fail: ${failure}`));
  }

  #assert(allowed: boolean, what: string): void {
    if (!allowed) throw new Error(`no transport reports ${what} when ${this.paused ? 'paused' : this.state}`);
  }
}

export class FakeTransport implements Transport {
  readonly upstreamCalls: FakeUpstreamCall[] = [];
  closed = false;

  /** @param onSend told of each exchange in a later turn, as answers come */
  constructor(private readonly onSend?: (upstreamCall: FakeUpstreamCall) => void) {}

  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    const upstreamCall = new FakeUpstreamCall(request, handler);
    this.upstreamCalls.push(upstreamCall);
    const { onSend } = this;
    if (onSend) queueMicrotask(() => onSend(upstreamCall));
    return upstreamCall;
  }

  close(): void {
    this.closed = true;
  }

  /** The exchange that was started last. */
  get last(): FakeUpstreamCall {
    const upstreamCall = this.upstreamCalls.at(-1);
    if (!upstreamCall) throw new Error('nothing was sent');
    return upstreamCall;
  }
}

/** A transport that answers everything with one status and body. */
export function answering(
  status: number,
  body: Bytes,
  headers: Readonly<Record<string, string>> = {},
): FakeTransport {
  return new FakeTransport((upstreamCall) => {
    upstreamCall.head(status, { 'content-type': 'application/json', ...headers });
    if (!upstreamCall.open) return;
    upstreamCall.data(body);
    upstreamCall.end();
  });
}
