import { randomBytes } from 'node:crypto';

/** The caller's span, from the header `traceparent` (W3C Trace Context). */
export interface RemoteSpan {
  /** 32 lower-case hexadecimal digits. */
  readonly traceId: string;
  /** 16 lower-case hexadecimal digits. */
  readonly spanId: string;
  readonly isSampled: boolean;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const MAX_TRACEPARENT = 512;
const ZEROS = /^0+$/;
const SAMPLED = 1;

/** @returns undefined for a missing or invalid header, which counts as none */
export function parseTraceparent(header: string | null): RemoteSpan | undefined {
  if (header === null || header.length > MAX_TRACEPARENT) return undefined;
  const match = TRACEPARENT.exec(header.trim());
  const [, version = '', traceId = '', spanId = '', flags = '', more] = match ?? [];
  // Later versions may add parts; of this one, everything is known.
  if (!match || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (ZEROS.test(traceId) || ZEROS.test(spanId)) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED };
}

export function formatTraceparent(traceId: string, spanId: string, isSampled: boolean): string {
  return `00-${traceId}-${spanId}-0${isSampled ? SAMPLED : 0}`;
}

const MAX_TRACESTATE = 512;

/** @returns the header `tracestate` for upstreams; undefined for none, or one that is longer than vendors must accept */
export function readTracestate(header: string | null): string | undefined {
  return header !== null && header.length <= MAX_TRACESTATE && /^[\x20-\x7e]+$/.test(header)
    ? header
    : undefined;
}

/** Random bytes that are drawn at once: one call of the system for many ids. */
const POOL_BYTES = 4_096;
const SPAN_BYTES = 8;
const TRACE_BYTES = 16;

/** Makes the ids of traces and spans. */
export class TraceIds {
  #pool: Buffer = Buffer.alloc(0);
  #used = 0;

  /** @param random returns so many random bytes */
  constructor(private readonly random: (size: number) => Buffer = randomBytes) {}

  readonly traceId = (): string => this.#hex(TRACE_BYTES);
  readonly spanId = (): string => this.#hex(SPAN_BYTES);

  #hex(size: number): string {
    if (this.#used + size > this.#pool.length) {
      this.#pool = this.random(POOL_BYTES);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += size;
    const id = this.#pool.toString('hex', start, this.#used);
    return ZEROS.test(id) ? this.#hex(size) : id;
  }
}
