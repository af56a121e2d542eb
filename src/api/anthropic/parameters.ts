import type {
  ChatRequest,
  ReasoningEffort,
  ReasoningSettings,
  ResponseFormat,
  Tool,
  ToolChoice,
} from '../../core/chat/request.ts';
import { asString, isRecord, type JsonObject } from '../../core/json.ts';
import { toolExtensions } from '../tool-extensions.ts';
import { cacheControl, invalid, requiredObject, requiredText } from './fields.ts';

type Parameters = Omit<ChatRequest, 'messages'>;

const KNOWN: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'system',
  'stream',
  'max_tokens',
  'temperature',
  'top_p',
  'top_k',
  'stop_sequences',
  'tools',
  'tool_choice',
  'thinking',
  'output_config',
  'output_format',
  'metadata',
  'service_tier',
  'cache_control',
]);
const KNOWN_IN_TOOLS: ReadonlySet<string> = new Set([
  'type',
  'name',
  'description',
  'input_schema',
  'strict',
  'cache_control',
]);
const EFFORTS: ReadonlySet<string> = new Set(['low', 'medium', 'high', 'xhigh', 'max']);

function isEffort(value: string): value is ReasoningEffort {
  return EFFORTS.has(value);
}

function numberAt(body: JsonObject, name: string): number | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number') return value;
  throw invalid(name, 'a number is expected');
}

/** Everything of the request but its messages. */
export function readParameters(body: JsonObject): Parameters {
  const temperature = numberAt(body, 'temperature');
  const topP = numberAt(body, 'top_p');
  const topK = numberAt(body, 'top_k');
  const maxOutputTokens = numberAt(body, 'max_tokens');
  const tools = Array.isArray(body.tools) ? body.tools.map(readTool) : undefined;
  const choice = isRecord(body.tool_choice) ? body.tool_choice : undefined;
  const stops: unknown = body.stop_sequences;
  const stopSequences = Array.isArray(stops) ? stops.filter((stop) => typeof stop === 'string') : undefined;
  const reasoning = readReasoning(body);
  const responseFormat = readFormat(body);
  const { user_id: userId, ...metadata } = isRecord(body.metadata) ? body.metadata : {};
  const user = asString(userId);
  const serviceTier = asString(body.service_tier);
  const extensions = Object.fromEntries(
    Object.entries(body).filter(([name, value]) => !KNOWN.has(name) && value !== null && value !== undefined),
  );
  return {
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(topK === undefined ? {} : { topK }),
    ...(stopSequences === undefined ? {} : { stopSequences }),
    ...(tools === undefined ? {} : { tools }),
    ...(choice === undefined ? {} : { toolChoice: readToolChoice(choice) }),
    ...(choice?.disable_parallel_tool_use === true ? { parallelToolCalls: false } : {}),
    ...(reasoning === undefined ? {} : { reasoning }),
    ...(responseFormat === undefined ? {} : { responseFormat }),
    ...(user === undefined ? {} : { user }),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
    ...(serviceTier === undefined ? {} : { serviceTier }),
    ...cacheControl(body.cache_control, 'cache_control'),
    ...(Object.keys(extensions).length === 0
      ? {}
      : { extensions: { dialect: 'anthropic-messages' as const, members: extensions } }),
  };
}

function readTool(value: unknown, index: number): Tool {
  const param = `tools.${index}`;
  const tool = requiredObject(value, param);
  const { type, input_schema: schema } = tool;
  if (type !== undefined && type !== null && type !== 'custom') {
    return { type: 'unknown', dialect: 'anthropic-messages', name: asString(tool.name), value: tool };
  }
  const description = asString(tool.description);
  return {
    type: 'function',
    name: requiredText(tool.name, `${param}.name`),
    ...(description === undefined ? {} : { description }),
    parameters: requiredObject(schema, `${param}.input_schema`),
    ...(typeof tool.strict === 'boolean' ? { strict: tool.strict } : {}),
    ...toolExtensions('anthropic-messages', tool, KNOWN_IN_TOOLS),
    ...cacheControl(tool.cache_control, `${param}.cache_control`),
  };
}

function readToolChoice(choice: JsonObject): ToolChoice {
  switch (choice.type) {
    case 'auto':
    case 'none':
      return { type: choice.type };
    case 'any':
      return { type: 'required' };
    case 'tool':
      return { type: 'tool', name: requiredText(choice.name, 'tool_choice.name') };
    default:
      throw invalid('tool_choice.type', 'auto, any, tool or none is expected');
  }
}

function readReasoning(body: JsonObject): ReasoningSettings | undefined {
  const thinking = isRecord(body.thinking) ? body.thinking : undefined;
  const config = isRecord(body.output_config) ? body.output_config : {};
  const effort = asString(config.effort);
  if (effort !== undefined && !isEffort(effort)) {
    throw invalid('output_config.effort', `one of ${[...EFFORTS].join(', ')} is expected`);
  }
  if (thinking === undefined && effort === undefined) return undefined;
  const budget = thinking?.budget_tokens;
  if (thinking?.type === 'enabled' && typeof budget !== 'number') {
    throw invalid('thinking.budget_tokens', 'a number is expected');
  }
  const display = asString(thinking?.display);
  return {
    ...(effort === undefined ? {} : { effort }),
    ...(typeof budget === 'number' ? { budgetTokens: budget } : {}),
    ...(thinking === undefined ? {} : { enabled: thinking.type !== 'disabled' }),
    ...(display === undefined ? {} : { summary: display === 'omitted' ? 'none' : 'auto' }),
  };
}

function readFormat(body: JsonObject): ResponseFormat | undefined {
  const config = isRecord(body.output_config) ? body.output_config : {};
  const format = isRecord(config.format)
    ? config.format
    : isRecord(body.output_format)
      ? body.output_format
      : undefined;
  if (format === undefined) return undefined;
  if (format.type !== 'json_schema') throw invalid('output_config.format.type', '"json_schema" is expected');
  return {
    type: 'json-schema',
    schema: requiredObject(format.schema, 'output_config.format.schema'),
    strict: true,
  };
}
