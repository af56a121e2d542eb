import type { Warn } from '../warning.ts';
import type { ChatRequest, WireFormat } from './request.ts';

/**
 * The members of a request without a canonical form that a provider supports unchanged.
 * @param wires wire formats of the provider
 * @returns members by name; empty for a request of another format
 */
export function extensionsFor(
  request: ChatRequest,
  wires: readonly WireFormat[],
): Readonly<Record<string, unknown>> {
  const { extensions } = request;
  return extensions && wires.includes(extensions.dialect) ? extensions.members : {};
}

/**
 * Warns of each member without a canonical form, for a provider of another wire format.
 * @param handled names of members that the provider supports
 */
export function warnOfExtensions(request: ChatRequest, warn: Warn, handled: readonly string[] = []): void {
  for (const name in request.extensions?.members) {
    if (handled.includes(name)) continue;
    warn({ kind: 'unsupported', param: name, message: `The target does not support "${name}".` });
  }
}
