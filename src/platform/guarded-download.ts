import { ByteCollector } from '../core/byte-collector.ts';
import { lookupTo, publicAddressOf, type ResolveHost } from './public-host.ts';

/** The reason why a URL was not downloaded, for the client that sent the URL. Never contains received data. */
export class DownloadRefused extends Error {}

export interface DownloadLimits {
  readonly maxBytes: number;
  /** For all of it, redirects included. */
  readonly timeoutMs: number;
  /** `host` or `host:port` that may be called although its address is not public. */
  readonly allowedHosts: readonly string[];
}

export interface Download {
  /** In lower case, without parameters; undefined when the server gave none. */
  readonly mediaType: string | undefined;
  readonly bytes: Uint8Array;
}

/** One text for both, so that a stranger cannot find out which names exist in the gateway's network. */
const NO_ADDRESS = 'its host could not be resolved, or is not public';

const MAX_REDIRECTS = 3;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Downloads a client's URL. Since clients choose the URL, the server behind it must be public: names
 * are resolved once, every address is checked, and the connection goes to the address that was checked, so that a
 * name cannot resolve differently the second time. Each redirect is checked again. No credentials, cookies or
 * proxies are used.
 * @throws DownloadRefused
 */
export async function guardedDownload(
  url: string,
  limits: DownloadLimits,
  signal: AbortSignal,
  resolve?: ResolveHost,
): Promise<Download> {
  const timeout = AbortSignal.timeout(limits.timeoutMs);
  const either = AbortSignal.any([signal, timeout]);
  try {
    let current = url;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const step = await get(current, limits, either, resolve);
      if (typeof step !== 'string') return step;
      if (!URL.canParse(step, current)) throw new DownloadRefused('it redirects to an invalid URL');
      current = new URL(step, current).href;
    }
    throw new DownloadRefused(`it redirects more than ${MAX_REDIRECTS} times`);
  } catch (error) {
    if (timeout.aborted) throw new DownloadRefused(`it did not arrive within ${limits.timeoutMs} ms`);
    throw error;
  }
}

async function get(
  text: string,
  limits: DownloadLimits,
  signal: AbortSignal,
  resolve: ResolveHost | undefined,
): Promise<Download | string> {
  const url = parse(text);
  const { allowedHosts } = limits;
  const isAllowed = allowedHosts.includes(url.host) || allowedHosts.includes(url.hostname);
  const address = await publicAddressOf(url, isAllowed, resolve);
  if (address === undefined) throw new DownloadRefused(NO_ADDRESS);
  const client = await (url.protocol === 'https:' ? import('node:https') : import('node:http'));
  signal.throwIfAborted();
  const { promise, resolve: done, reject } = Promise.withResolvers<Download | string>();
  const request = client.get(
    url,
    {
      agent: false,
      signal,
      headers: { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'weir' },
      lookup: lookupTo(address),
    },
    (response) => {
      const fail = (reason: string) => {
        reject(new DownloadRefused(reason));
        request.destroy();
      };
      const { statusCode = 0, headers } = response;
      if (REDIRECTS.has(statusCode)) {
        if (headers.location === undefined) return fail('it redirects to nowhere');
        done(headers.location);
        request.destroy();
        return;
      }
      if (statusCode !== 200) return fail(`its server answered HTTP ${statusCode}`);
      const tooLarge = `it is larger than ${limits.maxBytes} bytes`;
      if (Number(headers['content-length'] ?? 0) > limits.maxBytes) return fail(tooLarge);
      const received = new ByteCollector();
      response.on('data', (part: Uint8Array) => {
        received.add(part);
        if (received.length > limits.maxBytes) fail(tooLarge);
      });
      response.on('error', () => fail('its server broke off'));
      response.on('aborted', () => fail('its server broke off'));
      response.on('end', () => {
        const mediaType = headers['content-type']?.split(';')[0]?.trim().toLowerCase();
        done({ mediaType: mediaType || undefined, bytes: received.take() });
      });
    },
  );
  request.on('error', () => reject(new DownloadRefused('its server could not be reached')));
  return promise;
}

function parse(text: string): URL {
  if (!URL.canParse(text)) throw new DownloadRefused('it is not a valid URL');
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new DownloadRefused('only http and https URLs can be fetched');
  }
  if (url.username !== '' || url.password !== '') {
    throw new DownloadRefused('URLs with credentials are not fetched');
  }
  return url;
}
