import { extensionsFor, warnOfExtensions } from '../../core/chat/extensions.ts';
import type {
  ChatRequest,
  FunctionTool,
  ReasoningSettings,
  ResponseFormat,
  Tool,
  ToolChoice,
} from '../../core/chat/request.ts';
import { ownValue } from '../../core/json.ts';
import type { Warn } from '../../core/warning.ts';
import { FORCED_TOOLS, forcesTool } from '../json-mode.ts';
import { changed } from '../limited-values.ts';
import { warnOfShownReasoning } from '../lost-details.ts';
import {
  budgetToEffort,
  familyOf,
  isRefusedDefault,
  type ModelFamily,
  nearestEffort,
  refusedParameters,
} from '../model-families.ts';
import type { Target, VendorProfile } from '../types.ts';

type JsonObject = Record<string, unknown>;

/** Builds all members of an OpenAI chat request except model, messages and stream, adapted to the target. */
export function chatParameters(request: ChatRequest, { provider, model }: Target, warn: Warn): JsonObject {
  const { profile } = provider;
  const family = familyOf(model);
  const members: JsonObject = {
    ...tools(request, profile, warn),
    [family.maxCompletionTokens ? 'max_completion_tokens' : 'max_tokens']: request.maxOutputTokens,
    ...sampling(request, profile, warn),
    seed: request.seed,
    stop: request.stopSequences,
    n: request.choices,
    ...(request.logprobs ? { logprobs: true, top_logprobs: request.logprobs.top } : {}),
    logit_bias: request.logitBias,
    response_format: request.responseFormat && responseFormat(request.responseFormat),
    ...(request.reasoning ? reasoning(request.reasoning, { family, model }, profile, warn) : {}),
    verbosity: request.verbosity,
    user: request.user,
    metadata: stringValues(request.metadata),
    service_tier: serviceTier(request, profile, warn),
    prompt_cache_key: request.promptCacheKey,
    modalities: request.modalities,
    cache_control: profile.cacheControl ? request.cacheControl : undefined,
    ...extensionsFor(request, ['openai-chat', 'openai-completions']),
  };
  if (request.extensions && !['openai-chat', 'openai-completions'].includes(request.extensions.dialect)) {
    warnOfExtensions(request, warn);
  }
  omitRefused(members, request, family, warn);
  allowForcedTools(members, request, family, warn);
  return toVendorParameters(members, profile, warn);
}

/** Resolves a forced choice of tools that the model rejects while it reasons. */
function allowForcedTools(
  members: JsonObject,
  { reasoning: settings = {} }: ChatRequest,
  { forcesToolsWithoutReasoning }: ModelFamily,
  warn: Warn,
): void {
  if (!forcesToolsWithoutReasoning || !forcesTool(members.tool_choice)) return;
  const { effort, budgetTokens, enabled } = settings;
  if (enabled === false || effort === 'none') return;
  if ((enabled ?? effort ?? budgetTokens) === undefined) {
    members.thinking = { type: 'disabled' };
    changed('tool_choice', FORCED_TOOLS.choice, warn);
  } else {
    members.tool_choice = 'auto';
    changed('tool_choice', FORCED_TOOLS.reasoning, warn);
  }
}

/** Removes parameters that the model rejects. */
function omitRefused(
  members: JsonObject,
  { reasoning: settings }: ChatRequest,
  family: ModelFamily,
  warn: Warn,
): void {
  const reasons = settings?.enabled === true || settings?.budgetTokens !== undefined;
  for (const name of refusedParameters(family, settings?.effort ?? (reasons ? 'any' : undefined))) {
    const value = members[name];
    if (value === undefined) continue;
    delete members[name];
    if (isRefusedDefault(name, value)) continue;
    const message = `Models of the family ${family.name} do not take "${name}".`;
    warn({ kind: 'unsupported', param: name, message });
  }
}

function serviceTier(
  { serviceTier: given }: ChatRequest,
  { limits }: VendorProfile,
  warn: Warn,
): string | undefined {
  // Anthropic's name of the tier without priority.
  const tier = given === 'standard_only' ? 'default' : given;
  const known = limits?.serviceTiers;
  if (tier === undefined || known === undefined || known.includes(tier)) return tier;
  warn({
    kind: 'unsupported',
    param: 'service_tier',
    message: `The target does not support the service tier "${tier}".`,
  });
  return undefined;
}

/** Why metadata is left out. */
export const METADATA_NEEDS_STORE = 'The target takes "metadata" only together with "store": true.';

function toVendorParameters(
  members: JsonObject,
  { renames = {}, unsupported = [], metadataNeedsStore }: VendorProfile,
  warn: Warn,
): JsonObject {
  const out: JsonObject = {};
  if (metadataNeedsStore && members.metadata !== undefined && members.store !== true) {
    delete members.metadata;
    warn({ kind: 'unsupported', param: 'metadata', message: METADATA_NEEDS_STORE });
  }
  for (const [name, value] of Object.entries(members)) {
    if (value === undefined) continue;
    if (unsupported.includes(name)) {
      warn({ kind: 'unsupported', param: name, message: `The target does not support "${name}".` });
    } else out[ownValue(renames, name) ?? name] = value;
  }
  return out;
}

/** Converts metadata values to text, the only type that the format accepts. */
function stringValues(metadata: ChatRequest['metadata']): JsonObject | undefined {
  if (!metadata) return undefined;
  const entries = Object.entries(metadata).filter(([, value]) => value !== null && value !== undefined);
  if (entries.length === 0) return undefined;
  return Object.fromEntries(
    entries.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}

function sampling(request: ChatRequest, profile: VendorProfile, warn: Warn): JsonObject {
  const { temperature, topP, topK, frequencyPenalty, presencePenalty } = request;
  const out: JsonObject = {
    temperature,
    top_p: topP,
    frequency_penalty: frequencyPenalty,
    presence_penalty: presencePenalty,
  };
  if (topK === undefined) return out;
  if (profile.topK) return { ...out, top_k: topK };
  warn({ kind: 'unsupported', param: 'top_k', message: 'The target does not support "top_k".' });
  return out;
}

function reasoning(
  settings: ReasoningSettings,
  { family, model }: { readonly family: ModelFamily; readonly model: string },
  profile: VendorProfile,
  warn: Warn,
): JsonObject {
  const { effort: requested, budgetTokens, enabled } = settings;
  const off = enabled === false || requested === 'none';
  if (profile.reasoningStyle === 'object') {
    const wanted = {
      ...(requested === undefined ? {} : { effort: requested }),
      ...(budgetTokens === undefined ? {} : { max_tokens: budgetTokens }),
      ...(enabled === undefined ? {} : { enabled }),
      ...(settings.summary === 'none' ? { exclude: true } : {}),
    };
    return { reasoning: wanted };
  }
  warnOfShownReasoning({ reasoning: settings }, warn);
  if (profile.reasoningStyle === 'switch') return { thinking: { type: off ? 'disabled' : 'enabled' } };
  const effort =
    requested ?? (off ? 'none' : budgetTokens === undefined ? undefined : budgetToEffort(budgetTokens));
  // Models without the switch reason by default.
  if (effort === undefined) return {};
  const known = family.efforts;
  if (!known) {
    if (off) {
      if (!NEVER_REASONS.test(model)) {
        const message = 'The target has no known switch for reasoning; its default applies.';
        warn({ kind: 'unsupported', param: 'reasoning', message });
      }
      return {};
    }
    // For an unknown server, OpenAI's value is the best guess.
    if (requested !== undefined) return { reasoning_effort: requested };
    warn({
      kind: 'unsupported',
      param: 'reasoning',
      message: 'The target does not support a token budget for reasoning.',
    });
    return {};
  }
  const nearest = nearestEffort(effort, known);
  if (nearest !== requested) {
    const wish =
      requested === undefined ? (budgetTokens === undefined ? 'none' : `${budgetTokens} tokens`) : requested;
    warn({
      kind: 'changed',
      param: 'reasoning_effort',
      message: `The reasoning setting "${wish}" was changed to "${nearest}" for this model.`,
    });
  }
  return { reasoning_effort: nearest };
}

/** Models of the default family that are known not to reason: to turn reasoning off changes nothing. */
const NEVER_REASONS = /(?:^|\/)(?:gpt-[34]|chatgpt-4)/;

function responseFormat(format: ResponseFormat): JsonObject {
  if (format.type === 'text') return { type: 'text' };
  if (format.type === 'json') return { type: 'json_object' };
  const { name = 'response', description, schema, strict } = format;
  return {
    type: 'json_schema',
    json_schema: {
      name,
      ...(description === undefined ? {} : { description }),
      schema,
      ...(strict === undefined ? {} : { strict }),
    },
  };
}

function tools(request: ChatRequest, profile: VendorProfile, warn: Warn): JsonObject {
  const { tools: given = [], toolChoice: choice } = request;
  // Only OpenAI knows a choice among several tools; the others are offered those only.
  const allowed = choice?.type === 'allowed' && !profile.allowedTools ? new Set(choice.names) : undefined;
  const offered = given
    .filter((tool) => !allowed || tool.type !== 'function' || allowed.has(tool.name))
    .flatMap((tool) => wireTool(tool, profile, warn));
  // Vendors reject both parameters in requests without tools.
  if (offered.length === 0) return {};
  return {
    tools: offered,
    tool_choice:
      choice?.type === 'allowed' && allowed
        ? choice.mode
        : choice === undefined
          ? undefined
          : toolChoice(choice),
    parallel_tool_calls: request.parallelToolCalls,
  };
}

function wireTool(tool: Tool, profile: VendorProfile, warn: Warn): JsonObject[] {
  if (tool.type === 'unknown') {
    if (tool.dialect === 'openai-chat') return [{ ...tool.value }];
    const name = tool.name ?? 'a tool of another API';
    warn({ kind: 'unsupported', param: 'tools', message: `The target does not support the tool "${name}".` });
    return [];
  }
  const { name, description, parameters, strict, cacheControl } = tool;
  const definition = {
    name,
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(strict === undefined ? {} : { strict }),
  };
  const cached = cacheControl === undefined || !profile.cacheControl ? {} : { cache_control: cacheControl };
  return [withToolMembers({ type: 'function', function: definition, ...cached }, tool)];
}

/** Adds the members of a tool that only this format has, to the tool or to its function. */
function withToolMembers(
  wire: { function: JsonObject } & JsonObject,
  { extensions }: FunctionTool,
): JsonObject {
  if (extensions?.dialect !== 'openai-chat') return wire;
  const { function: definition, ...tool } = wire;
  for (const [path, value] of Object.entries(extensions.members)) {
    if (path.startsWith(FUNCTION)) definition[path.slice(FUNCTION.length)] = value;
    else tool[path] = value;
  }
  return { ...tool, function: definition };
}

/** Begins the paths of members within a tool's function. */
const FUNCTION = 'function.';

function toolChoice(choice: ToolChoice): unknown {
  if (choice.type === 'tool') return { type: 'function', function: { name: choice.name } };
  if (choice.type !== 'allowed') return choice.type;
  const tools = choice.names.map((name) => ({ type: 'function', function: { name } }));
  return { type: 'allowed_tools', allowed_tools: { mode: choice.mode, tools } };
}
