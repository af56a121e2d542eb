import type { Extensions, WireFormat } from '../core/chat/request.ts';
import type { JsonObject } from '../core/json.ts';

interface Members {
  readonly of: JsonObject;
  readonly known: ReadonlySet<string>;
  /** Prefix of the members' paths in the tool. */
  readonly path: string;
}

/**
 * Reads the members of a tool that have no canonical form.
 * @param inner an object within the tool that has members of its own
 * @returns the `extensions` member of a tool; nothing where the tool has no such members
 */
export function toolExtensions(
  dialect: WireFormat,
  tool: JsonObject,
  known: ReadonlySet<string>,
  inner?: Members,
): { readonly extensions?: Extensions } {
  const members: Record<string, unknown> = {};
  collect({ of: tool, known, path: '' }, members);
  if (inner) collect(inner, members);
  for (const _ in members) return { extensions: { dialect, members } };
  return {};
}

function collect({ of, known, path }: Members, into: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(of)) {
    if (!known.has(name) && value !== undefined && value !== null) into[path + name] = value;
  }
}
