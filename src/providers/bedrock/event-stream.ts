import { EventStreamCodec } from '@smithy/eventstream-codec';
import { concatBytes } from '../../core/bytes.ts';

/** One message of AWS's binary event stream. */
export interface EventStreamMessage {
  /** `event`, `exception` or `error`. */
  readonly kind: string;
  /** Name of the event or exception. */
  readonly type: string;
  readonly body: Uint8Array;
  /** For `error` messages, which have no body. */
  readonly errorMessage: string | undefined;
}

/** Bytes that are not a valid event stream. */
export class MalformedEventStreamError extends Error {}

/** Smallest frame of the format, in bytes: lengths and checksums. */
const LENGTH_BYTES = 4;
const SMALLEST = 16;
/** Bytes. The format limits headers and body to 24 MiB together. */
const LARGEST = 25 * 1024 * 1024;

/**
 * Splits `application/vnd.amazon.eventstream` into messages and verifies their checksums.
 * Source: https://smithy.io/2.0/aws/amazon-eventstream.html
 */
export class EventStreamFramer {
  readonly #codec = new EventStreamCodec(
    (bytes) => Buffer.from(bytes).toString('utf8'),
    (text) => Buffer.from(text, 'utf8'),
  );
  /** The beginning of a message, in the pieces in which it arrived. */
  #held: Uint8Array[] = [];
  #heldLength = 0;
  /** Bytes from the start of the held message to its end; unknown before its length has arrived. */
  #needed = LENGTH_BYTES;

  /**
   * @param onMessage called for each complete message, synchronously and in order
   * @throws MalformedEventStreamError for an invalid length or checksum
   */
  push(bytes: Uint8Array, onMessage: (message: EventStreamMessage) => void): void {
    this.#held.push(bytes);
    this.#heldLength += bytes.length;
    // The pieces of a message are joined once, when it is complete.
    if (this.#heldLength < this.#needed) return;
    let rest = concatBytes(this.#held);
    this.#needed = LENGTH_BYTES;
    while (rest.length >= LENGTH_BYTES) {
      const length = new DataView(rest.buffer, rest.byteOffset, rest.byteLength).getUint32(0);
      if (length < SMALLEST || length > LARGEST) {
        throw new MalformedEventStreamError(`a message of ${length} bytes`);
      }
      if (rest.length < length) {
        this.#needed = length;
        break;
      }
      onMessage(this.#decode(rest.subarray(0, length)));
      rest = rest.subarray(length);
    }
    this.#held = rest.length === 0 ? [] : [rest];
    this.#heldLength = rest.length;
  }

  /** Whether the stream ended within a message. */
  get incomplete(): boolean {
    return this.#heldLength > 0;
  }

  #decode(frame: Uint8Array): EventStreamMessage {
    let decoded: ReturnType<EventStreamCodec['decode']>;
    try {
      decoded = this.#codec.decode(frame);
    } catch (cause) {
      throw new MalformedEventStreamError('a message that is damaged', { cause });
    }
    const { headers, body } = decoded;
    const text = (name: string): string | undefined => {
      const value: unknown = headers[name]?.value;
      return typeof value === 'string' ? value : undefined;
    };
    return {
      kind: text(':message-type') ?? 'event',
      type: text(':event-type') ?? text(':exception-type') ?? text(':error-code') ?? '',
      body,
      errorMessage: text(':error-message'),
    };
  }
}
