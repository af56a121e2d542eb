import { GatewayError } from '../core/errors.ts';
import {
  type Download,
  type DownloadLimits,
  DownloadRefused,
  guardedDownload,
} from '../platform/guarded-download.ts';
import type { InlineMedia } from '../providers/types.ts';
import type { MediaFetcher } from './options.ts';

const MAX_FILES = 20;
/** Of one request at a time: a client must not make the gateway open any number of connections. */
const CONCURRENT = 4;
/** All files of one request together, in multiples of the largest one. */
const MAX_TOTAL = 4;

/** What models read; anything else is refused before it is sent to one. */
const TYPES =
  /^(?:image\/(?:png|jpeg|gif|webp|heic|heif|avif)|audio\/[\w.+-]+|video\/[\w.+-]+|application\/pdf|text\/[\w.+-]+|application\/json)$/;

/** Downloads one file within limits. @throws DownloadRefused with a reason for the client */
export type DownloadFile = (url: string, limits: DownloadLimits, signal: AbortSignal) => Promise<Download>;

/** Fetches the images and files that clients name by URL, for providers that want them in the request. */
export class GuardedMediaFetcher implements MediaFetcher {
  constructor(
    private readonly limits: () => DownloadLimits,
    private readonly download: DownloadFile = guardedDownload,
  ) {}

  async fetch(urls: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, InlineMedia>> {
    if (urls.length > MAX_FILES) {
      throw new GatewayError(
        'invalid_request',
        `The request names ${urls.length} files by URL that would have to be fetched; at most ${MAX_FILES} are.`,
      );
    }
    const limits = this.limits();
    const media = new Map<string, InlineMedia>();
    const waiting = [...urls];
    let total = 0;
    const work = async (): Promise<void> => {
      for (let url = waiting.shift(); url !== undefined; url = waiting.shift()) {
        const file = await this.#one(url, limits, signal);
        total += Buffer.byteLength(file.data, 'base64');
        media.set(url, file);
        if (total > MAX_TOTAL * limits.maxBytes) {
          waiting.length = 0;
          throw new GatewayError(
            'invalid_request',
            `The files that the request names by URL are larger than ${MAX_TOTAL * limits.maxBytes} bytes together.`,
          );
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(CONCURRENT, urls.length) }, work));
    return media;
  }

  async #one(url: string, limits: DownloadLimits, signal: AbortSignal): Promise<InlineMedia> {
    const refuse = (reason: string) =>
      new GatewayError('invalid_request', `The file at ${shown(url)} can't be used: ${reason}.`, {
        shownCode: 'invalid_file_url',
      });
    let file: Download;
    try {
      file = await this.download(url, limits, signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof DownloadRefused) throw refuse(error.message);
      throw error;
    }
    const mediaType = sniff(file.bytes) ?? file.mediaType ?? 'application/octet-stream';
    if (!TYPES.test(mediaType)) throw refuse(`its type is ${mediaType.slice(0, 100)}`);
    return { mediaType, data: Buffer.from(file.bytes).toString('base64') };
  }
}

/** Without the query, which may hold a signature. */
function shown(url: string): string {
  const bare = url.split(/[?#]/, 1)[0] ?? '';
  return bare.length > 200 ? `${bare.slice(0, 200)}...` : bare;
}

const MAGIC: readonly (readonly [type: string, start: string, offset: number])[] = [
  ['image/png', '\x89PNG\r\n\x1a\n', 0],
  ['image/jpeg', '\xff\xd8\xff', 0],
  ['image/gif', 'GIF8', 0],
  ['image/webp', 'WEBP', 8],
  ['application/pdf', '%PDF-', 0],
];

/** The type that the first bytes give away: servers often say `application/octet-stream`, or say it wrong. */
function sniff(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.subarray(0, 16)).toString('latin1');
  return MAGIC.find(([, start, offset]) => head.startsWith(start, offset))?.[0];
}
