import { concatBytes } from '../core/bytes.ts';
import { GatewayError } from '../core/errors.ts';
import type { UpstreamCall, UpstreamRequest } from '../core/transport.ts';
import type { BufferedResponse, Provider, UpstreamModel } from './types.ts';

const MAX_BODY = 16 * 1024 * 1024;

/** Sends a small request and holds its whole answer. @throws GatewayError when there is none in time */
export function sendBuffered(
  provider: Provider,
  request: UpstreamRequest,
  timeoutMs: number,
): Promise<BufferedResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<BufferedResponse>();
  const parts: Uint8Array[] = [];
  let length = 0;
  let head: Pick<BufferedResponse, 'status' | 'headers'> = { status: 0, headers: { get: () => null } };
  const fail = (message: string, cause?: unknown) => {
    clearTimeout(timer);
    reject(
      new GatewayError('upstream_unreachable', `Provider "${provider.id}" ${message}`, {
        provider: provider.id,
        cause,
      }),
    );
  };
  const timer = setTimeout(() => {
    upstreamCall.abort();
    fail(`did not answer within ${timeoutMs} ms.`);
  }, timeoutMs);
  const upstreamCall: UpstreamCall = provider.transport.send(request, {
    onHead: (status, headers) => {
      head = { status, headers };
    },
    onData: (bytes) => {
      length += bytes.length;
      parts.push(bytes);
      if (length > MAX_BODY) {
        upstreamCall.abort();
        fail('sent a list that is too long to be one.');
      }
    },
    onEnd: () => {
      clearTimeout(timer);
      resolve({ ...head, body: concatBytes(parts) });
    },
    onError: (error) => fail(`could not be reached: ${error.message}`, error),
  });
  return promise;
}

/**
 * Asks a provider which models it has; none, where a provider has no way to tell.
 * @throws GatewayError with the reason when it does not tell
 */
export async function fetchModels(provider: Provider, timeoutMs: number): Promise<UpstreamModel[]> {
  const { adapter } = provider;
  if (!adapter.buildModelsRequest || !adapter.parseModels) return [];
  const request = await adapter.authorize(adapter.buildModelsRequest(provider), provider);
  const response = await sendBuffered(provider, request, timeoutMs);
  if (response.status !== 200) throw adapter.mapError(response, { provider, model: '', weight: 1 });
  return adapter.parseModels(response, provider);
}
