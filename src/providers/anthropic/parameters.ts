import { extensionsFor, warnOfExtensions } from '../../core/chat/extensions.ts';
import type { ChatRequest, Tool, ToolChoice } from '../../core/chat/request.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import { describedSchema, warnOfLostDetails } from '../lost-details.ts';
import type { ModelFamily } from '../model-families.ts';
import { type ParameterName, warnUnsupported } from '../unsupported.ts';
import { cached } from './blocks.ts';
import { acceptedSampling } from './sampling.ts';
import { type Thinking, thinkingOf } from './thinking.ts';

/** Parameters that the format lacks. */
const UNSUPPORTED: readonly ParameterName[] = [
  'n',
  'seed',
  'frequency_penalty',
  'presence_penalty',
  'logprobs',
  'top_logprobs',
  'logit_bias',
  'verbosity',
  'metadata',
  'prompt_cache_key',
  'modalities',
];

/** The tool whose input is the JSON response of models without schema support. */
export const JSON_TOOL = 'json_answer';

const DEFAULT_MAX_TOKENS = 4_096;

/** Whether the response is forced through a tool, for models without schema support. */
export function forcesJsonTool({ responseFormat }: ChatRequest, family: ModelFamily): boolean {
  return responseFormat?.type === 'json-schema' && !family.structuredOutputs;
}

/** Builds all members of a Messages request except model, system and messages. */
export function wireParameters(request: ChatRequest, family: ModelFamily, warn: Warn): JsonObject {
  const maxTokens = request.maxOutputTokens ?? family.defaultMaxTokens ?? DEFAULT_MAX_TOKENS;
  const thinking = thinkingOf(request, family, maxTokens, warn);
  warnUnsupported(request, UNSUPPORTED, warn);
  warnOfLostDetails(request, ['name', 'detail'], warn);
  if (request.extensions?.dialect !== 'anthropic-messages') warnOfExtensions(request, warn);
  const forced = forcesJsonTool(request, family);
  return {
    ...extensionsFor(request, ['anthropic-messages']),
    max_tokens: thinking.maxTokens,
    ...(thinking.wire === undefined ? {} : { thinking: thinking.wire }),
    ...outputConfig(request, thinking, family, warn),
    ...acceptedSampling(request, family, thinking.wire?.type === 'enabled', warn),
    ...stops(request, warn),
    ...(forced ? jsonTool(request, warn) : tools(request, thinking, warn)),
    ...(request.user === undefined ? {} : { metadata: { user_id: request.user } }),
    ...serviceTier(request, warn),
    ...cached(request),
  };
}

/** The API rejects sequences of white space only. */
function stops({ stopSequences }: ChatRequest, warn: Warn): JsonObject {
  if (stopSequences === undefined) return {};
  const kept = stopSequences.filter((stop) => stop.trim() !== '');
  if (kept.length < stopSequences.length) {
    warn({
      kind: 'unsupported',
      param: 'stop',
      message: 'The target rejects stop sequences of white space only; they were omitted.',
    });
  }
  return kept.length === 0 ? {} : { stop_sequences: kept };
}

function serviceTier({ serviceTier: tier }: ChatRequest, warn: Warn): JsonObject {
  if (tier === undefined) return {};
  if (tier === 'auto' || tier === 'standard_only') return { service_tier: tier };
  if (tier === 'default') return { service_tier: 'standard_only' };
  warn({
    kind: 'unsupported',
    param: 'service_tier',
    message: `The target does not support the service tier "${tier}".`,
  });
  return {};
}

function outputConfig(
  request: ChatRequest,
  { effort }: Thinking,
  family: ModelFamily,
  warn: Warn,
): JsonObject {
  const format = request.responseFormat;
  if (format?.type === 'json') {
    warn({
      kind: 'changed',
      param: 'response_format',
      message: 'The target supports JSON output with a schema only; the prompt asks for JSON instead.',
    });
  }
  const schema =
    format?.type === 'json-schema' && family.structuredOutputs
      ? { format: { type: 'json_schema', schema: closedSchema(describedSchema(format)) } }
      : {};
  const config = { ...(effort === undefined ? {} : { effort }), ...schema };
  return Object.keys(config).length === 0 ? {} : { output_config: config };
}

/** Adds `additionalProperties: false`, which the API requires, to each object of a schema. */
function closedSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closedSchema);
  if (typeof schema !== 'object' || schema === null) return schema;
  const closed = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closedSchema(value)]));
  const isObject = closed.type === 'object' && 'properties' in closed;
  return isObject && closed.additionalProperties === undefined
    ? { ...closed, additionalProperties: false }
    : closed;
}

function jsonTool(request: ChatRequest, warn: Warn): JsonObject {
  const format = request.responseFormat;
  if (format?.type !== 'json-schema') return {};
  if (request.tools?.length) {
    warn({
      kind: 'unsupported',
      param: 'tools',
      message: 'The model can respond with JSON of a schema or call tools, not both; the tools were omitted.',
    });
  }
  const tool = {
    name: JSON_TOOL,
    description: format.description ?? 'The answer.',
    input_schema: { ...format.schema, type: 'object' },
  };
  return { tools: [tool], tool_choice: { type: 'tool', name: JSON_TOOL } };
}

function tools(request: ChatRequest, thinking: Thinking, warn: Warn): JsonObject {
  const { toolChoice: asked } = request;
  const allowed = asked?.type === 'allowed' ? new Set(asked.names) : undefined;
  const offered = (request.tools ?? []).flatMap((tool) => wireTool(tool, allowed, warn));
  if (offered.length === 0) return {};
  const choice = toolChoice(asked, thinking, warn);
  const single = request.parallelToolCalls === false ? { disable_parallel_tool_use: true } : {};
  const mode = choice ?? (request.parallelToolCalls === false ? { type: 'auto' } : undefined);
  return {
    tools: offered,
    ...(mode === undefined ? {} : { tool_choice: mode.type === 'none' ? mode : { ...mode, ...single } }),
  };
}

/** @param allowed names of the functions that the model may call; all when undefined */
function wireTool(tool: Tool, allowed: ReadonlySet<string> | undefined, warn: Warn): JsonObject[] {
  if (tool.type === 'unknown') {
    if (tool.dialect === 'anthropic-messages') return [tool.value];
    const name = tool.name ?? 'a tool of another API';
    warn({ kind: 'unsupported', param: 'tools', message: `The target does not support the tool "${name}".` });
    return [];
  }
  if (allowed && !allowed.has(tool.name)) return [];
  const { name, description, parameters = {}, strict } = tool;
  return [
    {
      name,
      ...(description === undefined ? {} : { description }),
      input_schema: {
        ...(parameters.properties === undefined ? { properties: {} } : {}),
        ...parameters,
        type: 'object',
      },
      ...(strict ? { strict } : {}),
      ...(tool.extensions?.dialect === 'anthropic-messages' ? tool.extensions.members : {}),
      ...cached(tool),
    },
  ];
}

function toolChoice(choice: ToolChoice | undefined, thinking: Thinking, warn: Warn): JsonObject | undefined {
  if (choice === undefined) return undefined;
  const mode = choice.type === 'allowed' ? choice.mode : choice.type;
  if (mode === 'auto' || mode === 'none') return { type: mode };
  if (thinking.wire !== undefined && thinking.wire.type !== 'disabled') {
    warn({
      kind: 'changed',
      param: 'tool_choice',
      message: 'A reasoning model cannot be forced to call a tool; "tool_choice" was changed to "auto".',
    });
    return { type: 'auto' };
  }
  return choice.type === 'tool' ? { type: 'tool', name: choice.name } : { type: 'any' };
}
