import { createHash, createHmac } from 'node:crypto';

/** A request that the store received. */
export interface ObjectRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly authorization: string | null;
  readonly bytes: number;
}

export interface ObjectStore {
  readonly url: string;
  /** Content by key. */
  readonly objects: Map<string, Uint8Array>;
  readonly requests: ObjectRequest[];
  /** Uploads in parts that were neither completed nor aborted. */
  openUploads(): number;
  /** Responses to the next requests with a method and a part of the path, instead of those of the store. */
  fail(method: string, path: string, status: number, times: number, code?: string): void;
  /** Performs the next requests with a method and a part of the path, and loses their responses. */
  loseResponse(method: string, path: string, times: number): void;
  /** Breaks off the next downloads after this number of bytes. */
  breakDownloads(afterBytes: number, times: number): void;
  close(): Promise<void>;
}

export interface ObjectStoreOptions {
  /** Objects of one page of a list. */
  readonly pageSize?: number;
  /** Secrets by access key id: requests must be signed with one of them. Undefined accepts everything. */
  readonly secrets?: Readonly<Record<string, string>>;
}

interface Planned {
  readonly method: string;
  readonly path: string;
  times: number;
}

const PAGE = 1_000;

/** An S3-compatible store of one bucket, with uploads in parts and lists in pages, as clients see it over HTTP. */
export function startObjectStore(
  bucket: string,
  { pageSize = PAGE, secrets }: ObjectStoreOptions = {},
): ObjectStore {
  const objects = new Map<string, Uint8Array>();
  const headersOf = new Map<string, Record<string, string>>();
  const uploads = new Map<string, Map<number, Uint8Array>>();
  const requests: ObjectRequest[] = [];
  const failures: (Planned & { readonly status: number; readonly code: string })[] = [];
  const losses: Planned[] = [];
  const breaks = { afterBytes: 0, times: 0 };
  let uploadCount = 0;

  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    development: false,
    fetch: async (request) => {
      const url = new URL(request.url);
      const body = new Uint8Array(await request.arrayBuffer());
      const path = `${url.pathname}${url.search}`;
      const { method, headers } = request;
      requests.push({ method, path, authorization: headers.get('authorization'), bytes: body.length });
      const rejected = secrets && signatureFault(request, body, secrets);
      if (rejected) return failure(403, rejected);
      const failed = take(failures, method, path);
      if (failed) return failure(failed.status, failed.code);
      const [, name, ...rest] = url.pathname.split('/');
      if (name !== bucket) return failure(404, 'NoSuchBucket');
      const response = respond(request, decodeURIComponent(rest.join('/')), url.searchParams, body);
      return take(losses, method, path) ? failure(500, 'InternalError') : response;
    },
  });

  function respond(request: Request, key: string, query: URLSearchParams, body: Uint8Array): Response {
    const { method, headers } = request;
    const uploadId = query.get('uploadId');
    if (method === 'POST' && query.has('uploads')) {
      uploadCount += 1;
      const id = `upload-${uploadCount}`;
      uploads.set(id, new Map());
      return xml(
        `<InitiateMultipartUploadResult><Bucket>${bucket}</Bucket><Key>${key}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
      );
    }
    if (uploadId !== null) {
      const parts = uploads.get(uploadId);
      if (!parts) return failure(404, 'NoSuchUpload');
      if (method === 'PUT') {
        parts.set(Number(query.get('partNumber')), body);
        return new Response(null, { headers: { etag: etagOf(body) } });
      }
      uploads.delete(uploadId);
      if (method === 'DELETE') return new Response(null, { status: 204 });
      const ordered = [...parts].sort(([a], [b]) => a - b).map(([, part]) => part);
      objects.set(key, Buffer.concat(ordered));
      return xml(
        `<CompleteMultipartUploadResult><Key>${key}</Key><ETag>"x"</ETag></CompleteMultipartUploadResult>`,
      );
    }
    if (method === 'PUT') {
      if (headers.get('if-none-match') === '*' && objects.has(key)) {
        return failure(412, 'PreconditionFailed');
      }
      objects.set(key, body);
      const kept = [...headers].filter(([name]) => name.startsWith('x-amz-meta-') || name === 'content-type');
      headersOf.set(key, Object.fromEntries(kept));
      return new Response(null, { headers: { etag: etagOf(body) } });
    }
    if (method === 'DELETE') {
      objects.delete(key);
      return new Response(null, { status: 204 });
    }
    if (key === '') return list(query);
    return read(request, key);
  }

  function read({ method, headers }: Request, key: string): Response {
    const content = objects.get(key);
    if (!content) return failure(404, 'NoSuchKey');
    const from = Number(/^bytes=(\d+)-$/.exec(headers.get('range') ?? '')?.[1] ?? 0);
    const tag = etagOf(content);
    if (![null, tag].includes(headers.get('if-match'))) return failure(412, 'PreconditionFailed');
    const part = content.subarray(from);
    const status = from > 0 ? 206 : 200;
    const described = {
      ...headersOf.get(key),
      etag: tag,
      'last-modified': 'Sun, 29 Nov 2026 00:00:00 GMT',
      'content-length': String(part.length),
    };
    if (method === 'HEAD') return new Response(null, { headers: described });
    if (breaks.times === 0) return new Response(Buffer.from(part), { status, headers: described });
    breaks.times -= 1;
    const { afterBytes } = breaks;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        controller.enqueue(part.slice(0, afterBytes));
        await Bun.sleep(20);
        controller.error(new Error('broken'));
      },
    });
    return new Response(body, { status, headers: described });
  }

  function list(query: URLSearchParams): Response {
    const prefix = query.get('prefix') ?? '';
    const after = query.get('continuation-token') ?? query.get('start-after') ?? '';
    const keys = [...objects.keys()].sort().filter((key) => key.startsWith(prefix) && key > after);
    const page = keys.slice(0, pageSize);
    const contents = page.map(
      (key) =>
        `<Contents><Key>${key}</Key><Size>${objects.get(key)?.length}</Size><LastModified>2026-11-29T00:00:00.000Z</LastModified></Contents>`,
    );
    const more = keys.length > pageSize;
    const token = more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : '';
    return xml(
      `<ListBucketResult><Name>${bucket}</Name><Prefix>${prefix}</Prefix><KeyCount>${page.length}</KeyCount><IsTruncated>${more}</IsTruncated>${token}${contents.join('')}</ListBucketResult>`,
    );
  }

  return {
    url: `http://127.0.0.1:${server.port}`,
    objects,
    requests,
    openUploads: () => uploads.size,
    fail: (method, path, status, times, code = 'Failure') =>
      void failures.push({ method, path, status, times, code }),
    loseResponse: (method, path, times) => void losses.push({ method, path, times }),
    breakDownloads: (afterBytes, times) => void Object.assign(breaks, { afterBytes, times }),
    close: () => server.stop(true),
  };
}

/** The next planned event of a request, which it uses up. */
function take<T extends Planned>(planned: readonly T[], method: string, path: string): T | undefined {
  const found = planned.find((one) => one.times > 0 && one.method === method && path.includes(one.path));
  if (found) found.times -= 1;
  return found;
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;

/** Checks a signature (AWS Signature Version 4), independently of the client. @returns the code of the error, if any */
function signatureFault(
  { method, url, headers }: Request,
  body: Uint8Array,
  secrets: Readonly<Record<string, string>>,
): string | undefined {
  const [, id = '', day = '', region = '', names = '', signature] =
    AUTHORIZATION.exec(headers.get('authorization') ?? '') ?? [];
  const secret = secrets[id];
  if (secret === undefined) return 'InvalidAccessKeyId';
  const signed = names.split(';');
  const amz = [...headers.keys()].filter((name) => name.startsWith('x-amz-'));
  if (!['host', ...amz].every((name) => signed.includes(name))) return 'AccessDenied';
  const contentHash = createHash('sha256').update(body).digest('hex');
  if (headers.get('x-amz-content-sha256') !== contentHash) return 'XAmzContentSHA256Mismatch';
  const { pathname, search } = new URL(url);
  const query = search
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => (pair.includes('=') ? pair : `${pair}=`))
    .sort();
  const request = [
    ...[method, pathname, query.join('&')],
    ...signed.map((name) => `${name}:${(headers.get(name) ?? '').trim()}`),
    ...['', names, contentHash],
  ].join('\n');
  const date = headers.get('x-amz-date') ?? '';
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', date, scope, createHash('sha256').update(request).digest('hex')].join(
    '\n',
  );
  const hmac = (key: string | Buffer, value: string) => createHmac('sha256', key).update(value).digest();
  const key = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secret}`);
  return hmac(key, text).toString('hex') === signature ? undefined : 'SignatureDoesNotMatch';
}

function failure(status: number, code: string): Response {
  return xml(`<Error><Code>${code}</Code><Message>planned &amp; told</Message></Error>`, status);
}

function xml(text: string, status = 200): Response {
  return new Response(`<?xml version="1.0" encoding="UTF-8"?>${text}`, {
    status,
    headers: { 'content-type': 'application/xml' },
  });
}

function etagOf(bytes: Uint8Array): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}
