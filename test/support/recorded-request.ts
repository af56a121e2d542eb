import { toText } from './bytes.ts';
import type { MessageHead } from './http-message.ts';
import type { Waiters } from './waiters.ts';

export interface ConnectionClosed {
  /** Monotonic time of the test process, as of `performance.now()`. */
  readonly atMs: number;
  /** Which side ended the connection. */
  readonly by: 'client' | 'upstream';
  /** The socket's error code, if it did not end in order: `ECONNRESET`. */
  readonly error?: string;
}

/**
 * `complete`: the whole scripted message was handed to the socket. `cut`: the script, or closing the mock, ended
 * it early. `aborted`: the client closed first.
 */
export type Outcome = 'complete' | 'cut' | 'aborted';

/** One request that the mock upstream read in full. */
export interface RecordedRequest {
  /** 1 for the first request that the mock read. */
  readonly ordinal: number;
  /** 1 for the first connection that the mock accepted; shows which requests shared one. */
  readonly connection: number;
  readonly method: string;
  /** As on the request line: path and query. */
  readonly target: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  /** In the order and the letter case of the wire. */
  readonly rawHeaders: MessageHead['rawHeaders'];
  readonly body: Uint8Array;
  text(): string;
  /** @throws when the body is not JSON */
  json(): unknown;
  /** Monotonic time at which the last byte of the body was read. */
  readonly receivedAtMs: number;
  /** How it went, once that is known. */
  readonly outcome: Promise<Outcome>;
  /** The end of the connection that carried it, and whether that came before the end of the response. */
  readonly closed: Promise<ConnectionClosed & { readonly aborted: boolean }>;
  /** Pieces of the response handed to the socket so far, the head not counted. */
  piecesSent(): number;
  /** Resolves when `piecesSent()` is at least `count`; rejects when the response ends before that. */
  waitForPieces(count: number): Promise<void>;
}

/** The mock's side of a request: what is still to become of it. */
export class MockExchange {
  readonly request: RecordedRequest;
  private sent = 0;
  private settled: Outcome | undefined;
  private settle: (outcome: Outcome) => void = () => undefined;

  constructor(
    head: MessageHead,
    body: Uint8Array,
    identity: { readonly ordinal: number; readonly connection: number },
    closed: Promise<ConnectionClosed>,
    private readonly waiters: Waiters,
  ) {
    const [method, target] = head.start;
    const mark = target.indexOf('?');
    const outcome = new Promise<Outcome>((resolve) => {
      this.settle = resolve;
    });
    this.request = {
      ...identity,
      method,
      target,
      path: mark < 0 ? target : target.slice(0, mark),
      query: new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1)),
      headers: head.headers,
      rawHeaders: head.rawHeaders,
      body,
      text: () => toText(body),
      json: (): unknown => JSON.parse(toText(body)),
      receivedAtMs: performance.now(),
      outcome,
      closed: Promise.all([closed, outcome]).then(([end, how]) => ({ ...end, aborted: how === 'aborted' })),
      piecesSent: () => this.sent,
      waitForPieces: (count) => this.waitForPieces(count),
    };
  }

  get isOpen(): boolean {
    return this.settled === undefined;
  }

  pieceSent(): void {
    this.sent += 1;
    this.waiters.changed();
  }

  /** Only the first outcome counts. */
  finish(outcome: Outcome): void {
    if (this.settled !== undefined) return;
    this.settled = outcome;
    this.settle(outcome);
    this.waiters.changed();
  }

  private async waitForPieces(count: number): Promise<void> {
    const what = `piece ${count} of the response to request ${this.request.ordinal}`;
    await this.waiters.until(what, () => this.sent >= count || !this.isOpen);
    if (this.sent < count) throw new Error(`${what} was never sent: ${this.settled} after ${this.sent}`);
  }
}
