import { qualifiedName } from '../../../core/chat/qualified-name.ts';
import type {
  ChatRequest,
  ReasoningEffort,
  ReasoningSettings,
  ResponseFormat,
  Tool,
  ToolChoice,
} from '../../../core/chat/request.ts';
import { GatewayError } from '../../../core/errors.ts';
import { asString, isRecord, type JsonObject } from '../../../core/json.ts';
import { toolExtensions } from '../../tool-extensions.ts';
import { invalid, requiredObject, requiredText } from '../chat/parts.ts';
import { addedTools, type ClientTool, clientTools } from './client-tools.ts';

type Parameters = Omit<ChatRequest, 'messages'>;

/** Members that are read here, or that the gateway itself sees to. */
const KNOWN: ReadonlySet<string> = new Set([
  'model',
  'input',
  'instructions',
  'stream',
  'stream_options',
  'store',
  'previous_response_id',
  'background',
  'include',
  'truncation',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'max_output_tokens',
  'temperature',
  'top_p',
  'top_logprobs',
  'text',
  'reasoning',
  'user',
  'safety_identifier',
  'metadata',
  'service_tier',
  'prompt_cache_key',
]);
const KNOWN_IN_TOOLS: ReadonlySet<string> = new Set(['type', 'name', 'description', 'parameters', 'strict']);
const EFFORTS: ReadonlySet<string> = new Set(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']);

function isEffort(value: string): value is ReasoningEffort {
  return EFFORTS.has(value);
}

function numberAt(body: JsonObject, name: string): number | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number') return value;
  throw invalid(name, 'a number is expected');
}

export function readParameters(body: JsonObject): Parameters {
  if (body.background === true) {
    throw new GatewayError(
      'invalid_request',
      '"background" responses need a target with the Responses API of its own; this one has none.',
      { param: 'background' },
    );
  }
  const text = isRecord(body.text) ? body.text : {};
  const maxOutputTokens = numberAt(body, 'max_output_tokens');
  const temperature = numberAt(body, 'temperature');
  const topP = numberAt(body, 'top_p');
  const top = numberAt(body, 'top_logprobs');
  const wantsLogprobs = Array.isArray(body.include) && body.include.includes('message.output_text.logprobs');
  const tools = readTools(body);
  const toolChoice = readToolChoice(body.tool_choice);
  const responseFormat = readFormat(text.format);
  const reasoning = readReasoning(body.reasoning);
  const verbosity = asString(text.verbosity);
  const user = asString(body.safety_identifier) ?? asString(body.user);
  const serviceTier = asString(body.service_tier);
  const promptCacheKey = asString(body.prompt_cache_key);
  const extensions = Object.fromEntries(
    Object.entries(body).filter(([name, value]) => !KNOWN.has(name) && value !== null && value !== undefined),
  );
  return {
    ...(tools === undefined ? {} : { tools }),
    ...(toolChoice === undefined ? {} : { toolChoice }),
    ...(typeof body.parallel_tool_calls === 'boolean' ? { parallelToolCalls: body.parallel_tool_calls } : {}),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(top === undefined && !wantsLogprobs ? {} : { logprobs: top === undefined ? {} : { top } }),
    ...(responseFormat === undefined ? {} : { responseFormat }),
    ...(reasoning === undefined ? {} : { reasoning }),
    ...(verbosity === undefined ? {} : { verbosity }),
    ...(user === undefined ? {} : { user }),
    ...(isRecord(body.metadata) && Object.keys(body.metadata).length > 0 ? { metadata: body.metadata } : {}),
    ...(serviceTier === undefined ? {} : { serviceTier }),
    ...(promptCacheKey === undefined ? {} : { promptCacheKey }),
    ...(Object.keys(extensions).length === 0
      ? {}
      : { extensions: { dialect: 'openai-responses' as const, members: extensions } }),
  };
}

function readTools(body: JsonObject): Tool[] | undefined {
  const added = addedTools(body.input);
  if (!Array.isArray(body.tools) && added.length === 0) return undefined;
  const given = Array.isArray(body.tools) ? body.tools : [];
  const known = clientTools(body);
  return [...given, ...added].map((tool, index) => readTool(tool, index, known));
}

function readTool(value: unknown, index: number, known: ReadonlyMap<string, ClientTool>): Tool {
  const param = `tools[${index}]`;
  const tool = requiredObject(value, param);
  const own = known.get(String(tool.type));
  if (own) return own.definition;
  if (tool.type !== 'function') {
    return {
      type: 'unknown',
      dialect: 'openai-responses',
      name: asString(tool.name) ?? asString(tool.type),
      value: tool,
    };
  }
  const description = asString(tool.description);
  return {
    type: 'function',
    name: requiredText(tool.name, `${param}.name`),
    ...(description === undefined ? {} : { description }),
    ...(isRecord(tool.parameters) ? { parameters: tool.parameters } : {}),
    ...(typeof tool.strict === 'boolean' ? { strict: tool.strict } : {}),
    ...toolExtensions('openai-responses', tool, KNOWN_IN_TOOLS),
  };
}

function readToolChoice(value: unknown): ToolChoice | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === 'auto' || value === 'none' || value === 'required') return { type: value };
  const choice = requiredObject(value, 'tool_choice');
  if (choice.type === 'allowed_tools') {
    const tools: unknown[] = Array.isArray(choice.tools) ? choice.tools : [];
    const names = tools.flatMap((tool) => (isRecord(tool) ? (chosenName(tool) ?? []) : []));
    return { type: 'allowed', mode: choice.mode === 'required' ? 'required' : 'auto', names };
  }
  if (choice.type === 'function' || choice.type === 'custom' || choice.type === 'namespace') {
    requiredText(choice.name, 'tool_choice.name');
  }
  const name = chosenName(choice);
  if (name !== undefined) return { type: 'tool', name };
  throw invalid('tool_choice', 'auto, none, required, allowed_tools or a named tool is expected');
}

/** Tools that run at a vendor are chosen by their type. */
function chosenName({ type, name, namespace }: JsonObject): string | undefined {
  const own = asString(name);
  if (own === undefined || type === 'mcp') return asString(type);
  return qualifiedName(asString(namespace), own);
}

function readFormat(value: unknown): ResponseFormat | undefined {
  if (value === undefined || value === null) return undefined;
  const format = requiredObject(value, 'text.format');
  if (format.type === 'text') return { type: 'text' };
  if (format.type === 'json_object') return { type: 'json' };
  if (format.type !== 'json_schema')
    throw invalid('text.format.type', 'text, json_object or json_schema is expected');
  const name = asString(format.name);
  const description = asString(format.description);
  return {
    type: 'json-schema',
    schema: requiredObject(format.schema, 'text.format.schema'),
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(typeof format.strict === 'boolean' ? { strict: format.strict } : {}),
  };
}

function readReasoning(value: unknown): ReasoningSettings | undefined {
  if (!isRecord(value)) return undefined;
  const effort = asString(value.effort);
  if (effort !== undefined && !isEffort(effort)) {
    throw invalid('reasoning.effort', `one of ${[...EFFORTS].join(', ')} is expected`);
  }
  const summary = asString(value.summary) ?? asString(value.generate_summary);
  if (effort === undefined && summary === undefined) return undefined;
  return { ...(effort === undefined ? {} : { effort }), ...(summary === undefined ? {} : { summary }) };
}
