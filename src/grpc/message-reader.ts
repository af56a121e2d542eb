import { ByteCollector } from '../core/byte-collector.ts';

/** A byte for compression, and four for the length. */
const PREFIX = 5;

/** A message as it arrived. */
export interface IncomingMessage {
  readonly bytes: Uint8Array;
  readonly isCompressed: boolean;
}

/** A message is larger than the limit, or its prefix is not valid. */
export class MessageError extends Error {
  override readonly name = 'MessageError';

  constructor(readonly reason: 'too_large' | 'malformed') {
    super(reason);
  }
}

/**
 * Splits the data of a stream into messages.
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md (Length-Prefixed-Message)
 */
export class MessageReader {
  readonly #prefix = new Uint8Array(PREFIX);
  #prefixLength = 0;
  #missing = 0;
  readonly #body = new ByteCollector();

  /** @param maxBytes of one message, read when it begins */
  constructor(private readonly maxBytes: () => number) {}

  /** Bytes of a message that has not arrived to its end. */
  get partialBytes(): number {
    return this.#prefixLength + this.#body.length;
  }

  /** A message has begun to arrive. */
  get isPartial(): boolean {
    return this.#prefixLength > 0;
  }

  /**
   * @param bytes not changed afterwards
   * @throws MessageError
   */
  push(bytes: Uint8Array, onMessage: (message: IncomingMessage) => void): void {
    let at = 0;
    while (at < bytes.length || (this.#prefixLength === PREFIX && this.#missing === 0)) {
      if (this.#prefixLength < PREFIX) {
        this.#prefix[this.#prefixLength] = bytes[at] ?? 0;
        this.#prefixLength += 1;
        at += 1;
        if (this.#prefixLength === PREFIX) this.#begin();
        continue;
      }
      const part = bytes.subarray(at, at + this.#missing);
      this.#body.add(part);
      this.#missing -= part.length;
      at += part.length;
      if (this.#missing > 0) continue;
      this.#prefixLength = 0;
      onMessage({ bytes: this.#body.take(), isCompressed: this.#prefix[0] === 1 });
    }
  }

  release(): void {
    this.#body.release();
  }

  #begin(): void {
    if ((this.#prefix[0] ?? 0) > 1) throw new MessageError('malformed');
    this.#missing = new DataView(this.#prefix.buffer).getUint32(1);
    if (this.#missing > this.maxBytes()) throw new MessageError('too_large');
  }
}

/** @returns a message with its prefix, uncompressed */
export function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(PREFIX + message.length);
  new DataView(bytes.buffer).setUint32(1, message.length);
  bytes.set(message, PREFIX);
  return bytes;
}
