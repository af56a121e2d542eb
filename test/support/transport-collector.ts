import type {
  Transport,
  TransportError,
  UpstreamCall,
  UpstreamHeaders,
  UpstreamRequest,
} from '../../src/core/transport.ts';

/** What an exchange has reported so far. */
export interface Collected {
  readonly status: number | undefined;
  readonly headers: UpstreamHeaders | undefined;
  readonly body: Buffer;
  readonly ended: boolean;
  readonly error: TransportError | undefined;
  text(): string;
}

export interface CollectedCall {
  readonly upstreamCall: UpstreamCall;
  readonly result: Collected;
  /** Resolves at the end or the error. */
  readonly done: Promise<Collected>;
  /** Resolves with the head. */
  readonly head: Promise<void>;
  /** Resolves when this many body bytes have come. */
  bytes(count: number): Promise<void>;
  /** What broke the transport contract; `done` rejects with it too. */
  violations(): readonly string[];
}

/** Sends a request and collects its response, holding the transport to the order its interface promises. */
export function sendAndCollect(transport: Transport, request: UpstreamRequest): CollectedCall {
  const chunks: Uint8Array[] = [];
  const violations: string[] = [];
  const head = Promise.withResolvers<void>();
  const done = Promise.withResolvers<Collected>();
  const waiting: { count: number; resolve: () => void }[] = [];
  let status: number | undefined;
  let headers: UpstreamHeaders | undefined;
  let length = 0;
  let ended = false;
  let error: TransportError | undefined;
  let sendReturned = false;
  const expectThat = (holds: boolean, otherwise: string) => {
    if (holds) return;
    violations.push(otherwise);
    done.reject(new Error(otherwise));
  };
  const called = (name: string) => {
    expectThat(sendReturned, `${name} before send returned`);
    expectThat(!ended && error === undefined, `${name} after the exchange was over`);
  };
  const result: Collected = {
    get status() {
      return status;
    },
    get headers() {
      return headers;
    },
    get body() {
      return Buffer.concat(chunks);
    },
    get ended() {
      return ended;
    },
    get error() {
      return error;
    },
    text: () => Buffer.concat(chunks).toString(),
  };
  const upstreamCall = transport.send(request, {
    onHead(code, fields) {
      called('onHead');
      expectThat(status === undefined, 'onHead twice');
      status = code;
      headers = fields;
      head.resolve();
    },
    onData(bytes) {
      called('onData');
      expectThat(status !== undefined, 'onData before onHead');
      chunks.push(bytes);
      length += bytes.length;
      for (const wait of waiting) if (wait.count <= length) wait.resolve();
    },
    onEnd() {
      called('onEnd');
      expectThat(status !== undefined, 'onEnd before onHead');
      ended = true;
      done.resolve(result);
    },
    onError(failure) {
      called('onError');
      error = failure;
      done.resolve(result);
    },
  });
  sendReturned = true;
  return {
    upstreamCall,
    result,
    done: done.promise,
    head: head.promise,
    bytes: (count) =>
      new Promise((resolve) => {
        if (count <= length) resolve();
        else waiting.push({ count, resolve });
      }),
    violations: () => violations,
  };
}
