import type { ChatRequest, FunctionTool, Tool, UnknownTool } from '../../core/chat/request.ts';
import { asString, isRecord } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import type { Item } from './media.ts';

/** Converts tools, with a warning for each that the API does not support. */
export function toolItems(tools: readonly Tool[], warn: Warn): Item[] {
  return tools.flatMap((tool, index) => {
    if (tool.type === 'function') return [functionTool(tool)];
    const item = unknownTool(tool);
    if (item) return [item];
    const named = tool.name ?? asString(tool.value.type) ?? 'this tool';
    warn({
      kind: 'unsupported',
      param: `tools[${index}]`,
      message: `The target does not support the tool "${named}"; it was omitted.`,
    });
    return [];
  });
}

function functionTool({ name, description, parameters, strict = false, extensions }: FunctionTool): Item {
  return {
    type: 'function',
    name,
    ...(description === undefined ? {} : { description }),
    parameters: parameters ?? { type: 'object', properties: {}, ...(strict ? CLOSED : {}) },
    // Always sent: the default of this API is strict, unlike all others.
    strict,
    ...(extensions?.dialect === 'openai-responses' ? extensions.members : {}),
  };
}

const CLOSED = { required: [], additionalProperties: false };

function unknownTool({ dialect, value }: UnknownTool): Item | undefined {
  if (dialect === 'openai-responses') return value;
  if (dialect === 'openai-chat' && value.type === 'custom' && isRecord(value.custom)) {
    const { format, ...custom } = value.custom;
    if (!isRecord(format)) return { type: 'custom', ...custom };
    const { grammar, ...plain } = format;
    return { type: 'custom', ...custom, format: { ...plain, ...(isRecord(grammar) ? grammar : {}) } };
  }
  return undefined;
}

/** @returns the types of the tools that are not functions, by name; the first tool of a name counts */
function typesByName(tools: readonly Tool[]): ReadonlyMap<string, unknown> {
  const types = new Map<string, unknown>();
  for (const tool of tools) {
    if (tool.name === undefined || types.has(tool.name)) continue;
    types.set(tool.name, tool.type === 'unknown' ? tool.value.type : 'function');
  }
  return types;
}

/** Builds the reference to a tool in `tool_choice`. */
function reference(name: string, types: ReadonlyMap<string, unknown>): Item {
  const type = types.get(name) ?? 'function';
  return type === 'function' || type === 'custom' ? { type, name } : { type };
}

/**
 * Converts the tool choice.
 * @returns undefined for none
 */
export function toolChoice({ toolChoice: choice, tools = [] }: ChatRequest): string | Item | undefined {
  if (choice === undefined) return undefined;
  switch (choice.type) {
    case 'tool':
      return reference(choice.name, typesByName(tools));
    case 'allowed': {
      const types = typesByName(tools);
      return {
        type: 'allowed_tools',
        mode: choice.mode,
        tools: choice.names.map((name) => reference(name, types)),
      };
    }
    default:
      return choice.type;
  }
}
