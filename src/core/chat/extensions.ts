import type { Warn } from '../warning.ts';
import type { ChatRequest, WireFormat } from './request.ts';

/** The members without a canonical form that a provider of this wire format takes over as they are. */
export function extensionsFor(
  request: ChatRequest,
  wires: readonly WireFormat[],
): Readonly<Record<string, unknown>> {
  const { extensions } = request;
  return extensions && wires.includes(extensions.dialect) ? extensions.members : {};
}

/** Warns of every member without a canonical form, for a provider of another wire format. */
export function warnOfExtensions(request: ChatRequest, warn: Warn, handled: readonly string[] = []): void {
  for (const name in request.extensions?.members) {
    if (handled.includes(name)) continue;
    warn({ kind: 'unsupported', param: name, message: `The target does not support "${name}".` });
  }
}
