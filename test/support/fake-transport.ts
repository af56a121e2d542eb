import {
  type Transport,
  TransportError,
  type TransportFailure,
  type UpstreamExchange,
  type UpstreamHandler,
  type UpstreamHeaders,
  type UpstreamRequest,
} from '../../src/core/transport.ts';
import { type Bytes, toSlice } from './bytes.ts';

export function upstreamHeaders(headers: Readonly<Record<string, string>>): UpstreamHeaders {
  return { get: (name) => headers[name] ?? null };
}

/** One exchange whose upstream is the test. Its methods throw where a real transport would break its contract. */
export class FakeExchange implements UpstreamExchange {
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
    this.handler.onData(toSlice(bytes));
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
  readonly exchanges: FakeExchange[] = [];
  closed = false;

  /** @param onSend told of each exchange in a later turn, as answers come */
  constructor(private readonly onSend?: (exchange: FakeExchange) => void) {}

  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamExchange {
    const exchange = new FakeExchange(request, handler);
    this.exchanges.push(exchange);
    const { onSend } = this;
    if (onSend) queueMicrotask(() => onSend(exchange));
    return exchange;
  }

  close(): void {
    this.closed = true;
  }

  /** The exchange that was started last. */
  get last(): FakeExchange {
    const exchange = this.exchanges.at(-1);
    if (!exchange) throw new Error('nothing was sent');
    return exchange;
  }
}

/** A transport that answers everything with one status and body. */
export function answering(
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): FakeTransport {
  return new FakeTransport((exchange) => {
    exchange.head(status, { 'content-type': 'application/json', ...headers });
    exchange.data(body);
    exchange.end();
  });
}
