import { setTimeout as delay } from 'node:timers/promises';
import { type AwsCredentialSource, awsSigner } from '../aws-signature.ts';
import { ownBuffer } from '../fetch-transport.ts';
import { ObjectStorageError } from './object-storage.ts';
import { elementText } from './s3-xml.ts';

export interface S3ClientOptions {
  readonly bucket: string;
  readonly region: string;
  /** Of a store that is not AWS, such as `https://minio.internal:9000`; the bucket becomes a part of the path. */
  readonly endpoint: string | undefined;
  readonly credentials: AwsCredentialSource;
  /** Default: the current time. */
  readonly now?: () => Date;
  /** Waits before a request is sent again. Milliseconds. */
  readonly wait?: (ms: number) => Promise<unknown>;
  /** Maximum time without a byte of the store. Milliseconds; default 60 s. */
  readonly timeoutMs?: number;
}

export interface S3Request {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'HEAD';
  /** In the bucket; undefined for the bucket. */
  readonly key: string | undefined;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

export interface S3Response {
  readonly headers: Headers;
  readonly text: string;
}

/** The store responded with an error. */
export class S3ResponseError extends ObjectStorageError {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

const ATTEMPTS = 5;
const FIRST_WAIT_MS = 200;
const TIMEOUT_MS = 60_000;
const RETRYABLE = new Set([408, 429, 500, 502, 503, 504]);
const RETRYABLE_CODES: ReadonlySet<string> = new Set(['RequestTimeout', 'SlowDown', 'OperationAborted']);

/**
 * Sends signed requests to one bucket, and repeats those that fail for a passing reason: all of them may be repeated, because
 * each replaces a whole object or part.
 */
export class S3Client {
  readonly #base: URL;
  readonly #sign;
  readonly #now: () => Date;
  readonly #wait: (ms: number) => Promise<unknown>;
  readonly #timeoutMs: number;

  constructor(private readonly options: S3ClientOptions) {
    const { bucket, region, endpoint, credentials } = options;
    this.#base = baseUrl(bucket, region, endpoint);
    this.#sign = awsSigner({ service: 's3', region, credentials, escapesPath: false });
    this.#now = options.now ?? (() => new Date());
    this.#wait = options.wait ?? delay;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  }

  /** @throws S3ResponseError, or ObjectStorageError when the store is unreachable */
  async send(request: S3Request): Promise<S3Response> {
    return this.#repeat(async () => {
      const silence = new Silence(this.#timeoutMs);
      try {
        const response = await this.#fetch(request, silence.signal);
        const text = await response.text();
        await this.#assertDone(request, response, text);
        return { headers: response.headers, text };
      } finally {
        silence.end();
      }
    });
  }

  /** Yields the content of an object. Continues where a broken connection ended. */
  async *download(key: string): AsyncGenerator<Uint8Array> {
    let offset = 0;
    let tag: string | undefined;
    let failures = 0;
    for (;;) {
      const { response, silence } = await this.#open(key, offset, tag);
      try {
        if (offset > 0 && response.status !== 206) {
          throw new ObjectStorageError(`${this.#base.href}${key} broke off, and the store ignores ranges.`);
        }
        tag ??= response.headers.get('etag') ?? undefined;
        for await (const piece of response.body ?? []) {
          offset += piece.length;
          failures = 0;
          yield piece;
          // The reader may take its time.
          silence.heard();
        }
        return;
      } catch (error) {
        failures += 1;
        if (failures >= ATTEMPTS || !isPassing(error)) throw this.#unreachable(error);
      } finally {
        silence.end();
      }
      await this.#pause(failures);
    }
  }

  /** @returns a response whose body is not read yet */
  async #open(key: string, offset: number, tag: string | undefined) {
    const headers = {
      ...(offset > 0 && { range: `bytes=${offset}-` }),
      // Another object under the same key would be joined to this one.
      ...(offset > 0 && tag !== undefined && { 'if-match': tag }),
    };
    const request: S3Request = { method: 'GET', key, headers };
    return this.#repeat(async () => {
      const silence = new Silence(this.#timeoutMs);
      try {
        const response = await this.#fetch(request, silence.signal);
        if (!response.ok) await this.#assertDone(request, response, await response.text());
        return { response, silence };
      } catch (error) {
        silence.end();
        throw error;
      }
    });
  }

  async #fetch({ method, key, query = {}, headers = {}, body }: S3Request, signal: AbortSignal) {
    const url = new URL(this.#base);
    if (key !== undefined) url.pathname += key.split('/').map(escapeUri).join('/');
    url.search = Object.entries(query)
      .map(([name, value]) => `${escapeUri(name)}=${escapeUri(value)}`)
      .join('&');
    const { host: _, ...signed } = await this.#sign({ method, url, headers, body }, this.#now());
    return fetch(url, {
      ...{ method, headers: signed, signal, redirect: 'manual' },
      ...(body !== undefined && { body: ownBuffer(body) }),
    });
  }

  async #assertDone({ key }: S3Request, response: Response, text: string): Promise<void> {
    // An upload's completion may fail after its status was sent.
    const code = text.includes('<Error>') ? elementText(text, 'Code') : undefined;
    if (response.ok && code === undefined) return;
    const { bucket, region } = this.options;
    const subject = key === undefined ? bucket : `${bucket}/${key}`;
    const status = code !== undefined && response.ok ? 500 : response.status;
    const elsewhere = response.headers.get('x-amz-bucket-region');
    const reason =
      elsewhere !== null && elsewhere !== region && status !== 404
        ? `the bucket is in the region ${elsewhere}, and the request was for ${region}. Correct the region`
        : (elementText(text, 'Message') ?? code ?? response.statusText);
    const error = new S3ResponseError(
      `The store of s3://${subject} responded with ${response.status}${code === undefined ? '' : ` ${code}`}: ${reason.replace(/\.$/, '')}.${adviceFor(status)}`,
      status,
    );
    if (RETRYABLE.has(status) || (code !== undefined && RETRYABLE_CODES.has(code))) {
      throw new PassingError(error);
    }
    throw error;
  }

  async #repeat<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof ObjectStorageError) throw error;
        const cause = error instanceof PassingError ? error.reported : error;
        if (attempt >= ATTEMPTS || !isPassing(error)) {
          throw cause instanceof ObjectStorageError ? cause : this.#unreachable(cause);
        }
        await this.#pause(attempt);
      }
    }
  }

  async #pause(attempt: number): Promise<void> {
    // Half of it is random, so that several gateways do not repeat at the same time.
    await this.#wait(FIRST_WAIT_MS * 2 ** (attempt - 1) * (0.5 + Math.random() / 2));
  }

  #unreachable(error: unknown): Error {
    if (error instanceof ObjectStorageError) return error;
    const reason = error instanceof Error ? error.message : String(error);
    return new ObjectStorageError(
      `The store at ${this.#base.origin} is unreachable: ${reason.replace(/\.$/, '')}. Check the endpoint, the region and the network.`,
      { cause: error },
    );
  }
}

/** A response that a later request may not get. */
class PassingError extends Error {
  constructor(readonly reported: S3ResponseError) {
    super(reported.message);
  }
}

/** Aborts a request when nothing arrives for a time. */
class Silence {
  readonly #controller = new AbortController();
  #timer;

  constructor(private readonly ms: number) {
    this.#timer = this.#start();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  heard(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#start();
  }

  /** Also ends a request whose reader stopped early. */
  end(): void {
    clearTimeout(this.#timer);
    this.#controller.abort();
  }

  #start() {
    return setTimeout(
      () => this.#controller.abort(new Error(`no response within ${this.ms / 1_000} s`)),
      this.ms,
    );
  }
}

/** Errors of the network have no type of their own; those of credentials and of this program do. */
function isPassing(error: unknown): boolean {
  if (error instanceof ObjectStorageError) return false;
  if (error instanceof PassingError) return true;
  return (
    error instanceof Error && !/Credential|TypeError: |certificate/i.test(`${error.name} ${error.message}`)
  );
}

function adviceFor(status: number): string {
  return status === 401 || status === 403
    ? ' Check the credentials, what they may do with the bucket, and the clock of this machine.'
    : '';
}

function baseUrl(bucket: string, region: string, endpoint: string | undefined): URL {
  if (endpoint === undefined) {
    // A certificate for `*.s3.<region>...` does not fit a name with dots.
    return bucket.includes('.')
      ? new URL(`https://s3.${region}.amazonaws.com/${bucket}/`)
      : new URL(`https://${bucket}.s3.${region}.amazonaws.com/`);
  }
  const url = new URL(endpoint);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${bucket}/`;
  return url;
}

/** As the signature demands: everything but unreserved characters of RFC 3986. */
function escapeUri(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
