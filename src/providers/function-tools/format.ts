import { qualifiedName } from '../../core/chat/qualified-name.ts';
import type { AssistantPart, ChatRequest, Message, ToolChoice } from '../../core/chat/request.ts';
import type { Warn } from '../../core/warning.ts';
import type { ChatFormat } from '../format.ts';
import type { Target } from '../types.ts';
import { OriginalCallReader, withOriginalCalls } from './call-restorer.ts';
import { INPUT } from './custom-tool.ts';
import {
  type FunctionTools,
  functionName,
  functionTools,
  isSpecial,
  type OriginalTool,
} from './function-names.ts';

/** Warnings are of the request, not of its response. */
const IGNORED: Warn = () => undefined;

/**
 * A format whose targets have functions only: free-text tools and groups of tools are sent as functions, and calls are given
 * back as the client's dialect names them.
 */
export function withFunctionTools(format: ChatFormat): ChatFormat {
  const isNative = (target: Target) => format.hasSpecialTools?.(target) ?? false;
  return {
    ...format,
    build(request, target, options) {
      if (isNative(target)) return format.build(request, target, options);
      const functions = asFunctions(request, options.warn);
      const isLimited = target.provider.profile.functionsOnly === true;
      return format.build(isLimited ? withAllowedTools(functions) : functions, target, options);
    },
    parse(response, target, request) {
      const tools = isNative(target) ? undefined : specialTools(request);
      const result = format.parse(response, target, tools ? asFunctions(request, IGNORED) : request);
      return tools ? withOriginalCalls(result, tools.originals) : result;
    },
    reader(target, request) {
      const tools = isNative(target) ? undefined : specialTools(request);
      const reader = format.reader(target, tools ? asFunctions(request, IGNORED) : request);
      return tools ? new OriginalCallReader(reader, tools.originals) : reader;
    },
  };
}

/** Offers the allowed tools only, for targets without a choice among several tools. */
function withAllowedTools(request: ChatRequest): ChatRequest {
  const { tools = [], toolChoice: choice } = request;
  if (choice?.type !== 'allowed') return request;
  const allowed = new Set(choice.names);
  return {
    ...request,
    tools: tools.filter((tool) => tool.type !== 'function' || allowed.has(tool.name)),
    toolChoice: { type: choice.mode },
  };
}

function specialTools(request: ChatRequest): FunctionTools | undefined {
  return request.tools?.some(isSpecial) ? functionTools(request) : undefined;
}

function isSpecialCall(part: AssistantPart): boolean {
  return part.type === 'tool-call' && (part.kind === 'custom' || part.namespace !== undefined);
}

function asFunctions(request: ChatRequest, warn: Warn): ChatRequest {
  const tools = specialTools(request);
  const chosen = withoutHostedChoice(request, warn);
  const hasCalls = chosen.messages.some(
    ({ role, content }) => role === 'assistant' && content.some(isSpecialCall),
  );
  if (!tools && !hasCalls) return chosen;
  const names = namesByTool(tools);
  return {
    ...chosen,
    ...(tools?.tools === undefined ? {} : { tools: tools.tools }),
    ...(chosen.toolChoice === undefined ? {} : { toolChoice: choiceByFunction(chosen.toolChoice, names) }),
    messages: hasCalls ? chosen.messages.map((message) => plainCalls(message, names)) : chosen.messages,
  };
}

/** Function names by what they stand for. */
type Names = ReadonlyMap<string, readonly string[]>;

function namesByTool(tools: FunctionTools | undefined): Names {
  const names = new Map<string, string[]>();
  const add = (key: string, name: string) => {
    const known = names.get(key);
    if (known) known.push(name);
    else names.set(key, [name]);
  };
  for (const [name, original] of tools?.originals ?? []) {
    add(toolKey(original), name);
    // A whole group can be allowed by its name.
    if (original.namespace !== undefined) add(original.namespace, name);
  }
  return names;
}

function toolKey({ name, namespace }: Pick<OriginalTool, 'name' | 'namespace'>): string {
  return qualifiedName(namespace, name);
}

function choiceByFunction(choice: ToolChoice, names: Names): ToolChoice {
  if (choice.type === 'tool') {
    const found = names.get(choice.name) ?? [choice.name];
    const [only, ...more] = found;
    if (only !== undefined && more.length === 0) return { type: 'tool', name: only };
    return { type: 'allowed', mode: 'required', names: found };
  }
  if (choice.type !== 'allowed') return choice;
  return { ...choice, names: choice.names.flatMap((name) => names.get(name) ?? [name]) };
}

/** A choice of a tool that runs at one vendor, which other targets do not have. */
function withoutHostedChoice(request: ChatRequest, warn: Warn): ChatRequest {
  const { toolChoice: choice, tools = [] } = request;
  if (choice?.type !== 'tool' && choice?.type !== 'allowed') return request;
  const hosted = new Set(
    tools.flatMap((tool) => {
      if (tool.type !== 'unknown' || tool.dialect !== 'openai-responses') return [];
      const { name } = tool;
      return name === undefined || isSpecial(tool) ? [] : [name];
    }),
  );
  const wanted = choice.type === 'tool' ? [choice.name] : choice.names;
  const omitted = wanted.filter((name) => hosted.has(name));
  if (omitted.length === 0) return request;
  warn({
    kind: 'unsupported',
    param: 'tool_choice',
    message: `The target does not support the tool "${omitted.join('", "')}", which "tool_choice" names.`,
  });
  const names = wanted.filter((name) => !hosted.has(name));
  const { toolChoice: _, ...rest } = request;
  return choice.type === 'tool' || names.length === 0 ? rest : { ...rest, toolChoice: { ...choice, names } };
}

function plainCalls(message: Message, names: Names): Message {
  if (message.role === 'tool') {
    return { ...message, content: message.content.map(({ kind: _, ...result }) => result) };
  }
  if (message.role !== 'assistant' || !message.content.some(isSpecialCall)) return message;
  const content = message.content.map((part) => {
    if (part.type !== 'tool-call' || !isSpecialCall(part)) return part;
    const { kind, namespace: _, ...call } = part;
    const text = kind === 'custom' ? JSON.stringify({ [INPUT]: part.arguments }) : part.arguments;
    return { ...call, name: names.get(toolKey(part))?.[0] ?? functionName(part), arguments: text };
  });
  return { ...message, content };
}
