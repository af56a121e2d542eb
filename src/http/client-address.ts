import ipaddr from 'ipaddr.js';
import type { HttpContext } from './http-context.ts';

/** Whether an address is that of a trusted proxy. */
export type ProxyCheck = (address: string) => boolean;

/**
 * The client's address: the peer's or, if that is a trusted proxy, the last address in `x-forwarded-for` that is not a
 * trusted proxy. The addresses before it were written by the client and prove nothing.
 */
export function clientAddress({ request }: HttpContext, isProxy: ProxyCheck | undefined): string {
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

/** Removes the port that some proxies add. */
function plainAddress(text: string): string | undefined {
  if (ipaddr.isValid(text)) return text;
  const match = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d{1,5})?$/.exec(text);
  const address = match?.[1] ?? match?.[2];
  return address !== undefined && ipaddr.isValid(address) ? address : undefined;
}
