import { ContentDecoder, contentCodings } from '../core/content-coding.ts';
import { GatewayError } from '../core/errors.ts';
import { isRecord, parseJsonText } from '../core/json.ts';
import { linesOf } from '../core/line-reader.ts';
import type { UpstreamMethod, UpstreamRequest } from '../core/transport.ts';
import { SubmissionUnknownError } from './batch-upstream.ts';
import { sendBuffered } from './buffered-call.ts';
import type { BufferedResponse, Provider } from './types.ts';

type Json = Readonly<Record<string, unknown>>;

/** Milliseconds for a call with a small body, and for one that uploads or creates a batch. */
const CALL_MS = 60_000;
const UPLOAD_MS = 3 * 60_000;
/** Milliseconds after which a submission, an upload and a creation, has ended and is in the provider's list. */
export const MAX_SUBMISSION_MS = 2 * UPLOAD_MS + 60_000;
/** Milliseconds without a byte of results. */
const IDLE_MS = 120_000;
/** Bytes that wait for a slow reader before the upstream is paused. */
const MAX_QUEUED = 1024 * 1024;
/** Bytes of one line of results; a longer one is left out. */
export const MAX_RESULT_LINE = 64 * 1024 * 1024;
/** Bytes of all results of one batch: beyond them, nothing is read. */
const MAX_RESULTS = 64 * 1024 * 1024 * 1024;
const USUAL_HEADERS: ReadonlySet<string> = new Set(['content-type', 'accept', 'accept-encoding']);
const ID = /^[\w.:-]{1,200}$/;

/** One call to a batch API. */
export interface BatchCall {
  readonly method: UpstreamMethod;
  /** Absolute. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** Calls the batch API of a provider with its credential, its headers and its transport. */
export class BatchClient {
  constructor(readonly provider: Provider) {}

  /** @returns whether a request has no header with a meaning, which a line of a batch cannot have */
  hasUsualHeaders({ headers }: UpstreamRequest, others: readonly string[] = []): boolean {
    const { provider } = this;
    return Object.keys(headers).every(
      (name) => USUAL_HEADERS.has(name) || others.includes(name) || Object.hasOwn(provider.headers, name),
    );
  }

  /** @returns the JSON object of a response with a success status @throws GatewayError otherwise */
  async json(call: BatchCall): Promise<Json> {
    return this.#read(await this.#send(call, call.body === undefined ? CALL_MS : UPLOAD_MS));
  }

  /**
   * Calls what creates a batch.
   * @throws SubmissionUnknownError where it may have been created; GatewayError where it was not
   */
  async create(call: BatchCall): Promise<string> {
    let response: BufferedResponse;
    try {
      response = await this.#send(call, UPLOAD_MS);
    } catch (error) {
      throw new SubmissionUnknownError('no response', { cause: error });
    }
    const { status } = response;
    if (status >= 400 && status < 500 && status !== 408 && status !== 409) throw this.#errorOf(response);
    try {
      return idIn(this.#read(response));
    } catch (error) {
      throw new SubmissionUnknownError('no id in the response', { cause: error });
    }
  }

  /** @returns whether the call succeeded; false for one that the provider refuses in the state of its object */
  async attempt(call: BatchCall): Promise<boolean> {
    const response = await this.#send(call, CALL_MS);
    if (isSuccess(response)) return true;
    if ([400, 404, 409, 422].includes(response.status)) return false;
    throw this.#errorOf(response);
  }

  /** Reads a text of JSON lines, one by one. Lines that are no objects are left out. */
  async *jsonLines(call: BatchCall, signal: AbortSignal): AsyncGenerator<{ text: string; json: Json }> {
    for await (const { text } of linesOf(
      this.#stream(await this.#authorized(call), signal),
      MAX_RESULT_LINE,
    )) {
      const json = text === undefined ? undefined : parseJsonText(text);
      if (text !== undefined && isRecord(json)) yield { text, json };
    }
  }

  async #send(call: BatchCall, timeoutMs: number): Promise<BufferedResponse> {
    return sendBuffered(this.provider, await this.#authorized(call), timeoutMs);
  }

  #authorized({ method, url, headers, body }: BatchCall): UpstreamRequest | Promise<UpstreamRequest> {
    const { provider } = this;
    const all = {
      ...{ accept: 'application/json', 'accept-encoding': 'identity' },
      ...(typeof body === 'string' ? { 'content-type': 'application/json' } : {}),
      ...headers,
      ...provider.headers,
    };
    return provider.adapter.authorize(
      { method, url, headers: all, ...(body === undefined ? {} : { body }) },
      provider,
    );
  }

  #read(response: BufferedResponse): Json {
    if (!isSuccess(response)) throw this.#errorOf(response);
    const json = parseJsonText(Buffer.from(response.body).toString('utf8'));
    if (isRecord(json)) return json;
    throw this.invalid('responded without a JSON object');
  }

  #errorOf(response: BufferedResponse): GatewayError {
    const { provider } = this;
    return provider.adapter.mapError(response, { provider, model: '', weight: 1 });
  }

  /** @returns the error for a response that is not what the API promises @param what a predicate */
  invalid(what: string): GatewayError {
    const { id } = this.provider;
    return new GatewayError('upstream_invalid_response', `The batch API of provider "${id}" ${what}.`, {
      provider: id,
    });
  }

  /** Reads a body as it arrives; a slow reader causes backpressure. */
  async *#stream(request: UpstreamRequest, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { provider } = this;
    const body = new StreamedBody();
    const upstream = provider.transport.send(request, body.handler);
    body.onPause = (isPaused) => (isPaused ? upstream.pause() : upstream.resume());
    const abort = () => body.fail(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    try {
      const status = await body.head(IDLE_MS);
      if (status < 200 || status >= 300) {
        const pieces: Uint8Array[] = [];
        for await (const piece of body.pieces(IDLE_MS)) {
          pieces.push(piece);
          if (pieces.length > 16) break;
        }
        throw this.#errorOf({ status, headers: body.headers, body: Buffer.concat(pieces) });
      }
      yield* body.pieces(IDLE_MS);
    } catch (error) {
      if (error instanceof GatewayError || signal.aborted) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      const message = `Results of provider "${provider.id}" could not be read: ${reason}.`;
      throw new GatewayError('upstream_unreachable', message, { provider: provider.id, cause: error });
    } finally {
      signal.removeEventListener('abort', abort);
      upstream.abort();
      body.dispose();
    }
  }
}

function isSuccess({ status }: Pick<BufferedResponse, 'status'>): boolean {
  return status >= 200 && status < 300;
}

/** @returns the id in a response, which is safe in a path @throws Error where there is none */
export function idIn({ id }: Json): string {
  if (typeof id !== 'string' || !ID.test(id)) throw new Error('no valid id in the response');
  return id;
}

/** @returns an id that is safe in a path; undefined for another value */
export function optionalId(id: unknown): string | undefined {
  return typeof id === 'string' && ID.test(id) ? id : undefined;
}

/** A body between the transport, which pushes, and a reader, which pulls. */
class StreamedBody {
  headers: BufferedResponse['headers'] = { get: () => null };
  onPause: (isPaused: boolean) => void = () => undefined;
  #status = 0;
  #queue: Uint8Array[] = [];
  #queued = 0;
  #total = 0;
  #isPaused = false;
  #isOver = false;
  #failure: { readonly error: unknown } | undefined;
  #decoder: ContentDecoder | undefined;
  #wake: (() => void) | undefined;

  readonly handler = {
    onHead: (status: number, headers: BufferedResponse['headers']) => {
      this.#status = status;
      this.headers = headers;
      const codings = contentCodings(headers.get('content-encoding'));
      if (codings === undefined) this.fail(new Error('unknown content encoding'));
      else if (codings.length > 0) {
        this.#decoder = new ContentDecoder(codings, MAX_RESULTS, {
          data: (bytes) => this.#push(bytes),
          end: () => this.#end(),
          fail: (fault, coding) => this.fail(new Error(`the body is ${fault} (${coding})`)),
        });
      }
      this.#notify();
    },
    onData: (bytes: Uint8Array) => (this.#decoder ? this.#decoder.push(bytes) : this.#push(bytes)),
    onEnd: () => (this.#decoder ? this.#decoder.end() : this.#end()),
    onError: (error: Error) => this.fail(error),
  };

  #push(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    this.#total += bytes.length;
    if (this.#total > MAX_RESULTS) this.fail(new Error('the body is too large'));
    if (this.#queued > MAX_QUEUED && !this.#isPaused) {
      this.#isPaused = true;
      this.onPause(true);
    }
    this.#notify();
  }

  #end(): void {
    this.#isOver = true;
    this.#notify();
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#notify();
  }

  dispose(): void {
    this.#decoder?.destroy();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** @throws Error when nothing arrives for so many milliseconds */
  async #changed(idleMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error(`nothing arrived for ${idleMs} ms`)), idleMs);
    this.#wake = resolve;
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** @returns the status */
  async head(idleMs: number): Promise<number> {
    while (this.#status === 0 && !this.#failure) await this.#changed(idleMs);
    if (this.#failure) throw this.#failure.error;
    return this.#status;
  }

  async *pieces(idleMs: number): AsyncGenerator<Uint8Array> {
    for (;;) {
      const piece = this.#queue.shift();
      if (piece) {
        this.#queued -= piece.length;
        if (this.#isPaused && this.#queued <= MAX_QUEUED / 2) {
          this.#isPaused = false;
          this.onPause(false);
        }
        yield piece;
        continue;
      }
      if (this.#failure) throw this.#failure.error;
      if (this.#isOver) return;
      await this.#changed(idleMs);
    }
  }
}
