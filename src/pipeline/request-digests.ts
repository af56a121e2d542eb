import { createHash } from 'node:crypto';
import { PushStream, type StreamSink, type StreamSource } from '../core/push-stream.ts';

/** SHA-256 of what a client sent and received, for the audit trail: a client can compute them again. */
export class RequestDigests {
  #request: string | null = null;
  #response: string | null = null;
  #stream: HashedStream | undefined;

  /** Lower-case hexadecimal digits; null for a request without a body that was read. */
  get request(): string | null {
    return this.#request;
  }

  /** Of what was sent so far; null for nothing. Keep-alives count. */
  get response(): string | null {
    this.#response ??= this.#stream?.digest() ?? null;
    return this.#response;
  }

  readRequest(text: string): void {
    this.#request = sha256(text);
  }

  writeResponse(text: string): void {
    this.#response = sha256(text);
  }

  /** @returns the same stream */
  follow(source: PushStream): PushStream {
    this.#stream = new HashedStream(source);
    return this.#stream.body;
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Passes a stream on, and hashes it. */
class HashedStream implements StreamSource, StreamSink {
  readonly body = new PushStream(this);
  readonly #hash = createHash('sha256');
  #isFinal = false;

  constructor(private readonly source: PushStream) {
    source.pipe(this);
  }

  digest(): string {
    this.#isFinal = true;
    return this.#hash.digest('hex');
  }

  write(bytes: Uint8Array): boolean {
    if (!this.#isFinal) this.#hash.update(bytes);
    return this.body.push(bytes);
  }

  end(): void {
    this.body.close();
  }

  onDrain(): void {
    this.source.ready();
  }

  onCancel(): void {
    this.source.cancel();
  }
}
