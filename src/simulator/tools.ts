import { invalidRequest } from './api-error.ts';
import type { ChatRequest, Tool } from './chat-request.ts';
import { contentWords, valueHints } from './keywords.ts';
import type { Random } from './random.ts';
import { makeInstance } from './schema/instance.ts';
import { type Budget, SchemaError } from './schema/types.ts';

/** A tool call. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
}

/** @returns the tools that the response calls; empty for a text response */
export function chooseTools(request: ChatRequest, question: string): readonly Tool[] {
  const tools = request.tools ?? [];
  const choice = request.tool_choice ?? 'auto';
  if (tools.length === 0 || choice === 'none') return [];
  if (typeof choice === 'object' && choice.type === 'function') {
    return tools.filter((tool) => tool.function.name === choice.function.name).slice(0, 1);
  }
  const allowed = typeof choice === 'object' ? choice.allowed_tools : undefined;
  const mode = allowed?.mode ?? choice;
  const names = allowed && new Set(allowed.tools.map((tool) => tool.function.name));
  const candidates = names === undefined ? tools : tools.filter((tool) => names.has(tool.function.name));
  const asked = request.messages.at(-1)?.role === 'user';
  const matching = mode === 'required' || asked ? byRelevance(candidates, question) : [];
  const most = request.parallel_tool_calls === false ? 1 : 2;
  if (matching.length > 0) return matching.slice(0, most);
  return mode === 'required' ? candidates.slice(0, 1) : [];
}

/**
 * Finds the tools that share a word with the question.
 * @returns the best one first; others only when the question contains a word of their name
 */
function byRelevance(tools: readonly Tool[], question: string): readonly Tool[] {
  const asked = contentWords(question);
  const scored = tools
    .map((tool) => {
      const named = shared(asked, splitName(tool.function.name));
      return { tool, named, score: 2 * named + shared(asked, tool.function.description ?? '') };
    })
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score);
  return scored.filter(({ named }, index) => index === 0 || named > 0).map(({ tool }) => tool);
}

function shared(asked: ReadonlySet<string>, text: string): number {
  let count = 0;
  for (const word of contentWords(text)) if (asked.has(word)) count += 1;
  return count;
}

/** Splits a name: `getWeather_v2` gives `get Weather v2`. */
function splitName(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1 $2').replace(/[_-]+/g, ' ');
}

/**
 * Generates a call with arguments that match the tool's parameters.
 * @throws ApiError with status 400 when no value matches
 */
export function callTool(tool: Tool, random: Random, question: string, id: string, budget: Budget): ToolCall {
  const { name, parameters } = tool.function;
  const schema = parameters ?? { type: 'object', properties: {} };
  // Parameters are an object, although some schemas do not specify it.
  const typed = schema.type === undefined ? { ...schema, type: 'object' } : schema;
  try {
    return {
      id,
      name,
      arguments: JSON.stringify(makeInstance(typed, random, valueHints(question), budget)),
    };
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    throw invalidRequest(
      `Invalid schema for function '${name}': ${error.message}.`,
      'tools',
      'invalid_function_parameters',
    );
  }
}
