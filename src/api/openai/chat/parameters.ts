import type {
  ChatRequest,
  FunctionTool,
  ReasoningEffort,
  ReasoningSettings,
  ResponseFormat,
  Tool,
  ToolChoice,
} from '../../../core/chat/request.ts';
import { asString, isRecord, type JsonObject } from '../../../core/json.ts';
import { toolExtensions } from '../../tool-extensions.ts';
import { cacheControlOf, invalid, requiredObject, requiredText } from './parts.ts';

type Parameters = Omit<ChatRequest, 'messages'>;

/** Members that are read here or elsewhere; all others are extensions. */
const KNOWN: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'tools',
  'functions',
  'tool_choice',
  'function_call',
  'parallel_tool_calls',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'top_k',
  'frequency_penalty',
  'presence_penalty',
  'seed',
  'stop',
  'n',
  'logprobs',
  'top_logprobs',
  'logit_bias',
  'response_format',
  'reasoning_effort',
  'reasoning',
  'thinking',
  'verbosity',
  'user',
  'safety_identifier',
  'metadata',
  'service_tier',
  'prompt_cache_key',
  'modalities',
  'cache_control',
]);

const KNOWN_IN_TOOLS: ReadonlySet<string> = new Set(['type', 'function', 'cache_control']);
const KNOWN_IN_FUNCTIONS: ReadonlySet<string> = new Set(['name', 'description', 'parameters', 'strict']);

const EFFORTS: ReadonlySet<string> = new Set([
  'none',
  'minimal',
  'low',
  'medium',
  'high',
  'xhigh',
  'max',
] satisfies ReasoningEffort[]);

function isEffort(value: string): value is ReasoningEffort {
  return EFFORTS.has(value);
}

function numberAt(body: JsonObject, name: string): number | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number') return value;
  throw invalid(name, 'a number is expected');
}

/** Only what is there, so that absent stays "not said". */
function said<T extends object>(members: { readonly [Name in keyof T]: T[Name] | undefined }): Partial<T> {
  const found: Partial<T> = {};
  for (const name in members) {
    const value = members[name];
    if (value !== undefined) found[name] = value;
  }
  return found;
}

/** Everything of the request but its messages. */
export function readParameters(body: JsonObject): Parameters {
  const { stop, metadata, modalities } = body;
  const extensions = Object.fromEntries(
    Object.entries(body).filter(([name, value]) => !KNOWN.has(name) && value !== null && value !== undefined),
  );
  return {
    ...said<Parameters>({
      tools: readTools(body),
      toolChoice: readToolChoice(body.tool_choice ?? body.function_call),
      parallelToolCalls: typeof body.parallel_tool_calls === 'boolean' ? body.parallel_tool_calls : undefined,
      maxOutputTokens: numberAt(body, 'max_completion_tokens') ?? numberAt(body, 'max_tokens'),
      temperature: numberAt(body, 'temperature'),
      topP: numberAt(body, 'top_p'),
      topK: numberAt(body, 'top_k'),
      frequencyPenalty: numberAt(body, 'frequency_penalty'),
      presencePenalty: numberAt(body, 'presence_penalty'),
      seed: numberAt(body, 'seed'),
      stopSequences: typeof stop === 'string' ? [stop] : texts(stop),
      choices: numberAt(body, 'n'),
      logprobs: readLogprobs(body),
      logitBias: readLogitBias(body.logit_bias),
      responseFormat: readResponseFormat(body.response_format),
      reasoning: readReasoning(body),
      verbosity: asString(body.verbosity),
      user: asString(body.safety_identifier) ?? asString(body.user),
      metadata: isRecord(metadata) ? metadata : undefined,
      serviceTier: asString(body.service_tier),
      promptCacheKey: asString(body.prompt_cache_key),
      modalities: texts(modalities),
    }),
    ...cacheControlOf(body.cache_control, 'cache_control'),
    ...(Object.keys(extensions).length === 0
      ? {}
      : { extensions: { dialect: 'openai-chat', members: extensions } }),
  };
}

function texts(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : undefined;
}

function readTools({ tools, functions }: JsonObject): readonly Tool[] | undefined {
  if (Array.isArray(tools)) return tools.map((tool, index) => readTool(tool, `tools[${index}]`));
  if (!Array.isArray(functions)) return undefined;
  return functions.map((definition, index) => functionTool(definition, `functions[${index}]`));
}

function readTool(value: unknown, param: string): Tool {
  const tool = requiredObject(value, param);
  if (tool.type === 'function' || (tool.type == null && isRecord(tool.function))) {
    return {
      ...functionTool(tool.function, `${param}.function`),
      ...toolExtensions('openai-chat', tool, KNOWN_IN_TOOLS, {
        of: requiredObject(tool.function, `${param}.function`),
        known: KNOWN_IN_FUNCTIONS,
        path: 'function.',
      }),
      ...cacheControlOf(tool.cache_control, `${param}.cache_control`),
    };
  }
  const custom = isRecord(tool.custom) ? tool.custom : tool;
  return { type: 'unknown', dialect: 'openai-chat', name: asString(custom.name), value: tool };
}

function functionTool(value: unknown, param: string): FunctionTool {
  const definition = requiredObject(value, param);
  const { parameters, strict } = definition;
  const description = asString(definition.description);
  if (parameters !== undefined && parameters !== null && !isRecord(parameters)) {
    throw invalid(`${param}.parameters`, 'a JSON schema is expected');
  }
  return {
    type: 'function',
    name: requiredText(definition.name, `${param}.name`),
    ...(description === undefined ? {} : { description }),
    ...(isRecord(parameters) ? { parameters } : {}),
    ...(typeof strict === 'boolean' ? { strict } : {}),
  };
}

function readToolChoice(value: unknown): ToolChoice | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === 'auto' || value === 'none' || value === 'required') return { type: value };
  if (value === 'any') return { type: 'required' };
  const choice = requiredObject(value, 'tool_choice');
  if (choice.type === 'allowed_tools') {
    const allowed = isRecord(choice.allowed_tools) ? choice.allowed_tools : choice;
    const tools: unknown[] = Array.isArray(allowed.tools) ? allowed.tools : [];
    const names = tools.flatMap((tool) => nameOf(tool) ?? []);
    return { type: 'allowed', mode: allowed.mode === 'required' ? 'required' : 'auto', names };
  }
  const name = nameOf(choice);
  if (name === undefined) throw invalid('tool_choice', 'auto, none, required or a named tool is expected');
  return { type: 'tool', name };
}

function nameOf(value: unknown): string | undefined {
  if (!isRecord(value)) return undefined;
  for (const inner of [value.function, value.custom]) {
    if (isRecord(inner) && typeof inner.name === 'string') return inner.name;
  }
  return asString(value.name);
}

function readLogprobs(body: JsonObject): { readonly top?: number } | undefined {
  if (body.logprobs !== true) return undefined;
  const top = numberAt(body, 'top_logprobs');
  return top === undefined ? {} : { top };
}

function readLogitBias(value: unknown): Readonly<Record<string, number>> | undefined {
  if (!isRecord(value)) return undefined;
  const bias: Record<string, number> = {};
  for (const [token, weight] of Object.entries(value)) {
    if (typeof weight !== 'number') throw invalid(`logit_bias.${token}`, 'a number is expected');
    bias[token] = weight;
  }
  return Object.keys(bias).length === 0 ? undefined : bias;
}

function readResponseFormat(value: unknown): ResponseFormat | undefined {
  if (value === undefined || value === null) return undefined;
  const format = requiredObject(value, 'response_format');
  if (format.type === 'text') return { type: 'text' };
  const given = isRecord(format.json_schema) ? format.json_schema : undefined;
  // Some servers take the schema next to `json_object`, under one of two names.
  const bare = isRecord(format.schema) ? format.schema : undefined;
  if (format.type === 'json_object') {
    const schema = bare ?? (isRecord(given?.schema) ? given.schema : given);
    return schema ? { type: 'json-schema', schema } : { type: 'json' };
  }
  if (format.type !== 'json_schema') {
    throw invalid('response_format.type', 'text, json_object or json_schema is expected');
  }
  const schema = given?.schema ?? bare;
  if (!isRecord(schema)) throw invalid('response_format.json_schema.schema', 'a JSON schema is expected');
  const name = asString(given?.name);
  const description = asString(given?.description);
  return {
    type: 'json-schema',
    schema,
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(typeof given?.strict === 'boolean' ? { strict: given.strict } : {}),
  };
}

/** OpenAI's effort, and the parameters of other vendors for the same setting. */
function readReasoning(body: JsonObject): ReasoningSettings | undefined {
  const reasoning = isRecord(body.reasoning) ? body.reasoning : {};
  const thinking = isRecord(body.thinking) ? body.thinking : {};
  const effort = asString(body.reasoning_effort) ?? asString(reasoning.effort);
  if (effort !== undefined && !isEffort(effort)) {
    throw invalid('reasoning_effort', `one of ${[...EFFORTS].join(', ')} is expected`);
  }
  const budget = [reasoning.max_tokens, thinking.budget_tokens, thinking.token_budget].find(
    (value) => typeof value === 'number',
  );
  const enabled =
    typeof reasoning.enabled === 'boolean'
      ? reasoning.enabled
      : thinking.type === 'disabled'
        ? false
        : thinking.type === undefined
          ? undefined
          : true;
  const summary = reasoning.exclude === true ? 'none' : asString(reasoning.summary);
  const found = said<ReasoningSettings>({
    effort,
    budgetTokens: typeof budget === 'number' ? budget : undefined,
    enabled,
    summary,
  });
  return Object.keys(found).length === 0 ? undefined : found;
}
