import type { UpstreamRequest } from '../../core/transport.ts';

/** @returns a request with a JSON body */
export function postJson(
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): UpstreamRequest {
  return {
    method: 'POST',
    url,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      'accept-encoding': 'identity',
      ...headers,
    },
    body: JSON.stringify(body),
  };
}
