import { FLAG, FRAME, type Frame } from './frames.ts';
import { TokenBucket } from './token-bucket.ts';

/** Refill of the budget without any data, in frames per second. */
const FRAMES_PER_SECOND = 50;
/** Streams that a client may cancel at once, and in the long run per second, as in nghttp2. */
const RESETS = 1_000;
const RESETS_PER_SECOND = 33;
/** A frame that the client receives may cause a PING and two WINDOW_UPDATEs. */
const EARNED_BY_SENT = 4;
const EARNED_BY_DATA = 2;
/** Smaller DATA cost more than they carry. Bytes. */
const SMALL_DATA = 256;

/**
 * Limits the frames that cost the server more than the client: PING, SETTINGS, PRIORITY, WINDOW_UPDATE and tiny or empty DATA,
 * and streams that are cancelled at once. Clients earn more with the data that they send and receive.
 * @see https://www.rfc-editor.org/rfc/rfc9113#section-10.5, CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-27316
 */
export class ClientBudget {
  readonly #frames: TokenBucket;
  readonly #resets = new TokenBucket(RESETS, RESETS_PER_SECOND);

  /** @param frames that a client may send ahead of its data */
  constructor(frames: number) {
    this.#frames = new TokenBucket(frames, FRAMES_PER_SECOND);
  }

  /** @returns whether the client may send it */
  frame({ type, flags, payload }: Frame): boolean {
    if (type === FRAME.RST_STREAM) return this.#resets.take(1);
    if (type === FRAME.DATA) {
      const isSmall = payload.length < SMALL_DATA && !(flags & FLAG.END_STREAM);
      if (isSmall) return this.#frames.take(1);
      this.#frames.earn(EARNED_BY_DATA);
      return true;
    }
    // Each one has a stream, which other limits count.
    if (type === FRAME.HEADERS) return true;
    // Settings are read one by one.
    const cost = type === FRAME.SETTINGS ? 1 + payload.length / 60 : 1;
    return this.#frames.take(cost);
  }

  /** A stream of the client is refused. @returns whether it may go on */
  refusal(): boolean {
    return this.#resets.take(1);
  }

  /** A frame of data was sent to the client. */
  sent(): void {
    this.#frames.earn(EARNED_BY_SENT);
  }

  /** A second has passed. */
  tick(): void {
    this.#frames.tick();
    this.#resets.tick();
  }
}
