import { qualifiedName } from '../../core/chat/qualified-name.ts';
import type { ChatRequest, FunctionTool, ToolCallPart, UnknownTool } from '../../core/chat/request.ts';
import { asString, isRecord, type JsonObject, records } from '../../core/json.ts';
import { customAsFunction } from './custom-tool.ts';

/** Longest function name that all vendors accept. */
const MAX_NAME = 64;

/** What a function stands for. */
export interface OriginalTool {
  readonly name: string;
  readonly namespace?: string;
  readonly custom: boolean;
}

/** The tools of a request as functions. */
export interface FunctionTools {
  readonly tools: ChatRequest['tools'];
  /** What the functions stand for, by their names; functions that stay as they are are absent. */
  readonly originals: ReadonlyMap<string, OriginalTool>;
}

/** Whether a tool has no place in targets with functions only: it takes free text, or groups tools. */
export function isSpecial(tool: UnknownTool | FunctionTool): tool is UnknownTool {
  if (tool.type !== 'unknown') return false;
  const { dialect, value } = tool;
  if (dialect === 'openai-chat') return value.type === 'custom';
  return dialect === 'openai-responses' && (value.type === 'custom' || value.type === 'namespace');
}

/** Converts free-text tools and groups of tools to functions. Equal requests give equal names. */
export function functionTools(request: ChatRequest): FunctionTools {
  const originals = new Map<string, OriginalTool>();
  const taken = new Set(
    request.tools?.flatMap((tool) => (tool.type === 'function' ? [tool.name] : [])) ?? [],
  );
  const named = (original: OriginalTool): string => {
    const name = freeName(functionName(original), taken);
    taken.add(name);
    originals.set(name, original);
    return name;
  };
  const tools = request.tools?.flatMap((tool) => {
    if (!isSpecial(tool)) return [tool];
    if (tool.value.type === 'custom') {
      const custom = isRecord(tool.value.custom) ? tool.value.custom : tool.value;
      const name = named({ name: asString(custom.name) ?? 'custom', custom: true });
      return [customAsFunction(custom, name)];
    }
    return namespaceTools(tool.value, named);
  });
  return { tools, originals };
}

/** The function of a call in the history, whose tool the request may not offer. */
export function functionName({ name, namespace }: Pick<ToolCallPart, 'name' | 'namespace'>): string {
  const qualified = qualifiedName(namespace, name).replaceAll(/[^\w-]/g, '_');
  return qualified.length <= MAX_NAME
    ? qualified
    : `${qualified.slice(0, MAX_NAME - 9)}_${fingerprint(qualified)}`;
}

/** The functions of a group. The first one describes the group, so that long texts are sent once. */
function namespaceTools(group: JsonObject, named: (original: OriginalTool) => string): FunctionTool[] {
  const namespace = asString(group.name) ?? '';
  const about = asString(group.description);
  return records(group.tools).flatMap((tool, index) => {
    const own = asString(tool.name);
    if (own === undefined) return [];
    const custom = tool.type === 'custom';
    const name = named({ name: own, namespace, custom });
    const wire = custom ? customAsFunction(tool, name) : plainFunction(tool, name);
    if (index > 0 || !about) return [wire];
    const text = `Tools whose names begin with "${qualifiedName(namespace, '')}": ${about}`;
    return [{ ...wire, description: [wire.description, text].filter(Boolean).join('\n\n') }];
  });
}

function plainFunction(tool: JsonObject, name: string): FunctionTool {
  const description = asString(tool.description);
  return {
    type: 'function',
    name,
    ...(description === undefined ? {} : { description }),
    ...(isRecord(tool.parameters) ? { parameters: tool.parameters } : {}),
    ...(typeof tool.strict === 'boolean' ? { strict: tool.strict } : {}),
  };
}

function freeName(wanted: string, taken: ReadonlySet<string>): string {
  if (!taken.has(wanted)) return wanted;
  for (let number = 2; ; number += 1) {
    const suffix = `_${number}`;
    const name = `${wanted.slice(0, MAX_NAME - suffix.length)}${suffix}`;
    if (!taken.has(name)) return name;
  }
}

/** FNV-1a hash, to distinguish shortened names. */
function fingerprint(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}
