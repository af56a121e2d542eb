import { BodyError, type HttpRequest } from '../../core/http.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import type { RelayedRequest, RelayedResponse } from './protocol.ts';

/** Handles a request that the parent relays. @returns the whole response */
export async function relayedRequest(router: HttpRouter, relayed: RelayedRequest): Promise<RelayedResponse> {
  const { method, target, headers, body, remoteAddress } = relayed;
  const fields = new Map(headers);
  const request: HttpRequest = {
    ...{ method, target, remoteAddress, url: `http://${fields.get('host') ?? 'localhost'}${target}` },
    headers: {
      get: (name) => fields.get(name) ?? null,
      has: (name) => fields.has(name),
      keys: () => fields.keys(),
    },
    signal: new AbortController().signal,
    onDisconnect: () => undefined,
    readBody: (limit) => {
      if (body.byteLength > limit) throw BodyError.tooLarge(limit);
      return body;
    },
    limitBody: () => undefined,
    keepBytes: () => undefined,
    chargeTo: () => undefined,
  };
  const response = await router.handle(request);
  if (typeof response.body === 'string') return { status: response.status, body: response.body };
  if (response.body instanceof Uint8Array) {
    return { status: response.status, body: Buffer.from(response.body).toString('utf8') };
  }
  return { status: response.status, body: '' };
}
