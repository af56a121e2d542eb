import { ByteCollector } from '../core/byte-collector.ts';
import { ContentDecoder, contentCodings, type DecodedBody } from '../core/content-coding.ts';
import { GatewayError } from '../core/errors.ts';
import type { Transport, UpstreamRequest } from '../core/transport.ts';
import type { BufferedResponse, Provider, UpstreamModel } from './types.ts';

const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** Models of one provider; the largest catalogues have a few thousand. */
const MAX_MODELS = 10_000;
/** UTF-16 units; clients cannot name a longer one. */
const MAX_MODEL_NAME = 512;

/** Bounds of one buffered call. */
export interface BufferedCallLimits {
  readonly timeoutMs: number;
  /** Largest body of the response. */
  readonly maxBytes: number;
}

/**
 * Sends a request and buffers its response.
 * @param failure makes the error for a call without a complete response; `what` is a predicate such as `did not respond
 *   within 5 ms`
 * @param signal ends the call, which rejects with its reason
 * @throws the error that `failure` makes
 */
export function callBuffered(
  transport: Transport,
  request: UpstreamRequest,
  { timeoutMs, maxBytes }: BufferedCallLimits,
  failure: (what: string, cause?: unknown) => Error,
  signal?: AbortSignal,
): Promise<BufferedResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<BufferedResponse>();
  const received = new ByteCollector();
  let head: Pick<BufferedResponse, 'status' | 'headers'> = { status: 0, headers: { get: () => null } };
  let decoder: ContentDecoder | undefined;
  const fail = (what: string, cause?: unknown) => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    decoder?.destroy();
    reject(failure(what, cause));
  };
  const stop = (what: string) => {
    upstreamCall.abort();
    fail(what);
  };
  const onAbort = () => {
    upstreamCall.abort();
    clearTimeout(timer);
    decoder?.destroy();
    reject(signal?.reason);
  };
  const timer = setTimeout(() => stop(`did not respond within ${timeoutMs} ms`), timeoutMs);
  const body: DecodedBody = {
    data: (bytes) => {
      received.add(bytes);
      if (received.length > maxBytes) stop(`sent a body of more than ${maxBytes} bytes`);
    },
    end: () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      resolve({ ...head, body: received.take() });
    },
    fail: (fault, coding) =>
      stop(
        fault === 'malformed'
          ? `sent a body that is not valid ${coding}`
          : `sent more than ${maxBytes} bytes`,
      ),
  };
  const upstreamCall = transport.send(request, {
    onHead: (status, headers) => {
      head = { status, headers };
      // Requests ask for no coding; some servers apply one nevertheless.
      const codings = contentCodings(headers.get('content-encoding'));
      if (codings === undefined) stop('sent a body with an unknown content encoding');
      else if (codings.length > 0) decoder = new ContentDecoder(codings, maxBytes, body);
    },
    onData: (bytes) => (decoder ? decoder.push(bytes) : body.data(bytes)),
    onEnd: () => (decoder ?? body).end(),
    onError: (error) => fail(`could not be reached: ${error.message}`, error),
  });
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  return promise;
}

/**
 * Sends a small request to a provider and buffers its response.
 * @throws GatewayError `upstream_unreachable` when no complete response arrives in time
 */
export function sendBuffered(
  provider: Provider,
  request: UpstreamRequest,
  timeoutMs: number,
  maxBytes = MAX_BODY_BYTES,
): Promise<BufferedResponse> {
  const limits = { timeoutMs, maxBytes };
  return callBuffered(provider.transport, request, limits, (what, cause) => {
    const message = `Provider "${provider.id}" ${what}.`;
    return new GatewayError('upstream_unreachable', message, { provider: provider.id, cause });
  });
}

/**
 * Fetches a provider's model list: up to 10,000 models.
 * @returns an empty list for a provider without one
 * @throws GatewayError when the list is unavailable
 */
export async function fetchModels(provider: Provider, timeoutMs: number): Promise<UpstreamModel[]> {
  const { adapter } = provider;
  if (!adapter.buildModelsRequest || !adapter.parseModels) return [];
  const request = await adapter.authorize(adapter.buildModelsRequest(provider), provider);
  const response = await sendBuffered(provider, request, timeoutMs);
  if (response.status !== 200) throw adapter.mapError(response, { provider, model: '', weight: 1 });
  const models = adapter.parseModels(response, provider);
  return models.filter(({ id }) => id.length <= MAX_MODEL_NAME).slice(0, MAX_MODELS);
}
