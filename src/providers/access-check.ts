import type { UpstreamRequest } from '../core/transport.ts';
import { sendBuffered } from './buffered-call.ts';
import type { Provider, UpstreamModel } from './types.ts';

/** The result of a check of a provider that responded and rejected nothing. */
export interface AccessCheck {
  /**
   * `none`: calls carry no credential and need none; `missing`: they need one; `not_checked`: the provider has no request
   * that would check it.
   */
  readonly credential: 'accepted' | 'none' | 'missing' | 'not_checked';
  /** The model list; undefined where the provider has none. */
  readonly models: readonly UpstreamModel[] | undefined;
}

/** Statuses of servers that do not have the requested path. */
const NO_SUCH_PATH: ReadonlySet<number> = new Set([404, 405, 501]);

/**
 * Checks whether a provider responds and accepts its credential, with requests that change and cost nothing.
 * @param timeoutMs of each request, in milliseconds
 * @throws GatewayError when it is unreachable, rejects the credential, or responds with another error
 */
export async function checkAccess(provider: Provider, timeoutMs: number): Promise<AccessCheck> {
  const { adapter, profile } = provider;
  const access = adapter.buildAccessRequest?.(provider);
  const list = adapter.parseModels && adapter.buildModelsRequest?.(provider);
  let carriesCredential = false;
  const send = async (request: UpstreamRequest) => {
    const authorized = await adapter.authorize(request, provider);
    carriesCredential = authorized !== request;
    return carriesCredential || !profile.needsKey ? sendBuffered(provider, authorized, timeoutMs) : undefined;
  };
  const sendExpectingSuccess = async (request: UpstreamRequest) => {
    const response = await send(request);
    if (response === undefined || response.status === 200) return response;
    if (NO_SUCH_PATH.has(response.status)) return undefined;
    throw adapter.mapError(response, { provider, model: '', weight: 1 });
  };

  // Any response to a request for the base URL proves that the provider is reachable, and nothing else.
  if (access === undefined && list === undefined) await send(baseRequest(provider));
  const accessed = access === undefined ? undefined : await sendExpectingSuccess(access);
  const listed = list === undefined ? undefined : await sendExpectingSuccess(list);
  const models = listed && adapter.parseModels?.(listed, provider);
  if (!carriesCredential) return { credential: profile.needsKey ? 'missing' : 'none', models };
  const isAccepted = access === undefined ? listed !== undefined : accessed !== undefined;
  return { credential: isAccepted ? 'accepted' : 'not_checked', models };
}

function baseRequest({ baseUrl, headers }: Provider): UpstreamRequest {
  return {
    method: 'GET',
    url: baseUrl,
    headers: { accept: 'application/json', 'accept-encoding': 'identity', ...headers },
  };
}
