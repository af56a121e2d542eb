/** Times that nothing followed a response, before an origin is trusted. */
const PROOFS = 3;
/** Milliseconds without reuse of connections to an origin that sent bytes which belong to no request. */
const DISTRUST_MS = 600_000;
const MAX_ORIGINS = 10_000;

interface Record {
  quiet: number;
  /** Monotonic milliseconds of the last quiet response that counted. */
  quietAt: number;
  /** Monotonic milliseconds; connections are not reused before. */
  distrustedUntil: number;
}

/**
 * Which upstreams frame their responses correctly. Bytes that follow a response would be read as the response to the next request
 * on that connection, and the two look the same once the request is sent. Upstreams with this fault have it from the
 * first response on, so that the first responses show it.
 */
export class OriginTrust {
  readonly #origins = new Map<string, Record>();

  /**
   * @param now monotonic milliseconds
   * @param spacingMs responses that were quiet at the same time count as one: an upstream that is slow at that moment would
   *   have sent nothing after any of them
   */
  constructor(
    private readonly now: () => number,
    private readonly spacingMs: number,
  ) {}

  /** Whether nothing followed the last three responses for which that was checked. */
  isTrusted(origin: string): boolean {
    const record = this.#origins.get(origin);
    return record !== undefined && record.quiet >= PROOFS;
  }

  isDistrusted(origin: string): boolean {
    const record = this.#origins.get(origin);
    return record !== undefined && record.distrustedUntil > this.now();
  }

  /** Nothing followed a response. */
  quiet(origin: string): void {
    const record = this.#of(origin);
    const now = this.now();
    if (now - record.quietAt < this.spacingMs) return;
    record.quiet += 1;
    record.quietAt = now;
  }

  /** Bytes came that belong to no request. */
  lateBytes(origin: string): void {
    const record = this.#of(origin);
    record.quiet = 0;
    record.distrustedUntil = this.now() + DISTRUST_MS;
  }

  #of(origin: string): Record {
    const known = this.#origins.get(origin);
    if (known) return known;
    // Origins come from the configuration, which may be reloaded any number of times.
    if (this.#origins.size >= MAX_ORIGINS) this.#origins.clear();
    const record = { quiet: 0, quietAt: Number.NEGATIVE_INFINITY, distrustedUntil: 0 };
    this.#origins.set(origin, record);
    return record;
  }
}
