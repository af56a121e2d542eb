import { OutputBytes } from '../core/bytes.ts';
import { asGatewayError, type GatewayError } from '../core/errors.ts';
import type { ByteDecoder } from '../core/inference.ts';
import { OutputText } from '../core/output-text.ts';
import { EventTooLargeError, SseFramer } from '../core/sse.ts';
import type { StreamObservation } from '../core/stream/observation.ts';
import { invalidResponse } from './decode.ts';
import type { Provider } from './types.ts';

/**
 * Forwards server-sent events to a client that speaks the provider's format. A format says what each block means; this
 * class keeps the observation, the output, and failures as gateway errors.
 */
export abstract class SsePassthroughDecoder implements ByteDecoder {
  /** Text of the response, for token counts where the upstream reports none. */
  protected readonly text = new OutputText();
  readonly observed: StreamObservation = {
    usage: undefined,
    finishReason: undefined,
    chunks: 0,
    text: this.text,
  };
  started = false;
  finished = false;
  failure: GatewayError | undefined;
  /** Bytes for the client, returned by the next `push` or `end`. */
  protected readonly out = new OutputBytes();
  readonly #framer = new SseFramer();
  readonly #onBlock = (block: Uint8Array) => {
    if (!this.finished) this.block(block);
  };

  constructor(protected readonly provider: Pick<Provider, 'id' | 'credential'>) {}

  push(bytes: Uint8Array): Uint8Array | undefined {
    if (this.finished || this.failure) return undefined;
    try {
      this.#framer.push(bytes, this.#onBlock);
    } catch (error) {
      this.#fail(error);
    }
    return this.out.take();
  }

  end(): Uint8Array | undefined {
    if (this.finished || this.failure) return undefined;
    try {
      const rest = this.#framer.end();
      if (rest.length > 0) this.#onBlock(rest);
      if (!this.finished) this.bodyEnded();
    } catch (error) {
      this.#fail(error);
    }
    return this.out.take();
  }

  /** Forwards one block: an event or a comment, with its empty line. @throws GatewayError when it cannot be forwarded */
  protected abstract block(block: Uint8Array): void;

  /** Reads the end of a body without the format's last event. @throws GatewayError when the response is not complete */
  protected abstract bodyEnded(): void;

  #fail(error: unknown): void {
    this.failure =
      error instanceof EventTooLargeError
        ? invalidResponse(this.provider, `sent an unreadable stream: ${error.message}.`)
        : asGatewayError(error);
  }
}
