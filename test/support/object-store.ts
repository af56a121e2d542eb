import { createHash } from 'node:crypto';

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
  fail(method: string, path: string, status: number, times: number): void;
  close(): Promise<void>;
}

const PAGE = 1_000;

/** An S3-compatible store of one bucket, with uploads in parts and lists in pages, as clients see it over HTTP. */
export function startObjectStore(bucket: string, pageSize = PAGE): ObjectStore {
  const objects = new Map<string, Uint8Array>();
  const uploads = new Map<string, Map<number, Uint8Array>>();
  const requests: ObjectRequest[] = [];
  const failures: { method: string; path: string; status: number; times: number }[] = [];

  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (request) => {
      const url = new URL(request.url);
      const body = new Uint8Array(await request.arrayBuffer());
      const path = `${url.pathname}${url.search}`;
      requests.push({
        method: request.method,
        path,
        authorization: request.headers.get('authorization'),
        bytes: body.length,
      });
      const failure = failures.find(
        (one) => one.times > 0 && one.method === request.method && path.includes(one.path),
      );
      if (failure) {
        failure.times -= 1;
        return xml(`<Error><Code>Failure</Code><Message>planned</Message></Error>`, failure.status);
      }
      const [, name, ...rest] = url.pathname.split('/');
      if (name !== bucket) return xml('<Error><Code>NoSuchBucket</Code></Error>', 404);
      return respond(request.method, decodeURIComponent(rest.join('/')), url.searchParams, body);
    },
  });

  function respond(method: string, key: string, query: URLSearchParams, body: Uint8Array): Response {
    const uploadId = query.get('uploadId');
    if (method === 'POST' && query.has('uploads')) {
      const id = `upload-${uploads.size + 1}`;
      uploads.set(id, new Map());
      return xml(
        `<InitiateMultipartUploadResult><Bucket>${bucket}</Bucket><Key>${key}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
      );
    }
    if (uploadId !== null) {
      const parts = uploads.get(uploadId);
      if (!parts) return xml('<Error><Code>NoSuchUpload</Code></Error>', 404);
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
      objects.set(key, body);
      return new Response(null, { headers: { etag: etagOf(body) } });
    }
    if (method === 'DELETE') {
      objects.delete(key);
      return new Response(null, { status: 204 });
    }
    if (key === '') return list(query);
    const content = objects.get(key);
    if (!content) return xml('<Error><Code>NoSuchKey</Code><Message>none</Message></Error>', 404);
    return new Response(method === 'HEAD' ? null : Buffer.from(content), {
      headers: { etag: etagOf(content), 'content-length': String(content.length) },
    });
  }

  function list(query: URLSearchParams): Response {
    const prefix = query.get('prefix') ?? '';
    const after = query.get('start-after') ?? '';
    const keys = [...objects.keys()].sort().filter((key) => key.startsWith(prefix) && key > after);
    const page = keys.slice(0, pageSize);
    const contents = page.map(
      (key) =>
        `<Contents><Key>${key}</Key><Size>${objects.get(key)?.length}</Size><LastModified>2026-11-29T00:00:00.000Z</LastModified></Contents>`,
    );
    return xml(
      `<ListBucketResult><Name>${bucket}</Name><Prefix>${prefix}</Prefix><KeyCount>${page.length}</KeyCount><IsTruncated>${keys.length > pageSize}</IsTruncated>${contents.join('')}</ListBucketResult>`,
    );
  }

  return {
    url: `http://127.0.0.1:${server.port}`,
    objects,
    requests,
    openUploads: () => uploads.size,
    fail: (method, path, status, times) => void failures.push({ method, path, status, times }),
    close: () => server.stop(true),
  };
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
