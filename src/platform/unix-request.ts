export interface UnixRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array | undefined;
  readonly signal: AbortSignal;
}

/**
 * Sends a request to the HTTP server at a Unix socket.
 * @returns the response as it is: neither redirected nor decoded
 * @throws Error when the server cannot be reached
 */
export function sendToUnixSocket(path: string, request: UnixRequest): Promise<Response> {
  const { method, target, headers, body, signal } = request;
  return fetch(`http://localhost${target}`, {
    ...{ unix: path, method, signal, redirect: 'manual', decompress: false },
    headers: headers.map(([name, value]): [string, string] => [name, value]),
    ...(body && body.byteLength > 0 && { body: new Uint8Array(body) }),
  });
}
