import type { HeaderBlock, HttpRequest, HttpResponse } from '../core/http.ts';
import { acceptsGzip, httpResponse } from './response.ts';

/** A file that a build wrote. */
export interface StaticFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same with gzip; absent for files that it makes no smaller. */
  readonly gzipped?: Uint8Array<ArrayBuffer>;
  readonly contentType: string;
}

/** @returns a response with the file, compressed for clients that accept it. @param headers with `vary: accept-encoding` */
export function fileResponse(request: HttpRequest, file: StaticFile, headers: HeaderBlock): HttpResponse {
  const zipped = acceptsGzip(request) ? file.gzipped : undefined;
  const encoding = zipped ? { 'content-encoding': 'gzip' } : {};
  return httpResponse(200, zipped ?? file.bytes, { 'content-type': file.contentType, ...encoding }, headers);
}
