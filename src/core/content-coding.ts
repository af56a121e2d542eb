import { lazy } from './lazy.ts';

/** Decodes HTTP content codings (RFC 9110, section 8.4.1) of bodies that arrive in parts. */

/** Loaded with the first compressed body. */
const zlib = lazy(() => import('node:zlib'));
type Zlib = typeof import('node:zlib');

/** A content coding that can be decoded. */
export type ContentCoding = 'gzip' | 'deflate' | 'br' | 'zstd';

/** For `accept-encoding`. */
export const CONTENT_CODINGS: readonly ContentCoding[] = ['gzip', 'deflate', 'br', 'zstd'];

const BY_NAME: Readonly<Record<string, ContentCoding>> = {
  gzip: 'gzip',
  'x-gzip': 'gzip',
  deflate: 'deflate',
  br: 'br',
  zstd: 'zstd',
};
/** No client applies more; each one costs memory. */
const MAX_CODINGS = 3;
/** Output of one step, which runs on another thread. Bytes. */
const CHUNK_BYTES = 64 * 1024;
/** The largest window that decoders of `zstd` must accept, and the largest that is allowed (RFC 9659): 8 MB. */
const ZSTD_WINDOW_LOG = 23;

/**
 * Reads a `content-encoding` header.
 * @returns the codings in the order in which they were applied, empty for none; undefined where one is not supported
 */
export function contentCodings(header: string | null): readonly ContentCoding[] | undefined {
  if (header === null) return [];
  const codings: ContentCoding[] = [];
  for (const item of header.split(',')) {
    const name = item.trim().toLowerCase();
    if (name === '' || name === 'identity') continue;
    const coding = Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined;
    if (coding === undefined) return undefined;
    codings.push(coding);
  }
  return codings.length > MAX_CODINGS ? undefined : codings;
}

/** Why a body could not be decoded. */
export type CodingFault = 'malformed' | 'too_large';

/** Receives the decoded bytes: `data` any number of times, then exactly one of `end` and `fail`; nothing after `destroy`. */
export interface DecodedBody {
  data(bytes: Uint8Array): void;
  end(): void;
  /** @param coding whose format the body does not follow, or whose output exceeds the limit */
  fail(fault: CodingFault, coding: ContentCoding): void;
}

/** One decoder of the runtime. */
type Transform = ReturnType<Zlib['createGunzip']>;

function createTransform(library: Zlib, coding: ContentCoding, first: number): Transform {
  const options = { chunkSize: CHUNK_BYTES };
  switch (coding) {
    case 'gzip':
      return library.createGunzip(options);
    case 'deflate':
      // Some clients leave out the zlib header that the standard demands, whose low half byte is 8.
      return (first & 0x0f) === 8 ? library.createInflate(options) : library.createInflateRaw(options);
    case 'br':
      return library.createBrotliDecompress(options);
    case 'zstd':
      return library.createZstdDecompress({
        ...options,
        params: { [library.constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG },
      });
  }
}

/** Decodes one coding of a body that has several, or the only one. */
class CodingStage {
  #transform: Transform | undefined;
  #length = 0;
  #isEmpty = true;

  constructor(
    private readonly library: Zlib,
    readonly coding: ContentCoding,
    private readonly maxBytes: number,
    private readonly out: DecodedBody,
    /** There is room again after `push` returned false. */
    private readonly onDrain: () => void,
  ) {}

  /** @returns false when the caller should wait for `onDrain` */
  push(bytes: Uint8Array): boolean {
    if (bytes.length === 0) return true;
    this.#isEmpty = false;
    this.#transform ??= this.#open(bytes[0] ?? 0);
    return this.#transform.write(bytes);
  }

  end(): void {
    if (this.#isEmpty) this.out.end();
    else this.#transform?.end();
  }

  pause(): void {
    this.#transform?.pause();
  }

  resume(): void {
    this.#transform?.resume();
  }

  destroy(): void {
    this.#transform?.destroy();
  }

  #open(first: number): Transform {
    const transform = createTransform(this.library, this.coding, first);
    transform.on('data', (bytes: Uint8Array) => {
      this.#length += bytes.length;
      if (this.#length > this.maxBytes) this.out.fail('too_large', this.coding);
      else this.out.data(bytes);
    });
    transform.on('end', () => this.out.end());
    transform.on('drain', this.onDrain);
    transform.on('error', () => this.out.fail('malformed', this.coding));
    return transform;
  }
}

/**
 * Decodes a body in parts, on another thread. Output beyond the limit fails at once, also between two codings, so that a
 * small body cannot expand to a large one.
 */
export class ContentDecoder {
  readonly #out: DecodedBody;
  /** In the order of decoding; undefined while the library loads. */
  #stages: CodingStage[] | undefined;
  /** Arrived while the library was loading. */
  #waiting: Uint8Array[] = [];
  #hasEnded = false;
  #paused = false;
  #over = false;

  /**
   * @param codings at least one, in the order in which they were applied
   * @param maxBytes of each coding's output
   */
  constructor(codings: readonly ContentCoding[], maxBytes: number, out: DecodedBody) {
    this.#out = out;
    const library = zlib();
    if (library instanceof Promise) library.then((loaded) => this.#open(loaded, codings, maxBytes));
    else this.#open(library, codings, maxBytes);
  }

  /** @param bytes must not be changed afterwards */
  push(bytes: Uint8Array): void {
    if (this.#over) return;
    if (this.#stages) this.#stages[0]?.push(bytes);
    else this.#waiting.push(bytes);
  }

  /** The body has arrived whole. */
  end(): void {
    this.#hasEnded = true;
    if (this.#over) return;
    this.#stages?.[0]?.end();
  }

  /** Stops the output. Input may still be pushed. */
  pause(): void {
    this.#paused = true;
    this.#stages?.at(-1)?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#stages?.at(-1)?.resume();
  }

  /** Frees the memory of the decoders. Idempotent. */
  destroy(): void {
    this.#over = true;
    this.#waiting = [];
    for (const stage of this.#stages ?? []) stage.destroy();
  }

  #open(library: Zlib, codings: readonly ContentCoding[], maxBytes: number): void {
    if (this.#over) return;
    const stages: CodingStage[] = [];
    for (const coding of codings) {
      // The coding that was applied before this one is decoded after it, and receives its output.
      const inner = stages[0];
      const stage: CodingStage = new CodingStage(
        library,
        coding,
        maxBytes,
        this.#outputOf(inner, () => stage),
        () => outer(stages, stage)?.resume(),
      );
      stages.unshift(stage);
    }
    this.#stages = stages;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const bytes of waiting) this.push(bytes);
    if (this.#hasEnded) this.end();
  }

  /** @param inner the stage that decodes the output further; undefined for the last one */
  #outputOf(inner: CodingStage | undefined, own: () => CodingStage): DecodedBody {
    return {
      data: (bytes) => {
        if (this.#over) return;
        if (!inner) {
          this.#out.data(bytes);
          if (this.#paused) own().pause();
        } else if (!inner.push(bytes)) own().pause();
      },
      end: () => {
        if (this.#over) return;
        if (inner) inner.end();
        else {
          this.#over = true;
          this.#out.end();
        }
      },
      fail: (fault, coding) => {
        if (this.#over) return;
        this.destroy();
        this.#out.fail(fault, coding);
      },
    };
  }
}

/** The stage that feeds another one. */
function outer(stages: readonly CodingStage[], stage: CodingStage): CodingStage | undefined {
  return stages[stages.indexOf(stage) - 1];
}
