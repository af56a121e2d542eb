import { decodeLossyUtf8 } from '../core/bytes.ts';
import { GatewayError } from '../core/errors.ts';
import { type HttpResponse, ResponseHeaders } from '../core/http.ts';
import type { KeyScopes, Principal } from '../core/principal.ts';
import { PushStream, type StreamSink, type StreamSource } from '../core/push-stream.ts';
import type { HttpContext } from '../http/http-context.ts';
import { eventStreamResponse, jsonResponse } from '../http/response.ts';
import type { Outcome, RequestContext } from '../pipeline/request-context.ts';
import { sha256Hex } from '../platform/hash.ts';
import {
  MAX_REPLAY_LENGTH,
  type ReplayLease,
  type ReplayStore,
  type StoredResponse,
} from '../storage/replay-store.ts';

const KEY = /^[\x21-\x7e]{1,255}$/;
const EVENT_STREAM = 'text/event-stream';
/** The endpoint decides the content type of JSON bodies. */
const JSON_TYPE = 'application/json';

/**
 * Begins a request with the header `idempotency-key`: the first one with a key is executed, repetitions within 24 hours get
 * its response.
 * @param text of the body or query: a repetition has the same
 * @returns the response to a repetition; otherwise the recorder of the response to come
 * @throws GatewayError `invalid_request`, `conflict` while the first one is running, `idempotency_key_reused`
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 */
export async function beginIdempotent(
  replays: ReplayStore,
  key: string,
  httpContext: HttpContext,
  { tenant, scopes }: Principal,
  text: string,
): Promise<HttpResponse | ResponseRecorder> {
  if (!KEY.test(key)) {
    throw new GatewayError(
      'invalid_request',
      'The header "idempotency-key" must have 1 to 255 visible characters.',
      { param: 'idempotency-key' },
    );
  }
  const state = await replays.begin(tenant, key, fingerprintOf(httpContext, scopes, text));
  switch (state.kind) {
    case 'first':
      return new ResponseRecorder(state.lease);
    case 'running':
      throw new GatewayError(
        'conflict',
        'The first request with this "idempotency-key" is still running. Retry in 1 s.',
        { param: 'idempotency-key', retryAfterSeconds: 1 },
      );
    case 'other':
      throw new GatewayError(
        'idempotency_key_reused',
        'This "idempotency-key" was already used for another request. Use a new one.',
        { param: 'idempotency-key' },
      );
    case 'stored':
      return replayed(httpContext, state.response);
  }
}

/** The same for repetitions of a request: with its path, which may name the model, and by keys for the same models. */
function fingerprintOf({ request }: HttpContext, scopes: KeyScopes | undefined, text: string): string {
  const accept = request.headers.get('accept') ?? '';
  const models = scopes?.models?.join(' ') ?? '*';
  return sha256Hex([request.method, request.target, accept, models, text].join('\n'));
}

function replayed(httpContext: HttpContext, { headers: stored, text }: StoredResponse) {
  if (text === null) {
    throw new GatewayError(
      'conflict',
      'The first request with this "idempotency-key" was executed, and its response is too long to be repeated. Use a new key to execute it again.',
      { param: 'idempotency-key' },
    );
  }
  const headers = ResponseHeaders.of(Object.fromEntries(stored));
  headers.set('idempotent-replayed', 'true');
  if (headers.get('content-type') !== EVENT_STREAM)
    return jsonResponse(httpContext.request, 200, text, headers);
  return eventStreamResponse(streamOf(text), withoutType(headers));
}

/** The list of headers without the content type, which the kind of the response sets. */
function withoutType(headers: ResponseHeaders): ResponseHeaders {
  const rest = new ResponseHeaders();
  for (const [at, name] of headers.names.entries()) {
    if (name !== 'content-type') rest.set(name, headers.values[at] ?? '');
  }
  return rest;
}

function streamOf(text: string): PushStream {
  const body = new PushStream({ onDrain: () => undefined, onCancel: () => undefined });
  body.push(new TextEncoder().encode(text));
  body.close();
  return body;
}

/** Records the response to the first request with a key, and stores it when the request has succeeded. */
export class ResponseRecorder {
  #headers: StoredResponse['headers'] = [];
  #outcome: Outcome | undefined;
  /** What arrived of the body; undefined until it is complete. */
  #text: string | null | undefined;
  #settled: Promise<void> | undefined;
  /** Waits for the outcome, with the stream's end. */
  readonly #ended = Promise.withResolvers<void>();

  constructor(private readonly lease: ReplayLease) {}

  /** Follows the request to its end, whatever that is. */
  follow(request: RequestContext): void {
    request.afterEnd((outcome) => {
      this.#outcome = outcome;
      if (outcome.kind !== 'done') void this.release();
      this.#settleIfEnded();
    });
  }

  /** The request may be executed again. Idempotent. */
  release(): Promise<void> {
    this.#settled ??= this.lease.release();
    this.#ended.resolve();
    return this.#settled;
  }

  /** Stores a complete response. Resolves when it is stored. */
  async complete(text: string, headers: ResponseHeaders, contentType: string = JSON_TYPE): Promise<void> {
    this.#headers = keptHeaders(headers, contentType);
    this.#text = text.length > MAX_REPLAY_LENGTH ? null : text;
    this.#settleIfEnded();
    await this.#settled;
  }

  /** @returns the same stream, which ends for the client when its content is stored */
  stream(source: PushStream, headers: ResponseHeaders): PushStream {
    this.#headers = keptHeaders(headers, EVENT_STREAM);
    return new RecordedStream(source, async (text) => {
      this.#text = text;
      this.#settleIfEnded();
      await this.#ended.promise;
      await this.#settled;
    }).body;
  }

  #settleIfEnded(): void {
    if (this.#settled || this.#text === undefined || this.#outcome?.kind !== 'done') return;
    this.#settled = this.lease.complete({ headers: this.#headers, text: this.#text });
    this.#ended.resolve();
  }
}

/** The headers that say how the request was served. Rate limits and the like are of the moment. */
function keptHeaders(headers: ResponseHeaders, contentType: string): StoredResponse['headers'] {
  const kept = Object.entries(headers.fields()).flatMap(([name, value]) =>
    name.startsWith('x-weir-') && typeof value === 'string' ? [[name, value] as const] : [],
  );
  return [['content-type', contentType], ...kept];
}

/** Passes a stream on and keeps a copy of it. */
class RecordedStream implements StreamSource, StreamSink {
  readonly body = new PushStream(this);
  #chunks: Uint8Array[] = [];
  #length = 0;

  /** @param onEnd receives the text, or null for one that is too long; the client's stream ends when it resolves */
  constructor(
    private readonly source: PushStream,
    private readonly onEnd: (text: string | null) => Promise<void>,
  ) {
    source.pipe(this);
  }

  write(bytes: Uint8Array): boolean {
    this.#length += bytes.length;
    if (this.#length > MAX_REPLAY_LENGTH) this.#chunks = [];
    else this.#chunks.push(bytes);
    return this.body.push(bytes);
  }

  end(): void {
    const text = this.#length > MAX_REPLAY_LENGTH ? null : decodeLossyUtf8(Buffer.concat(this.#chunks));
    this.onEnd(text).then(
      () => this.body.close(),
      () => this.body.close(),
    );
  }

  onDrain(): void {
    this.source.ready();
  }

  onCancel(): void {
    this.source.cancel();
  }
}
