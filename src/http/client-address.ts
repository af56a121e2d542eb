import ipaddr from 'ipaddr.js';
import type { HttpContext } from './http-context.ts';

/** Whether an address is that of a trusted proxy. */
export type ProxyCheck = (address: string) => boolean;

/**
 * The client's address: the peer's or, if that is a trusted proxy, the last address in `x-forwarded-for` that is not a
 * trusted proxy. The addresses before it were written by the client and prove nothing. Of a request that another region
 * forwarded, the address that its gateway signed.
 */
export function clientAddress(
  { request, forwarded: region }: HttpContext,
  isProxy: ProxyCheck | undefined,
): string {
  if (region) return region.client;
  const peer = request.remoteAddress;
  if (!isProxy?.(peer)) return peer;
  const forwarded = request.headers.get('x-forwarded-for')?.split(',') ?? [];
  let client = peer;
  for (const entry of forwarded.reverse()) {
    const address = plainAddress(entry.trim());
    if (address === undefined) break;
    client = address;
    if (!isProxy(address)) break;
  }
  return client;
}

/**
 * The origin under which the client reached the gateway: that of the request, with the scheme in `x-forwarded-proto` if the
 * peer is a trusted proxy.
 * @returns such as `https://weir.example`; undefined when the header `host` is not the host of a URL
 */
export function clientOrigin({ request }: HttpContext, isProxy: ProxyCheck | undefined): string | undefined {
  if (!URL.canParse(request.url)) return undefined;
  const { protocol, host } = new URL(request.url);
  const forwarded = isProxy?.(request.remoteAddress) ? request.headers.get('x-forwarded-proto') : null;
  const scheme = forwarded?.split(',').at(-1)?.trim().toLowerCase();
  return `${scheme === 'https' || scheme === 'http' ? `${scheme}:` : protocol}//${host}`;
}

/** Removes the port that some proxies add. */
function plainAddress(text: string): string | undefined {
  if (ipaddr.isValid(text)) return text;
  const match = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d{1,5})?$/.exec(text);
  const address = match?.[1] ?? match?.[2];
  return address !== undefined && ipaddr.isValid(address) ? address : undefined;
}
