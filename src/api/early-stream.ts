import { asGatewayError, GatewayError } from '../core/errors.ts';
import { cancelBody, PushStream, type StreamSource } from '../core/push-stream.ts';
import type { HandledResponse } from '../pipeline/inference-handler.ts';
import type { KeepAlives, SilentStream } from '../pipeline/keep-alives.ts';

export interface EarlyStreamOptions {
  readonly response: Promise<HandledResponse>;
  readonly keepAlives: KeepAlives;
  /** What is sent at once, and while nothing else is. */
  readonly keepAlive: Uint8Array;
  readonly renderStreamError: (error: GatewayError) => Uint8Array;
  /** The client left before the response began. */
  readonly onCancel: () => void;
}

/**
 * An event stream whose head is sent before its response begins: keep-alives, and then the response. A failure becomes an
 * error event.
 */
export class EarlyStream implements StreamSource, SilentStream {
  slot = -1;
  silence = 0;
  readonly body = new PushStream(this);
  readonly #options: EarlyStreamOptions;
  #response: PushStream | undefined;
  #cancelled = false;

  constructor(options: EarlyStreamOptions) {
    this.#options = options;
    this.body.push(options.keepAlive);
    options.keepAlives.add(this);
    options.response.then(
      (response) => this.#begin(response),
      (error: unknown) => this.#fail(asGatewayError(error)),
    );
  }

  keepAlive(): void {
    this.body.push(this.#options.keepAlive);
  }

  #begin(response: HandledResponse): void {
    if (response.kind !== 'stream') {
      this.#fail(new GatewayError('internal_error', 'A stream was expected, and a complete response came.'));
      return;
    }
    this.#options.keepAlives.remove(this);
    if (this.#cancelled) {
      void cancelBody(response.body);
      return;
    }
    this.#response = response.body;
    response.body.pipe({ write: (bytes) => this.body.push(bytes), end: () => this.body.close() });
  }

  #fail(error: GatewayError): void {
    this.#options.keepAlives.remove(this);
    if (this.#cancelled) return;
    this.body.push(this.#options.renderStreamError(error));
    this.body.close();
  }

  // The reader's side.

  onDrain(): void {
    this.#response?.ready();
  }

  onCancel(): void {
    this.#cancelled = true;
    this.#options.keepAlives.remove(this);
    if (this.#response) this.#response.cancel();
    else this.#options.onCancel();
  }
}
