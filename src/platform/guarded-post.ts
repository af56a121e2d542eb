import { ByteCollector } from '../core/byte-collector.ts';
import { lookupTo, publicAddressOf, type ResolveHost } from './public-host.ts';

/** A request was not sent, or its server did not respond in time. The message contains no received data. */
export class PostFailed extends Error {
  override readonly name = 'PostFailed';
}

export interface PostOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Milliseconds until the head of the response. */
  readonly timeoutMs: number;
  /** Bytes of the response's body that are read; the rest is not. */
  readonly maxBytes: number;
  /** Whether the server may have a private address. */
  readonly allowPrivate: boolean;
}

export interface PostResult {
  readonly status: number;
  /** The beginning of the body. */
  readonly text: string;
  readonly retryAfter: string | undefined;
}

/** How long the body of a response is read. Milliseconds. */
const BODY_MS = 1_000;

/**
 * Sends a POST request to a URL that a tenant chose. The name is resolved once, every address must be public, and the
 * connection goes to the address that was checked. Redirects are not followed; no credentials, cookies or proxies are used.
 * @throws PostFailed
 */
export async function guardedPost(
  text: string,
  options: PostOptions,
  signal: AbortSignal,
  resolve?: ResolveHost,
): Promise<PostResult> {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  try {
    return await post(text, options, AbortSignal.any([signal, timeout]), resolve);
  } catch (error) {
    if (timeout.aborted) throw new PostFailed(`no response within ${options.timeoutMs} ms`);
    throw error;
  }
}

async function post(
  text: string,
  { headers, body, maxBytes, allowPrivate }: PostOptions,
  signal: AbortSignal,
  resolve: ResolveHost | undefined,
): Promise<PostResult> {
  if (!URL.canParse(text)) throw new PostFailed('the URL is not valid');
  const url = new URL(text);
  const resolving = publicAddressOf(url, allowPrivate, resolve);
  const address = await Promise.race([resolving, rejectionOf(signal)]);
  if (address === undefined) throw new PostFailed('its host could not be resolved, or is not public');
  const client = await (url.protocol === 'https:' ? import('node:https') : import('node:http'));
  signal.throwIfAborted();
  const { promise, resolve: done, reject } = Promise.withResolvers<PostResult>();
  const request = client.request(
    url,
    {
      method: 'POST',
      agent: false,
      signal,
      headers: {
        ...headers,
        'content-length': String(Buffer.byteLength(body)),
        'accept-encoding': 'identity',
      },
      lookup: lookupTo(address),
    },
    (response) => {
      const { statusCode: status = 0, headers: received } = response;
      const collected = new ByteCollector();
      let isDone = false;
      // The status decides; a body that is cut, endless or slow changes nothing.
      const finish = () => {
        if (isDone) return;
        isDone = true;
        clearTimeout(late);
        const bytes = collected.take().subarray(0, maxBytes);
        done({ status, text: new TextDecoder().decode(bytes), retryAfter: received['retry-after'] });
        request.destroy();
      };
      const late = setTimeout(finish, BODY_MS);
      response.on('data', (part: Uint8Array) => {
        if (isDone) return;
        collected.add(part);
        if (collected.length >= maxBytes) finish();
      });
      for (const event of ['end', 'error', 'aborted', 'close']) response.on(event, finish);
    },
  );
  request.on('error', () =>
    reject(new PostFailed('its server could not be reached, or closed the connection')),
  );
  request.end(body);
  return promise;
}

/** Rejects when the signal aborts: resolving a name cannot be cancelled. */
function rejectionOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
