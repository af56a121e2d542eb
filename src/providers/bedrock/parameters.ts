import { extensionsFor, warnOfExtensions } from '../../core/chat/extensions.ts';
import type { ChatRequest, Tool } from '../../core/chat/request.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import { warnOfLostDetails, warnOfShownReasoning } from '../lost-details.ts';
import { budgetToEffort, effortToBudget, type ModelFamily, nearestEffort } from '../model-families.ts';
import { type ParameterName, warnOfStrictTools, warnUnsupported } from '../unsupported.ts';
import { cachePoint } from './messages.ts';

/** Parameters that the format lacks. */
const UNSUPPORTED: readonly ParameterName[] = [
  'n',
  'seed',
  'frequency_penalty',
  'presence_penalty',
  'logprobs',
  'top_logprobs',
  'logit_bias',
  'parallel_tool_calls',
  'verbosity',
  'user',
  'metadata',
  'service_tier',
  'prompt_cache_key',
  'response_format',
  'modalities',
];

/** The tool whose input is the JSON response. */
export const JSON_TOOL = 'json_answer';

/** Whether the response is forced through a tool, because Converse has no schemas for responses. */
export function forcesJsonTool({ responseFormat }: ChatRequest): boolean {
  return responseFormat?.type === 'json-schema';
}

const OWN = [
  'guardrailConfig',
  'performanceConfig',
  'requestMetadata',
  'promptVariables',
  'additionalModelRequestFields',
  'additionalModelResponseFieldPaths',
];

/** Builds all members of a Converse request except the conversation. */
export function wireParameters(
  request: ChatRequest,
  family: ModelFamily,
  isClaude: boolean,
  warn: Warn,
): JsonObject {
  warnUnsupported(request, UNSUPPORTED, warn);
  warnOfLostDetails(request, ['name', 'detail'], warn);
  if (!isClaude) warnOfShownReasoning(request, warn);
  const members = request.extensions?.members ?? {};
  const own = Object.fromEntries(Object.entries(members).filter(([name]) => OWN.includes(name)));
  warnOfExtensions(request, warn, [...OWN, ...Object.keys(extensionsFor(request, ['bedrock-converse']))]);
  const extra = additionalFields(request, family, isClaude, warn);
  const given = own.additionalModelRequestFields;
  const fields = { ...extra.fields, ...(typeof given === 'object' ? given : {}) };
  const inference = inferenceConfig(request, family, extra.budget, warn);
  return {
    ...own,
    ...(Object.keys(inference).length === 0 ? {} : { inferenceConfig: inference }),
    ...(Object.keys(fields).length === 0 ? {} : { additionalModelRequestFields: fields }),
    ...toolConfig(request, family, extra.budget !== undefined, warn),
  };
}

function inferenceConfig(
  request: ChatRequest,
  family: ModelFamily,
  budget: number | undefined,
  warn: Warn,
): JsonObject {
  const { temperature, topP, stopSequences, maxOutputTokens } = request;
  const config: Record<string, unknown> = {};
  if (maxOutputTokens !== undefined) {
    config.maxTokens =
      budget !== undefined && maxOutputTokens <= budget ? budget + maxOutputTokens : maxOutputTokens;
    if (config.maxTokens !== maxOutputTokens) {
      const message = `Thinking counts as output here, so the limit was raised to ${budget} tokens more.`;
      warn({ kind: 'changed', param: 'max_tokens', message });
    }
  }
  const fixed = family.fixedSampling || budget !== undefined;
  const sample = (param: string, name: string, value: number | undefined) => {
    if (value === undefined) return;
    if (!fixed) config[name] = value;
    else if (value !== 1) {
      warn({
        kind: 'unsupported',
        param,
        message: `"${param}" was omitted: the model chooses the value.`,
      });
    }
  };
  sample('temperature', 'temperature', temperature);
  if (family.oneSamplingParameter && temperature !== undefined && topP !== undefined) {
    warn({ kind: 'unsupported', param: 'top_p', message: 'The model supports either temperature or top_p.' });
  } else sample('top_p', 'topP', topP);
  const kept = stopSequences?.filter((stop) => stop.trim() !== '');
  if (kept && kept.length < (stopSequences?.length ?? 0)) {
    const message = 'The target rejects stop sequences of white space only; they were omitted.';
    warn({ kind: 'unsupported', param: 'stop', message });
  }
  if (kept && kept.length > 0) config.stopSequences = kept;
  return config;
}

/** Builds the members that Converse passes to the model unchanged. */
function additionalFields(
  request: ChatRequest,
  family: ModelFamily,
  isClaude: boolean,
  warn: Warn,
): { readonly fields: JsonObject; readonly budget: number | undefined } {
  const fields: Record<string, unknown> = {};
  if (request.topK !== undefined) {
    if (isClaude) fields.top_k = request.topK;
    else warn({ kind: 'unsupported', param: 'top_k', message: 'The target does not support "top_k".' });
  }
  const { reasoning } = request;
  if (reasoning === undefined) return { fields, budget: undefined };
  const { effort, budgetTokens, enabled, summary } = reasoning;
  const off = enabled === false || effort === 'none';
  const settable = isClaude && (family.thinkingBudget !== undefined || family.adaptiveThinking === true);
  if (off) {
    if (settable) fields.thinking = { type: 'disabled' };
    else if (!isClaude) {
      const message = 'The target has no known switch for reasoning; its default applies.';
      warn({ kind: 'unsupported', param: 'reasoning', message });
    }
    return { fields, budget: undefined };
  }
  if (!settable) {
    warn({
      kind: 'unsupported',
      param: 'reasoning_effort',
      message: 'The target does not support reasoning settings for this model.',
    });
    return { fields, budget: undefined };
  }
  const display = summary === undefined ? {} : { display: summary === 'none' ? 'omitted' : 'summarized' };
  if (family.adaptiveThinking && (budgetTokens === undefined || !family.thinkingBudget)) {
    const requested = effort ?? (budgetTokens === undefined ? undefined : budgetToEffort(budgetTokens));
    const nearest = requested === undefined ? undefined : nearestEffort(requested, family.efforts ?? []);
    fields.thinking = { type: 'adaptive', ...display };
    if (nearest !== undefined) fields.output_config = { effort: nearest };
    return { fields, budget: undefined };
  }
  const limits = family.thinkingBudget ?? { min: 1_024, max: 32_000 };
  const wanted = budgetTokens ?? effortToBudget(effort ?? 'medium', limits);
  const budget = Math.min(limits.max, Math.max(limits.min, wanted));
  fields.thinking = { type: 'enabled', budget_tokens: budget, ...(summary === 'none' ? display : {}) };
  return { fields, budget };
}

function toolConfig(request: ChatRequest, family: ModelFamily, thinks: boolean, warn: Warn): JsonObject {
  const strict = family.structuredOutputs ?? false;
  if (!strict) warnOfStrictTools(request, warn);
  if (request.responseFormat?.type === 'json-schema') {
    const { schema, description } = request.responseFormat;
    if (request.tools?.length) {
      const message =
        'The model can respond with JSON of a schema or call tools, not both; the tools were omitted.';
      warn({ kind: 'unsupported', param: 'tools', message });
    }
    const toolSpec = {
      name: JSON_TOOL,
      description: description ?? 'The answer.',
      inputSchema: { json: schema },
    };
    return { toolConfig: { tools: [{ toolSpec }], toolChoice: { tool: { name: JSON_TOOL } } } };
  }
  const choice = request.toolChoice;
  const allowed = choice?.type === 'allowed' ? new Set(choice.names) : undefined;
  const tools = (request.tools ?? []).flatMap((tool) =>
    allowed && tool.type === 'function' && !allowed.has(tool.name) ? [] : wireTool(tool, strict, warn),
  );
  if (tools.length === 0) return historyTools(request, warn);
  const mode = choice?.type === 'allowed' ? choice.mode : choice?.type;
  if (mode === 'none') {
    warn({
      kind: 'changed',
      param: 'tool_choice',
      message: 'The target does not support "none" as "tool_choice"; the model may call a tool.',
    });
  }
  const forced = mode === 'required' || mode === 'tool';
  if (forced && thinks) {
    warn({
      kind: 'changed',
      param: 'tool_choice',
      message: 'A reasoning model cannot be forced to call a tool; "tool_choice" was omitted.',
    });
  }
  const toolChoice =
    !forced || thinks ? undefined : choice?.type === 'tool' ? { tool: { name: choice.name } } : { any: {} };
  return { toolConfig: { tools, ...(toolChoice === undefined ? {} : { toolChoice }) } };
}

/** Offers the tools of the history again: Converse rejects tool calls and results in a request without tools. */
function historyTools({ messages }: ChatRequest, warn: Warn): JsonObject {
  const names = new Set<string>();
  for (const message of messages) {
    if (message.role !== 'assistant') continue;
    for (const part of message.content) if (part.type === 'tool-call') names.add(part.name);
  }
  if (names.size === 0) return {};
  warn({
    kind: 'changed',
    param: 'tools',
    message:
      'The target requires the definitions of tools in the history; they were added without parameters.',
  });
  const tools = [...names].map((name) => ({ toolSpec: { name, inputSchema: { json: { type: 'object' } } } }));
  return { toolConfig: { tools } };
}

/** @param strict the model supports tools whose arguments match their schema exactly */
function wireTool(tool: Tool, strict: boolean, warn: Warn): JsonObject[] {
  if (tool.type === 'unknown') {
    if (tool.dialect === 'bedrock-converse') return [tool.value];
    const name = tool.name ?? 'a tool of another API';
    warn({ kind: 'unsupported', param: 'tools', message: `The target does not support the tool "${name}".` });
    return [];
  }
  const { name, description, parameters = {} } = tool;
  const toolSpec = {
    name,
    // The API rejects an empty description.
    ...(description ? { description } : {}),
    inputSchema: { json: { ...parameters, type: 'object' } },
    ...(tool.strict && strict ? { strict: true } : {}),
  };
  return [{ toolSpec }, ...cachePoint(tool)];
}
